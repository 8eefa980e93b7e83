import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

type Run = Callable[..., tuple[Any, ...]]

HERE = Path(__file__).resolve().parent


def _module(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


STANDIN = _module("imf_comfy_standin", HERE / "standin.py")


@pytest.fixture
def standin() -> Any:
    """The module of stand-ins."""
    return STANDIN


@pytest.fixture(scope="session")
def server_module() -> Any:
    """The module that starts a real ComfyUI."""
    return _module("imf_comfy_server", HERE / "server.py")


DEMO_FRAMES, DEMO_WIDTH, DEMO_HEIGHT, DEMO_RATE = 7, 128, 96, 24


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, texture: Callable[..., Any], server_module: Any
) -> Iterator[Any]:
    """A running ComfyUI with this pack, and inputs: ``imf_demo.mp4`` and pictures of it."""
    if not {"COMFYUI_DIR", "COMFYUI_PYTHON"} <= set(os.environ):
        pytest.skip("no ComfyUI to test with: set COMFYUI_DIR and COMFYUI_PYTHON")
    base = tmp_path_factory.mktemp("comfyui")
    made = server_module.Server(
        Path(os.environ["COMFYUI_DIR"]), os.environ["COMFYUI_PYTHON"], HERE.parents[1], base
    )
    pictures = [texture(number, DEMO_WIDTH, DEMO_HEIGHT, 3.0) for number in range(DEMO_FRAMES)]
    _write_demo(base / "input" / "imf_demo.mp4", pictures)
    cv2.imwrite(str(base / "input" / "imf_reference.png"), pictures[0])
    for number in range(4):
        cv2.imwrite(str(base / "input" / f"imf_{number}.png"), pictures[number][..., ::-1])
    yield made
    made.stop()


@pytest.fixture(scope="session")
def known(server: Any) -> Any:
    """The nodes of the running ComfyUI."""
    return server.get("/object_info")


def _write_demo(path: Path, pictures: list[Any]) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", DEMO_RATE, {"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = DEMO_WIDTH, DEMO_HEIGHT, "yuv420p"
        sound: Any = container.add_stream("aac", 48000, layout="stereo")
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
        tone = np.zeros((2, 48000 * DEMO_FRAMES // DEMO_RATE), np.float32)
        frame = av.AudioFrame.from_ndarray(tone, "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


@pytest.fixture
def comfy_folder(tmp_path: Path) -> Path:
    """ComfyUI's base folder."""
    return tmp_path / "comfy"


@pytest.fixture
def comfy(comfy_folder: Path) -> Iterator[Any]:
    """A stand-in for ComfyUI, installed; what the nodes report to it."""
    progress = STANDIN.Progress()
    with STANDIN.installed(comfy_folder, progress):
        yield progress


@pytest.fixture
def node_classes(comfy: Any) -> dict[str, Any]:
    """The nodes by their ids."""
    from imf_hosts.comfyui.extension import node_classes

    return {node.define_schema().node_id: node for node in node_classes()}


@pytest.fixture
def run(node_classes: dict[str, Any]) -> Run:
    """A function that runs a node as ComfyUI would: defaults filled in, under inference mode."""

    def run_node(node_id: str, **given: Any) -> tuple[Any, ...]:
        node = node_classes[node_id]
        values: dict[str, Any] = {}
        for one in node.define_schema().inputs:
            if one.io_type == "DYNAMIC" or one.id in given:
                values[one.id] = given.pop(one.id)
            elif one.default is not None and not one.options.get("force_input"):
                values[one.id] = one.default
            elif one.io_type == "COMBO":
                values[one.id] = one.options["options"][0]
        assert not given, f"{node_id} has no inputs {list(given)}"
        if getattr(node.define_schema(), "is_input_list", False):
            values = {
                name: value if isinstance(value, list) else [value]
                for name, value in values.items()
            }
        with torch.inference_mode():
            return tuple(node.execute(**values).args)

    return run_node


@pytest.fixture
def model(run: Run) -> Any:
    """The built-in model, loaded by the node."""
    return run("IMF_LoadModel", model_name="builtin/flow")[0]


@pytest.fixture
def images(texture: Callable[..., Any]) -> Tensor:
    """Five frames of a moving texture, ``[5, 48, 64, 3]``."""
    frames = [torch.from_numpy(texture(number, 64, 48, 2.0)) for number in range(5)]
    return torch.stack(frames).float() / 255
