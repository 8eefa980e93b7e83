import os
import signal
import subprocess
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.errors import EncoderFailed, OutputRefused
from imf_plugin.media.codecs import choose_encoding
from imf_plugin.media.color import rgb_to_picture
from imf_plugin.media.ffmpeg import Ffmpeg
from imf_plugin.media.read import open_media
from imf_plugin.media.write import ImageWriter, PartWriter, PictureShape, encode_command


def write_part(
    source: Path, part: Path, codec: str | None, destination: str, start: int = 0, stop: int = 5
) -> Path:
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, Path(destination), codec=codec)
        shape = PictureShape.of(reader.info, Fraction(25))
        writer = PartWriter(part, shape=shape, settings=settings)
        for frame in reader.frames(start, stop):
            writer.write(frame.picture)
        writer.close()
    return part


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuva420p", "bgra", "yuv444p"])
@pytest.mark.parametrize("size", ["64x48", "65x49"])
def test_lossless_rgb_brings_every_source_frame_back_bit_exact(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, pixel_format: str, size: str
) -> None:
    options = ("-c:v", "ffv1", "-pix_fmt", pixel_format)
    source = ffmpeg_clip("source.mkv", *options, size=size, frames=5)
    part = write_part(source, tmp_path / "part.mkv", "ffv1", "o.mkv")
    with open_media(source) as before, open_media(part) as after:
        for old, new in zip(before.frames(), after.frames(), strict=True):
            assert np.array_equal(old.rgb(), new.rgb())


@pytest.mark.parametrize(
    ("codec", "destination", "tolerance"),
    [
        ("h264", "o.mp4", 6),
        ("hevc", "o.mp4", 6),
        ("av1", "o.mp4", 10),
        ("vp9", "o.webm", 10),
        ("prores", "o.mov", 6),
    ],
)
@pytest.mark.parametrize("size", ["64x48", "65x49"])
def test_every_codec_writes_every_size_in_order_and_near_the_source(
    ffmpeg_clip: Callable[..., Path],
    tmp_path: Path,
    codec: str,
    destination: str,
    tolerance: float,
    size: str,
) -> None:
    card = f"testsrc2=size={size}:rate=25,format=gbrp,boxblur=3"
    source = ffmpeg_clip("source.mkv", "-c:v", "ffv1", source=card, frames=5)
    part = write_part(source, tmp_path / "part.mkv", codec, destination)
    with open_media(source) as before, open_media(part) as after:
        assert (after.info.width, after.info.height) == (before.info.width, before.info.height)
        scale = 257 if after.info.bit_depth > 8 else 1
        for old, new in zip(before.frames(), after.frames(), strict=True):
            error = old.rgb().astype(float) - new.rgb().astype(float) / scale
            assert np.abs(error).mean() < tolerance


def test_a_source_picture_in_the_outputs_format_passes_through_untouched(
    ffmpeg_clip: Callable[..., Path],
    tmp_path: Path,
    raw_frames: Callable[..., NDArray[np.uint8]],
) -> None:
    source = ffmpeg_clip("source.mkv", "-c:v", "ffv1", frames=3)
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"), codec="h264", crf=0)
        writer = PartWriter(
            tmp_path / "p.mkv", shape=PictureShape.of(reader.info, Fraction(25)), settings=settings
        )
        for frame in reader.frames():
            writer.write(frame.picture)
        writer.close()
        with open_media(tmp_path / "p.mkv") as part:
            for old, new in zip(reader.frames(), part.frames(), strict=True):
                assert np.array_equal(old.picture.to_ndarray(), new.picture.to_ndarray())


@pytest.mark.parametrize("codec", ["h264", "ffv1", "hevc", "vp9"])
def test_the_same_pictures_give_the_same_bytes(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, codec: str
) -> None:
    source = ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=12)
    parts = [write_part(source, tmp_path / f"{n}.mkv", codec, "o.mkv", 0, 12) for n in (1, 2)]
    assert parts[0].read_bytes() == parts[1].read_bytes()


def test_hdr_stays_ten_bit_with_its_tags(ffmpeg_clip: Callable[..., Path], tmp_path: Path) -> None:
    tags = "colorspace=bt2020nc:color_primaries=bt2020:color_trc=arib-std-b67:range=tv"
    options = ("-vf", f"format=yuv420p10le,setparams={tags}", "-pix_fmt", "yuv420p10le")
    source = ffmpeg_clip("hlg.mkv", *options, "-c:v", "ffv1", frames=3)
    part = write_part(source, tmp_path / "part.mkv", None, "o.mp4", 0, 3)
    with open_media(source) as before, open_media(part) as after:
        assert after.info.color == before.info.color
        assert after.info.color.transfer == "arib-std-b67"
        assert after.info.pixel_format == "yuv420p10le"


def test_a_part_appears_only_when_it_is_complete(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    source, part = ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=3), tmp_path / "p" / "1.mkv"
    part.parent.mkdir()
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"))
        shape = PictureShape.of(reader.info, Fraction(25))
        writer = PartWriter(part, shape=shape, settings=settings)
        writer.write(reader.frame(0).picture)
        assert not part.exists()
        writer.abort()
        writer.abort()
        assert list(part.parent.iterdir()) == []
        writer = PartWriter(part, shape=shape, settings=settings)
        writer.write(reader.frame(0).picture)
        writer.close()
        writer.close()
        writer.abort()
        assert list(part.parent.iterdir()) == [part]
        with pytest.raises(ValueError, match="closed already"):
            writer.write(reader.frame(0).picture)


def write_on(writer: PartWriter, picture: av.VideoFrame) -> None:
    for _ in range(500):
        writer.write(picture)
    writer.close()


def fake_ffmpeg(tmp_path: Path, script: str) -> Ffmpeg:
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return Ffmpeg(path=str(fake))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("head -c 100 >/dev/null; echo 'the encoder exploded' >&2; exit 3", "the encoder exploded"),
        ("cat >/dev/null; echo 'late trouble' >&2; exit 1", "late trouble"),
        ("echo 'x: No space left on device' >&2; exit 1", "the disk is full"),
        ("head -c 100 >/dev/null; kill -9 $$", "stopped by signal 9"),
    ],
)
def test_a_dying_ffmpeg_is_reported_with_its_last_lines_and_leaves_nothing(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, script: str, said: str
) -> None:
    threads_before = threading.active_count()
    source = ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=3)
    ffmpeg = fake_ffmpeg(tmp_path, script)
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"))
        shape = PictureShape.of(reader.info, Fraction(25))
        writer = PartWriter(tmp_path / "p.mkv", shape=shape, settings=settings, ffmpeg=ffmpeg)
        picture = reader.frame(0).picture
        with pytest.raises(EncoderFailed) as caught:
            write_on(writer, picture)
    assert said in str(caught.value)
    assert not list(tmp_path.glob("p.mkv*"))
    assert threading.active_count() == threads_before


def test_a_killed_ffmpeg_does_not_hang_the_writer(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    source = ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=3)
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"))
        shape = PictureShape.of(reader.info, Fraction(25))
        writer = PartWriter(tmp_path / "p.mkv", shape=shape, settings=settings)
        writer.write(reader.frame(0).picture)
        os.kill(writer.process_id, signal.SIGKILL)
        with pytest.raises(EncoderFailed, match="signal 9"):
            write_on(writer, reader.frame(0).picture)
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(writer.process_id)], capture_output=True)
    assert done.stdout == b""


def test_an_ffmpeg_that_is_not_there_is_named(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    with open_media(ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=1)) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"))
        shape = PictureShape.of(reader.info, Fraction(25))
        gone = Ffmpeg(path=str(tmp_path / "gone"))
        with pytest.raises(EncoderFailed, match="gone cannot be started"):
            PartWriter(tmp_path / "p.mkv", shape=shape, settings=settings, ffmpeg=gone)


def test_names_are_passed_without_a_shell(ffmpeg_clip: Callable[..., Path], tmp_path: Path) -> None:
    source = ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=2)
    for name in ("-y.mkv", "$(touch x);'\".mkv", "ü\n%03d é.mkv"):
        part = write_part(source, tmp_path / name, None, "o.mp4", 0, 2)
        with open_media(part) as reader:
            assert reader.info.frame_count == 2


def test_a_picture_of_another_size_is_a_programming_error(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    with open_media(ffmpeg_clip("source.mp4", "-c:v", "libx264", frames=1)) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"))
        shape = PictureShape.of(reader.info, Fraction(25))
        writer = PartWriter(tmp_path / "p.mkv", shape=shape, settings=settings)
        with pytest.raises(ValueError, match="64x48"):
            writer.write(rgb_to_picture(np.zeros((8, 8, 3), np.uint8), "yuv420p"))
        writer.abort()


def test_the_command_states_tags_and_format(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip("s.mp4", "-c:v", "libx264", "-vf", "setparams=colorspace=bt709", frames=1)
    with open_media(clip) as reader:
        settings = choose_encoding(reader.info, Path("o.mp4"), crf=21)
        shape = PictureShape.of(reader.info, Fraction(30000, 1001))
    command = encode_command(Ffmpeg(path="ffmpeg"), Path("p.mkv"), shape, settings)
    text = " ".join(command)
    assert "-framerate 30000/1001" in text
    assert "-crf 21" in text
    assert "setparams=colorspace=bt709" in text


@pytest.mark.parametrize("pixel_format", ["yuv420p", "bgra", "yuv420p10le"])
def test_images_are_numbered_and_exact(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, pixel_format: str
) -> None:
    source = ffmpeg_clip("s.mkv", "-c:v", "ffv1", "-pix_fmt", pixel_format, frames=4)
    folder = tmp_path / "images"
    with open_media(source) as reader:
        settings = choose_encoding(reader.info, folder)
        writer = ImageWriter(folder, settings=settings, first_number=7)
        for frame in reader.frames():
            writer.write(frame.picture)
        assert not folder.exists()
        writer.close()
        names = sorted(file.name for file in folder.iterdir())
        assert names == [f"{number:06d}.png" for number in range(7, 11)]
        with open_media(folder) as images:
            assert images.info.bit_depth == (16 if pixel_format.endswith("10le") else 8)
            for old, new in zip(reader.frames(), images.frames(), strict=True):
                assert np.array_equal(old.rgb(), new.rgb())


def test_images_on_a_full_disk_say_so(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with open_media(ffmpeg_clip("s.mp4", "-c:v", "libx264", frames=1)) as reader:
        writer = ImageWriter(tmp_path / "i", settings=choose_encoding(reader.info, tmp_path / "i"))
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputRefused, match="the disk is full"):
            writer.write(reader.frame(0).picture)
    assert not list(tmp_path.glob("i*"))
