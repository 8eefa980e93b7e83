"""Just enough of ComfyUI for the nodes to be described and run without it.

Signatures are ComfyUI 0.8's, so that an argument it does not know fails here too. It is put into
`sys.modules` by the conftest beside it and is no copy of ComfyUI: nothing of it is checked here,
that is what the tests with a real one are for.
"""

import contextlib
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch


class Interrupted(Exception):
    """What ComfyUI raises when the user stops the work."""


@dataclass
class Schema:
    """A node's description, with the fields of the oldest ComfyUI that is supported."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False


class Input:
    """An input of any type."""

    io_type = "*"

    def __init__(
        self, id: str, optional: bool = False, tooltip: str | None = None, **options: Any
    ) -> None:
        unknown = set(options) - self.allowed()
        if unknown:
            raise TypeError(f"unexpected keyword arguments {unknown}")
        self.id, self.optional, self.tooltip, self.options = id, optional, tooltip, options

    @classmethod
    def allowed(cls) -> set[str]:
        return set()

    @property
    def default(self) -> Any:
        return self.options.get("default")


class WidgetInput(Input):
    @classmethod
    def allowed(cls) -> set[str]:
        numbers = {"default", "min", "max", "step", "round", "force_input"}
        return numbers if cls.io_type in ("INT", "FLOAT") else {"default", "options"}


class MultiInput(Input):
    """An input of several types."""

    def __init__(self, id: str, types: list[Any], **options: Any) -> None:
        super().__init__(id, **options)
        self.io_type = ",".join(one.io_type for one in types)


@dataclass
class Output:
    """An output of any type."""

    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False
    io_type: str = "*"


def comfy_type(name: str, kind: type[Input] = Input) -> Any:
    """Return a type with its own ``Input`` and ``Output``."""
    made = types.SimpleNamespace(io_type=name)
    made.Input = type(f"{name}Input", (kind,), {"io_type": name})
    made.Output = type(f"{name}Output", (Output,), {"io_type": name})
    return made


@dataclass
class Option:
    key: str
    inputs: list[Any]


class NodeOutput:
    """What a node returns."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args, self.ui = args, ui


class ComfyNode:
    """Base of nodes."""


class Video(ABC):
    """Base of videos; the abstract methods are those of ComfyUI 0.25."""

    @abstractmethod
    def get_components(self) -> Any: ...

    @abstractmethod
    def save_to(self, path: Any, **options: Any) -> None: ...

    @abstractmethod
    def as_trimmed(self, start_time: Any, duration: Any, strict_duration: bool = False) -> Any: ...


@dataclass
class VideoComponents:
    images: torch.Tensor
    frame_rate: Fraction
    audio: Any = None


class VideoFromFile(Video):
    def __init__(self, file: Any, *, start_time: float = 0, duration: float = 0) -> None:
        self.file, self.window = file, (start_time, duration)

    def get_stream_source(self) -> Any:
        return self.file

    def get_active_trim_window(self) -> tuple[float, float]:
        return self.window

    def get_components(self) -> Any:
        raise AssertionError("all frames were asked for at once")

    def save_to(self, path: Any, **options: Any) -> None:
        raise AssertionError("the source was written again")

    def as_trimmed(self, start_time: Any, duration: Any, strict_duration: bool = False) -> Any:
        return VideoFromFile(self.file, start_time=start_time, duration=duration)


class VideoFromComponents(Video):
    def __init__(self, components: VideoComponents) -> None:
        self.components = components

    def get_components(self) -> Any:
        return self.components

    def save_to(self, path: Any, **options: Any) -> None:
        raise AssertionError("the source was written again")

    def as_trimmed(self, start_time: Any, duration: Any, strict_duration: bool = False) -> Any:
        raise AssertionError("not needed")


class ModelPatcher:
    """Holds a model, as ComfyUI's does."""

    def __init__(self, model: Any, load_device: Any, offload_device: Any) -> None:
        self.model, self.load_device = model, load_device

    def model_dtype(self) -> Any:
        return self.model.get_dtype()


class Progress:
    """What the nodes reported, and when they are to be stopped."""

    def __init__(self) -> None:
        self.values: list[tuple[int, int]] = []
        self.previews = 0
        self.memory_asked: list[int] = []
        self.stop_after: int | None = None

    def check(self) -> None:
        if self.stop_after is not None and len(self.values) >= self.stop_after:
            raise Interrupted


def build(folder: Path, progress: Progress) -> dict[str, types.ModuleType]:
    """Return the modules under their names."""
    io = types.SimpleNamespace(
        Schema=Schema, ComfyNode=ComfyNode, NodeOutput=NodeOutput, Custom=comfy_type
    )
    for name in ("Image", "Mask", "Video", "Audio"):
        setattr(io, name, comfy_type(name.upper()))
    for name in ("Float", "Int", "Boolean", "String", "Combo"):
        setattr(io, name, comfy_type(name.upper(), WidgetInput))
    io.DynamicCombo = types.SimpleNamespace(
        Option=Option, Input=type("DynamicComboInput", (WidgetInput,), {"io_type": "DYNAMIC"})
    )

    io.MultiType = types.SimpleNamespace(Input=MultiInput)

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
            progress.values.append((value, total))
            progress.previews += preview is not None

    modules: dict[str, dict[str, Any]] = {
        "comfy_api.latest": {
            "io": io,
            "ComfyExtension": object,
            "Input": types.SimpleNamespace(Video=Video),
            "InputImpl": types.SimpleNamespace(
                VideoFromFile=VideoFromFile, VideoFromComponents=VideoFromComponents
            ),
            "Types": types.SimpleNamespace(VideoComponents=VideoComponents),
        },
        "comfy.model_management": {
            "OOM_EXCEPTION": torch.OutOfMemoryError,
            "get_torch_device": lambda: torch.device("cpu"),
            "unet_offload_device": lambda: torch.device("cpu"),
            "intermediate_device": lambda: torch.device("cpu"),
            "is_device_cpu": lambda device: True,
            "load_models_gpu": lambda models, memory_required=0: progress.memory_asked.append(
                memory_required
            ),
            "throw_exception_if_processing_interrupted": progress.check,
        },
        "comfy.model_patcher": {"ModelPatcher": ModelPatcher},
        "comfy.utils": {"ProgressBar": Bar},
        "folder_paths": _folder_paths(folder),
    }
    made: dict[str, types.ModuleType] = {}
    for name, members in modules.items():
        module = types.ModuleType(name)
        for member, value in members.items():
            setattr(module, member, value)
        made[name] = module
        parent, dot, child = name.partition(".")
        if dot:
            made.setdefault(parent, types.ModuleType(parent))
            setattr(made[parent], child, module)
    return made


def _folder_paths(folder: Path) -> dict[str, Any]:
    models = folder / "models" / "frame_interpolation"
    for name in ("models/frame_interpolation", "output", "input", "temp"):
        (folder / name).mkdir(parents=True, exist_ok=True)

    def save_path(prefix: str, base: str) -> tuple[str, str, int, str, str]:
        parent, _, name = prefix.rpartition("/")
        into = Path(base) / parent
        into.mkdir(parents=True, exist_ok=True)
        return str(into), name, 1 + len(list(into.iterdir())), parent, prefix

    def full_path(kind: str, name: str) -> str | None:
        return str(models / name) if (models / name).is_file() else None

    return {
        "models_dir": str(folder / "models"),
        "folder_names_and_paths": {"frame_interpolation": ([str(models)], {".safetensors"})},
        "supported_pt_extensions": {".safetensors"},
        "add_model_folder_path": lambda kind, path: None,
        "get_filename_list": lambda kind: sorted(p.name for p in models.glob("*.safetensors")),
        "get_folder_paths": lambda kind: [str(models)],
        "get_full_path": full_path,
        "get_full_path_or_raise": full_path,
        "get_output_directory": lambda: str(folder / "output"),
        "get_input_directory": lambda: str(folder / "input"),
        "get_temp_directory": lambda: str(folder / "temp"),
        "get_save_image_path": save_path,
    }


@contextlib.contextmanager
def installed(folder: Path, progress: Progress) -> Iterator[None]:
    """Put the modules where imports find them, and take them away again."""
    made = build(folder, progress)
    sys.modules.update(made)
    try:
        yield
    finally:
        ours = [name for name in sys.modules if name.startswith("imf_hosts.comfyui")]
        for name in [*made, *ours]:
            sys.modules.pop(name, None)
