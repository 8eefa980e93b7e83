"""What training the recognition of motion minimises."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.imf_vfi.layers import doubled, halved
from imf_plugin.models.imf_vfi.recognition import (
    Recognised,
    RecognitionNetwork,
    seen_halfway,
)
from imf_plugin.training.losses import log_square
from imf_plugin.training.recognition_data import RecognitionSample

LEAST_MATCHES = 8
"""With fewer known matches there is nothing to learn from them."""

CENTRE_OFFSET = 0.5 / 8
"""Known flows start at pixel (4, 4) of each cell, whose middle is at (3.5, 3.5)."""


RIGHT_PX = 2.0
"""A candidate this far off the true motion is right to a third."""

LIKE_LEVEL = 0.015
"""Difference to the frame between, 0..1, by which one candidate is a third as good as another."""

LEAST_RIGHT = 1e-3
"""Where none is right, none is to be chosen."""


@dataclass(frozen=True, kw_only=True)
class RecognitionWeights:
    """Of the parts of the loss."""

    matching: float = 0.3
    """Negative logarithm of the likelihood of the true matches."""
    choice: float = 0.5
    """Negative logarithm of how right the chosen candidates are."""
    motion: float = 0.3
    """Of the motion that comes of it, see `motion_error`."""
    frame: float = 0.3
    """Of the frame between, put together from what each picture shows of it; see
    `losses.log_square`."""


def recognition_loss(
    network: RecognitionNetwork, sample: RecognitionSample, weights: RecognitionWeights
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of one sample, and figures of it for people."""
    first, second = network.describe(sample.frames[[0, 2]]).each()
    opinions = halved(sample.opinions)
    found: Recognised = network(first, second, opinions, sample.layers)
    matching = (
        match_error(found.similarity, sample.forward, sample.seen_forward)
        + match_error(found.similarity.T, sample.backward, sample.seen_backward)
    ) / 2
    # One of each four, not their mean, which at an edge is nobody's motion.
    truth, known = sample.middle[..., 1::2, 1::2], sample.known[..., 1::2, 1::2]
    if sample.is_film:
        choice = likeness_error(found, sample.frames)
    else:
        choice = choice_error(found.candidates[None], found.shares[None], truth, known, RIGHT_PX)
    motion = motion_error(found.motion, truth, known)
    frame, even = frame_errors(sample.frames, found)
    loss = (
        weights.matching * matching
        + weights.choice * choice
        + weights.motion * motion
        + weights.frame * frame
    )
    with torch.no_grad():
        figures = {
            "matching": float(matching),
            "choice": float(choice),
            "motion": float(motion),
            "frame": float(frame),
            "even": float(even),
            "dense": float(motion_error(opinions[:1], truth, known)),
            "best": float(_best_error(found.candidates, truth, known)),
        }
    return loss, figures


def choice_error(
    candidates: Tensor, shares: Tensor, truth: Tensor, known: Tensor, right_px: float
) -> Tensor:
    """Return how unlikely the choice is to be right, the mean over what is known.

    Args:
        candidates: Motions to choose from, ``[B, N, 2, H, W]`` pixels; nothing is learnt of them.
        shares: Chance of every candidate, ``[B, N, 1, H, W]``.
        truth: ``[B, 2, H, W]`` pixels.
        known: How much each place counts, ``[B, 1, H, W]``.
        right_px: A candidate this far off the true motion is right to a third.
    """
    off = (candidates.detach() - truth[:, None]).norm(dim=2, keepdim=True)
    right = (shares * torch.exp(-off / right_px)).sum(1)
    total: Tensor = -(torch.log(right + LEAST_RIGHT) * known).sum() / known.sum().clamp_min(1)
    return total


def likeness_error(found: Recognised, frames: Tensor) -> Tensor:
    """Return how far the choice is from what makes the frame between.

    Of film the motion is not known, but what it shows is: of every candidate, how like that frame
    the better of the two pictures becomes. Where all do as well, nothing is to be learnt.

    Args:
        found: With chances of every candidate.
        frames: First, between, second, ``[3, 3, H, W]``.
    """
    with torch.no_grad():
        small = halved(halved(frames))
        count = len(found.candidates)
        first, truth, second = (small[n : n + 1].expand(count, -1, -1, -1) for n in range(3))
        seen0, seen1 = seen_halfway(first, second, found.candidates / 4, "border")
        off = torch.minimum(
            (seen0 - truth).abs().mean(1, keepdim=True),
            (seen1 - truth).abs().mean(1, keepdim=True),
        )
        off = F.avg_pool2d(off, 5, 1, 2, count_include_pad=False)
        wanted = torch.softmax(-off / LIKE_LEVEL, 0)
        matters = (off.amax(0, keepdim=True) - off.amin(0, keepdim=True)) / LIKE_LEVEL
        matters = matters.clamp(max=1)
    total: Tensor = -(wanted * torch.log(found.shares + LEAST_RIGHT)).sum(0, keepdim=True)
    return (total * matters).sum() / matters.sum().clamp_min(1)


def frame_errors(frames: Tensor, found: Recognised) -> tuple[Tensor, Tensor]:
    """Return the error of the frame between, and what it were with both pictures shown alike.

    A squared one, which has a doubtful place show both.

    Only which picture shows what is learnt from it; the motion has its own truth.

    Args:
        frames: First, between, second, ``[3, 3, H, W]``.
        found: Of the first and the second.
    """
    small = halved(frames)
    motion = doubled(found.motion.detach())
    seen0, seen1 = seen_halfway(small[:1], small[2:], motion / 2, "border")
    made = torch.lerp(seen0, seen1, torch.sigmoid(doubled(found.side)))
    even = (seen0 + seen1).detach() / 2
    return log_square(made, small[1:2]), log_square(even, small[1:2])


def _best_error(candidates: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return what the best choice would come to, see `motion_error`."""
    off = (candidates - truth).norm(dim=1, keepdim=True)
    best = off.argmin(0, keepdim=True).expand(-1, 2, -1, -1)
    return motion_error(candidates.gather(0, best), truth, known)


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
