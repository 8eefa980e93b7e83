"""Batches of images as ComfyUI has them, ``[B, H, W, C]`` floats in 0..1."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.engine.pictures import find_picture_cuts, make_pictures
from imf_plugin.engine.tiles import TiledInterpolator
from imf_plugin.timeline.plan import PlannedFrame

type OnFrame = Callable[[int, Tensor], None]

_KEPT_FREE_BYTES = 512 * 2**20


def check_images(images: Tensor, what: str = "images") -> None:
    """Refuse what is no batch of pictures.

    Raises:
        ValueError: If it is empty, or has another number of channels than 1, 3 or 4.
    """
    if not isinstance(images, Tensor) or images.ndim != 4:
        shape = tuple(getattr(images, "shape", ()))
        raise ValueError(f"{what}: this is no batch of images, its shape is {shape}")
    count, height, width, channels = images.shape
    if count == 0 or height == 0 or width == 0:
        raise ValueError(
            f"{what}: the batch is empty ({count} images of {width}x{height}); "
            "check what is connected before this node"
        )
    if channels not in (1, 3, 4):
        raise ValueError(
            f"{what}: images with {channels} channels are not known; "
            "give grey (1), RGB (3) or RGBA (4) ones"
        )


def check_memory(shape: Sequence[int], itemsize: int, available_bytes: int) -> None:
    """Refuse a result that the computer's memory cannot hold.

    Raises:
        ValueError: If it is too large.
    """
    needed = int(np.prod([int(side) for side in shape], dtype=np.float64)) * itemsize
    if needed > max(0, available_bytes - _KEPT_FREE_BYTES):
        raise ValueError(
            f"{shape[0]} images of {shape[2]}x{shape[1]} need {needed / 2**30:.1f} GB of memory, "
            f"but {available_bytes / 2**30:.1f} GB are free: use Video Slow Motion (IMF), which "
            "writes frames to the file as it makes them, or make fewer"
        )


def picture_of(images: Tensor, index: int, device: torch.device | str) -> Tensor:
    """Return one image as a model wants it, ``[3+E, H, W]`` in single precision."""
    picture = images[index].movedim(-1, 0).to(device, torch.float32)
    return picture.expand(3, -1, -1) if len(picture) == 1 else picture


def rgb_of(images: Tensor, index: int) -> Tensor:
    """Return one image as ``[3, H, W]`` on the CPU."""
    return picture_of(images, index, "cpu")[:3].contiguous()


def render_batch(
    images: Tensor,
    frames: Sequence[PlannedFrame],
    model: TiledInterpolator,
    *,
    device: torch.device | str = "cpu",
    out_device: torch.device | str = "cpu",
    longest: int = 1,
    on_frame: OnFrame | None = None,
) -> Tensor:
    """Make the frames of a plan from a batch.

    Args:
        images: ``[B, H, W, C]``; its own images come back bit for bit.
        frames: The plan.
        model: Makes the others.
        device: Where the model works.
        out_device: Where the result is kept.
        longest: Most frames made before `on_frame` is called for the first of them.
        on_frame: Called with the number of frames done and the newest, ``[H, W, C]``.
    """
    channels = images.shape[-1]
    result = torch.empty((len(frames), *images.shape[1:]), dtype=images.dtype, device=out_device)
    made = make_pictures(
        frames, lambda index: picture_of(images, index, device), model, longest=longest
    )
    for number, (frame, picture) in enumerate(made):
        if picture is None:
            result[number] = images[frame.before]
        else:
            result[number] = picture[:channels].clamp(0, 1).movedim(0, -1)
        if on_frame:
            on_frame(number + 1, result[number])
    return result


def bytes_of(image: Tensor) -> NDArray[np.uint8]:
    """Return ``[H, W, C]`` as 8-bit RGB ``[H, W, 3]``."""
    colours = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(-1, -1, 3)
    return (colours.float().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()


def find_batch_cuts(
    images: Tensor, threshold: float, on_image: Callable[[], None] | None = None
) -> tuple[int, ...]:
    """Return the numbers of the images that begin a new shot."""

    def pictures() -> Iterable[NDArray[np.uint8]]:
        for image in images:
            if on_image:
                on_image()
            yield bytes_of(image)

    return find_picture_cuts(pictures(), threshold=threshold) if len(images) > 1 else ()
