"""What a dense search has lost between two pictures of any size, put right by recognition."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    Recognised,
    RecognitionNetwork,
)
from imf_plugin.models.imf_vfi.refinement import Refined, RefinementNetwork, drafted
from imf_plugin.models.weight_files import INTERPOLATION_ADVICE, fill, read_weights
from imf_plugin.motion.flow import FloatArray, FlowArray

NAME = "imf-recognition"
"""Of its weights."""

WORKING_PIXELS = 640 * 360
"""Larger pictures are looked at in about this size, which the network was trained on."""

LEAST_SIDE_PX = 64
"""Smaller pictures are left alone."""

LOST_SHARE = 0.08
"""With less of the picture lost, nothing is looked for: everyday motion gains nothing."""

DOUBT_LEVEL = 7.0
"""Mismatch in 8-bit levels up to which the dense search is left alone; at twice that, not."""

SURE = 0.9
"""Chance of a motion at which an opinion that fails where another does not is put right."""

HEED = 0.75
"""What is said of who shows a place was learnt with two frames to choose from; beside what the
network says of three opinions it counts for so much."""

STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class Opinions:
    """What is thought of the motion between two pictures."""

    flows: list[FlowArray]
    """Middle flows, ``[H, W, 2]`` pixels each."""
    side: FloatArray | None = None
    """Which picture shows what stands at each pixel halfway, ``[H, W]``: the logarithm of how much
    more the second is to count than the first. None where nobody looked."""


class FarMotionNetwork(nn.Module):
    """Recognises motion, then refines what it recognised."""

    def __init__(self) -> None:
        super().__init__()
        self.recognition = RecognitionNetwork()
        self.refinement = RefinementNetwork()

    def forward(
        self, first: Tensor, second: Tensor, opinions: Tensor, layers: Tensor
    ) -> tuple[Recognised, Refined]:
        """Find the motion between two pictures.

        Args:
            first: The first picture, ``[1, 3, H, W]``, 0..1; sides are multiples of 16.
            second: The second.
            opinions: See `RecognitionNetwork.forward`.
            layers: Likewise.
        """
        described = (self.recognition.describe(picture) for picture in (first, second))
        found = self.recognition(*described, opinions, layers)
        # The second correction that it was trained with changes frames by nothing that shows.
        return found, self.refinement(first, second, drafted(found, len(opinions)), steps=1)


class Recogniser:
    """Corrects what a dense search found between two pictures."""

    def __init__(self, network: FarMotionNetwork, device: torch.device) -> None:
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
        found, refined = self.network(
            *(self._shrunk(frame, size) for frame in frames),
            self._quartered(flows, size),
            self._quartered(layers, size),
        )
        failures = [failure(grey0, grey1, *each) for each in zip(flows, mismatches, strict=True)]
        return Opinions(
            flows=_corrected(opinions, found, refined, failures, behind=len(layers) > 0),
            side=HEED * _grown(refined.sides[-1][0], (width, height)),
        )

    def _shrunk(self, frame: Tensor, size: tuple[int, int]) -> Tensor:
        """Return a picture ``[3, H, W]`` in the working size, ``[1, 3, h, w]``."""
        planes = frame[None, :3].to(self.device, torch.float32)
        planes = planes.contiguous(memory_format=torch.channels_last)
        return F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)

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
    network = FarMotionNetwork()
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
    opinions: list[FlowArray],
    found: Recognised,
    refined: Refined,
    failures: list[Failure],
    *,
    behind: bool,
) -> list[FlowArray]:
    """Return the opinions with what was recognised in the place of what they have lost.

    Args:
        opinions: ``[H, W, 2]`` each.
        found: In the working size.
        refined: Of it.
        failures: Of the opinions in that size.
        behind: Whether the first motion that is neither an opinion nor a match is the ground's.
    """
    count = len(opinions)
    rows, columns = failures[0].halfway.shape
    small, whole = (columns, rows), (opinions[0].shape[1], opinions[0].shape[0])
    ratio = np.array([small[0] / whole[0], small[1] / whole[1]], np.float32)
    motion = _grown(refined.motions[-1][0], small)
    trusted = found.mixture[:count]
    belief = 1 - trusted.sum(0)
    # Surfaces come in the order of their landmarks: the first is the ground.
    ground = _grown(found.mixture[count + 2] if behind else torch.zeros_like(belief), small)
    recognised = cv2.resize(motion, whole) / ratio
    lost = _share_of(doubts(failures, motion, ground)) * _grown(belief, small)
    flows = _replaced(opinions, recognised, np.asarray(cv2.resize(lost, whole), np.float32))
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
    return np.asarray(np.clip(doubt / DOUBT_LEVEL - 1, 0, 1), np.float32)


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
