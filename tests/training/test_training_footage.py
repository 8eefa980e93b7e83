import json
import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imf_plugin.errors import MediaError
from imf_plugin.training import footage
from imf_plugin.training.cache import CachedClip, pictures_of, read_cache
from imf_plugin.training.footage import Piece, find_videos, pieces_of, read_piece
from imf_plugin.training.prepare import PrepareOptions, prepare

type ClipMaker = Callable[..., Path]

FILMS_ONLY = PrepareOptions(scenes=0, moved=0, opinions=False, pairs_per_clip=6)


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[], list[CachedClip]]:
    def run() -> list[CachedClip]:
        prepare(tmp_path, tmp_path / "cache", FILMS_ONLY)
        return read_cache(tmp_path / "cache")

    return run


def whole(path: Path, count: int) -> Piece:
    return Piece(name="piece", path=path, start=0, stop=count)


def test_a_long_video_gives_several_short_pieces(
    make_clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage, "PIECE_FRAMES", 8)
    clip = make_clip(count=43)
    pieces = pieces_of("clip", clip, most=3)
    assert [piece.name for piece in pieces] == ["clip_part0", "clip_part1", "clip_part2"]
    assert all(piece.stop - piece.start == 8 for piece in pieces)
    assert all(piece.start >= 0 and piece.stop <= 43 for piece in pieces)
    assert all(one.stop <= two.start for one, two in pairwise(pieces))
    assert [piece.name for piece in pieces_of("clip", clip, most=99)] == [
        f"clip_part{part}" for part in range(5)
    ]
    assert pieces_of("clip", clip, most=0) == []
    frames, _ = read_piece(pieces[1])
    expected, _ = read_piece(whole(clip, 43))
    np.testing.assert_array_equal(frames, expected[pieces[1].start : pieces[1].stop])


def test_large_pictures_are_shrunk_to_an_even_size(
    make_clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage, "LARGEST_SIDE_PX", 91)
    frames, _ = read_piece(whole(make_clip(count=3, width=128, height=96), 3))
    assert frames.shape == (3, 68, 90, 3)


def test_deep_video_keeps_its_brightness(make_clip: ClipMaker) -> None:
    deep = make_clip("deep.mkv", codec="ffv1", pixel_format="yuv420p10le", options={})
    plain = make_clip("plain.mkv", codec="ffv1", options={})
    frames, others = read_piece(whole(deep, 6))[0], read_piece(whole(plain, 6))[0]
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(frames.mean((1, 2)), others.mean((1, 2)), atol=1.5)


def test_no_pair_crosses_a_cut(
    make_clip: ClipMaker, prepared: Callable[[], list[CachedClip]]
) -> None:
    make_clip(count=20, seeds=[1] * 11 + [7] * 9)
    (clip,) = prepared()
    assert len(clip.pairs) >= 2
    assert all(pair.first + pair.gap < 11 or pair.first >= 11 for pair in clip.pairs)


def test_damaged_short_and_tiny_files_are_left_out_with_a_warning(
    make_clip: ClipMaker,
    prepared: Callable[[], list[CachedClip]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_clip("good.MP4", count=9)
    make_clip("short.mp4", count=2)
    make_clip("tiny.mp4", width=64, height=48)
    (tmp_path / "broken.mov").write_bytes(b"no video")
    with caplog.at_level(logging.WARNING):
        assert [clip.folder.name for clip in prepared()] == ["good"]
    assert [name in caplog.text for name in ("broken.mov", "short.mp4", "tiny.mp4")] == [True] * 3


def test_footage_of_which_nothing_can_be_used_is_refused(
    make_clip: ClipMaker, prepared: Callable[[], list[CachedClip]]
) -> None:
    make_clip(count=2)
    with pytest.raises(MediaError, match="none of the 1 videos"):
        prepared()


def test_clips_of_one_name_and_clips_named_like_scenes_stay_apart(
    make_clip: ClipMaker, tmp_path: Path
) -> None:
    make_clip("a.mp4")
    make_clip("scene_1.mp4")
    (tmp_path / "more").mkdir()
    make_clip("more/a.mp4")
    assert list(find_videos(tmp_path)) == ["a_mp4", "more_a_mp4", "film_scene_1"]


def test_some_clips_are_always_held_out_and_some_never(
    make_clip: ClipMaker, prepared: Callable[[], list[CachedClip]]
) -> None:
    make_clip("alone.mp4", count=9)
    assert [clip.held_out for clip in prepared()] == [False]
    make_clip("b.mp4", count=9)
    make_clip("c.mp4", count=9)
    held_out = [clip.held_out for clip in prepared()]
    assert sorted(held_out) == [False, False, True]
    assert [clip.held_out for clip in prepared()] == held_out


def test_of_one_source_the_last_clip_is_held_out(
    make_clip: ClipMaker, prepared: Callable[[], list[CachedClip]], tmp_path: Path
) -> None:
    rows = ["file\tsrc_blob", *(f"{name}.mp4\tsource" for name in "abc")]
    (tmp_path / "PROVENANCE.tsv").write_text("\n".join(rows) + "\n")
    for name in "abc":
        make_clip(f"{name}.mp4", count=9)
    assert [clip.held_out for clip in prepared()] == [False, False, True]


def test_held_out_pictures_are_not_painted_on_scenes(make_clip: ClipMaker, tmp_path: Path) -> None:
    for name in "abc":
        make_clip(f"{name}.mp4", count=5)
    cache = tmp_path / "cache"
    prepare(tmp_path, cache, replace(FILMS_ONLY, moved=1))
    held_out = {clip.folder.name for clip in read_cache(cache) if clip.held_out}
    assert len(held_out) == 1
    painted = {Path(path).parent.name for path in pictures_of(read_cache(cache))}
    assert painted == set("abc") - held_out
    assert json.loads((cache / "scene_moved_00000" / "clip.json").read_text())["pairs"]
