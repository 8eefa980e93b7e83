"""The pack in a real ComfyUI; set COMFYUI_DIR and COMFYUI_PYTHON to run these."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))

pytestmark = pytest.mark.timeout(900)


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
        if node["type"].startswith("FrameInterpol") and node["type"] not in known:
            pytest.skip("the ComfyUI of COMFYUI_DIR has no interpolation node of its own")
    outputs = server.run(server_module.to_prompt(workflow, known))
    files = [file for written in outputs.values() for file in written]
    assert files
    assert all(file.stat().st_size > 500 for file in files)


def test_a_long_render_stops_within_a_second_and_leaves_no_file(
    server: Any, server_module: Any
) -> None:
    prompt = {
        "1": server_module.node("IMF_LoadModel", model_name="builtin/flow"),
        "2": server_module.node("LoadVideo", file="imf_demo.mp4"),
        "3": server_module.node(
            "IMF_VideoSlowMotion",
            model=["1", 0],
            video=["2", 0],
            retime="frame count",
            timing="slower (same fps)",
            audio="drop",
            scene_cuts="off",
            **{"retime.frames": 5000},
        ),
        "4": server_module.node(
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
        server.queue(server_module.slow_motion(**inputs))


def test_a_missing_model_is_refused_with_folder_and_file(server: Any, server_module: Any) -> None:
    prompt = server_module.slow_motion()
    prompt["1"]["inputs"]["model_name"] = "gone.safetensors"
    with pytest.raises(
        server_module.Rejected, match=r"gone\.safetensors is not in .*interpolation"
    ):
        server.queue(prompt)


def test_an_empty_curve_is_refused_before_anything_runs(server: Any, server_module: Any) -> None:
    prompt = server_module.slow_motion()
    prompt["4"] = server_module.node(
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
    prompt = server_module.slow_motion(**{"retime.factor": 4})
    prompt["3"] = server_module.node("EmptyImage", width=64, height=64, batch_size=1, color=0)
    prompt["6"] = server_module.node("ImageFromBatch", image=["3", 0], batch_index=0, length=1)
    prompt["4"]["inputs"]["images"] = ["6", 0]
    assert len(server.run(prompt)["5"]) == 1
    shown = {"direction": "forward", "style": "arrows", "scale": 0}
    prompt["4"] = server_module.node("IMF_FlowPreview", model=["1", 0], images=["6", 0], **shown)
    with pytest.raises(server_module.Failed, match="at least two images"):
        server.run(prompt)
