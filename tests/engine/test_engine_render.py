"""Whole renders of real files: counts, bit-exact source frames, times, resuming."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import imf_plugin as imf
from imf_plugin.media.ffmpeg import locate_ffmpeg
from imf_plugin.media.read import open_media

type ClipMaker = Callable[..., Path]
type Picture = NDArray[np.uint8]


def pictures(path: Path) -> Iterator[Picture]:
    """Decode with plain PyAV, not with our own reader."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24", interpolation="BICUBIC"), np.uint8)


def times_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stamps = [
            packet.pts * packet.time_base
            for packet in container.demux(video=0)
            if packet.pts is not None and packet.time_base is not None
        ]
    return sorted(stamps)


def same(first: Path, second: Path) -> bool:
    left, right = list(pictures(first)), list(pictures(second))
    return len(left) == len(right) and all(map(np.array_equal, left, right))


@pytest.mark.parametrize("factor", [2, 3])
def test_slow_motion_keeps_every_source_frame_bit_exact(
    factor: int, make_clip: ClipMaker, tmp_path: Path
) -> None:
    clip, out = make_clip(count=7), tmp_path / "out.mkv"
    imf.slow_motion(clip, out, factor=factor, codec="ffv1")
    made, source = list(pictures(out)), list(pictures(clip))
    assert len(made) == 7 * factor
    assert all(map(np.array_equal, made[::factor], source))


def test_the_new_frames_lie_between_their_neighbours(
    make_clip: ClipMaker, tmp_path: Path, texture: Callable[..., Picture]
) -> None:
    lossless = {"codec": "ffv1", "pixel_format": "bgr0", "options": {"level": "3"}}
    clip = make_clip("clip.mkv", count=4, speed_px=8.0, **lossless)
    out = tmp_path / "out.mkv"
    imf.slow_motion(clip, out, factor=2, codec="ffv1")
    made = list(pictures(out))
    for number in range(3):
        truth = texture(number + 0.5, 96, 64, 8.0).astype(float)
        blend = (made[2 * number].astype(float) + made[2 * number + 2]) / 2
        inside = np.s_[8:-8, 16:-16]
        error = np.abs(made[2 * number + 1][inside] - truth[inside]).mean()
        assert error < 0.3 * np.abs(blend[inside] - truth[inside]).mean()


def test_a_watcher_sees_each_finished_frame_in_its_order(
    make_clip: ClipMaker, tmp_path: Path
) -> None:
    lossless = {"codec": "ffv1", "pixel_format": "bgr0", "options": {"level": "3"}}
    clip, out = make_clip("clip.mkv", count=3, **lossless), tmp_path / "out.mkv"
    seen: list[Picture] = []
    imf.slow_motion(
        clip, out, factor=2, codec="ffv1", watch=lambda picture: seen.append(picture()[..., :3])
    )
    assert len(seen) == 6
    assert all(map(np.array_equal, seen, pictures(out)))


def test_an_mp4_has_the_right_count_times_and_rate(make_clip: ClipMaker, tmp_path: Path) -> None:
    ntsc = Fraction(24000, 1001)
    clip, out = make_clip(count=12, rate=ntsc), tmp_path / "out.mp4"
    result = imf.change_fps(clip, out, rate=60)
    times = times_of(out)
    assert result.frames == len(times) == 31  # 12 * 1001 / 24000 s is 30.03 frames at 60
    assert times == [times[0] + Fraction(n, 60) for n in range(31)]


def test_a_variable_frame_rate_keeps_its_timing(make_clip: ClipMaker, tmp_path: Path) -> None:
    starts = [Fraction(n, 1000) for n in (0, 40, 120, 160, 260, 300)]
    clip, out = make_clip("vfr.mp4", times=starts), tmp_path / "out.mp4"
    imf.slow_motion(clip, out, factor=2)
    times = [stamp - times_of(out)[0] for stamp in times_of(out)]
    assert len(times) == 12
    assert times[::2] == [2 * start for start in starts]
    assert times[1::2][:5] == [a + b for a, b in pairwise(starts)]


def test_nothing_is_mixed_across_a_cut(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip = make_clip(count=16, seeds=[1] * 8 + [2] * 8)
    out = tmp_path / "out.mkv"
    plan = imf.plan(clip, imf.Retime(factor=Fraction(3)))
    assert plan.cuts == (8,)
    imf.render(plan, out, options=imf.RenderOptions(codec="ffv1"))
    made, source = list(pictures(out)), list(pictures(clip))
    assert np.array_equal(made[22], source[7])
    assert np.array_equal(made[23], source[8])


def test_images_come_in_and_go_out(make_clip: ClipMaker, tmp_path: Path) -> None:
    shots, slow = tmp_path / "shots", tmp_path / "slow"
    imf.slow_motion(make_clip(count=3), shots, factor=2)
    imf.slow_motion(shots, slow, factor=2, input_rate=Fraction(25))
    with open_media(shots) as first, open_media(slow) as second:
        assert (first.info.frame_count, second.info.frame_count) == (6, 12)
        for number in range(6):
            assert np.array_equal(first.frame(number).rgb(), second.frame(2 * number).rgb())


def test_a_curve_bends_the_speed(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip, out, curve = make_clip(count=10), tmp_path / "out.mp4", tmp_path / "curve.json"
    curve.write_text(
        '{"kind": "time", "keys": [{"at": 0, "source": 0.36}, {"at": 0.8, "source": 0}]}'
    )
    result = imf.retime(clip, out, curve=curve)
    assert result.frames == len(times_of(out)) == 20


def test_sound_is_stretched_with_the_picture(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip, out = make_clip(count=25, audio=True), tmp_path / "out.mp4"
    imf.slow_motion(clip, out, factor=2)
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        seconds = sum(f.samples for f in container.decode(sound)) / sound.rate
    assert seconds == pytest.approx(2.0, abs=0.08)


def from_ffmpeg(path: Path, *options: str) -> Path:
    """Let the ffmpeg binary write half a second of its test picture."""
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=12:duration=0.5")
    command = [locate_ffmpeg().path, "-v", "error", *source, *options, str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_ten_bit_hdr_stays_ten_bit_hdr(transfer: str, tmp_path: Path) -> None:
    tags = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    options = (
        "-vf",
        f"format=yuv420p10le,{tags}",
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=0",
    )
    clip, out = from_ffmpeg(tmp_path / "hdr.mp4", *options), tmp_path / "out.mp4"
    imf.slow_motion(clip, out, factor=2)
    with open_media(clip) as source, open_media(out) as made:
        assert made.info.pixel_format == "yuv420p10le"
        assert made.info.color == source.info.color
        assert made.info.color.transfer == transfer


def test_a_rotated_phone_clip_comes_out_upright(tmp_path: Path) -> None:
    flat = from_ffmpeg(tmp_path / "flat.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    turned, out = tmp_path / "turned.mp4", tmp_path / "out.mkv"
    command = [locate_ffmpeg().path, "-v", "error", "-display_rotation", "90", "-i", str(flat)]
    subprocess.run([*command, "-c", "copy", str(turned)], check=True)
    imf.slow_motion(turned, out, factor=2, codec="ffv1")
    upright = [np.rot90(picture) for picture in pictures(flat)]
    assert all(map(np.array_equal, list(pictures(out))[::2], upright))


@pytest.mark.parametrize(("name", "codec"), [("out.webm", "vp9"), ("out.mov", "prores")])
def test_transparency_rides_along(name: str, codec: str, tmp_path: Path) -> None:
    layer = "format=yuva444p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='2*X'"
    clip = from_ffmpeg(tmp_path / "in.mkv", "-vf", layer, "-c:v", "ffv1")
    imf.slow_motion(clip, tmp_path / name, factor=2, codec=codec)
    with open_media(tmp_path / name) as made:
        assert made.info.has_alpha
        for number in (2, 3):
            rgba = made.frame(number).rgb()
            alpha = rgba[..., 3] / np.iinfo(rgba.dtype).max * 255
            assert np.abs(alpha - 2 * np.arange(96)).mean() < 3


def test_a_plan_made_for_another_file_is_not_rendered(make_clip: ClipMaker, tmp_path: Path) -> None:
    plan = imf.plan(make_clip(), imf.Retime(factor=Fraction(2)))
    make_clip(speed_px=5.0)
    with pytest.raises(imf.PlanError, match="make it again"):
        imf.render(plan, tmp_path / "out.mp4")


def test_cancelling_keeps_nothing_half_written(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip, out, token = make_clip(count=40), tmp_path / "out.mp4", imf.CancelToken()

    def stop(event: imf.Progress) -> None:
        if event.stage == "render" and event.done >= 5:
            token.cancel()

    with pytest.raises(imf.Cancelled):
        imf.slow_motion(clip, out, factor=2, progress=stop, cancel=token)
    assert {entry.name for entry in tmp_path.iterdir()} == {"clip.mp4"}


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
@pytest.mark.parametrize("codec", ["ffv1", "h264"])
def test_a_render_killed_at_any_moment_is_completed_to_the_same_file(
    codec: str, make_clip: ClipMaker, tmp_path: Path
) -> None:
    clip, out, whole = make_clip(count=150), tmp_path / "out.mkv", tmp_path / "whole.mkv"
    command = [sys.executable, "-m", "imf_plugin.cli.main", "slowmo", str(clip), "-x", "4"]
    command += ["--codec", codec, "--quiet", "-o"]
    subprocess.run([*command, str(whole)], check=True)
    # Kill as soon as one, two and three parts are complete, wherever the next one stands.
    parts = tmp_path / ".out.mkv.imf-parts"
    for wanted in (1, 2, 3):
        process = subprocess.Popen([*command, str(out)])
        while process.poll() is None and len(list(parts.glob("part-*"))) < wanted:
            time.sleep(0.02)
        assert process.poll() is None, "the render ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
    result = imf.slow_motion(clip, out, factor=4, codec=codec)
    assert result.rendered < result.frames == 600
    assert same(out, whole)
    assert not parts.exists()


def test_a_changed_input_never_reuses_old_parts(make_clip: ClipMaker, tmp_path: Path) -> None:
    out, token = tmp_path / "out.mkv", imf.CancelToken()

    def stop(event: imf.Progress) -> None:
        if event.stage == "render" and event.done >= 200:
            token.cancel()

    with pytest.raises(imf.Cancelled):
        imf.slow_motion(make_clip(count=100), out, factor=4, progress=stop, cancel=token)
    assert (tmp_path / ".out.mkv.imf-parts").exists()
    changed = make_clip(count=100, speed_px=3.0)
    result = imf.slow_motion(changed, out, factor=4)
    assert result.rendered == result.frames == 400


def test_a_missing_curve_file_is_one_sentence(make_clip: ClipMaker, tmp_path: Path) -> None:
    with pytest.raises(imf.PlanError, match=r"the curve file .*ramp\.json cannot be read"):
        imf.retime(make_clip(), tmp_path / "out.mp4", curve=tmp_path / "ramp.json")
