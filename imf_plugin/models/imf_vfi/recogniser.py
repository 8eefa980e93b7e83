"""What a recognition network says of two pictures of any size, beside a dense search's opinions."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.imf_vfi.recognition import (
    SIDE_MULTIPLE,
    Described,
    RecognitionNetwork,
)
from imf_plugin.motion.flow import FlowArray

WORKING_PIXELS = 640 * 360
"""Larger pictures are looked at in about this size, which the network was trained on."""

LEAST_SIDE_PX = 64
"""Smaller pictures are left alone."""


class Recogniser:
    """Corrects what a dense search found between two pictures."""

    def __init__(self, network: RecognitionNetwork) -> None:
        self.network = network.eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def describe(self, picture: Tensor) -> Described | None:
        """Describe a picture ``[3, H, W]``, RGB 0..1; None if it is too small."""
        size = working_size(*picture.shape[1:])
        if size is None:
            return None
        planes = picture[None].float().contiguous(memory_format=torch.channels_last)
        small = F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
        return self.network.describe(small)

    @torch.inference_mode()
    def corrected(
        self, first: Described, second: Described, opinions: list[FlowArray]
    ) -> list[FlowArray]:
        """Return middle flows with what was recognised put in where it is trusted more.

        Args:
            first: The first picture.
            second: The second.
            opinions: Middle flows of the dense search, ``[H, W, 2]`` pixels each.
        """
        height, width = opinions[0].shape[:2]
        rows, columns = first.colours.shape[2:]
        ratio = np.array([4 * columns / width, 4 * rows / height], np.float32)
        small = [
            torch.from_numpy(
                cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA) * ratio
            )
            for flow in opinions
        ]
        found = self.network(first, second, torch.cat(small, 2).permute(2, 0, 1)[None])
        motion = _grown(found.motion[0], (width, height)) / ratio
        trust = _grown(found.trust[0, :1], (width, height))
        if trust.ndim == 2:
            trust = trust[..., None]
        return [flow + trust * (motion - flow) for flow in opinions]


def working_size(height: int, width: int) -> tuple[int, int] | None:
    """Return the height and width in which a picture is looked at; None if it is too small."""
    scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
    rows, columns = (
        round(side * scale / SIDE_MULTIPLE) * SIDE_MULTIPLE for side in (height, width)
    )
    return (rows, columns) if min(rows, columns) >= LEAST_SIDE_PX else None


def _grown(planes: Tensor, size: tuple[int, int]) -> FlowArray:
    picture = planes.permute(1, 2, 0).float().contiguous().numpy()
    return np.asarray(cv2.resize(picture, size), np.float32)
