"""What training the recognition of motion minimises."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.imf_vfi.layers import doubled, halved
from imf_plugin.models.imf_vfi.recognition import (
    Described,
    Recognised,
    RecognitionNetwork,
    seen_halfway,
)
from imf_plugin.training.recognition_data import RecognitionSample

LEAST_MATCHES = 8
"""With fewer known matches there is nothing to learn from them."""

CENTRE_OFFSET = 0.5 / 8
"""Known flows start at pixel (4, 4) of each cell, whose middle is at (3.5, 3.5)."""


@dataclass(frozen=True, kw_only=True)
class RecognitionWeights:
    """Of the parts of the loss."""

    matching: float = 0.3
    """Negative logarithm of the likelihood of the true matches."""
    motion: float = 0.2
    """Of the error at each stage, see `motion_error`."""
    decided: float = 0.5
    """Of the motion that is decided for in the end."""
    frame: float = 6.0
    """Absolute error of the frame between."""


def recognition_loss(
    network: RecognitionNetwork, sample: RecognitionSample, weights: RecognitionWeights
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of one sample, and figures of it for people."""
    described = vars(network.describe(sample.frames[[0, 2]]))
    first, second = (
        Described(**{name: planes[number : number + 1] for name, planes in described.items()})
        for number in (0, 1)
    )
    found: Recognised = network(first, second, halved(sample.opinions))
    similarity = found.similarity[0]
    matching = (
        match_error(similarity, sample.forward, sample.seen_forward)
        + match_error(similarity.T, sample.backward, sample.seen_backward)
    ) / 2
    weight8 = halved(halved(sample.known))
    truth8 = halved(halved(sample.middle * sample.known)) / weight8.clamp_min(1e-3)
    stages = sum(motion_error(motion, truth8, weight8) for motion in found.coarse_motions)
    recognised = doubled(found.motion)
    stages = stages + motion_error(recognised, sample.middle, sample.known)
    trust = doubled(found.trust)
    motion = recognised * trust[:, :1]
    for number, opinion in enumerate(torch.split(sample.opinions, 2, 1), 1):
        motion = motion + opinion * trust[:, number : number + 1]
    decided = motion_error(motion, sample.middle, sample.known)
    frame = _frame_error(sample.frames, motion, doubled(found.blend))
    loss = (
        weights.matching * matching
        + weights.motion * stages
        + weights.decided * decided
        + weights.frame * frame
    )
    with torch.no_grad():
        dense = motion_error(sample.opinions[:, :2], sample.middle, sample.known)
        figures = {
            "matching": float(matching),
            "decided": float(decided),
            "dense": float(dense),
            "frame": float(frame),
        }
    return loss, figures


def match_error(similarity: Tensor, flow: Tensor, seen: Tensor) -> Tensor:
    """Return how unlikely the true matches are, 0 if hardly any are known.

    Args:
        similarity: Logarithms of chances but for a constant, ``[N, N]``.
        flow: The true way of each cell's pixel (4, 4), ``[2, h, w]`` pixels.
        seen: 1 where the other picture shows it, ``[h, w]``.
    """
    height, width = seen.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = columns + CENTRE_OFFSET + flow[0] / 8
    y = rows + CENTRE_OFFSET + flow[1] / 8
    left, top = x.floor(), y.floor()
    inside = (left >= 0) & (top >= 0) & (left < width - 1) & (top < height - 1)
    usable = (seen > 0) & inside
    if int(usable.sum()) < LEAST_MATCHES:
        return similarity.sum() * 0
    x, y, left, top = (plane[usable] for plane in (x, y, left, top))
    right_share, lower_share = (
        (x - left).clamp(1e-3, 1 - 1e-3),
        (y - top).clamp(1e-3, 1 - 1e-3),
    )
    corner = (top * width + left).long()
    places = torch.stack([corner, corner + 1, corner + width, corner + width + 1], 1)
    shares = torch.stack(
        [
            (1 - right_share) * (1 - lower_share),
            right_share * (1 - lower_share),
            (1 - right_share) * lower_share,
            right_share * lower_share,
        ],
        1,
    )
    candidates = similarity[usable.flatten()]
    chances = candidates.gather(1, places) - candidates.logsumexp(1, keepdim=True)
    return -(chances + shares.log()).logsumexp(1).mean()


def motion_error(found: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return the mean root of the distance of motions ``[B, 2, H, W]``, weighted by ``known``.

    The root: a few places that are lost altogether must not drown the rest.
    """
    distance = torch.sqrt(((found - truth) ** 2).sum(1, keepdim=True) + 0.01) - 0.1
    root = torch.sqrt(distance.clamp(0, 200) + 0.04)
    total: Tensor = (root * known).sum() / known.sum().clamp_min(1)
    return total


def _frame_error(frames: Tensor, motion: Tensor, blend: Tensor) -> Tensor:
    """Return the error of the frame between that a motion at half the size makes."""
    small = halved(frames)
    seen0, seen1 = seen_halfway(small[:1], small[2:], motion / 2)
    made = torch.lerp(seen0, seen1, torch.sigmoid(blend))
    return F.l1_loss(made, small[1:2])
