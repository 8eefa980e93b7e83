"""Peak memory and time of Video Slow Motion against ComfyUI's own node path with the same model.

    python tools/measure_comfy_memory.py URL CLIP_IN_INPUT_FOLDER FACTOR [MODEL] [--only-ours]

Prints, for each path, seconds, seconds of processor time (which other work on the machine changes
less) and how far the server's peak lies above the idle server. Also sends an interruption into a
running render and prints how long it took. The server must be a fresh one:
what it has once loaded counts as idle.
"""

import argparse
import json
import threading
import time
import urllib.request
from typing import Any

import psutil


def call(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url + path, data, {"Content-Type": "application/json"} if data else {}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content else {}


def server_process(url: str) -> psutil.Process:
    port = int(url.rsplit(":", 1)[1].strip("/"))
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "main.py" in command and str(port) in command and "python" in command[0]:
            return process
    raise SystemExit(f"no ComfyUI at port {port}")


def processor_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


class Peak(threading.Thread):
    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.bytes, self.running = process, 0, True

    def run(self) -> None:
        while self.running:
            self.bytes = max(self.bytes, self.process.memory_info().rss)
            time.sleep(0.02)


def wait(url: str, prompt_id: str) -> dict[str, Any]:
    while True:
        history = call(url, f"/history/{prompt_id}")
        if prompt_id in history:
            return dict(history[prompt_id]["status"])
        time.sleep(0.05)


def ours(model: str, clip: str, factor: int, name: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "IMF_LoadModel", "inputs": {"model_name": f"builtin/{model}"}},
        "2": {"class_type": "LoadVideo", "inputs": {"file": clip}},
        "3": {
            "class_type": "IMF_VideoSlowMotion",
            "inputs": {
                "model": ["1", 0],
                "video": ["2", 0],
                "retime": "multiplier",
                "retime.factor": factor,
                "timing": "smoother (same duration)",
                "audio": "keep",
                "scene_cuts": "off",
            },
        },
        "4": saved(["3", 0], name),
    }


def core(model: str, clip: str, factor: int, name: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "IMF_LoadModel", "inputs": {"model_name": f"builtin/{model}"}},
        "2": {"class_type": "LoadVideo", "inputs": {"file": clip}},
        "3": {"class_type": "GetVideoComponents", "inputs": {"video": ["2", 0]}},
        "4": {
            "class_type": "FrameInterpolate",
            "inputs": {"interp_model": ["1", 0], "images": ["3", 0], "multiplier": factor},
        },
        "5": {
            "class_type": "CreateVideo",
            "inputs": {"images": ["4", 0], "audio": ["3", 1], "fps": min(120, 24 * factor)},
        },
        "6": saved(["5", 0], name),
    }


def saved(video: list[Any], name: str) -> dict[str, Any]:
    inputs = {"video": video, "filename_prefix": name, "format": "auto", "codec": "auto"}
    return {"class_type": "SaveVideo", "inputs": inputs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("clip")
    parser.add_argument("factor", type=int)
    parser.add_argument("model", nargs="?", default="flow")
    parser.add_argument("--only-ours", action="store_true", help="leave ComfyUI's path out")
    given = parser.parse_args()
    url, asked = given.url, (given.model, given.clip, given.factor)

    process = server_process(url)
    idle = process.memory_info().rss
    print(f"idle server: {idle / 2**20:.0f} MB", flush=True)
    paths = [("Video Slow Motion (IMF)", ours(*asked, "ours"))]
    if not given.only_ours:
        paths.append(("core: components, FrameInterpolate, CreateVideo", core(*asked, "core")))
    for label, workflow in paths:
        peak = Peak(process)
        peak.start()
        began, worked = time.monotonic(), processor_seconds(process)
        status = wait(url, call(url, "/prompt", {"prompt": workflow})["prompt_id"])
        seconds, worked = time.monotonic() - began, processor_seconds(process) - worked
        peak.running = False
        print(
            f"{label}: {status['status_str']}, {seconds:.1f} s ({worked:.1f} s of processors), "
            f"peak {(peak.bytes - idle) / 2**20:+.0f} MB above idle",
            flush=True,
        )
    prompt_id = call(url, "/prompt", {"prompt": ours(*asked, "again")})["prompt_id"]
    time.sleep(4)
    began = time.time()
    call(url, "/interrupt", {})
    messages = dict(wait(url, prompt_id)["messages"])
    stopped = messages["execution_interrupted"]["timestamp"] / 1000
    print(f"interruption: after {stopped - began:.2f} s")


if __name__ == "__main__":
    main()
