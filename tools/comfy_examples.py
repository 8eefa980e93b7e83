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

from comfy_example_specs import BLUEPRINTS, EXAMPLES
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
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
