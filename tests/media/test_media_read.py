import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.media.read import Reader, open_media

LONG_GOP = ("-c:v", "libx264", "-g", "30", "-bf", "4", "-x264-params", "b-pyramid=normal")
CLIPS = {
    "long.mp4": LONG_GOP,
    "long.mkv": LONG_GOP,
    "open_gop.mkv": ("-c:v", "libx265", "-x265-params", "open-gop=1:keyint=12:log-level=none"),
    "transport.ts": (*LONG_GOP, "-g", "12"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "20"),
    "vp8.webm": ("-c:v", "libvpx", "-cpu-used", "8", "-auto-alt-ref", "1", "-lag-in-frames", "10"),
    "av1.mp4": ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "log-level=error"),
    "intra.mov": ("-c:v", "prores_ks"),
    "mpeg2.avi": ("-c:v", "mpeg4", "-g", "12"),
}


def digest(rgb: NDArray[np.generic]) -> str:
    return hashlib.md5(np.ascontiguousarray(rgb).tobytes(), usedforsecurity=False).hexdigest()


def all_digests(reader: Reader) -> list[str]:
    return [digest(frame.rgb()) for frame in reader.frames()]


@pytest.mark.parametrize("name", list(CLIPS))
def test_frames_are_those_of_ffmpeg_in_order_and_at_random(
    ffmpeg_clip: Callable[..., Path], raw_frames: Callable[..., NDArray[np.uint8]], name: str
) -> None:
    clip = ffmpeg_clip(name, *CLIPS[name], frames=50)
    pixel_format = "rgb48le" if name == "intra.mov" else "rgb24"
    expected = [digest(frame) for frame in raw_frames(clip, 48, pixel_format)]
    with open_media(clip) as reader:
        assert all_digests(reader) == expected
        assert reader.info.frame_count == 50
        order = random.Random(1)
        for _ in range(40):
            index = order.randrange(50)
            frame = reader.frame(index)
            assert digest(frame.rgb()) == expected[index]
            assert frame.time == reader.info.frame_times[index]
        assert reader.warnings == []


def test_parts_of_a_video_are_the_same_frames(ffmpeg_clip: Callable[..., Path]) -> None:
    with open_media(ffmpeg_clip("long.mp4", *LONG_GOP, frames=70)) as reader:
        whole = all_digests(reader)
        for start, stop in ((0, 5), (29, 33), (44, 70), (69, 70), (7, 7)):
            part = [digest(frame.rgb()) for frame in reader.frames(start, stop)]
            assert part == whole[start:stop]


def test_the_entry_before_a_frame_is_the_keyframe_that_starts_its_group(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    source = ffmpeg_clip("g.mp4", "-c:v", "libx264", "-g", "10", "-sc_threshold", "0", frames=25)
    with open_media(source) as reader:
        entries = [reader.entry_before(index) for index in range(25)]
        assert entries == [index // 10 * 10 for index in range(25)]
        assert all(reader.frame(index).picture.key_frame for index in set(entries))
        with pytest.raises(IndexError):
            reader.entry_before(25)


def test_iterators_and_random_access_do_not_disturb_each_other(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    with open_media(ffmpeg_clip("long.mkv", *LONG_GOP, frames=40)) as reader:
        whole = all_digests(reader)
        first, second = reader.frames(), reader.frames(20)
        for index in range(20):
            assert digest(next(first).rgb()) == whole[index]
            assert digest(reader.frame(39 - index).rgb()) == whole[39 - index]
            assert digest(next(second).rgb()) == whole[20 + index]


def test_asking_for_frames_that_are_not_there_is_a_programming_error(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    with open_media(ffmpeg_clip("clip.mp4", "-c:v", "libx264", frames=3)) as reader:
        with pytest.raises(IndexError, match="index = 3"):
            reader.frame(3)
        with pytest.raises(ValueError, match="stop = 4"):
            reader.frames(0, 4)


def test_closing_a_reader_ends_its_iterators_and_refuses_new_ones(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    reader = open_media(ffmpeg_clip("clip.mp4", "-c:v", "libx264", frames=5))
    frames = reader.frames()
    next(frames)
    reader.close()
    reader.close()
    assert list(frames) == []
    with pytest.raises(ValueError, match="is closed"):
        reader.frame(0)
    with pytest.raises(ValueError, match="is closed"):
        reader.frames()


def test_a_damaged_frame_is_replaced_by_its_predecessor_and_told(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    clip = ffmpeg_clip("intra.mp4", "-c:v", "libx264", "-g", "1", frames=10)
    with open_media(clip) as reader:
        whole = all_digests(reader)
    with av.open(str(clip)) as container:
        packet = list(container.demux(video=0))[4]
        place, size = packet.pos, packet.size
    assert place is not None
    data = bytearray(clip.read_bytes())
    data[place : place + size] = b"\0" * size
    clip.write_bytes(bytes(data))
    with open_media(clip) as reader:
        damaged = all_digests(reader)
        assert damaged == [*whole[:4], whole[3], *whole[5:]]
        assert any("frame 4 does not decode" in warning for warning in reader.warnings)
        assert digest(reader.frame(9).rgb()) == whole[9]
        assert digest(reader.frame(4).rgb()) == whole[3]


def test_many_damaged_frames_are_told_in_few_words(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip("intra.mp4", "-c:v", "libx264", "-g", "1", frames=40)
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        for packet in list(container.demux(video=0))[1:40]:
            assert packet.pos is not None
            data[packet.pos : packet.pos + packet.size] = b"\0" * packet.size
    clip.write_bytes(bytes(data))
    with open_media(clip) as reader:
        assert len(set(all_digests(reader))) == 1
        assert len(reader.warnings) < 12
        assert "more frames than these are damaged" in reader.warnings[-1]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_clip_comes_out_upright(
    ffmpeg_clip: Callable[..., Path],
    tool: Callable[..., bytes],
    raw_frames: Callable[..., NDArray[np.uint8]],
    tmp_path: Path,
    degrees: int,
) -> None:
    clip = ffmpeg_clip("lying.mp4", "-c:v", "libx264", "-vf", "setsar=4/3", frames=4)
    turned = tmp_path / "turned.mp4"
    tool("-display_rotation", str(degrees), "-i", clip, "-c", "copy", turned)
    with open_media(turned) as reader:
        info = reader.info
        upright = (48, 64) if degrees != 180 else (64, 48)
        assert (info.width, info.height) == upright
        assert info.rotation == (360 - degrees) % 360
        assert (info.sample_aspect_ratio < 1) == (degrees != 180)
        expected = raw_frames(turned, info.height)
        for frame, picture in zip(reader.frames(), expected, strict=True):
            assert frame.picture.format.name == "yuv420p"
            assert np.array_equal(frame.rgb(), picture)


def test_alpha_comes_through(
    ffmpeg_clip: Callable[..., Path], raw_frames: Callable[..., NDArray[np.uint8]]
) -> None:
    source = "testsrc2=size=64x48:rate=25,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='4*X'"
    exact = ffmpeg_clip("alpha.mkv", "-c:v", "ffv1", "-pix_fmt", "bgra", source=source, frames=2)
    with open_media(exact) as reader:
        assert reader.info.has_alpha
        rgb = np.stack([frame.rgb() for frame in reader.frames()])
    assert rgb.shape == (2, 48, 64, 4)
    assert np.array_equal(rgb, raw_frames(exact, 48, "rgba"))
    assert np.array_equal(rgb[0, 0, :, 3], np.arange(64) * 4)
    options = ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-cpu-used", "8", "-crf", "10")
    web = ffmpeg_clip("alpha.webm", *options, "-auto-alt-ref", "0", source=source, frames=2)
    with open_media(web) as reader:
        assert reader.info.has_alpha
        alpha = reader.frame(1).rgb()[:, :, 3].astype(int)
    assert np.abs(alpha - np.arange(64) * 4).max() < 24


def test_ten_bits_become_full_range_sixteen(
    ffmpeg_clip: Callable[..., Path], raw_frames: Callable[..., NDArray[np.uint8]]
) -> None:
    clip = ffmpeg_clip("deep.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", frames=2)
    with open_media(clip) as reader:
        rgb = np.stack([frame.rgb() for frame in reader.frames()])
    assert rgb.dtype == np.uint16
    assert np.array_equal(rgb, raw_frames(clip, 48, "rgb48le"))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("gray.mkv", "ffv1", "gray"),
        ("gray10.mkv", "ffv1", "gray10le"),
        ("chunky.mkv", "ffv1", "yuv410p"),
        ("planar.mkv", "ffv1", "gbrp10le"),
        ("camera.avi", "mjpeg", "yuvj420p"),
        ("screen.avi", "rawvideo", "bgr24"),
        ("small.nut", "rawvideo", "rgb565le"),
        ("tape.mov", "rawvideo", "uyvy422"),
        ("deep.mov", "png", "rgb48be"),
        ("web.gif", "gif", "rgb8"),
        ("twelve.mkv", "ffv1", "yuv444p12le"),
    ],
)
def test_every_pixel_format_becomes_the_rgb_that_ffmpeg_makes_of_it(
    ffmpeg_clip: Callable[..., Path],
    raw_frames: Callable[..., NDArray[np.uint8]],
    name: str,
    codec: str,
    pixel_format: str,
) -> None:
    clip = ffmpeg_clip(name, "-c:v", codec, "-pix_fmt", pixel_format, frames=2)
    with open_media(clip) as reader:
        rgb = np.stack([frame.rgb() for frame in reader.frames()])
        wanted = {(8, False): "rgb24", (8, True): "rgba", (16, False): "rgb48le"}
        depth = 16 if reader.info.bit_depth > 8 else 8
        expected = raw_frames(clip, 48, wanted[depth, reader.info.has_alpha])
    assert np.array_equal(rgb, expected)


@pytest.mark.parametrize("pixel_format", ["yuv422p", "yuv444p", "gbrp", "yuv420p10le"])
def test_lying_pictures_of_every_chroma_stand_up_without_new_colours(
    ffmpeg_clip: Callable[..., Path], tool: Callable[..., bytes], tmp_path: Path, pixel_format: str
) -> None:
    clip = ffmpeg_clip("lying.mov", "-c:v", "ffv1", "-pix_fmt", pixel_format, "-strict", "-2")
    turned = tmp_path / "turned.mov"
    tool("-display_rotation", "-90", "-i", clip, "-c", "copy", "-strict", "-2", turned)
    with open_media(clip) as lying, open_media(turned) as upright:
        assert (upright.info.width, upright.info.height) == (48, 64)
        before = np.rot90(lying.frame(3).rgb(), -1).astype(float)
        after = upright.frame(3).rgb().astype(float)
        # Where chroma is subsampled it is interpolated across instead of down, noise and all.
        loss = 0.0 if pixel_format in ("yuv444p", "gbrp") else 0.04
        assert np.abs(before - after).mean() <= loss * np.iinfo(upright.frame(3).rgb().dtype).max


@pytest.mark.data
def test_the_evaluation_clips_read_as_ffmpeg_reads_them(
    data_dir: Path, raw_frames: Callable[..., NDArray[np.uint8]]
) -> None:
    for clip in sorted((data_dir / "dev" / "clips").glob("*_480p.mp4")):
        with open_media(clip) as reader:
            expected = raw_frames(clip, reader.info.height)
            for frame, picture in zip(reader.frames(), expected, strict=True):
                assert np.array_equal(frame.rgb(), picture)
