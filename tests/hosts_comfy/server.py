"""A real ComfyUI on a free loopback port, with this repository as its only node pack."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_START_SECONDS = 400
_RUN_SECONDS = 400


class Rejected(Exception):
    """A workflow was refused before anything ran."""


class Failed(Exception):
    """A node raised."""


class Server:
    """A running ComfyUI.

    Args:
        comfyui: Its checkout.
        python: The interpreter of its environment.
        pack: The clone of the node pack.
        base: A folder for everything that it writes.
    """

    def __init__(self, comfyui: Path, python: str, pack: Path, base: Path) -> None:
        self.base = base
        for name in ("custom_nodes", "models/frame_interpolation", "input", "output", "user"):
            (base / name).mkdir(parents=True)
        make_random_weights(comfyui, python, base / "models" / "frame_interpolation")
        (base / "custom_nodes" / "imf_plugin").symlink_to(pack)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = base / "comfyui.log"
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(python, "-s", "main.py", "--cpu", "--listen", "127.0.0.1"),
                    *("--port", str(port), "--disable-auto-launch", "--disable-api-nodes"),
                    *("--base-directory", str(base), "--database-url", "sqlite:///:memory:"),
                ],
                cwd=comfyui,
                env={**environment, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.3)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """End the server by its own process id."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.base / "output", ignore_errors=True)

    def get(self, path: str) -> Any:
        """Return the JSON answer to a GET."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON answer to a POST.

        Raises:
            Rejected: If the server refuses, with its reasons.
        """
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Rejected(error.read().decode()) from None
        return json.loads(content) if content else {}

    def queue(self, prompt: dict[str, Any]) -> str:
        """Start a workflow in API format; returns its id."""
        return str(self.post("/prompt", {"prompt": prompt})["prompt_id"])

    def wait(self, prompt_id: str) -> dict[str, Any]:
        """Return the history entry of a workflow, once it has ended."""
        end = time.monotonic() + _RUN_SECONDS
        while time.monotonic() < end:
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return dict(history[prompt_id])
            time.sleep(0.05)
        raise TimeoutError(f"the workflow did not end within {_RUN_SECONDS} s")

    def run(self, prompt: dict[str, Any]) -> dict[str, list[Path]]:
        """Run a workflow; returns the files that each node wrote.

        Raises:
            Rejected: If it is refused before it runs.
            Failed: If a node raises.
        """
        entry = self.wait(self.queue(prompt))
        if entry["status"]["status_str"] != "success":
            raise Failed(json.dumps(entry["status"]["messages"]))
        return {
            node: [
                self.base / file["type"] / file["subfolder"] / file["filename"]
                for file in outputs.get("images", [])
            ]
            for node, outputs in entry["outputs"].items()
        }


_RANDOM_WEIGHTS = """
import sys
from pathlib import Path
import comfy.cli_args
comfy.cli_args.args.cpu = True
import torch
from safetensors.torch import save_file
from comfy_extras.frame_interpolation_models.film_net import FILMNet
from comfy_extras.frame_interpolation_models.ifnet import IFNet
torch.manual_seed(0)
rife = IFNet(head_ch=4, channels=[192, 128, 96, 64, 32])
made = {"film_net_fp16": FILMNet(), "rife_random": rife}
for name, network in made.items():
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.kaiming_normal_(weight, a=0.2)
        else:
            torch.nn.init.constant_(weight, 0.1)
    if name.startswith("film"):
        # Pictures of a medium grey, so that clamping them to 0..1 hides little.
        torch.nn.init.normal_(network.fuse.output_conv.weight, std=0.02)
        torch.nn.init.constant_(network.fuse.output_conv.bias, 0.5)
    state = {key: value.detach().half().contiguous() for key, value in network.state_dict().items()}
    save_file(state, str(Path(sys.argv[1]) / f"{name}.safetensors"))
"""
FILM, RIFE = "film_net_fp16.safetensors", "rife_random.safetensors"


def make_random_weights(comfyui: Path, python: str, folder: Path) -> None:
    """Write random weights of ComfyUI's own FILM and RIFE, if it has these networks."""
    if not (comfyui / "comfy_extras" / "frame_interpolation_models").is_dir():
        return
    subprocess.run(
        [python, "-s", "-c", _RANDOM_WEIGHTS, str(folder)],
        cwd=comfyui,
        check=True,
        capture_output=True,
        timeout=_START_SECONDS,
    )


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """Return a node of a workflow in API format."""
    return {"class_type": kind, "inputs": inputs}


def pictures_in(names: list[str]) -> dict[str, Any]:
    """Return nodes that load pictures and join them to the batch of the node ``batch``."""
    nodes = {f"picture{n}": node("LoadImage", image=name) for n, name in enumerate(names)}
    joined = "picture0"
    for number in range(1, len(names)):
        step = "batch" if number == len(names) - 1 else f"batch{number}"
        nodes[step] = node("ImageBatch", image1=[joined, 0], image2=[f"picture{number}", 0])
        joined = step
    return nodes


def slow_motion(**inputs: Any) -> dict[str, Any]:
    """Return a workflow with Slow Motion (IMF): twice the frames of ``imf_demo.mp4``, saved."""
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
        "1": node("IMF_LoadModel", model_name="builtin/flow"),
        "2": node("LoadVideo", file="imf_demo.mp4"),
        "3": node("GetVideoComponents", video=["2", 0]),
        "4": node("IMF_SlowMotion", **given),
        "5": node("SaveImage", images=["4", 0], filename_prefix="slow"),
    }


def to_prompt(workflow: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return a UI workflow in API format, as the frontend sends it.

    Args:
        workflow: As stored by the frontend.
        known: The server's ``/object_info``.
    """
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] not in known:
            continue
        inputs = stored_values(node)
        for one in node["inputs"]:
            if one.get("link") is not None:
                inputs[one["name"]] = links[one["link"]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def stored_values(node: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a node of a UI workflow holds, by the names of their inputs."""
    names = [one["name"] for one in _choices_first(node["inputs"]) if "widget" in one]
    return dict(zip(names, node.get("widgets_values") or [], strict=False))


def _choices_first(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return inputs in the order of their stored values: each choice before what depends on it."""
    ordered: list[dict[str, Any]] = []
    for one in inputs:
        if "." not in one["name"]:
            ordered.append(one)
            ordered += [inner for inner in inputs if inner["name"].startswith(one["name"] + ".")]
    return ordered
