"""The pack in a real ComfyUI; set COMFYUI_DIR and COMFYUI_PYTHON to run these."""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

import imf_plugin as imf

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
COUNT, WIDTH, HEIGHT, RATE = 7, 128, 96, 24

pytestmark = [
    pytest.mark.skipif(
        not {"COMFYUI_DIR", "COMFYUI_PYTHON"} <= set(os.environ),
        reason="no ComfyUI to test with: set COMFYUI_DIR and COMFYUI_PYTHON",
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    texture: Callable[..., Any],
    server_module: Any,
) -> Iterator[Any]:
    base = tmp_path_factory.mktemp("comfyui")
    made = server_module.Server(
        Path(os.environ["COMFYUI_DIR"]), os.environ["COMFYUI_PYTHON"], ROOT, base
    )
    pictures = [texture(number, WIDTH, HEIGHT, 3.0) for number in range(COUNT)]
    _write_clip(base / "input" / "imf_demo.mp4", pictures)
    cv2.imwrite(str(base / "input" / "imf_reference.png"), pictures[0])
    for number in range(3):
        cv2.imwrite(str(base / "input" / f"imf_{number}.png"), pictures[number][..., ::-1])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def known(server: Any) -> Any:
    return server.get("/object_info")


def _write_clip(path: Path, pictures: list[Any]) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", RATE, {"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound: Any = container.add_stream("aac", 48000, layout="stereo")
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
        tone = np.zeros((2, 48000 * COUNT // RATE), np.float32)
        frame = av.AudioFrame.from_ndarray(tone, "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def _slow(**inputs: Any) -> dict[str, Any]:
    """Return a workflow with the batch node."""
    given = {
        "model": ["1", 0],
        "images": ["3", 0],
        "retime": "multiplier",
        "retime.factor": 2,
        "source_fps": 24,
        "timing": "smoother (same duration)",
        "end_mode": "between (ends with the last image)",
        "loop": False,
        "scene_cuts": "off",
        **inputs,
    }
    return {
        "1": _node("IMF_LoadModel", model_name="builtin/flow"),
        "2": _node("LoadVideo", file="imf_demo.mp4"),
        "3": _node("GetVideoComponents", video=["2", 0]),
        "4": _node("IMF_SlowMotion", **given),
        "5": _node("SaveImage", images=["4", 0], filename_prefix="slow"),
    }


def test_the_pack_loads_without_a_warning_and_its_nodes_are_there(server: Any, known: Any) -> None:
    ours = [name for name, about in known.items() if about["python_module"].endswith("imf_plugin")]
    assert len(ours) == 14
    lines = server.log.read_text().splitlines()
    assert not [line for line in lines if "imf" in line.lower() and "warn" in line.lower()]
    assert not [line for line in lines if "IMPORT FAILED" in line]


def test_examples_blueprints_texts_and_help_are_served(server: Any) -> None:
    assert {path.stem for path in EXAMPLES} <= set(server.get("/workflow_templates")["imf_plugin"])
    assert "Load" not in server.get("/i18n")["fr"]["nodeDefs"]["IMF_LoadModel"]["display_name"]
    blueprints = [about["name"] for about in server.get("/global_subgraphs").values()]
    assert "Slow Motion (IMF)" in blueprints
    url = f"{server.url}/extensions/imf_plugin/docs/IMF_SlowMotion/en.md"
    with urllib.request.urlopen(url, timeout=20) as page:
        assert b"# Slow Motion (IMF)" in page.read()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs(path: Path, server: Any, known: Any, server_module: Any) -> None:
    workflow = json.loads(path.read_text())
    for node in workflow["nodes"]:
        if node["type"] == "FrameInterpolationModelLoader":
            pytest.skip("COMFYUI_DIR has no weights of FILM")
        if node["type"] == "FrameInterpolate" and node["type"] not in known:
            pytest.skip("the ComfyUI of COMFYUI_DIR has no interpolation node of its own")
    outputs = server.run(server_module.to_prompt(workflow, known))
    files = [file for written in outputs.values() for file in written]
    assert files
    assert all(file.stat().st_size > 500 for file in files)


def test_images_are_the_engine_s_own(server: Any, texture: Callable[..., Any]) -> None:
    prompt = _slow()
    loaders = {f"1{n}": _node("LoadImage", image=f"imf_{n}.png") for n in range(3)}
    prompt |= loaders
    prompt["20"] = _node("ImageBatch", image1=["10", 0], image2=["11", 0])
    prompt["21"] = _node("ImageBatch", image1=["20", 0], image2=["12", 0])
    prompt["4"]["inputs"]["images"] = ["21", 0]
    outputs = server.run(prompt)
    made = [np.asarray(cv2.imread(str(file)))[..., ::-1].astype(float) for file in outputs["5"]]
    pictures = [
        torch.from_numpy(texture(n, WIDTH, HEIGHT, 3.0)).movedim(-1, 0).float() / 255
        for n in range(3)
    ]
    model = imf.load_model("flow", device="cpu")
    assert len(made) == 5
    for place, image in enumerate(made):
        before, after = pictures[place // 2], pictures[min(place // 2 + 1, 2)]
        expected = model.interpolate(before, after, [Fraction(place % 2, 2)])[0]
        pixels = expected.clamp(0, 1).movedim(0, -1).numpy() * 255
        # Save Image rounds down.
        assert np.abs(image - pixels).max() <= 1.001


def test_a_long_render_stops_within_a_second_and_leaves_no_file(server: Any) -> None:
    prompt = {
        "1": _node("IMF_LoadModel", model_name="builtin/flow"),
        "2": _node("LoadVideo", file="imf_demo.mp4"),
        "3": _node(
            "IMF_VideoSlowMotion",
            model=["1", 0],
            video=["2", 0],
            retime="frame count",
            timing="slower (same fps)",
            audio="drop",
            scene_cuts="off",
            **{"retime.frames": 5000},
        ),
        "4": _node(
            "SaveVideo",
            video=["3", 0],
            filename_prefix="interrupted",
            format="auto",
            codec="auto",
        ),
    }
    prompt_id = server.queue(prompt)
    end = time.monotonic() + 120
    while not list((server.base / "output").glob("interrupted*")) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)
    asked_ms = time.time() * 1000
    server.post("/interrupt", {})
    messages = dict(server.wait(prompt_id)["status"]["messages"])
    # ComfyUI stores the history later, after collecting garbage, so its own clock is asked.
    stopped_ms = messages["execution_interrupted"]["timestamp"]
    assert stopped_ms - asked_ms < 1000
    assert not list((server.base / "output").glob("interrupted*"))


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"cuts": "12, x"}, "is no frame number"),
        ({"retime": "target fps", "retime.target_fps": 0}, "smaller than min"),
        ({"retime": "target fps", "retime.target_fps": 2000}, "bigger than max"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    server: Any, server_module: Any, inputs: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(server_module.Rejected, match=complaint):
        server.queue(_slow(**inputs))


def test_a_missing_model_is_refused_with_folder_and_file(server: Any, server_module: Any) -> None:
    prompt = _slow()
    prompt["1"]["inputs"]["model_name"] = "gone.safetensors"
    with pytest.raises(
        server_module.Rejected, match=r"gone\.safetensors is not in .*interpolation"
    ):
        server.queue(prompt)


def test_an_empty_curve_is_refused_before_anything_runs(server: Any, server_module: Any) -> None:
    prompt = _slow()
    prompt["4"] = _node(
        "IMF_SpeedRamp",
        model=["1", 0],
        images=["3", 0],
        source_fps=24,
        preset="curve",
        keyframes="",
        curve_is="speed",
        speed=1,
        output_fps=0,
        scene_cuts="off",
        curve={"points": [], "interpolation": "linear"},
    )
    with pytest.raises(server_module.Rejected, match="at least two points"):
        server.queue(prompt)


def test_one_image_passes_through_but_has_no_motion(server: Any, server_module: Any) -> None:
    prompt = _slow(**{"retime.factor": 4})
    prompt["3"] = _node("EmptyImage", width=64, height=64, batch_size=1, color=0)
    prompt["6"] = _node("ImageFromBatch", image=["3", 0], batch_index=0, length=1)
    prompt["4"]["inputs"]["images"] = ["6", 0]
    assert len(server.run(prompt)["5"]) == 1
    prompt["4"] = _node("IMF_FlowPreview", model=["1", 0], images=["6", 0], direction="forward",
                        style="arrows", scale=0)  # fmt: skip
    with pytest.raises(server_module.Failed, match="at least two images"):
        server.run(prompt)
