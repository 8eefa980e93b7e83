from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imf_plugin.media.color import (
    array_to_packed,
    convert_picture,
    is_rgb,
    packed_to_array,
    picture_to_rgb,
    rgb_to_picture,
    stored_tags,
)
from imf_plugin.media.info import ColorTags
from imf_plugin.media.read import open_media

TAGS = {
    "untagged": None,
    "bt709": ("bt709", "tv"),
    "bt601": ("smpte170m", "tv"),
    "full": ("bt470bg", "pc"),
    "bt2020": ("bt2020nc", "tv"),
}


@pytest.mark.parametrize("tags", list(TAGS))
@pytest.mark.parametrize("size", ["64x48", "65x49", "66x49", "65x48"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p10le", "yuv420p10le"])
def test_decoded_rgb_is_what_ffmpeg_gives_bit_for_bit(
    ffmpeg_clip: Callable[..., Path],
    raw_frames: Callable[..., NDArray[np.uint8]],
    tags: str,
    size: str,
    pixel_format: str,
) -> None:
    options = ["-pix_fmt", pixel_format, "-c:v", "ffv1"]
    named = TAGS[tags]
    if named:
        params = f"setparams=colorspace={named[0]}:range={named[1]}"
        options = ["-vf", f"format={pixel_format},{params}", *options]
    clip = ffmpeg_clip("card.mkv", *options, size=size, frames=1)
    deep = pixel_format.endswith("10le")
    with open_media(clip) as reader:
        assert (reader.info.color.matrix is None) == (named is None)
        rgb = reader.frame(0).rgb()
        expected = raw_frames(clip, reader.info.height, "rgb48le" if deep else "rgb24")
    assert np.array_equal(rgb, expected[0])


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x / width, y / height, (x + y) / (width + height)], axis=2)
    return (picture * 255).astype(np.uint8)


@pytest.mark.parametrize("tags", list(TAGS))
@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 65)])
def test_there_and_back_changes_colours_by_rounding_only(
    tags: str, height: int, width: int
) -> None:
    named = TAGS[tags]
    color = ColorTags(matrix=named[0], range=named[1]) if named else ColorTags()
    rgb = smooth(height, width)
    picture = rgb_to_picture(rgb, "yuv444p", color)
    if named:
        matrices = {"bt709": 1, "smpte170m": 6, "bt470bg": 5, "bt2020nc": 9}
        picture.colorspace = matrices[named[0]]
        picture.color_range = 2 if named[1] == "pc" else 1
    else:
        picture.colorspace, picture.color_range = 2, 0
    back = picture_to_rgb(picture)
    assert np.abs(back.astype(int) - rgb).max() <= 3


def test_rgb_becomes_the_yuv_that_ffmpeg_makes_of_the_same_matrix(
    tool: Callable[..., bytes], tmp_path: Path
) -> None:
    rgb = smooth(48, 64)
    raw = tmp_path / "raw"
    raw.write_bytes(rgb.tobytes())
    flags = "bicubic+full_chroma_inp+accurate_rnd"
    expected = tool(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", raw, "-vf"),
        f"scale=out_color_matrix=bt709:out_range=tv:flags={flags},format=yuv444p",
        *("-f", "rawvideo", "-"),
    )
    picture = rgb_to_picture(rgb, "yuv444p", ColorTags(matrix="bt709", range="tv"))
    assert picture.to_ndarray().tobytes() == expected


@pytest.mark.parametrize("pixel_format", ["bgr0", "gbrp16le", "rgb48le", "bgra", "gbrap16le"])
def test_rgb_formats_hold_rgb_without_loss(pixel_format: str) -> None:
    dtype: Any = np.uint16 if "16" in pixel_format or "48" in pixel_format else np.uint8
    channels = 4 if pixel_format in ("bgra", "gbrap16le") else 3
    random = np.random.default_rng(3)
    rgb = random.integers(0, np.iinfo(dtype).max + 1, (33, 47, channels), dtype=dtype)
    assert np.array_equal(picture_to_rgb(rgb_to_picture(rgb, pixel_format)), rgb)


@settings(max_examples=30)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    channels=st.sampled_from([3, 4]),
    deep=st.booleans(),
)
def test_arrays_and_packed_pictures_are_the_same_values(
    height: int, width: int, channels: int, deep: bool
) -> None:
    dtype: Any = np.uint16 if deep else np.uint8
    random = np.random.default_rng(width * 64 + height)
    rgb = random.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype)
    assert np.array_equal(packed_to_array(array_to_packed(rgb)), rgb)


def test_a_picture_in_the_wanted_format_is_not_touched() -> None:
    picture = av.VideoFrame(16, 16, "yuv420p")
    assert convert_picture(picture, "yuv420p") is picture


def test_wrong_arrays_are_programming_errors() -> None:
    with pytest.raises(ValueError, match="shape"):
        array_to_packed(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="float32"):
        array_to_packed(np.zeros((4, 4, 3), np.float32))  # type: ignore[arg-type]


def test_tags_are_stored_in_the_terms_of_the_format() -> None:
    hdr = ColorTags(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084", range="tv")
    rgb = stored_tags(hdr, "bgr0")
    assert (rgb.matrix, rgb.range, rgb.transfer) == ("gbr", "pc", "smpte2084")
    assert stored_tags(ColorTags(matrix="gbr", range="pc"), "yuv420p") == ColorTags()
    assert stored_tags(hdr, "yuv420p10le") == hdr


def test_palettes_count_as_rgb() -> None:
    assert is_rgb("pal8")
    assert not is_rgb("gray")
