from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from imf_plugin.errors import OutputRefused
from imf_plugin.media.audio import AudioPlan, AudioSegment
from imf_plugin.media.codecs import choose_encoding
from imf_plugin.media.ffmpeg import Ffmpeg
from imf_plugin.media.join import join_parts
from imf_plugin.media.mux import finish
from imf_plugin.media.probe import probe
from imf_plugin.media.read import open_media
from imf_plugin.media.write import PartWriter, PictureShape

CLICKS = "aevalsrc='if(lt(mod(t+0.5,1),0.02),sin(2*PI*1000*t),0)':s=48000:d=4.2"
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nhello\n\n2\n00:00:03,000 --> 00:00:03,500\nworld\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=My film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=A\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=B\n"
)
FRAME = 1 / 60
RATE = Fraction(60)


@pytest.fixture
def clicking(tool: Callable[..., bytes], tmp_path: Path) -> Callable[..., Path]:
    """A 24000/1001 clip with a click at every half second, subtitles, chapters and a title."""

    def make(
        name: str,
        audio: str = "aac",
        subtitles: str = "srt",
        video_delay: float = 0,
        audio_delay: float = 0,
    ) -> Path:
        path, words, marks = tmp_path / name, tmp_path / "s.srt", tmp_path / "c.txt"
        words.write_text(SUBTITLES)
        marks.write_text(CHAPTERS)
        tool(
            *("-itsoffset", str(video_delay), "-f", "lavfi"),
            *("-i", "color=black:s=64x48:r=24000/1001:d=4"),
            *("-itsoffset", str(audio_delay), "-f", "lavfi", "-i", CLICKS),
            *("-i", words, "-i", marks, "-map", "0:v", "-map", "1:a", "-map", "2:s"),
            *("-map_metadata", "3", "-map_chapters", "3", "-c:v", "libx264"),
            *("-c:a", audio, "-c:s", subtitles, "-metadata:s:a", "language=fra", path),
        )
        return path

    return make


def render(source: Path, destination: Path, plan: AudioPlan, factor: Fraction) -> tuple[str, ...]:
    """Stretch a clip to 60 frames a second by showing its first frame all the time."""
    with open_media(source) as reader:
        count = int(reader.info.duration * factor * RATE)
        part = destination.with_name("part.mkv")
        writer = PartWriter(
            part,
            shape=PictureShape.of(reader.info, RATE),
            settings=choose_encoding(reader.info, destination),
        )
        picture = reader.frame(0).picture
        for _ in range(count):
            writer.write(picture)
        writer.close()
        times = [index / RATE for index in range(count)]
        joined = destination.with_name(f"joined{destination.suffix}")
        join_parts([part], times, [1 / RATE] * count, joined)
        part.unlink()
        warnings = finish(joined, reader.info, destination, audio=plan)
        assert not joined.exists()
    finished = probe(destination)
    assert finished.frame_times == tuple(times)
    assert finished.start_time == 0
    return warnings


def stretched(source: Path, factor: Fraction) -> AudioPlan:
    duration = probe(source).duration
    whole = AudioSegment(
        source_start=Fraction(0), source_end=duration, output_duration=duration * factor
    )
    return AudioPlan(mode="stretch", segments=(whole,))


@pytest.mark.parametrize(
    ("name", "audio", "subtitles", "video_delay", "audio_delay"),
    [
        ("s.mp4", "aac", "mov_text", 0, 0),
        ("s.mkv", "aac", "srt", 0, 0),
        ("s.mp4", "aac", "mov_text", 0.3, 0),
        ("s.mp4", "aac", "mov_text", 0, 0.25),
        ("s.mkv", "libopus", "srt", 0.3, 0),
        ("s.mov", "pcm_s16le", "mov_text", 0, 0),
    ],
)
@pytest.mark.parametrize("destination", ["o.mp4", "o.mkv", "o.mov", "o.webm"])
def test_kept_sound_is_in_sync_within_one_frame(
    clicking: Callable[..., Path],
    click_onsets: Callable[[Path], list[float]],
    tmp_path: Path,
    name: str,
    audio: str,
    subtitles: str,
    video_delay: float,
    audio_delay: float,
    destination: str,
) -> None:
    source = clicking(name, audio, subtitles, video_delay, audio_delay)
    info = probe(source)
    assert render(source, tmp_path / destination, AudioPlan(), Fraction(1)) == ()
    shift = audio_delay - float(info.start_time)
    expected = [second + 0.5 + shift for second in range(4)]
    found = click_onsets(tmp_path / destination)
    assert np.allclose(found, expected, atol=FRAME)
    with av.open(str(tmp_path / destination)) as container:
        stream = container.streams.audio[0]
        assert stream.metadata["language"] == "fra"
        end = max(
            float((packet.pts + packet.duration) * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.duration is not None
        )
    assert end < 4.004 + 2 * 1024 / 48000


@pytest.mark.parametrize("has_rubberband", [True, False])
@pytest.mark.parametrize("destination", ["o.mp4", "o.mkv", "o.webm"])
def test_stretched_sound_keeps_its_pitch_and_lasts_exactly_as_long(
    tool: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    destination: str,
    has_rubberband: bool,
) -> None:
    if not has_rubberband:
        monkeypatch.setattr(Ffmpeg, "filters", frozenset({"atempo"}))
    source = tmp_path / "tone.mkv"
    tool(
        *("-f", "lavfi", "-i", "color=black:s=64x48:r=24:d=2", "-f", "lavfi"),
        *("-i", "sine=frequency=1000:duration=2", "-c:v", "libx264", "-c:a", "flac", source),
    )
    render(source, tmp_path / destination, stretched(source, Fraction(5)), Fraction(5))
    data = tool("-i", tmp_path / destination, "-ac", "1", "-ar", "48000", "-f", "f32le", "-")
    samples = np.frombuffer(data, np.float32)
    assert abs(len(samples) / 48000 - 10) < FRAME
    middle = samples[48000:96000]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(1000, abs=3)


def test_stretched_clicks_come_when_their_pictures_do(
    clicking: Callable[..., Path], click_onsets: Callable[[Path], list[float]], tmp_path: Path
) -> None:
    source = clicking("s.mp4", "aac", "mov_text", 0.3, 0)
    start = float(probe(source).start_time)
    render(source, tmp_path / "o.mp4", stretched(source, Fraction(2)), Fraction(2))
    expected = [2 * (second + 0.5 - start) for second in range(4)]
    # Stretching smears a click by some 30 ms before it; it must not be late or drift.
    assert np.allclose(click_onsets(tmp_path / "o.mp4"), expected, atol=0.05)


def test_freeze_is_silent_and_reverse_plays_backwards(
    clicking: Callable[..., Path], click_onsets: Callable[[Path], list[float]], tmp_path: Path
) -> None:
    source = clicking("s.mkv")
    second = Fraction(1)
    segments = (
        AudioSegment(source_start=0 * second, source_end=second, output_duration=second),
        AudioSegment(source_start=second, source_end=second, output_duration=second),
        AudioSegment(source_start=second * 2, source_end=second * 0, output_duration=2 * second),
    )
    plan = AudioPlan(mode="stretch", segments=segments)
    warnings = render(source, tmp_path / "o.mkv", plan, Fraction(1))
    # A click of 20 ms from 0.5 s on ends, backwards, at 1.5 s before the end of the last segment.
    assert np.allclose(click_onsets(tmp_path / "o.mkv"), [0.5, 2.48, 3.48], atol=FRAME)
    assert any("subtitles are left out" in warning for warning in warnings)
    assert any("chapters are left out" in warning for warning in warnings)


def test_many_small_segments_do_not_drift(
    clicking: Callable[..., Path], click_onsets: Callable[[Path], list[float]], tmp_path: Path
) -> None:
    source = clicking("s.mkv", "flac")
    ends = [Fraction(index, 25) for index in range(101)]
    durations = [Fraction(index % 3 + 1, 50) for index in range(100)]
    segments = tuple(
        AudioSegment(source_start=start, source_end=end, output_duration=duration)
        for start, end, duration in zip(ends, ends[1:], durations, strict=False)
    )
    plan = AudioPlan(mode="stretch", segments=segments)
    render(source, tmp_path / "o.mkv", plan, Fraction(1))
    expected = [float(plan.output_time(Fraction(second) + Fraction(1, 2))) for second in range(4)]
    assert np.allclose(click_onsets(tmp_path / "o.mkv"), expected, atol=0.05)


def test_dropped_sound_is_gone(clicking: Callable[..., Path], tmp_path: Path) -> None:
    render(clicking("s.mkv"), tmp_path / "o.mp4", AudioPlan(mode="drop"), Fraction(1))
    assert probe(tmp_path / "o.mp4").audio_streams == 0


@pytest.mark.parametrize(("name", "subtitles"), [("s.mkv", "srt"), ("s.mp4", "mov_text")])
@pytest.mark.parametrize("destination", ["o.mp4", "o.mkv", "o.webm"])
def test_subtitles_chapters_and_title_follow_the_bent_time(
    clicking: Callable[..., Path], tmp_path: Path, name: str, subtitles: str, destination: str
) -> None:
    source = clicking(name, "aac", subtitles)
    plan = stretched(source, Fraction(2))
    assert render(source, tmp_path / destination, plan, Fraction(2)) == ()
    with av.open(str(tmp_path / destination)) as container:
        (stream,) = container.streams.subtitles
        spoken = [
            (round(float(packet.pts * packet.time_base), 2), bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size > 2
        ]
        assert [moment for moment, _ in spoken] == [2.0, 6.0]
        assert b"hello" in spoken[0][1]
        chapters = [
            (round(float(mark["start"] * mark["time_base"]), 1), mark["metadata"]["title"])
            for mark in container.chapters()
        ]
        assert chapters == [(0.0, "A"), (4.0, "B")]
        assert container.metadata["title"] == "My film"


def test_hevc_in_mp4_gets_the_tag_that_all_players_take(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path
) -> None:
    source = ffmpeg_clip("s.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", frames=3)
    render(source, tmp_path / "o.mp4", AudioPlan(), Fraction(1))
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_failure_leaves_nothing_and_keeps_what_was_there(
    ffmpeg_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = ffmpeg_clip("joined.mkv", "-c:v", "libx264", frames=3)
    destination = tmp_path / "o.mkv"
    destination.write_bytes(b"precious")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imf_plugin.media.mux.os.fsync", full)
    with pytest.raises(OutputRefused, match="the disk is full"):
        finish(video, None, destination)
    assert destination.read_bytes() == b"precious"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["joined.mkv", "o.mkv"]


def test_a_folder_of_images_replaces_the_old_one(tmp_path: Path) -> None:
    new, old = tmp_path / "tmp-joined", tmp_path / "frames"
    for folder, name in ((new, "000000.png"), (old, "000009.png")):
        folder.mkdir()
        (folder / name).write_bytes(b"x")
    assert finish(new, None, old) == ()
    assert [file.name for file in old.iterdir()] == ["000000.png"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["frames"]
