import dataclasses
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.probe import describe, probe
from imf_plugin.media.read import open_media
from imf_plugin.media.scan import scan_stream


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov", "clip.webm", "clip.avi"])
@pytest.mark.parametrize("rate", ["24000/1001", "25", "60000/1001"])
def test_frame_times_are_exact_in_every_container(
    ffmpeg_clip: Callable[..., Path], name: str, rate: str
) -> None:
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(name[5:], "libx264")
    options = ["-cpu-used", "8"] if codec == "libvpx" else []
    info = probe(ffmpeg_clip(name, "-c:v", codec, *options, rate=rate, frames=40))
    exact = Fraction(rate)
    assert info.frame_rate == exact
    assert info.is_constant_rate
    assert info.frame_times == tuple(index / exact for index in range(40))
    assert info.duration == 40 / exact


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_a_variable_rate_keeps_its_timing(ffmpeg_clip: Callable[..., Path], name: str) -> None:
    # Frames 3, 4 and 9 of a 25 fps clip are missing.
    select = ["-vf", "select='not(eq(n,3)+eq(n,4)+eq(n,9))'", "-fps_mode", "vfr"]
    info = probe(ffmpeg_clip(name, "-c:v", "libx264", *select, frames=12))
    shown = [n for n in range(15) if n not in (3, 4, 9)]
    assert info.frame_times == tuple(Fraction(n, 25) for n in shown)
    assert not info.is_constant_rate
    assert info.durations[2] == Fraction(3, 25)
    assert info.frame_rate == 11 / Fraction(14, 25)


def test_an_hour_of_ntsc_does_not_drift() -> None:
    from imf_plugin.media.rates import constant_rate

    rate = Fraction(24000, 1001)
    ticks = [round(index / rate * 1000) for index in range(86400)]
    found = constant_rate(ticks, Fraction(1, 1000), [rate])
    assert found is not None
    assert 86400 / found == Fraction(3603600, 1000)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), (None, None, None, None)),
        (
            ("bt709", "bt709", "bt709", "tv"),
            ("bt709", "bt709", "bt709", "tv"),
        ),
        (
            ("bt2020nc", "bt2020", "smpte2084", "tv"),
            ("bt2020nc", "bt2020", "smpte2084", "tv"),
        ),
        (
            ("bt2020nc", "bt2020", "arib-std-b67", "tv"),
            ("bt2020nc", "bt2020", "arib-std-b67", "tv"),
        ),
    ],
)
def test_colour_tags_and_depth_are_read(
    ffmpeg_clip: Callable[..., Path],
    options: tuple[str, ...],
    expected: tuple[str | None, ...],
) -> None:
    filters = []
    if options:
        matrix, primaries, transfer, range_ = options
        tags = f"colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}"
        filters = ["-vf", f"format=yuv420p10le,setparams={tags}:range={range_}"]
    clip = ffmpeg_clip("tags.mp4", *filters, "-pix_fmt", "yuv420p10le", "-c:v", "libx264", frames=2)
    info = probe(clip)
    color = info.color
    assert (color.matrix, color.primaries, color.transfer, color.range) == expected
    assert (info.pixel_format, info.bit_depth, info.has_alpha) == ("yuv420p10le", 10, False)


def test_shape_streams_and_aspect_are_read(
    ffmpeg_clip: Callable[..., Path], tool: Callable[..., bytes], tmp_path: Path
) -> None:
    clip = ffmpeg_clip("aspect.mp4", "-vf", "setsar=4/3", "-c:v", "libx264", size="64x48")
    out = tmp_path / "sound.mkv"
    tool("-i", clip, "-f", "lavfi", "-i", "sine=d=1", "-map", "0", "-map", "1", "-c:v", "copy", out)
    info = probe(out)
    assert (info.width, info.height, info.kind) == (64, 48, "video")
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert (info.audio_streams, info.subtitle_streams, info.has_chapters) == (1, 0, False)
    assert not info.interlaced


def test_interlaced_video_is_flagged(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip(
        "fields.mp4", "-vf", "interlace", "-c:v", "libx264", "-flags", "+ildct+ilme", rate="50"
    )
    info = probe(clip)
    assert info.interlaced
    assert "interlaced" in " ".join(info.warnings)


def test_the_start_on_the_files_clock_is_kept_apart_from_frame_times(
    ffmpeg_clip: Callable[..., Path], tool: Callable[..., bytes], tmp_path: Path
) -> None:
    clip, late = ffmpeg_clip("clip.mp4", "-c:v", "libx264"), tmp_path / "late.mkv"
    tool("-itsoffset", "1.5", "-i", clip, "-c", "copy", "-avoid_negative_ts", "disabled", late)
    info = probe(late)
    assert info.start_time == Fraction(3, 2)
    assert info.frame_times[0] == 0


def test_a_video_of_one_frame_has_a_duration(ffmpeg_clip: Callable[..., Path]) -> None:
    info = probe(ffmpeg_clip("one.mp4", "-c:v", "libx264", frames=1))
    assert info.frame_times == (Fraction(0),)
    assert info.duration == Fraction(1, 25)


@pytest.mark.parametrize("name", ["-dash.mp4", "a b'c\"d.mp4", "ünï\n%04dé.mp4", "file:x.mp4"])
def test_odd_names_are_just_names(ffmpeg_clip: Callable[..., Path], name: str) -> None:
    clip = ffmpeg_clip("plain.mp4", "-c:v", "libx264", frames=3)
    odd = clip.rename(clip.with_name(name))
    assert probe(odd).frame_count == 3


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_truncated_file_gives_what_decodes_and_says_how_much_is_lost(
    ffmpeg_clip: Callable[..., Path], name: str
) -> None:
    options = ["-c:v", "libx264", "-g", "10", "-movflags", "+faststart"]
    clip = ffmpeg_clip(name, *options, frames=60, size="128x96")
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 6 // 10])
    with open_media(clip) as reader:
        pictures = [frame.rgb() for frame in reader.frames()]
        assert 15 < len(pictures) < 50
        assert len(pictures) == reader.info.frame_count
        assert reader.info.frame_rate == 25
        (warning,) = reader.warnings
    found = re.search(r"cut off or damaged at its end: (\d+) of (\d+) frames", warning)
    assert found is not None
    lost, total = map(int, found.groups())
    assert lost == total - len(pictures)
    # Matroska states a duration, not a number of frames.
    assert total == 60 if name.endswith("mp4") else abs(total - 60) <= 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty (0 bytes)"),
        (b"this is no video, just words\n" * 50, "is no video that ffmpeg can read"),
    ],
)
def test_files_that_are_no_video_are_refused_in_one_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "words.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableMedia) as caught:
        probe(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_missing_and_audio_only_files_are_refused(
    tmp_path: Path, tool: Callable[..., bytes]
) -> None:
    with pytest.raises(UnreadableMedia, match="does not exist"):
        probe(tmp_path / "nowhere.mp4")
    sound = tmp_path / "sound.mp4"
    tool("-f", "lavfi", "-i", "sine=d=0.2", sound)
    with pytest.raises(UnreadableMedia, match="only sound"):
        probe(sound)


def test_an_mp4_cut_off_before_its_index_is_refused(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip("cut.mp4", "-c:v", "libx264", frames=30)
    clip.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(UnreadableMedia, match="damaged or cut off"):
        probe(clip)


def test_a_file_whose_frames_do_not_decode_is_refused(ffmpeg_clip: Callable[..., Path]) -> None:
    clip = ffmpeg_clip("noise.mp4", "-c:v", "libx264", "-movflags", "+faststart", frames=3)
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = b"\0" * (len(data) - start)
    clip.write_bytes(bytes(data))
    with pytest.raises(UnreadableMedia, match="not one frame"):
        probe(clip)


def test_a_pixel_format_that_nothing_converts_is_refused_by_name(
    ffmpeg_clip: Callable[..., Path],
) -> None:
    clip = ffmpeg_clip("clip.mp4", "-c:v", "libx264", frames=2)
    odd = dataclasses.replace(scan_stream(clip), first_picture=av.VideoFrame(64, 48, "xv30be"))
    with pytest.raises(UnreadableMedia, match="pixel format xv30be"):
        describe(clip, odd)


def test_the_libraries_stay_silent(
    ffmpeg_clip: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    clip = ffmpeg_clip("cut.mp4", "-c:v", "libx264", "-movflags", "+faststart", frames=60)
    clip.write_bytes(clip.read_bytes()[:9000])
    with open_media(clip) as reader:
        list(reader.frames())
    assert capfd.readouterr() == ("", "")
