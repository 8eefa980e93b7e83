"""What a real ComfyUI makes, against the engine and against its own interpolation node."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import imf_plugin as imf
from imf_hosts.comfyui import curves

pytestmark = pytest.mark.timeout(900)

NAMES = [f"imf_{number}.png" for number in range(4)]
# Save Image rounds down, renders to files round to the nearest.
WITHIN = 1.001


def _read(files: list[Path]) -> NDArray[np.float64]:
    return np.stack([np.asarray(cv2.imread(str(file)))[..., ::-1] for file in files]).astype(float)


def _expected(folder: Path) -> NDArray[np.float64]:
    return _read(sorted(folder.glob("*.png")))


def _video(server_module: Any, kind: str, **inputs: Any) -> dict[str, Any]:
    """Return a workflow that saves each frame of a retimed ``imf_demo.mp4`` as a picture."""
    given = {"model": ["1", 0], "video": ["2", 0], "scene_cuts": "off", **inputs}
    return {
        "1": server_module.node("IMF_LoadModel", model_name="builtin/flow"),
        "2": server_module.node("LoadVideo", file="imf_demo.mp4"),
        "3": server_module.node(kind, **given),
        "4": server_module.node("GetVideoComponents", video=["3", 0]),
        "5": server_module.node("SaveImage", images=["4", 0], filename_prefix="video"),
    }


@pytest.mark.parametrize("factor", [2, 2.5])
@pytest.mark.parametrize("name", ["flow", "imf-vfi-lite"])
def test_slow_motion_of_images_is_that_of_a_file(
    factor: float, name: str, server: Any, server_module: Any, tmp_path: Path
) -> None:
    prompt = server_module.slow_motion(
        **{"retime.factor": factor, "end_mode": "keep duration (holds it)", "images": ["batch", 0]}
    )
    prompt |= server_module.pictures_in(NAMES)
    prompt["1"]["inputs"]["model_name"] = f"builtin/{name}"
    made = _read(server.run(prompt)["5"])
    imf.slow_motion(
        server.base / "input" / "imf_%d.png",
        tmp_path / "made",
        factor=factor,
        model=name,
        input_rate=Fraction(24),
        find_cuts=False,
    )
    assert np.abs(made - _expected(tmp_path / "made")).max() <= WITHIN


def test_slow_motion_of_a_video_is_that_of_a_file(
    server: Any, server_module: Any, tmp_path: Path
) -> None:
    inputs = {"retime": "multiplier", "retime.factor": 3, "timing": "slower (same fps)"}
    prompt = _video(server_module, "IMF_VideoSlowMotion", audio="drop", **inputs)
    made = _read(server.run(prompt)["5"])
    clip = server.base / "input" / "imf_demo.mp4"
    imf.slow_motion(clip, tmp_path / "made", factor=3, model="flow", find_cuts=False)
    assert np.abs(made - _expected(tmp_path / "made")).max() <= WITHIN


def test_frame_rate_conversion_of_a_video_is_that_of_a_file(
    server: Any, server_module: Any, tmp_path: Path
) -> None:
    inputs = {"retime": "target fps", "retime.target_fps": 60, "timing": "smoother (same duration)"}
    prompt = _video(server_module, "IMF_VideoSlowMotion", audio="drop", **inputs)
    made = _read(server.run(prompt)["5"])
    clip = server.base / "input" / "imf_demo.mp4"
    imf.change_fps(clip, tmp_path / "made", rate=60, model="flow", find_cuts=False)
    assert np.abs(made - _expected(tmp_path / "made")).max() <= WITHIN


def test_a_speed_ramp_of_a_video_is_that_of_a_file(
    server: Any, server_module: Any, tmp_path: Path
) -> None:
    ramp = {"preset": "bullet time", "keyframes": "", "curve_is": "speed", "speed": 1}
    prompt = _video(server_module, "IMF_VideoSpeedRamp", audio="drop", output_fps=0, **ramp)
    made = _read(server.run(prompt)["5"])
    curve = curves.make_curve("bullet time", duration=Fraction(7, 24), speed=1)
    clip = server.base / "input" / "imf_demo.mp4"
    imf.retime(clip, tmp_path / "made", curve=curve, model="flow", find_cuts=False)
    assert np.abs(made - _expected(tmp_path / "made")).max() <= WITHIN


@pytest.mark.parametrize("name", ["flow", "imf-vfi-lite"])
def test_our_models_make_their_own_frames_in_comfyui_s_node(
    name: str, server: Any, known: Any, server_module: Any
) -> None:
    if "FrameInterpolate" not in known:
        pytest.skip("the ComfyUI of COMFYUI_DIR has no interpolation node of its own")
    prompt = server_module.pictures_in(NAMES[:3])
    prompt["1"] = server_module.node("IMF_LoadModel", model_name=f"builtin/{name}")
    prompt["2"] = server_module.node(
        "FrameInterpolate", interp_model=["1", 0], images=["batch", 0], multiplier=3
    )
    prompt["5"] = server_module.node("SaveImage", images=["2", 0], filename_prefix="core")
    made = _read(server.run(prompt)["5"])
    model = imf.load_model(name, device="cpu")
    keyframes = [
        torch.from_numpy(picture / 255).movedim(-1, 0).float()
        for picture in _read([server.base / "input" / file for file in NAMES[:3]])
    ]
    assert len(made) == 7
    for place, image in enumerate(made):
        before, after = keyframes[place // 3], keyframes[min(place // 3 + 1, 2)]
        expected = model.interpolate(before, after, [Fraction(place % 3, 3)])[0]
        pixels = expected.clamp(0, 1).movedim(0, -1).numpy() * 255
        assert np.abs(image - pixels).max() <= WITHIN


@pytest.mark.parametrize("loader", ["FrameInterpolationModelLoader", "IMF_LoadModel"])
@pytest.mark.parametrize("weights", ["FILM", "RIFE"])
def test_comfyui_s_models_make_the_same_frames_in_our_node_as_in_its_own(
    weights: str, loader: str, server: Any, known: Any, server_module: Any
) -> None:
    if "FrameInterpolate" not in known:
        pytest.skip("the ComfyUI of COMFYUI_DIR has no interpolation models of its own")
    prompt = server_module.slow_motion(**{"retime.factor": 3, "images": ["batch", 0]})
    prompt |= server_module.pictures_in(NAMES[:3])
    prompt["1"] = server_module.node(loader, model_name=getattr(server_module, weights))
    prompt["6"] = server_module.node(
        "FrameInterpolate", interp_model=["1", 0], images=["batch", 0], multiplier=3
    )
    prompt["7"] = server_module.node("SaveImage", images=["6", 0], filename_prefix="core")
    outputs = server.run(prompt)
    ours, core = _read(outputs["5"]), _read(outputs["7"])
    assert len(ours) == 7
    assert np.abs(ours - core).max() <= 1
    # Random weights draw no picture, but they must not have drawn an empty one.
    assert min(image.std() for image in ours) > 1
