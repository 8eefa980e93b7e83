"""The way in for ComfyUI, which imports a clone of this repository by this file.

Nothing happens here until ComfyUI asks: other programs that meet the file, such as pytest, import
it without effect. The packages are loaded from where they lie in the clone, and `sys.path` stays
as it is.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

WEB_DIRECTORY = "./host_integrations/imf_hosts/comfyui/web"

_ROOT = Path(__file__).resolve().parent
_PACKAGES = {
    "imf_kernels": _ROOT / "kernels",
    "imf_plugin": _ROOT,
    "imf_hosts": _ROOT / "host_integrations",
}


async def comfy_entrypoint() -> Any:
    """Return the node pack; ComfyUI calls this once at its start.

    Raises:
        RuntimeError: If this Python or this ComfyUI is too old.
    """
    if sys.version_info < (3, 12):  # noqa: UP036 (ComfyUI brings its own Python)
        raise RuntimeError(
            f"IMF needs Python 3.12 or newer, but this ComfyUI runs {sys.version.split()[0]}"
        )
    for name, root in _PACKAGES.items():
        _load_package(name, root / name)
    from imf_hosts.comfyui.extension import make_extension

    return make_extension()


def _load_package(name: str, folder: Path) -> None:
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise RuntimeError(f"this clone of imf_plugin is incomplete: {folder} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
