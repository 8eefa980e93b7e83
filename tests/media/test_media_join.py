from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import EncoderFailed, OutputRefused
from imf_plugin.media.codecs import choose_encoding
from imf_plugin.media.join import join_parts, time_scale
from imf_plugin.media.read import open_media
from imf_plugin.media.write import ImageWriter, PartWriter, PictureShape, Writer

LENGTHS = (7, 1, 12)


@pytest.fixture
def make_parts(ffmpeg_clip: Callable[..., Path], tmp_path: Path) -> Callable[..., list[Path]]:
    """Writes parts of a clip with the given numbers of frames."""

    def make(
        codec: str | None, destination: str, lengths: Sequence[int] = LENGTHS, **clip: str
    ) -> list[Path]:
        source = ffmpeg_clip("source.mkv", "-c:v", "ffv1", frames=sum(lengths), **clip)
        parts: list[Path] = []
        with open_media(source) as reader:
            settings = choose_encoding(reader.info, Path(destination), codec=codec)
            start = 0
            for number, length in enumerate(lengths):
                part = tmp_path / f"part-{number}"
                writer: Writer
                if settings.extension == ".png":
                    writer = ImageWriter(part, settings=settings, first_number=start)
                else:
                    shape = PictureShape.of(reader.info, Fraction(24))
                    writer = PartWriter(part, shape=shape, settings=settings)
                for frame in reader.frames(start, start + length):
                    writer.write(frame.picture)
                writer.close()
                start += length
                parts.append(part)
        return parts

    return make


def pictures(path: Path) -> list[bytes]:
    with open_media(path) as reader:
        return [frame.rgb().tobytes() for frame in reader.frames()]


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("h264", "o.mp4"),
        ("h264", "o.mov"),
        ("h264", "o.mkv"),
        ("hevc", "o.mp4"),
        ("av1", "o.mp4"),
        ("av1", "o.webm"),
        ("vp9", "o.webm"),
        ("prores", "o.mov"),
        ("ffv1", "o.mkv"),
    ],
)
@pytest.mark.parametrize("rate", ["60000/1001", "24", "120"])
def test_joined_frames_lie_at_exact_times_and_are_those_of_the_parts(
    make_parts: Callable[..., list[Path]], tmp_path: Path, codec: str, name: str, rate: str
) -> None:
    parts, exact = make_parts(codec, name), Fraction(rate)
    times = [index / exact for index in range(20)]
    joined = join_parts(parts, times, [1 / exact] * 20, tmp_path / name)
    with open_media(joined) as reader:
        assert reader.info.frame_times == tuple(times)
        assert reader.info.frame_rate == exact
        assert reader.info.duration == 20 / exact
        assert reader.info.start_time == 0
        assert reader.warnings == []
    assert pictures(joined) == [picture for part in parts for picture in pictures(part)]


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_variable_times_are_kept(
    make_parts: Callable[..., list[Path]], tmp_path: Path, name: str
) -> None:
    parts = make_parts("h264", name)
    steps = [Fraction(1, 1000) * n for n in (40, 17, 33, 250, 1, 40, 40, 60, 80, 20) * 2]
    times = [sum(steps[:index], Fraction(0)) for index in range(20)]
    joined = join_parts(parts, times, steps, tmp_path / name)
    with open_media(joined) as reader:
        assert reader.info.frame_times == tuple(times)
        assert reader.info.durations[:-1] == tuple(steps[:-1])
        assert reader.info.duration == times[-1] + steps[-1]


def test_colour_and_aspect_survive_joining(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    tags = "colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
    options = ("-vf", f"format=yuv420p10le,setparams={tags},setsar=4/3", "-pix_fmt", "yuv420p10le")
    source = ffmpeg_clip("pq.mkv", *options, "-c:v", "ffv1", frames=3)
    for name in ("o.mp4", "o.mkv", "o.mov"):
        with open_media(source) as reader:
            writer = PartWriter(
                tmp_path / "p",
                shape=PictureShape.of(reader.info, Fraction(25)),
                settings=choose_encoding(reader.info, Path(name)),
            )
            for frame in reader.frames():
                writer.write(frame.picture)
            writer.close()
            times = list(reader.info.frame_times)
            join_parts([tmp_path / "p"], times, reader.info.durations, tmp_path / name)
            with open_media(tmp_path / name) as joined:
                assert joined.info.color == reader.info.color
                assert joined.info.sample_aspect_ratio == Fraction(4, 3)
                assert joined.info.bit_depth == 10


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_hdr10_metadata_survives(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    params = f"log-level=none:hdr10=1:master-display={display}:max-cll=1000,400"
    tags = "colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
    options = ("-vf", f"format=yuv420p10le,setparams={tags}", "-pix_fmt", "yuv420p10le")
    source = ffmpeg_clip("hdr.mp4", *options, "-c:v", "libx265", "-x265-params", params, frames=3)
    with open_media(source) as reader:
        assert reader.info.hdr is not None
        assert reader.info.hdr.mastering_display == display
        writer = PartWriter(
            tmp_path / "p",
            shape=PictureShape.of(reader.info, Fraction(25)),
            settings=choose_encoding(reader.info, Path(name)),
        )
        for frame in reader.frames():
            writer.write(frame.picture)
        writer.close()
        join_parts(
            [tmp_path / "p"], reader.info.frame_times, reader.info.durations, tmp_path / name
        )
        with open_media(tmp_path / name) as joined:
            assert joined.info.hdr == reader.info.hdr
            assert joined.info.color == reader.info.color


def test_images_are_gathered_in_one_folder(
    make_parts: Callable[..., list[Path]], tmp_path: Path
) -> None:
    parts = make_parts("png", "folder", (3, 2))
    times = [Fraction(index, 25) for index in range(5)]
    folder = join_parts(parts, times, [Fraction(1, 25)] * 5, tmp_path / "all")
    assert sorted(file.name for file in folder.iterdir()) == [f"{n:06d}.png" for n in range(5)]
    assert pictures(folder) == pictures(parts[0]) + pictures(parts[1])


def test_parts_that_do_not_fit_are_refused(
    make_parts: Callable[..., list[Path]], tmp_path: Path
) -> None:
    parts = make_parts("h264", "o.mp4", (3, 3))
    times = [Fraction(index, 25) for index in range(7)]
    with pytest.raises(EncoderFailed, match="hold 6 frames instead of 7"):
        join_parts(parts, times, [Fraction(1, 25)] * 7, tmp_path / "o.mp4")
    other = make_parts("h264", "o.mp4", (3, 1), size="96x64")
    with open_media(other[0]) as reader:
        assert reader.info.width == 96
    with pytest.raises(ValueError, match="durations"):
        join_parts(parts, times, [], tmp_path / "o.mp4")
    assert not (tmp_path / "o.mp4").exists()


def test_a_full_disk_is_said_in_one_sentence(
    make_parts: Callable[..., list[Path]], tmp_path: Path
) -> None:
    parts = make_parts("h264", "o.mp4", (3,))
    full = tmp_path / "o.mkv"
    full.symlink_to("/dev/full")
    times = [Fraction(index, 25) for index in range(3)]
    with pytest.raises(OutputRefused, match="the disk is full"):
        join_parts(parts, times, [Fraction(1, 25)] * 3, full)
    assert not full.is_symlink()


@given(st.lists(st.fractions(min_value=0, max_value=10**4, max_denominator=1001), max_size=5))
def test_the_time_scale_holds_every_time_to_half_a_tick(times: list[Fraction]) -> None:
    scale = time_scale(times)
    assert scale < 2**31
    for time in times:
        error = abs(Fraction(round(time * scale), scale) - time)
        assert error <= Fraction(1, 2 * scale)
        assert error == 0 or scale == 10_000_000


def test_an_hour_of_broadcast_frames_does_not_drift() -> None:
    rate = Fraction(60000, 1001)
    times = [index / rate for index in range(0, 216_000, 997)]
    scale = time_scale(times)
    assert all((time * scale).denominator == 1 for time in times)
    assert np.isclose(scale, 60000)
