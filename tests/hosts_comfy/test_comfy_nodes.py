from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from imf_hosts.comfyui import requests
from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.registry import load_interpolator, resolve_name

type Run = Callable[..., tuple[Any, ...]]

TIMES_2 = {"retime": requests.MULTIPLIER, "factor": 2.0}
TIMES_3 = {"retime": requests.MULTIPLIER, "factor": 3.0}


def _slow(run: Run, model: Any, images: Tensor, **options: Any) -> tuple[Any, ...]:
    given = {"retime": TIMES_2, "scene_cuts": "off", **options}
    return run("IMF_SlowMotion", model=model, images=images, **given)


def test_between_makes_one_less_and_keeps_every_image_bit_for_bit(
    run: Run, model: Any, images: Tensor
) -> None:
    given = images.clone()
    result, fps, count = _slow(run, model, images, retime=TIMES_3)
    assert count == len(result) == 13
    assert fps == 72.0
    assert torch.equal(result[::3], given)
    assert torch.equal(images, given)


def test_kept_duration_holds_the_last_image(run: Run, model: Any, images: Tensor) -> None:
    result, _, count = _slow(run, model, images, end_mode=requests.KEEP_DURATION)
    assert count == 10
    assert torch.equal(result[9], images[4])


def test_new_frames_are_the_engine_s_own(run: Run, model: Any, images: Tensor) -> None:
    result, _, _ = _slow(run, model, images)
    earlier, first, second, later = (image.movedim(-1, 0) for image in images[:4])
    context = Context(earlier=Neighbour(keyframe=earlier), later=Neighbour(keyframe=later))
    flow = load_interpolator("flow")
    expected = flow.interpolate(first, second, [0.5], context=context)[0]
    assert torch.allclose(result[3].movedim(-1, 0), expected.clamp(0, 1), atol=1 / 255)


def test_a_loop_goes_on_into_the_first_image(run: Run, model: Any, images: Tensor) -> None:
    result, _, count = _slow(run, model, images, loop=True)
    assert count == 10
    assert not torch.equal(result[9], images[4])


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_single_image_or_a_factor_of_one_passes_through(
    run: Run, model: Any, images: Tensor, factor: float
) -> None:
    given = images if factor == 1 else images[:1]
    retime = {"retime": requests.MULTIPLIER, "factor": factor}
    result, _, count = _slow(run, model, given, retime=retime)
    assert result is given
    assert count == len(given)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_images_are_enough(
    run: Run, model: Any, images: Tensor, count: int, loop: bool
) -> None:
    given = images[:count]
    result, _, made = _slow(run, model, given, retime=TIMES_3, loop=loop)
    assert made == len(result) == (3 * count if loop else 3 * (count - 1) + 1)
    assert torch.equal(result[::3], given)
    assert bool(torch.isfinite(result).all())


def test_a_target_rate_changes_frames_and_rate(run: Run, model: Any, images: Tensor) -> None:
    result, fps, count = _slow(
        run,
        model,
        images,
        retime={"retime": requests.TARGET_FPS, "target_fps": 60.0},
        end_mode=requests.KEEP_DURATION,
    )
    assert fps == 60.0
    assert count == len(result) == 13


def test_a_number_of_frames_is_hit_exactly(run: Run, model: Any, images: Tensor) -> None:
    retime = {"retime": requests.FRAME_COUNT, "frames": 7}
    result, _, count = _slow(run, model, images, retime=retime)
    assert count == len(result) == 7
    assert torch.equal(result[-1], images[-1])


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images_keep_their_channels(
    run: Run, model: Any, images: Tensor, channels: int
) -> None:
    given = images[..., [0, 1, 2, 0]][..., :channels].contiguous()
    result, _, _ = _slow(run, model, given)
    assert result.shape == (9, 48, 64, channels)
    assert torch.equal(result[::2], given)


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (torch.zeros(0, 8, 8, 3), "the batch is empty"),
        (torch.zeros(2, 8, 8, 2), "2 channels are not known"),
        (torch.zeros(8, 8, 3), "no batch of images"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(
    run: Run, model: Any, images: Tensor, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        _slow(run, model, images)


def test_named_cuts_are_respected_and_no_frame_is_lost(
    run: Run, model: Any, images: Tensor
) -> None:
    result, _, count = _slow(run, model, images, retime=TIMES_3, cuts="2")
    assert count == 13
    assert torch.equal(result[4], images[1])
    assert torch.equal(result[5], images[2])
    blended, _, _ = _slow(run, model, images, retime=TIMES_3, cuts="2", on_cut="blend")
    assert torch.allclose(blended[4], images[1] * (2 / 3) + images[2] / 3, atol=1e-5)


def test_found_cuts_are_respected(run: Run, model: Any, images: Tensor) -> None:
    clip = torch.cat([images, 1 - images.flip(1) * 0.3])
    cuts, count, preview = run("IMF_SceneCuts", images=clip)
    assert (cuts, count, len(preview)) == ("5", 1, 2)
    result, _, _ = run("IMF_SlowMotion", model=model, images=clip, retime=TIMES_3)
    assert torch.equal(result[13], images[4])


def test_scene_cuts_need_one_of_two_inputs(run: Run) -> None:
    with pytest.raises(ValueError, match="either images or a video"):
        run("IMF_SceneCuts")


def test_progress_is_told_for_every_frame_with_previews_and_memory_is_asked_for(
    run: Run, model: Any, images: Tensor, comfy: Any
) -> None:
    _slow(run, model, images)
    assert comfy.values == [(done, 9) for done in range(1, 10)]
    assert comfy.previews >= 1
    assert comfy.memory_asked[-1] >= 48 * 64 * 3 * 4


def test_a_render_stops_at_the_next_frame(
    run: Run, model: Any, images: Tensor, comfy: Any, standin: Any
) -> None:
    comfy.stop_after = 3
    with pytest.raises(standin.Interrupted):
        _slow(run, model, images)
    assert len(comfy.values) == 3


@pytest.mark.parametrize("channels", [1, 4])
def test_every_node_takes_grey_and_transparent_images(
    run: Run, model: Any, images: Tensor, standin: Any, channels: int
) -> None:
    given = images[..., [0, 1, 2, 0]][..., :channels].contiguous()
    assert run("IMF_SpeedRamp", model=model, images=given)[0].shape[1:] == (48, 64, channels)
    assert run("IMF_FlowPreview", model=model, images=given)[0].shape == (4, 48, 64, 3)
    assert run("IMF_SceneCuts", images=given)[1] == 0
    assert run("IMF_Retarget", model=model, reference=given, driving=given)[0].shape[-1] == 3
    track, _ = run("IMF_EncodeTokens", model=model, images=given)
    assert len(run("IMF_DecodeTokens", model=model, tokens=track, reference=given)[0]) == 5
    parts = standin.VideoComponents(images=given, frame_rate=Fraction(24))
    video = run("IMF_VideoSpeedRamp", model=model, video=standin.VideoFromComponents(parts))[0]
    assert video.get_components().images.shape[1:] == (48, 64, 3)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_made(
    run: Run, model: Any, comfy: Any
) -> None:
    images = torch.zeros(1, 4096, 4096, 3).expand(2000, -1, -1, -1)
    with pytest.raises(ValueError, match=r"GB of memory.*Video Slow Motion"):
        _slow(run, model, images)
    assert not comfy.values


def test_a_ramp_says_which_source_frame_each_frame_shows(
    run: Run, model: Any, images: Tensor
) -> None:
    result, fps, count, places = run(
        "IMF_SpeedRamp",
        model=model,
        images=images,
        preset="keyframes",
        keyframes="0%:0.5",
        scene_cuts="off",
    )
    assert (count, fps) == (10, 24.0)
    assert places == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4]
    assert torch.equal(result[0:9:2], images)


@pytest.mark.parametrize("style", ["colour wheel", "arrows", "occlusion"])
def test_motion_is_measured_and_painted(run: Run, model: Any, images: Tensor, style: str) -> None:
    preview, hidden, flow = run("IMF_FlowPreview", model=model, images=images, style=style)
    assert preview.shape == (4, 48, 64, 3)
    assert hidden.shape == (4, 48, 64)
    assert float(preview.min()) >= 0
    assert float(preview.max()) <= 1
    assert float(flow[:, 16:32, 20:44, 0].median()) == pytest.approx(-2, abs=0.2)


def test_motion_backwards_is_the_other_way(run: Run, model: Any, images: Tensor) -> None:
    _, _, flow = run("IMF_FlowPreview", model=model, images=images, direction="backward")
    assert float(flow[:, 16:32, 20:44, 0].median()) == pytest.approx(2, abs=0.2)


def test_motion_of_one_image_is_refused(run: Run, model: Any, images: Tensor) -> None:
    with pytest.raises(ValueError, match="at least two images"):
        run("IMF_FlowPreview", model=model, images=images[:1])


def test_tokens_survive_encoding_storing_and_playing(
    run: Run, model: Any, images: Tensor, comfy_folder: Path
) -> None:
    track, info = run("IMF_EncodeTokens", model=model, images=images)
    assert "5 frames at 24 fps" in info
    (path,) = run("IMF_SaveTokens", tokens=track)
    assert Path(path).is_relative_to(comfy_folder / "output")
    loaded, _ = run("IMF_LoadTokens", file=str(Path(path).relative_to(comfy_folder / "output")))
    assert loaded.rate == Fraction(24)
    (played,) = run("IMF_DecodeTokens", model=model, tokens=loaded, reference=images[:1])
    assert played.shape == images.shape
    assert float((played[0] - images[0]).abs().max()) < 0.02
    moved, still = (played - images).abs().mean(), (images[:1] - images).abs().mean()
    assert float(moved) < float(still)


def test_saving_twice_overwrites_nothing(run: Run, model: Any, images: Tensor) -> None:
    track, _ = run("IMF_EncodeTokens", model=model, images=images[:2])
    first, second = (run("IMF_SaveTokens", tokens=track)[0] for _ in range(2))
    assert first != second


def test_retargeting_without_strength_holds_the_picture(
    run: Run, model: Any, images: Tensor
) -> None:
    held, track, info, fps = run(
        "IMF_Retarget", model=model, reference=images[:1], driving=images, strength=0.0
    )
    assert len(track.tokens) == 5
    assert "anchor: frame 0" in info
    assert fps == 24
    assert float((held - images[:1]).abs().max()) < 0.02


def test_an_anchor_beyond_the_clip_is_refused(run: Run, model: Any, images: Tensor) -> None:
    with pytest.raises(ValueError, match="no frame 5, the last is 4"):
        run("IMF_Retarget", model=model, reference=images, driving=images, anchor_frame=5)


def test_a_model_that_is_missing_is_named_with_its_folder(
    node_classes: dict[str, Any], comfy_folder: Path
) -> None:
    check = node_classes["IMF_LoadModel"].validate_inputs
    assert check(model_name="builtin/flow") is True
    complaint = check(model_name="rife49.safetensors")
    assert "rife49.safetensors" in complaint
    assert str(comfy_folder / "models" / "frame_interpolation") in complaint
    assert "builtin/flow" in check(model_name="builtin/nothing")


def test_the_loader_proposes_the_engine_s_default(
    node_classes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def proposed() -> Any:
        return node_classes["IMF_LoadModel"].define_schema().inputs[0].default

    assert proposed() == f"builtin/{resolve_name('auto')}"
    monkeypatch.setattr("imf_plugin.models.registry.resolve_name", lambda name: "elsewhere")
    assert proposed() == "builtin/flow"


def test_bad_text_is_refused_before_anything_runs(node_classes: dict[str, Any]) -> None:
    assert "no frame number" in node_classes["IMF_SlowMotion"].validate_inputs(cuts="12, x")
    ramp = node_classes["IMF_SpeedRamp"].validate_inputs
    assert ramp(preset="bullet time") is True
    assert "there are none" in ramp(preset="keyframes", keyframes=" ", curve_is="speed")
    assert "two points" in ramp(preset="curve", curve={"points": []})
    assert "no preset" in ramp(preset="sideways")
    load = node_classes["IMF_LoadTokens"].validate_inputs
    assert "neither in" in load(file="nothing.safetensors")
    assert "neither in" in load(file="../../etc/passwd")
