"""The node that loads a model."""

import os
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import folder_paths
import torch
from comfy_api.latest import io

from imf_hosts.comfyui.inputs import ALIASES, InterpModel, advanced, make_schema
from imf_hosts.comfyui.modules import InterpolationModule
from imf_hosts.comfyui.running import clear_errors
from imf_plugin.errors import ImfError

FOLDER = "frame_interpolation"
BUILTIN = "builtin/"


def register_folder() -> None:
    """Make ComfyUI know the folder of interpolation models; newer versions do already."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    names, extensions = folder_paths.folder_names_and_paths[FOLDER]
    if not extensions:
        wanted = set(folder_paths.supported_pt_extensions)
        folder_paths.folder_names_and_paths[FOLDER] = (names, wanted)


def model_choices() -> list[str]:
    """Return what can be loaded: models that come along, then files."""
    from imf_plugin.models.registry import model_names, retargeter_names

    builtin = [*model_names(), *retargeter_names()]
    return [*(BUILTIN + name for name in builtin), *folder_paths.get_filename_list(FOLDER)]


def default_choice(choices: list[str]) -> str:
    """Return the engine's own default, where it can be chosen here."""
    from imf_plugin.models.registry import resolve_name

    try:
        name = BUILTIN + resolve_name("auto")
    except ImfError:
        # The environment names a model that is not there.
        return choices[0]
    return name if name in choices else choices[0]


class LoadModel(io.ComfyNode):
    """Loads an interpolation model."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        register_folder()
        choices = model_choices()
        return make_schema(
            node_id="IMF_LoadModel",
            display_name="Load IMF Model",
            description="Loads a model that makes frames between frames. builtin/imf-vfi-lite "
            "makes the better frames, builtin/flow the faster ones; neither needs a file. Files "
            "are looked for in models/frame_interpolation, RIFE and FILM among them. The result "
            "also plugs into Run Frame Interpolation Model.",
            search_aliases=[*ALIASES, "load interpolation model", "optical flow"],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=choices,
                    default=default_choice(choices),
                    tooltip="builtin/... comes with this pack; others are files in "
                    "models/frame_interpolation.",
                ),
                advanced(
                    io.Combo.Input,
                    "precision",
                    options=["auto", "fp32", "fp16", "bf16"],
                    default="auto",
                    optional=True,
                    tooltip="Precision of trained models inside; auto is fp16 on a GPU that is "
                    "good at it. builtin/flow always works in fp32.",
                ),
            ],
            outputs=[
                InterpModel.Output("model", tooltip="For all IMF nodes and for ComfyUI's own."),
                io.String.Output("info", tooltip="Name, size, device and backend, to read."),
            ],
        )

    @classmethod
    def validate_inputs(cls, model_name: str) -> bool | str:
        """Check that the model is there before anything runs."""
        return model_error(model_name)

    @classmethod
    def fingerprint_inputs(cls, model_name: str, **rest: Any) -> str:
        """Load again when the file has changed."""
        path = None if model_name.startswith(BUILTIN) else _path_of(model_name)
        if path is None:
            return f"{model_name} {rest}"
        about = os.stat(path)
        return f"{model_name} {about.st_mtime_ns} {about.st_size} {rest}"

    @classmethod
    def execute(cls, model_name: str, precision: str = "auto") -> Any:
        """Load the model."""
        with clear_errors():
            patcher, about = load_patcher(model_name, precision)
        return io.NodeOutput(patcher, about)


def model_error(model_name: str) -> bool | str:
    """Say what is wrong with a name, or True."""
    if model_name in model_choices():
        return True
    if model_name.startswith(BUILTIN):
        known = ", ".join(name for name in model_choices() if name.startswith(BUILTIN))
        return f"there is no built-in model {model_name}; there are {known}"
    if _path_of(model_name):
        return True
    folders = " or ".join(folder_paths.get_folder_paths(FOLDER))
    return (
        f"the model file {model_name} is not in {folders}: put it there and press R, or choose "
        "builtin/flow, which needs no file"
    )


def load_patcher(model_name: str, precision: str) -> tuple[Any, str]:
    """Return a patcher and what is to be said about it.

    Raises:
        ValueError: If the model is missing or of no known kind.
    """
    device = mm.get_torch_device()
    if not model_name.startswith(BUILTIN):
        return _load_file(model_name, precision)
    name = model_name.removeprefix(BUILTIN)
    module = _builtin_module(name, str(device), _precision(precision, device))
    return _patched(module, model_name)


def _builtin_module(name: str, device: str, precision: str) -> InterpolationModule:
    from imf_plugin.models.registry import load_interpolator, load_retargeter, model_names

    is_interpolator = name in model_names()
    interpolator = load_interpolator(
        name if is_interpolator else "auto", device=device, precision=precision
    )
    moving = "auto" if is_interpolator else name
    return InterpolationModule(
        interpolator,
        retargeter=lambda: load_retargeter(moving, device=device, precision=precision),
        network=getattr(interpolator, "network", None),
    )


def _load_file(model_name: str, precision: str) -> tuple[Any, str]:
    error = model_error(model_name)
    if error is not True:
        raise ValueError(error)
    path = Path(folder_paths.get_full_path_or_raise(FOLDER, model_name))
    if path.with_suffix(".json").is_file():
        device = mm.get_torch_device()
        return _patched(_own_file(path, str(device), _precision(precision, device)), model_name)
    try:
        from comfy_extras.nodes_frame_interpolation import FrameInterpolationModelLoader
    except ImportError:
        raise ValueError(
            f"{model_name} is no model of this pack (it has no {path.stem}.json beside it), and "
            "this ComfyUI cannot load RIFE or FILM yet: update it to 0.20 or newer"
        ) from None
    patcher = FrameInterpolationModelLoader.execute(model_name).args[0]
    return patcher, _about(patcher, model_name)


def _own_file(path: Path, device: str, precision: str) -> InterpolationModule:
    from imf_plugin.models.imf_vfi.loading import load
    from imf_plugin.models.registry import load_retargeter

    made = load(path.stem, device, precision, folder=path.parent)
    return InterpolationModule(
        made,
        retargeter=lambda: load_retargeter("auto", device=device, precision=precision),
        network=made.network,
    )


def _patched(module: InterpolationModule, model_name: str) -> tuple[Any, str]:
    patcher = comfy.model_patcher.ModelPatcher(
        module.eval(),
        load_device=mm.get_torch_device(),
        offload_device=mm.unet_offload_device(),
    )
    return patcher, _about(patcher, model_name)


def _about(patcher: Any, model_name: str) -> str:
    module = patcher.model
    lines = [f"model: {model_name}", f"device: {patcher.load_device}"]
    if isinstance(module, InterpolationModule):
        from imf_kernels.backends import resolve

        about = module.interpolator.descriptor
        lines += [f"about: {about.summary}", f"after: {about.source}"]
        lines += [f"kernels: {resolve('auto', torch.device(patcher.load_device), torch.float32)}"]
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return "\n".join([*lines, f"parameters: {parameters:,}"])


def _precision(precision: str, device: Any) -> str:
    if mm.is_device_cpu(device):
        return "fp32"
    if precision != "auto":
        return precision
    return "fp16" if mm.should_use_fp16(device) else "fp32"


def _path_of(model_name: str) -> str | None:
    found = folder_paths.get_full_path(FOLDER, model_name)
    return str(found) if found else None
