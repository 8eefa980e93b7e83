from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.read import open_media
from imf_plugin.media.sequences import is_sequence, sequence_files


def picture(seed: int, channels: int = 3, dtype: Any = np.uint8) -> NDArray[Any]:
    random = np.random.default_rng(seed)
    return np.asarray(random.integers(0, np.iinfo(dtype).max + 1, (9, 13, channels), dtype=dtype))


def save(path: Path, rgb: NDArray[Any]) -> None:
    code = cv2.COLOR_RGBA2BGRA if rgb.shape[2] == 4 else cv2.COLOR_RGB2BGR
    fine, encoded = cv2.imencode(path.suffix, cv2.cvtColor(rgb, code))
    assert fine
    path.write_bytes(encoded.tobytes())


@pytest.mark.parametrize(
    ("channels", "dtype"), [(3, np.uint8), (4, np.uint8), (3, np.uint16), (4, np.uint16)]
)
def test_images_come_back_exactly(tmp_path: Path, channels: int, dtype: Any) -> None:
    pictures = [picture(seed, channels, dtype) for seed in range(3)]
    for number, rgb in enumerate(pictures):
        save(tmp_path / f"{number:03d}.png", rgb)
    with open_media(tmp_path) as reader:
        info = reader.info
        assert (info.width, info.height, info.frame_count) == (13, 9, 3)
        assert (info.has_alpha, info.bit_depth) == (channels == 4, dtype().itemsize * 8)
        assert info.frame_times == (Fraction(0), Fraction(1, 24), Fraction(1, 12))
        for frame, rgb in zip(reader.frames(), pictures, strict=True):
            assert np.array_equal(frame.rgb(), rgb)
        assert np.array_equal(reader.frame(1).rgb(), pictures[1])


def test_a_pattern_takes_its_numbers_only_and_a_rate_can_be_given(tmp_path: Path) -> None:
    for name in ("a%_0008.png", "a%_0009.png", "a%_0010.png", "a%_11.png", "b_0001.png"):
        save(tmp_path / name, picture(1))
    pattern = tmp_path / "a%%_%04d.png"
    assert is_sequence(pattern)
    assert [file.name[-8:-4] for file in sequence_files(pattern)] == ["0008", "0009", "0010"]
    with open_media(pattern, frame_rate=Fraction(30000, 1001)) as reader:
        assert reader.info.duration == Fraction(3003, 30000)


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1, 100):
        save(tmp_path / f"frame{number}.png", picture(number))
    (tmp_path / "notes.txt").write_text("not a picture")
    names = [file.stem for file in sequence_files(tmp_path)]
    assert names == ["frame1", "frame9", "frame10", "frame100"]


def test_a_file_with_a_percent_sign_is_a_file(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip("plain.mp4", "-c:v", "libx264", frames=2)
    odd = clip.rename(clip.with_name("50%d.mp4"))
    with open_media(odd) as reader:
        assert reader.info.kind == "video"


def test_an_unreadable_image_is_replaced_by_the_one_before(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "1.png").write_bytes(b"broken")
    with open_media(tmp_path) as reader:
        pictures = [frame.rgb() for frame in reader.frames()]
        assert np.array_equal(pictures[1], pictures[0])
        assert any("1.png" in warning for warning in reader.warnings)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no images"),
        ({"0.png": b""}, "is no image"),
        ({"readme.txt": b"words"}, "holds no images"),
    ],
)
def test_folders_without_usable_images_are_refused(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableMedia, match=said):
        open_media(tmp_path)


def test_a_pattern_without_files_and_mixed_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="no file matches"):
        open_media(tmp_path / "%04d.png")
    save(tmp_path / "0.png", picture(0))
    save(tmp_path / "1.png", picture(1)[:5])
    with open_media(tmp_path) as reader, pytest.raises(UnreadableMedia, match="13x5 pixels"):
        list(reader.frames())
