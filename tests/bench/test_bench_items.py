"""Finding triplets and clips, and the intervals that they give."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.bench.items import Triplet, find_items
from imf_plugin.errors import UnreadableMedia

type Picture = NDArray[np.uint8]
type WriteClip = Callable[[Path, list[Picture]], Path]
type WriteTriplet = Callable[[Path, Picture, Picture, Picture], Path]


def _numbered(count: int) -> list[Picture]:
    """Frames that tell their number by their grey."""
    return [np.full((16, 24, 3), 10 * number, np.uint8) for number in range(count)]


def test_triplets_and_clips_are_found_at_any_depth_in_order(
    tmp_path: Path, write_clip: WriteClip, write_triplet: WriteTriplet
) -> None:
    before, truth, after = _numbered(3)
    write_triplet(tmp_path / "sets" / "deep" / "Zoo", before, truth, after)
    write_triplet(tmp_path / "sets" / "deep" / "Ant", before, truth, after)
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "walk.mkv", _numbered(5))
    (tmp_path / "clips" / "notes.txt").write_text("no video")
    found = find_items(tmp_path)
    assert [(item.name, item.group) for item in found.items] == [
        ("clips/walk.mkv", "clips"),
        ("sets/deep/Ant", "sets/deep"),
        ("sets/deep/Zoo", "sets/deep"),
    ]
    assert [isinstance(item, Triplet) for item in found.items] == [False, True, True]
    assert found.notes == ()


def test_a_triplet_folder_and_a_single_video_are_data_too(
    tmp_path: Path, write_clip: WriteClip, write_triplet: WriteTriplet
) -> None:
    folder = write_triplet(tmp_path / "Ant", *_numbered(3))
    clip = write_clip(tmp_path / "walk.mkv", _numbered(3))
    assert [item.name for item in find_items(folder).items] == ["Ant"]
    assert [item.name for item in find_items(clip).items] == ["walk.mkv"]


def test_a_triplet_gives_its_pictures_in_rgb(tmp_path: Path, write_triplet: WriteTriplet) -> None:
    before, truth, after = _numbered(3)
    truth[..., 0] = 200
    write_triplet(tmp_path / "Ant", before, truth, after)
    (interval,) = find_items(tmp_path).items[0].intervals()
    np.testing.assert_array_equal(interval.before, before)
    np.testing.assert_array_equal(interval.truths[0], truth)
    np.testing.assert_array_equal(interval.after, after)
    assert interval.timesteps == (Fraction(1, 2),)


@pytest.mark.parametrize(
    ("stride", "count", "frames", "expected"),
    [
        (2, 7, None, [(0, [1], 2), (2, [3], 4), (4, [5], 6)]),
        (2, 8, None, [(0, [1], 2), (2, [3], 4), (4, [5], 6)]),
        (2, 7, 2, [(0, [1], 2), (2, [3], 4)]),
        (3, 7, None, [(0, [1, 2], 3), (3, [4, 5], 6)]),
        (3, 7, 3, [(0, [1, 2], 3)]),
        (6, 7, 1, [(0, [1, 2, 3, 4, 5], 6)]),
    ],
)
def test_a_clip_keeps_every_nth_frame_and_asks_for_those_between(
    tmp_path: Path,
    write_clip: WriteClip,
    stride: int,
    count: int,
    frames: int | None,
    expected: list[tuple[int, list[int], int]],
) -> None:
    write_clip(tmp_path / "walk.mkv", _numbered(count))
    (item,) = find_items(tmp_path, frames=frames, stride=stride).items
    intervals = list(item.intervals())
    got = [
        (
            int(interval.before[0, 0, 0]) // 10,
            [int(truth[0, 0, 0]) // 10 for truth in interval.truths],
            int(interval.after[0, 0, 0]) // 10,
        )
        for interval in intervals
    ]
    assert got == expected
    assert item.interval_count == len(expected)
    assert [interval.index for interval in intervals] == list(range(len(expected)))
    assert intervals[0].timesteps == tuple(Fraction(i, stride) for i in range(1, stride))
    # Methods that encode each keyframe once recognise it by identity.
    assert all(a.after is b.before for a, b in pairwise(intervals))


def test_an_incomplete_triplet_is_left_out_with_a_note(
    tmp_path: Path, write_triplet: WriteTriplet
) -> None:
    write_triplet(tmp_path / "Ant", *_numbered(3))
    folder = write_triplet(tmp_path / "Bee", *_numbered(3))
    (folder / "frame10i11.png").unlink()
    found = find_items(tmp_path)
    assert [item.name for item in found.items] == ["Ant"]
    assert len(found.notes) == 1
    assert "Bee" in found.notes[0]
    assert "frame10i11.png" in found.notes[0]


def test_bad_data_is_refused_in_one_sentence(tmp_path: Path, write_clip: WriteClip) -> None:
    with pytest.raises(UnreadableMedia, match="does not exist"):
        find_items(tmp_path / "nowhere")
    with pytest.raises(UnreadableMedia, match="nothing to measure on"):
        find_items(tmp_path)
    write_clip(tmp_path / "short.mkv", _numbered(2))
    with pytest.raises(UnreadableMedia, match=r"short\.mkv has 2 frames.* at least 3"):
        find_items(tmp_path)
    (tmp_path / "short.mkv").write_text("this is text")
    with pytest.raises(UnreadableMedia, match=r"short\.mkv"):
        find_items(tmp_path)


def test_triplets_that_do_not_fit_or_cannot_be_read_are_refused(
    tmp_path: Path, write_triplet: WriteTriplet
) -> None:
    before, truth, after = _numbered(3)
    write_triplet(tmp_path / "Ant", before, truth, after[:, :20])
    with pytest.raises(UnreadableMedia, match=r"frame11\.png is 20x16 .* 24x16"):
        list(find_items(tmp_path).items[0].intervals())
    (tmp_path / "Ant" / "frame11.png").write_text("no picture")
    with pytest.raises(UnreadableMedia, match=r"frame11\.png"):
        list(find_items(tmp_path).items[0].intervals())
    for name in ("frame10.png", "frame10i11.png", "frame11.png"):
        assert cv2.imwrite(str(tmp_path / "Ant" / name), before[:8])
    with pytest.raises(UnreadableMedia, match="at least 11x11"):
        list(find_items(tmp_path).items[0].intervals())


def test_a_stride_or_limit_without_sense_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stride"):
        find_items(tmp_path, stride=1)
    with pytest.raises(ValueError, match="frames"):
        find_items(tmp_path, frames=0)


def test_a_clip_with_damaged_frames_is_refused(tmp_path: Path, write_clip: WriteClip) -> None:
    generator = np.random.default_rng(0)
    frames = list(generator.integers(0, 256, (7, 64, 64, 3)).astype(np.uint8))
    clip = write_clip(tmp_path / "walk.mov", frames)
    (item,) = find_items(clip).items
    assert len(list(item.intervals())) == 3
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle - 6000 : middle + 6000] = bytes(12000)
    clip.write_bytes(content)
    with pytest.raises(UnreadableMedia, match=r"walk\.mov.* damaged"):
        list(item.intervals())
