import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from imf_hosts.comfyui import requests

type Run = Callable[..., tuple[Any, ...]]
type ClipMaker = Callable[..., Path]

TIMES_2 = {"retime": requests.MULTIPLIER, "factor": 2.0}


def _decoded(path: Any) -> tuple[list[Any], Any, float]:
    """Return pictures, frame rate and seconds of sound."""
    with av.open(path) as container:
        rate = container.streams.video[0].average_rate
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    seconds = 0.0
    if isinstance(path, io.BytesIO):
        path.seek(0)
    with av.open(path) as container:
        if container.streams.audio:
            stream = container.streams.audio[0]
            samples = sum(frame.samples for frame in container.decode(audio=0))
            seconds = samples / stream.sample_rate
    return pictures, rate, seconds


@pytest.fixture
def slow(run: Run, model: Any, standin: Any) -> Callable[..., tuple[Any, ...]]:
    def slow_video(path: Any, **options: Any) -> tuple[Any, ...]:
        given = {"retime": TIMES_2, "scene_cuts": "off", **options}
        video = path if isinstance(path, standin.Video) else standin.VideoFromFile(path)
        return run("IMF_VideoSlowMotion", model=model, video=video, **given)

    return slow_video


def test_nothing_is_made_before_the_video_is_saved(
    slow: Run, make_clip: ClipMaker, comfy: Any
) -> None:
    video, fps, count = slow(str(make_clip()))
    assert (count, fps) == (12, 25.0)
    assert (video.get_frame_count(), video.get_frame_rate()) == (12, 25)
    assert video.get_dimensions() == (96, 64)
    assert video.get_duration() == pytest.approx(0.48)
    assert not comfy.values


def test_slower_stretches_the_sound_and_keeps_the_rate(
    slow: Run, make_clip: ClipMaker, tmp_path: Path, comfy: Any
) -> None:
    video, _, _ = slow(str(make_clip(count=25, audio=True)))
    video.save_to(str(tmp_path / "out.mp4"), metadata={"prompt": {"1": 2}})
    pictures, rate, seconds = _decoded(str(tmp_path / "out.mp4"))
    assert (len(pictures), rate) == (50, 25)
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert comfy.values[-1] == (50, 50)
    assert comfy.previews >= 1
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["prompt"] == '{"1": 2}'


def test_smoother_keeps_the_sound_and_doubles_the_rate(
    slow: Run, make_clip: ClipMaker, tmp_path: Path
) -> None:
    video, fps, _ = slow(str(make_clip(count=25, audio=True)), timing=requests.SMOOTHER)
    video.save_to(str(tmp_path / "out.mp4"))
    pictures, rate, seconds = _decoded(str(tmp_path / "out.mp4"))
    assert (len(pictures), rate, fps) == (50, 50, 50.0)
    assert seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_videos_work(
    slow: Run, make_clip: ClipMaker, tmp_path: Path, count: int
) -> None:
    video, _, made = slow(str(make_clip(count=count)))
    assert made == (1 if count == 1 else 2 * count)
    if count > 1:
        video.save_to(str(tmp_path / "out.mp4"))
        assert len(_decoded(str(tmp_path / "out.mp4"))[0]) == made


def test_sound_can_be_dropped(slow: Run, make_clip: ClipMaker, tmp_path: Path) -> None:
    video, _, _ = slow(str(make_clip(audio=True)), audio="drop")
    video.save_to(str(tmp_path / "out.mp4"))
    assert _decoded(str(tmp_path / "out.mp4"))[2] == 0


def test_broadcast_rates_become_whole_ones_exactly(
    slow: Run, make_clip: ClipMaker, tmp_path: Path
) -> None:
    clip = make_clip(count=8, rate=Fraction(24000, 1001))
    retime = {"retime": requests.TARGET_FPS, "target_fps": 60.0}
    video, fps, count = slow(str(clip), retime=retime, timing=requests.SMOOTHER)
    video.save_to(str(tmp_path / "out.mp4"))
    pictures, rate, _ = _decoded(str(tmp_path / "out.mp4"))
    assert (len(pictures), rate, fps) == (count, 60, 60.0)
    assert count == 21


def test_source_frames_stay_and_new_ones_lie_between(
    slow: Run, make_clip: ClipMaker, tmp_path: Path, texture: Callable[..., Any]
) -> None:
    video, _, _ = slow(str(make_clip(count=4, width=128, speed_px=4.0)))
    video.save_to(str(tmp_path / "out.mp4"))
    pictures, _, _ = _decoded(str(tmp_path / "out.mp4"))
    for number, picture in enumerate(pictures[:7]):
        truth = texture(number / 2, 128, 64, 4.0).astype(np.float32)
        inside = np.abs(picture.astype(np.float32) - truth)[8:-8, 16:-16]
        assert inside.mean() < 6


def test_a_part_of_the_result_can_be_cut_out(
    slow: Run, make_clip: ClipMaker, tmp_path: Path
) -> None:
    video, _, _ = slow(str(make_clip(count=25, audio=True)))
    part = video.as_trimmed(0.4, 1.0)
    assert part.get_frame_count() == 25
    part.save_to(str(tmp_path / "part.mp4"))
    pictures, _, seconds = _decoded(str(tmp_path / "part.mp4"))
    assert len(pictures) == 25
    assert seconds == pytest.approx(1.0, abs=0.1)
    assert video.as_trimmed(9.0, 1.0) is None
    assert video.as_trimmed(1.5, 1.0, strict_duration=True) is None


def test_a_trimmed_source_gives_only_its_part(
    slow: Run, make_clip: ClipMaker, standin: Any
) -> None:
    source = standin.VideoFromFile(str(make_clip(count=25)), start_time=0.2, duration=0.4)
    video, _, count = slow(source)
    assert count == 20
    whole, _, _ = slow(str(make_clip(count=25)))
    part, all_frames = video.get_components().images, whole.get_components().images
    assert torch.equal(part[0], all_frames[10])


def test_a_video_in_memory_and_one_made_of_images_work_too(
    slow: Run, make_clip: ClipMaker, images: Tensor, standin: Any
) -> None:
    _, _, count = slow(io.BytesIO(make_clip().read_bytes()))
    assert count == 12
    tone = {"waveform": torch.zeros(1, 2, 8000), "sample_rate": 48000}
    parts = standin.VideoComponents(images=images, frame_rate=Fraction(30), audio=tone)
    video, fps, count = slow(standin.VideoFromComponents(parts))
    assert (count, fps) == (10, 30.0)
    target = io.BytesIO()
    video.save_to(target)
    target.seek(0)
    pictures, rate, _ = _decoded(target)
    assert (len(pictures), rate) == (10, 30)


def test_frames_in_memory_are_those_of_the_batch_node(
    slow: Run, run: Run, model: Any, images: Tensor, standin: Any
) -> None:
    parts = standin.VideoComponents(images=images, frame_rate=Fraction(24))
    video, _, _ = slow(standin.VideoFromComponents(parts))
    batch, _, _ = run(
        "IMF_SlowMotion",
        model=model,
        images=images,
        retime=TIMES_2,
        scene_cuts="off",
        end_mode=requests.KEEP_DURATION,
    )
    assert torch.equal(video.get_components().images, batch)


def test_our_own_video_can_be_slowed_again(
    slow: Run, run: Run, model: Any, make_clip: ClipMaker
) -> None:
    video, _, _ = slow(str(make_clip()))
    _, _, count = run("IMF_VideoSlowMotion", model=model, video=video, retime=TIMES_2)
    assert count == 24


def test_stopping_leaves_no_file(
    slow: Run, make_clip: ClipMaker, tmp_path: Path, comfy: Any, standin: Any
) -> None:
    video, _, _ = slow(str(make_clip()))
    comfy.stop_after = 4
    with pytest.raises(standin.Interrupted):
        video.save_to(str(tmp_path / "out.mp4"))
    assert not (tmp_path / "out.mp4").exists()


def test_cuts_of_a_video_are_found_when_it_is_saved(
    slow: Run, run: Run, make_clip: ClipMaker, standin: Any
) -> None:
    clip = str(make_clip(count=12, seeds=[1] * 6 + [9] * 6))
    cuts, count, _ = run("IMF_SceneCuts", video=standin.VideoFromFile(clip))
    assert (cuts, count) == ("6", 1)
    video, _, _ = slow(clip, scene_cuts="auto", retime={**TIMES_2, "factor": 4.0})
    frames = video.get_components().images
    assert torch.equal(frames[21], frames[20])
    assert torch.equal(frames[23], frames[24])


def test_a_factor_of_one_passes_the_video_on(slow: Run, make_clip: ClipMaker, standin: Any) -> None:
    source = standin.VideoFromFile(str(make_clip()))
    video, _, count = slow(source, retime={**TIMES_2, "factor": 1.0})
    assert video is source
    assert count == 6


def test_a_ramp_follows_its_keyframes_with_sound(
    run: Run, model: Any, make_clip: ClipMaker, standin: Any, tmp_path: Path
) -> None:
    video, fps, count, places = run(
        "IMF_VideoSpeedRamp",
        model=model,
        video=standin.VideoFromFile(str(make_clip(count=25, audio=True))),
        preset="keyframes",
        keyframes="0s:0.5",
        scene_cuts="off",
    )
    assert (fps, count, len(places)) == (25.0, 50, 50)
    video.save_to(str(tmp_path / "out.mp4"))
    pictures, _, seconds = _decoded(str(tmp_path / "out.mp4"))
    assert len(pictures) == 50
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_odd_sizes_are_written_whole(slow: Run, images: Tensor, standin: Any) -> None:
    parts = standin.VideoComponents(images=images[:, :47, :63], frame_rate=Fraction(24))
    video, _, _ = slow(standin.VideoFromComponents(parts))
    target = io.BytesIO()
    video.save_to(target)
    target.seek(0)
    assert _decoded(target)[0][0].shape == (47, 63, 3)


def test_another_container_is_refused_in_a_sentence(slow: Run, make_clip: ClipMaker) -> None:
    video, _, _ = slow(str(make_clip()))
    with pytest.raises(ValueError, match=r"MP4 with H\.264, not as webm"):
        video.save_to("out.webm", format="webm")


def test_a_file_that_is_no_video_is_named(slow: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"broken\.mp4"):
        slow(str(broken))
