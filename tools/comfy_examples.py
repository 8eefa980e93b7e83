"""Build the example workflows in ComfyUI's real frontend, and look at them there.

Needs a running ComfyUI with this pack, and Chromium: pip install playwright, apt install chromium.

    python tools/comfy_examples.py build URL OUT     workflows (UI and API format), screenshots
    python tools/comfy_examples.py reopen URL OUT    open them and the blueprints, save, open again,
                                                     report what is missing; classic and Nodes 2.0
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FILM = {
    "name": "film_net_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/frame_interpolation/resolve/main/"
    "frame_interpolation/film_net_fp16.safetensors",
    "directory": "frame_interpolation",
}
CLIP, PICTURE = "imf_demo.mp4", "imf_reference.png"
LOAD_CLIP = ("LoadVideo", {"file": CLIP}, (0, 200))
LOAD_MODEL = ("IMF_LoadModel", {"model_name": "builtin/flow"}, (0, 0))
PARTS = ("GetVideoComponents", {}, (330, 200))
# The frontend may keep the choice that a node of the same number had before, so it is always given.
TIMES_2 = {"retime": "multiplier", "retime.factor": 2}
TIMES_4 = {"retime": "multiplier", "retime.factor": 4}


def save(prefix: str, place: tuple[int, int]) -> tuple[str, dict[str, Any], tuple[int, int]]:
    return ("SaveVideo", {"filename_prefix": f"video/{prefix}"}, place)


EXAMPLES: dict[str, dict[str, Any]] = {
    "imf_slow_motion_images": {
        "note": "Slow motion for images: 2x smoother, sound kept. "
        "Choose your own clip in Load Video.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "slow": (
                "IMF_SlowMotion",
                {**TIMES_2, "end_mode": "keep duration (holds it)"},
                (620, 0),
            ),
            "join": ("CreateVideo", {}, (1010, 0)),
            "save": save("imf_slow_motion", (1300, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "slow", "model"),
            ("parts", "images", "slow", "images"),
            ("parts", "fps", "slow", "source_fps"),
            ("slow", "images", "join", "images"),
            ("slow", "fps", "join", "fps"),
            ("parts", "audio", "join", "audio"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_slow_motion_video": {
        "note": "Four times slower, sound stretched. Works for clips of any length: frames are "
        "made while the file is written.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "slow": ("IMF_VideoSlowMotion", TIMES_4, (380, 0)),
            "save": save("imf_slow_motion_video", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
    },
    "imf_24_to_60_fps": {
        "note": "Any frame rate to any other, lasting as long as before: 24 to 60.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "slow": (
                "IMF_VideoSlowMotion",
                {
                    "retime": "target fps",
                    "retime.target_fps": 60,
                    "timing": "smoother (same duration)",
                },
                (380, 0),
            ),
            "save": save("imf_60_fps", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
    },
    "imf_speed_ramp": {
        "note": "Bullet time: fast, a tenth in the middle, fast again. Try the preset keyframes.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "ramp": (
                "IMF_VideoSpeedRamp",
                {"preset": "bullet time", "keyframes": "0s:1, 0.8s:0.25, 1.2s:0.25, 2s:1"},
                (380, 0),
            ),
            "save": save("imf_speed_ramp", (800, 0)),
        },
        "links": [
            ("model", 0, "ramp", "model"),
            ("clip", 0, "ramp", "video"),
            ("ramp", 0, "save", "video"),
        ],
    },
    "imf_cuts_and_flow": {
        "note": "Where shots begin, and how things move from frame to frame.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "cuts": ("IMF_SceneCuts", {}, (620, 200)),
            "flow": ("IMF_FlowPreview", {}, (620, -60)),
            "show": ("PreviewImage", {}, (960, -60)),
            "shots": ("PreviewImage", {}, (960, 260)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "flow", "model"),
            ("parts", "images", "flow", "images"),
            ("parts", "images", "cuts", "images"),
            ("flow", 0, "show", "images"),
            ("cuts", 2, "shots", "images"),
        ],
    },
    "imf_retarget": {
        "note": "The motion of a clip on another picture. The anchor frame is the one that stands "
        "as the picture stands.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "picture": ("LoadImage", {"image": PICTURE}, (0, 560)),
            "move": ("IMF_Retarget", {}, (400, 0)),
            "join": ("CreateVideo", {"fps": 24}, (780, 0)),
            "save": save("imf_retarget", (1070, 0)),
        },
        "links": [
            ("model", 0, "move", "model"),
            ("picture", 0, "move", "reference"),
            ("clip", 0, "move", "driving"),
            ("move", 0, "join", "images"),
            ("move", "fps", "join", "fps"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_token_edit": {
        "note": "Motion as tokens: encode, exaggerate and calm it, make it twice as slow, play it "
        "on a picture, and store it.",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "picture": ("LoadImage", {"image": PICTURE}, (0, 560)),
            "encode": ("IMF_EncodeTokens", {}, (620, 0)),
            "edit": ("IMF_EditTokens", {"strength": 1.5, "smoothing": 2}, (960, 0)),
            "slow": ("IMF_InterpolateTokens", {"factor": 2, "method": "cubic"}, (1300, 0)),
            "decode": ("IMF_DecodeTokens", {}, (1640, 0)),
            "keep": ("IMF_SaveTokens", {}, (1300, 320)),
            "join": ("CreateVideo", {"fps": 24}, (1980, 0)),
            "save": save("imf_token_edit", (2290, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "encode", "model"),
            ("parts", "images", "encode", "images"),
            ("parts", "fps", "encode", "source_fps"),
            ("encode", 0, "edit", "tokens"),
            ("edit", 0, "slow", "tokens_a"),
            ("slow", 0, "decode", "tokens"),
            ("edit", 0, "keep", "tokens"),
            ("model", 0, "decode", "model"),
            ("picture", 0, "decode", "reference"),
            ("decode", 0, "join", "images"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_model_in_core_node": {
        "note": "An IMF model in ComfyUI's own interpolation node (ComfyUI 0.20 or newer).",
        "nodes": {
            "model": LOAD_MODEL,
            "clip": LOAD_CLIP,
            "parts": PARTS,
            "core": ("FrameInterpolate", {"multiplier": 2}, (620, 0)),
            "join": ("CreateVideo", {"fps": 48}, (920, 0)),
            "save": save("imf_in_core", (1210, 0)),
        },
        "links": [
            ("clip", 0, "parts", "video"),
            ("model", 0, "core", "interp_model"),
            ("parts", "images", "core", "images"),
            ("core", 0, "join", "images"),
            ("join", 0, "save", "video"),
        ],
    },
    "imf_core_film_in_imf_node": {
        "note": "FILM or RIFE, loaded by ComfyUI, in Video Slow Motion (ComfyUI 0.20 or newer).",
        "nodes": {
            "model": ("FrameInterpolationModelLoader", {"model_name": FILM["name"]}, (0, 0)),
            "clip": LOAD_CLIP,
            "slow": ("IMF_VideoSlowMotion", TIMES_2, (380, 0)),
            "save": save("imf_film", (780, 0)),
        },
        "links": [
            ("model", 0, "slow", "model"),
            ("clip", 0, "slow", "video"),
            ("slow", 0, "save", "video"),
        ],
        "models": {"model": [FILM]},
    },
}

MODEL_NAME = ("model", "model_name", "model")
BLUEPRINTS: dict[str, tuple[str, list[str], list[tuple[str, str, str]]]] = {
    "Slow Motion (IMF)": (
        "imf_slow_motion_video",
        ["model", "slow"],
        [MODEL_NAME, ("slow", "retime.factor", "factor"), ("slow", "timing", "timing")],
    ),
    "Speed Ramp (IMF)": (
        "imf_speed_ramp",
        ["model", "ramp"],
        [
            MODEL_NAME,
            *((("ramp", name, name)) for name in ("preset", "keyframes", "speed", "output_fps")),
        ],
    ),
    "Retarget (IMF)": (
        "imf_retarget",
        ["model", "move", "join"],
        [
            MODEL_NAME,
            *(("move", name, name) for name in ("mode", "anchor_frame", "strength", "smoothing")),
        ],
    ),
}
"""Title: the example it is taken from, its nodes inside, and their widgets shown outside."""

READY = """
() => window.app?.graph && window.LiteGraph?.registered_node_types?.IMF_SlowMotion
"""
BUILD = """
async (spec) => {
  const app = window.app, graph = app.graph, made = {}
  app.canvas.graph !== graph && app.canvas.setGraph(graph)
  graph.clear()
  for (const [key, [type, widgets, place]] of Object.entries(spec.nodes)) {
    const node = LiteGraph.createNode(type)
    if (!node) throw new Error('no node type ' + type)
    graph.add(node)
    node.pos = place
    made[key] = node
    for (const [name, value] of Object.entries(widgets)) {
      const widget = node.widgets.find((w) => w.name === name)
      if (!widget) throw new Error(type + ' has no widget ' + name + ' but ' +
        node.widgets.map((w) => w.name))
      widget.value = value
      widget.callback?.(value, app.canvas, node)
    }
    if (spec.models?.[key]) node.properties.models = spec.models[key]
  }
  for (const [from, out, to, name] of spec.links) {
    const target = made[to].inputs.findIndex((i) => i.name === name)
    const source = typeof out === 'number' ? out
      : made[from].outputs.findIndex((o) => o.name === out)
    if (target < 0) throw new Error(to + ' has no input ' + name + ' but ' +
      made[to].inputs.map((i) => i.name))
    if (source < 0) throw new Error(from + ' has no output ' + out)
    made[from].connect(source, made[to], target)
  }
  for (const node of graph.nodes) {
    const [width, height] = node.computeSize()
    // Wide enough to read "keep duration (holds it)".
    node.setSize([node.type.startsWith('IMF_') ? Math.max(width, 300) : width, height])
  }
  if (spec.inner) {
    const made2 = graph.convertToSubgraph(new Set(spec.inner.map((key) => made[key])))
    const box = made2.node
    made2.subgraph.name = box.title = spec.title
    for (const key of Object.keys(made)) if (!spec.inner.includes(key)) graph.remove(made[key])
    box.pos = [0, 0]
    for (const [key, name, label] of spec.shown) {
      const inner = made2.subgraph.nodes.find((n) => n.id === made[key].id)
      const slot = inner.inputs.find((i) => i.widget?.name === name)
      const input = made2.subgraph.addInput(name.split('.').pop(), slot.type)
      if (!input.connect(slot, inner)) throw new Error('cannot show ' + name)
      input.label = label
    }
    const lefts = made2.subgraph.nodes.map((n) => n.pos[0])
    const rights = made2.subgraph.nodes.map((n) => n.pos[0] + n.size[0])
    made2.subgraph.inputNode.pos = [Math.min(...lefts) - 220, 0]
    made2.subgraph.outputNode.pos = [Math.max(...rights) + 90, 0]
    box.setSize(box.computeSize())
    return { workflow: graph.serialize() }
  }
  const note = LiteGraph.createNode('MarkdownNote')
  graph.add(note)
  note.pos = [0, -170]
  note.size = [560, 110]
  note.widgets[0].value = spec.note
  const seen = new Set()
  return { workflow: graph.serialize(), prompt: (await app.graphToPrompt()).output }
}
"""
SHOW = """
() => {
  const nodes = app.graph.nodes
  const left = Math.min(...nodes.map((n) => n.pos[0]))
  const top = Math.min(...nodes.map((n) => n.pos[1]))
  const right = Math.max(...nodes.map((n) => n.pos[0] + n.size[0]))
  const bottom = Math.max(...nodes.map((n) => n.pos[1] + n.size[1]))
  const canvas = app.canvas.canvas.getBoundingClientRect()
  const scale = Math.min((canvas.width - 160) / (right - left),
    (canvas.height - 160) / (bottom - top), 1)
  app.canvas.ds.scale = scale
  app.canvas.ds.offset = [-left + 90 / scale, -top + 110 / scale]
  app.canvas.setDirty(true, true)
}
"""
MISSING = """
() => {
  const inside = (graph) => graph.nodes.flatMap((n) => [n, ...inside(n.subgraph ?? { nodes: [] })])
  const known = (n) => n.subgraph || LiteGraph.registered_node_types[n.type] ||
    ['Note', 'MarkdownNote'].includes(n.type)
  const lost = (n) => (n.inputs ?? []).filter((i) =>
    i.widget && !n.widgets?.some((w) => w.name === i.widget.name)).map((i) => i.name)
  return inside(app.graph).filter((n) => n.has_errors || !known(n) || lost(n).length)
    .map((n) => [n.type, ...lost(n)])
}
"""
OPEN = """
async (workflow) => {
  await app.loadGraphData(workflow)
  await new Promise((done) => setTimeout(done, 500))
  return { workflow: app.graph.serialize(), prompt: (await app.graphToPrompt()).output }
}
"""
NODES_2 = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"


def main(action: str, url: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path="/usr/bin/chromium",
            headless=True,
            args=["--no-sandbox", "--use-gl=swiftshader"],
            viewport={"width": 1700, "height": 900},
        )
        page = browser.pages[0]
        page.on("pageerror", lambda error: print("page error:", str(error)[:300]))
        page.goto(url)
        page.wait_for_function(READY, timeout=120000)
        page.wait_for_timeout(3000)
        page.keyboard.press("Escape")
        (build_all if action == "build" else reopen_all)(page, out)
        browser.close()


def build_all(page: Page, out: Path) -> None:
    page.evaluate(NODES_2, False)
    page.wait_for_timeout(1000)
    for name, spec in EXAMPLES.items():
        build(page, name, spec, out)
    for title, (name, inner, shown) in BLUEPRINTS.items():
        spec = {**EXAMPLES[name], "inner": inner, "title": title, "shown": shown}
        workflow = page.evaluate(BUILD, spec)["workflow"]
        (out / f"{title}.json").write_text(json.dumps(workflow, indent=1) + "\n")
        page.evaluate(SHOW)
        page.wait_for_timeout(500)
        page.keyboard.press("Escape")
        page.wait_for_timeout(400)
        page.screenshot(path=str(out / f"{title}.png"))
        print(title, [node["type"] for node in workflow["nodes"]])


def reopen_all(page: Page, out: Path) -> None:
    paths = [
        *sorted((ROOT / "example_workflows").glob("*.json")),
        *sorted((ROOT / "subgraphs").glob("*.json")),
    ]
    for look, nodes_2 in (("classic", False), ("nodes2", True)):
        page.evaluate(NODES_2, nodes_2)
        page.wait_for_timeout(1000)
        for path in paths:
            reopen(page, path, out, look)


def build(page: Page, name: str, spec: dict[str, Any], out: Path) -> None:
    made = page.evaluate(BUILD, spec)
    (out / f"{name}.json").write_text(json.dumps(made["workflow"], indent=1) + "\n")
    (out / f"{name}.api.json").write_text(json.dumps(made["prompt"], indent=1) + "\n")
    page.evaluate(SHOW)
    page.wait_for_timeout(700)
    page.keyboard.press("Escape")
    page.wait_for_timeout(400)
    page.screenshot(path=str(out / f"{name}.png"))
    print(name, len(made["workflow"]["nodes"]), "nodes")


def reopen(page: Page, path: Path, out: Path, look: str) -> None:
    workflow = json.loads(path.read_text())
    first = page.evaluate(OPEN, workflow)
    missing = page.evaluate(MISSING)
    again = page.evaluate(OPEN, first["workflow"])
    missing += page.evaluate(MISSING)
    page.evaluate(SHOW)
    page.wait_for_timeout(900)
    page.keyboard.press("Escape")
    page.wait_for_timeout(400)
    page.screenshot(path=str(out / f"{path.stem}.{look}.png"))
    changed = differences(workflow, first["workflow"]) + differences(
        first["workflow"], again["workflow"]
    )
    if first["prompt"] != again["prompt"]:
        changed.append("what is sent to the server")
    print(f"{look}: {path.stem}: missing {missing}, changed {changed}")


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what an opened and saved workflow has otherwise, inside of subgraphs too."""
    graphs = [
        [workflow, *((workflow.get("definitions") or {}).get("subgraphs") or [])]
        for workflow in (before, after)
    ]
    changed = ["subgraphs"] if len(graphs[0]) != len(graphs[1]) else []
    for old, new in zip(*graphs, strict=False):
        now = {node["id"]: node for node in new["nodes"]}
        for node in old["nodes"]:
            other = now.get(node["id"])
            if other is None or other["type"] != node["type"]:
                changed.append(f"{node['type']} is gone")
            elif (node.get("widgets_values") or []) != (other.get("widgets_values") or []):
                given = node.get("widgets_values"), other.get("widgets_values")
                changed.append(f"{node['type']} {given[0]} -> {given[1]}")
            elif len(names := set(map(_name, node["inputs"])) ^ set(map(_name, other["inputs"]))):
                changed.append(f"inputs {sorted(names)} of {node['type']}")
        if len(old["links"]) != len(new["links"]):
            changed.append(f"{len(old['links'])} links -> {len(new['links'])}")
    return changed


def _name(slot: dict[str, Any]) -> str:
    return slot["name"] + (" with its widget" if slot.get("widget") else "")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
