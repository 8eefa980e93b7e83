"""What ComfyUI wants of a node that works for a while: memory asked for, progress, interruption."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import comfy.model_management as mm
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from imf_hosts.comfyui.batches import bytes_of
from imf_hosts.comfyui.modules import as_interpolator
from imf_plugin.engine.session import open_session
from imf_plugin.engine.tiles import TiledInterpolator, choose_tile_px
from imf_plugin.errors import ImfError

_PREVIEW_SECONDS = 0.4
_PREVIEW_PX = 256
_GPU_SHARE = 0.6
_FRAMES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class ReadyModel:
    """A model that ComfyUI has put on its device."""

    model: TiledInterpolator
    """Works on pictures of the size it was made ready for."""
    device: torch.device
    """Where it wants its pictures."""
    longest: int
    """How many frames it makes at once; 1 on a CPU, where several are no faster."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a failure is want of memory."""
    if isinstance(error, mm.OOM_EXCEPTION | torch.OutOfMemoryError):
        return True
    return bool(hasattr(mm, "is_oom") and mm.is_oom(error))


def make_ready(patcher: Any, height: int, width: int) -> ReadyModel:
    """Have ComfyUI load a model, with room for pictures of this size.

    Raises:
        ValueError: If what is connected is no interpolation model.
    """
    module = getattr(patcher, "model", patcher)
    dtype = patcher.model_dtype() if hasattr(patcher, "model_dtype") else None
    try:
        made = as_interpolator(module, dtype or torch.float32, is_out_of_memory=is_out_of_memory)
    except TypeError as error:
        raise ValueError(str(error)) from None
    device = torch.device(patcher.load_device)
    per_pixel = made.descriptor.bytes_per_pixel
    mm.load_models_gpu([patcher], memory_required=per_pixel * height * width)
    if device.type == "cpu":
        working_bytes = open_session("cpu").working_bytes
    else:
        working_bytes = int(mm.get_free_memory(device) * _GPU_SHARE)
    tiled = TiledInterpolator(made, choose_tile_px(height, width, per_pixel, working_bytes))
    longest = 1 if device.type == "cpu" else _FRAMES_AT_ONCE
    return ReadyModel(model=tiled, device=device, longest=longest)


class Watch:
    """Shows progress with a small picture now and then, and stops when the user wants.

    Args:
        total: Steps in all.
    """

    def __init__(self, total: int) -> None:
        self._bar = comfy.utils.ProgressBar(total)
        self._total = total
        self._shown = 0.0

    def check(self) -> None:
        """Stop here if the user asked for it."""
        mm.throw_exception_if_processing_interrupted()

    def step(self, done: int, image: Tensor | None = None) -> None:
        """Count steps; ``image`` is ``[H, W, C]``."""
        self.check()
        preview, now = None, time.monotonic()
        if image is not None and (now - self._shown > _PREVIEW_SECONDS or done == self._total):
            self._shown = now
            step = max(1, max(image.shape[:2]) // _PREVIEW_PX)
            small = Image.fromarray(bytes_of(image[::step, ::step]))
            preview = ("JPEG", small, _PREVIEW_PX)
        self._bar.update_absolute(done, self._total, preview)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Show failures of the world as the plain sentence they are."""
    try:
        yield
    except ImfError as error:
        raise ValueError(str(error)) from None
    except ModuleNotFoundError as error:
        raise ValueError(missing_module(error)) from None


_PACKAGES = {
    "cv2": "opencv-python-headless",
    "av": "av",
    "scenedetect": "--no-deps scenedetect-headless",
    "scipy": "scipy",
    "click": "click",
}


def missing_module(error: ModuleNotFoundError) -> str:
    """Say which package is missing and how to install it."""
    name = (error.name or "").partition(".")[0]
    package = _PACKAGES.get(name, name)
    return (
        f"this node needs the Python package {name!r}, which this ComfyUI does not have: "
        f"install it with  python -m pip install {package}  and start ComfyUI again"
    )
