"""What drives a picture: a batch of images or a video, read one frame at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor

from imf_hosts.comfyui.batches import check_images, rgb_of

_RATE_OF_IMAGES = Fraction(24)


@dataclass(frozen=True, kw_only=True)
class Driving:
    """Driving frames that can be asked for by their numbers."""

    count: int
    """How many there are."""
    rate: Fraction
    """Frames per second; a batch of images knows none and is given 24."""
    picture: Callable[[int], Tensor]
    """Returns a frame by its number, ``[3, h, w]`` in 0..1 on the CPU."""


@contextmanager
def opened_driving(given: Any) -> Iterator[Driving]:
    """Open images ``[B, H, W, C]`` or a VIDEO.

    Raises:
        ValueError: If it is neither, or empty.
    """
    if not hasattr(given, "get_components"):
        check_images(given, "driving")
        yield Driving(
            count=len(given), rate=_RATE_OF_IMAGES, picture=lambda index: rgb_of(given, index)
        )
        return
    from imf_hosts.comfyui.sources import VideoSource

    source = VideoSource(given)
    with source.opened() as clip:
        yield Driving(
            count=len(source.info.timing.frame_times),
            rate=source.info.rate,
            picture=lambda index: clip.picture(index)[:3].contiguous(),
        )
