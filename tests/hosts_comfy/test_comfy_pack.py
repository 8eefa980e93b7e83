import asyncio
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "host_integrations" / "imf_hosts" / "comfyui" / "web" / "docs"
CORE = {
    "LoadVideo",
    "LoadImage",
    "GetVideoComponents",
    "CreateVideo",
    "SaveVideo",
    "PreviewImage",
    "FrameInterpolate",
    "FrameInterpolationModelLoader",
    "MarkdownNote",
}
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))


def _root_module() -> Any:
    spec = importlib.util.spec_from_file_location("imf_clone_root", ROOT / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _nested(schema: Any) -> list[tuple[str, Any]]:
    found = []
    for one in schema.inputs:
        found.append((one.id, one))
        for option in one.options.get("options", []):
            found += [(f"{one.id}.{inner.id}", inner) for inner in getattr(option, "inputs", [])]
    return found


def test_the_clone_s_entry_point_gives_the_nodes(comfy: Any) -> None:
    extension = asyncio.run(_root_module().comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    assert len(nodes) == 14


def test_importing_the_clone_loads_nothing_and_leaves_the_path_alone() -> None:
    code = (
        "import sys, importlib.util as u; before = set(sys.modules), list(sys.path);"
        f"s = u.spec_from_file_location('clone', {str(ROOT / '__init__.py')!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m);"
        "assert sys.path == before[1];"
        "assert not {'torch', 'numpy', 'cv2', 'imf_plugin'} & (set(sys.modules) - before[0]);"
        "assert m.WEB_DIRECTORY"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_node_and_everything_on_it_is_explained(node_classes: dict[str, Any]) -> None:
    for node_id, node in node_classes.items():
        schema = node.define_schema()
        assert re.fullmatch(r"IMF_[A-Za-z]+", node_id)
        assert schema.category == "video/IMF"
        assert schema.display_name.endswith("(IMF)") or "IMF" in schema.display_name
        assert len(schema.description) > 20
        for name, one in _nested(schema):
            assert one.tooltip, f"{node_id}.{name} has no tooltip"
        for one in schema.outputs:
            assert one.tooltip, f"{node_id} -> {one.id} has no tooltip"


def test_inputs_and_outputs_of_a_node_have_names_of_their_own(
    node_classes: dict[str, Any],
) -> None:
    for node in node_classes.values():
        schema = node.define_schema()
        for names in ([one.id for one in schema.inputs], [one.id for one in schema.outputs]):
            assert len(set(names)) == len(names)


def test_help_pages_tell_of_every_input_and_output(node_classes: dict[str, Any]) -> None:
    assert {folder.name for folder in DOCS.iterdir()} == set(node_classes)
    for node_id, node in node_classes.items():
        page = (DOCS / node_id / "en.md").read_text()
        schema = node.define_schema()
        for one in [inner for _, inner in _nested(schema)] + schema.outputs:
            assert f"`{one.id}`" in page, f"the help of {node_id} lacks {one.id}; run comfy_texts"
            assert one.tooltip in page, f"the help of {node_id} is old; run tools/comfy_texts.py"


def test_the_french_texts_are_complete(node_classes: dict[str, Any]) -> None:
    texts = json.loads((ROOT / "locales" / "fr" / "nodeDefs.json").read_text())
    assert set(texts) == set(node_classes)
    for node_id, node in node_classes.items():
        schema = node.define_schema()
        names = {name.replace(".", "_") for name, _ in _nested(schema)}
        assert set(texts[node_id]["inputs"]) == names
        assert set(texts[node_id]["outputs"]) == {str(n) for n in range(len(schema.outputs))}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_examples_use_nodes_and_inputs_that_exist(path: Path, node_classes: dict[str, Any]) -> None:
    workflow = json.loads(path.read_text())
    assert path.with_suffix(".jpg").is_file()
    for node in workflow["nodes"]:
        assert node["type"] in CORE | set(node_classes)
        if node["type"] in node_classes:
            known = {name for name, _ in _nested(node_classes[node["type"]].define_schema())}
            assert {one["name"] for one in node["inputs"]} <= known | {"curve"}


def _bad_values(schema: Any, given: dict[str, Any]) -> list[str]:
    """Return the inputs whose stored value the node does not have."""
    bad = []
    for one in schema.inputs:
        options, value = one.options.get("options"), given.get(one.id)
        if one.io_type == "DYNAMIC":
            chosen = [option for option in options if option.key == value]
            names = {f"{one.id}.{inner.id}" for option in chosen for inner in option.inputs}
            stored = {name for name in given if name.startswith(f"{one.id}.")}
            if not chosen or names != stored:
                bad.append(one.id)
        elif options and isinstance(value, str) and value not in options:
            bad.append(one.id)
    return bad


@pytest.mark.parametrize("path", WORKFLOWS + BLUEPRINTS, ids=lambda path: path.stem)
def test_stored_values_are_ones_that_the_nodes_have(
    path: Path, node_classes: dict[str, Any], server_module: Any
) -> None:
    workflow = json.loads(path.read_text())
    inner = (workflow.get("definitions") or {}).get("subgraphs", [])
    for graph in [workflow, *inner]:
        for node in graph["nodes"]:
            if node["type"] in node_classes:
                schema = node_classes[node["type"]].define_schema()
                assert _bad_values(schema, server_module.stored_values(node)) == [], node["type"]


def test_there_are_examples_and_blueprints_for_what_the_pack_does() -> None:
    assert len(WORKFLOWS) >= 7
    assert [path.stem for path in BLUEPRINTS] == [
        "Retarget (IMF)",
        "Slow Motion (IMF)",
        "Speed Ramp (IMF)",
    ]
    for path in BLUEPRINTS:
        blueprint = json.loads(path.read_text())
        (definition,) = blueprint["definitions"]["subgraphs"]
        assert [node["type"] for node in blueprint["nodes"]] == [definition["id"]]
        assert definition["name"] == path.stem


def test_nothing_is_required_that_comfyui_brings_or_that_breaks_others() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []


def test_a_wheel_takes_no_name_that_other_packages_have(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (names,) = tmp_path.glob("*.egg-info/top_level.txt")
    # Not kernels, for one, which is Hugging Face's.
    assert names.read_text().split() == ["imf_hosts", "imf_kernels", "imf_plugin", "imf_ui"]


def test_an_old_comfyui_is_refused_in_a_sentence(
    comfy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest: Any = sys.modules["comfy_api.latest"]
    monkeypatch.delattr(latest.io, "DynamicCombo")
    from imf_hosts.comfyui.extension import make_extension

    with pytest.raises(RuntimeError, match=r"needs ComfyUI 0\.3\.76 or newer"):
        make_extension()


def test_a_missing_package_is_named_with_the_line_that_installs_it(comfy: Any) -> None:
    from imf_hosts.comfyui.running import clear_errors

    with pytest.raises(ValueError, match="pip install opencv-python-headless"), clear_errors():
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")
