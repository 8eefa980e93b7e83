"""What a dense search has lost between two pictures of any size, put right by recognition."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.flow.estimation import GreyPicture, shrink
from imf_plugin.models.flow.layers import (
    Failure,
    doubts,
    failure,
    layer_motions,
    lost_share,
    mismatch,
)
from imf_plugin.models.imf_vfi.recognition import (
    SIDE_MULTIPLE,
    Described,
    Recognised,
    RecognitionNetwork,
)
from imf_plugin.models.weight_files import INTERPOLATION_ADVICE, fill, read_weights
from imf_plugin.motion.flow import FloatArray, FlowArray

NAME = "imf-recognition"
"""Of its weights."""

WORKING_PIXELS = 640 * 360
"""Larger pictures are looked at in about this size, which the network was trained on."""

LEAST_SIDE_PX = 64
"""Smaller pictures are left alone."""

LOST_SHARE = 0.15
"""With less of the picture lost, nothing is looked for: everyday motion gains nothing."""

DOUBT_LEVEL = 6.0
"""Mismatch in 8-bit levels up to which the dense search is left alone; at twice that, not."""

SURE = 0.95
"""Chance of a motion at which an opinion that fails where another does not is put right."""

STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class Opinions:
    """What is thought of the motion between two pictures."""

    flows: list[FlowArray]
    """Middle flows, ``[H, W, 2]`` pixels each."""
    side: FloatArray | None = None
    """Which picture shows what stands at each pixel halfway, ``[H, W]``: the logarithm of how much
    more the second is to count than the first. None where nobody looked."""


class Recogniser:
    """Corrects what a dense search found between two pictures."""

    def __init__(self, network: RecognitionNetwork, device: torch.device) -> None:
        self.device = device
        self.network = network.to(device).eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def corrected(
        self,
        frames: tuple[Tensor, Tensor],
        greys: tuple[GreyPicture, GreyPicture],
        opinions: list[FlowArray],
    ) -> Opinions:
        """Return middle flows with what was recognised put in where it is likelier.

        Args:
            frames: Both pictures, ``[3, H, W]``, RGB 0..1.
            greys: Their 8-bit luma, ``[H, W]``.
            opinions: Middle flows of the dense search, ``[H, W, 2]`` pixels each.
        """
        height, width = opinions[0].shape[:2]
        size = working_size(height, width)
        if size is None:
            return Opinions(flows=opinions)
        rows, columns = size
        grey0, grey1 = (shrink(grey, (columns, rows)) for grey in greys)
        ratio = np.array([columns / width, rows / height], np.float32)
        flows = [
            cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA) * ratio
            for flow in opinions
        ]
        mismatches = [mismatch(grey0, grey1, flow) for flow in flows]
        dense = np.minimum.reduce(mismatches)
        if lost_share(dense) < LOST_SHARE:
            return Opinions(flows=opinions)
        layers = layer_motions(grey0, grey1, dense)
        first, second = (self._described(frame, size) for frame in frames)
        found = self.network(
            first, second, self._quartered(flows, size), self._quartered(layers, size)
        )
        failures = [failure(grey0, grey1, *each) for each in zip(flows, mismatches, strict=True)]
        return Opinions(
            flows=_corrected(opinions, found, failures, behind=len(layers) > 0),
            side=_grown(found.side[0], (width, height)),
        )

    def _described(self, frame: Tensor, size: tuple[int, int]) -> Described:
        planes = frame[None, :3].to(self.device, torch.float32)
        planes = planes.contiguous(memory_format=torch.channels_last)
        small = F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
        described: Described = self.network.describe(small)
        return described

    def _quartered(self, flows: list[FlowArray], size: tuple[int, int]) -> Tensor:
        """Return flows of the working size at stride 4, ``[n, 2, H/4, W/4]`` pixels."""
        rows, columns = (side // STRIDE for side in size)
        small = [cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA) for flow in flows]
        stacked = np.stack(small) if small else np.zeros((0, rows, columns, 2), np.float32)
        return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous().to(self.device)


def load_recogniser(device: torch.device) -> Recogniser:
    """Return the recogniser with the weights that ship.

    Raises:
        ModelError: If they are missing or unusable.
    """
    tensors, _ = read_weights(NAME, advice=INTERPOLATION_ADVICE)
    network = RecognitionNetwork()
    fill(network, tensors, NAME, advice=INTERPOLATION_ADVICE)
    return Recogniser(network, device)


def working_size(height: int, width: int) -> tuple[int, int] | None:
    """Return the height and width in which a picture is looked at; None if it is too small."""
    scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
    rows, columns = (
        round(side * scale / SIDE_MULTIPLE) * SIDE_MULTIPLE for side in (height, width)
    )
    return (rows, columns) if min(rows, columns, height, width) >= LEAST_SIDE_PX else None


def _corrected(
    opinions: list[FlowArray], found: Recognised, failures: list[Failure], *, behind: bool
) -> list[FlowArray]:
    """Return the opinions with what was recognised in the place of what they have lost.

    Args:
        opinions: ``[H, W, 2]`` each.
        found: In the working size.
        failures: Of the opinions in that size.
        behind: Whether the first motion that is neither an opinion nor a match is the ground's.
    """
    count = len(opinions)
    rows, columns = failures[0].halfway.shape
    small, whole = (columns, rows), (opinions[0].shape[1], opinions[0].shape[0])
    ratio = np.array([small[0] / whole[0], small[1] / whole[1]], np.float32)
    # Of the dense search's motions each keeps its own detail; the rest is one motion for all.
    trusted = found.mixture[:count]
    belief = 1 - trusted.sum(0)
    other = found.motion[0] - (found.candidates[:count] * trusted).sum(0)
    motion = _grown(other / belief.clamp_min(1e-4), small)
    # Surfaces come in the order of their landmarks: the first is the ground.
    ground = _grown(found.mixture[count + 2] if behind else torch.zeros_like(belief), small)
    recognised = cv2.resize(motion, whole) / ratio
    doubt = _share_of(doubts(failures, motion, ground)) * _grown(belief, small)
    flows = _replaced(opinions, recognised, np.asarray(cv2.resize(doubt, whole), np.float32))
    # Where one motion is surely right, every opinion that fails there is to follow it.
    chances = _grown(torch.cat([trusted[:, 0], found.mixture[count:].amax(0)]), whole)
    likeliest = np.choose(chances.argmax(-1)[..., None], [*opinions, recognised])
    sure = chances.max(-1) > SURE
    there = cv2.resize(likeliest, small, interpolation=cv2.INTER_AREA) * ratio
    followed = []
    for flow, each in zip(flows, failures, strict=True):
        doubt = cv2.resize(_share_of(doubts([each], there, ground)), whole)
        follows = (doubt > 0.5) & sure
        followed.append(np.where(follows[..., None], likeliest, flow).astype(np.float32))
    return followed


def _share_of(doubt: FloatArray) -> FloatArray:
    """Return how far a flow with such `doubts` is to be given up, 0..1."""
    return np.clip(doubt / DOUBT_LEVEL - 1, 0, 1)


def _replaced(opinions: list[FlowArray], motion: FlowArray, belief: FloatArray) -> list[FlowArray]:
    """Return the opinions with another motion where it is believed, ``[H, W]`` in 0..1."""
    # A soft edge: not all change their mind at one place.
    enough = np.linspace(0, 1, len(opinions) + 2)[1:-1]
    return [
        np.where(belief[..., None] > least, motion, flow).astype(np.float32)
        for flow, least in zip(opinions, enough, strict=True)
    ]


def _grown(planes: Tensor, size: tuple[int, int]) -> FloatArray:
    """Return planes ``[C, h, w]`` as a picture of a width and height; a lone plane as its plane."""
    picture = planes.permute(1, 2, 0).float().cpu().contiguous().numpy()
    return np.asarray(cv2.resize(picture, size), np.float32)
