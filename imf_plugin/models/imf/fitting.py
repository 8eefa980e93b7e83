"""Tokens fitted to pictures: the token encoder's guess, corrected until the picture agrees.

Where the driving video shows the same scene as its anchor, the best token of a frame is the one
that turns the anchor into the frame. A few damped Gauss-Newton steps find it: the pictures' slopes
are taken anew at every step, while how tokens move the anchor is measured once, around the anchor's
own token, by differences. That costs one decoding per step.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.imf.compact import CompactImf, CompactReference, displaced
from imf_plugin.models.imf.measuring import measured_motion

PROBE = 0.05
"""How far tokens are moved, in units of their usual size, to measure what they do."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How hard to try."""

    scales: tuple[int, ...] = (4, 4, 2, 2, 2, 1, 1, 1)
    """How many times smaller the pictures are, step by step."""
    damping: float = 3e-5
    """Mean square by which a token's unit must change the picture to be worth it."""
    unexplained: float = 0.5
    """A frame of which more than this share of its contrast stays unexplained shows another scene
    than the anchor."""


@dataclass(frozen=True, kw_only=True)
class FitAnchor:
    """An anchor and how tokens move it."""

    picture: Tensor
    """``[1, 3, S, S]``"""
    reference: CompactReference
    slopes: Tensor
    """Change of the flow by each number of the token, ``[D, 2, S/2, S/2]``."""
    paints: Tensor
    """Change of the paint likewise, ``[D, 3, S, S]``."""


@torch.no_grad()
def fit_anchor(network: CompactImf, picture: Tensor, *, measured: bool = True) -> FitAnchor:
    """Read an anchor ``[1, 3, S, S]`` and, for `fit_token`, measure how tokens move it."""
    reference = network.reference(picture)
    count = network.config.token_dim
    if not measured:
        none = picture.new_zeros(count, 0, 0, 0)
        return FitAnchor(picture=picture, reference=reference, slopes=none, paints=none)
    steps = torch.cat([torch.eye(count), -torch.eye(count)]) * PROBE
    flows, paints = [], []
    for rows in torch.split(reference.tokens + steps, 8):
        decoded = network.decode(reference, rows)
        flows.append(decoded.flow)
        paints.append(decoded.paint)
    flow, paint = torch.cat(flows), torch.cat(paints)
    return FitAnchor(
        picture=picture,
        reference=reference,
        slopes=(flow[:count] - flow[count:]) / (2 * PROBE),
        paints=(paint[:count] - paint[count:]) / (2 * PROBE),
    )


@torch.no_grad()
def fit_token(
    network: CompactImf, anchor: FitAnchor, frame: Tensor, options: FitOptions
) -> Tensor | None:
    """Return the token ``[1, D]`` with which the anchor looks most like ``frame [1, 3, S, S]``.

    Starts from what the measured motion says, or from the anchor's own token, whichever is nearer
    the frame. None means that the two show different scenes.
    """
    tokens = [guessed(network, anchor, frame), anchor.reference.tokens]
    pictures = [_show(network, anchor, token) for token in tokens]
    errors = [_error(picture, frame) for picture in pictures]
    least = min(errors)
    token, picture = (row[errors.index(least)] for row in (tokens, pictures))
    best = token
    for scale in options.scales:
        token = token + _step(anchor, picture, frame, scale, options.damping)
        picture = _show(network, anchor, token)
        error = _error(picture, frame)
        if error < least:
            best, least = token, error
    contrast = float((frame - frame.mean((2, 3), keepdim=True)).square().mean())
    return best if least <= options.unexplained * contrast else None


@torch.no_grad()
def guessed(network: CompactImf, anchor: FitAnchor, frame: Tensor) -> Tensor:
    """Return the token ``[1, D]`` that the measured motion from the frame to the anchor means."""
    motion = measured_motion(frame, anchor.picture)
    return anchor.reference.tokens + network.moved_tokens(frame, anchor.picture, motion)


def _show(network: CompactImf, anchor: FitAnchor, token: Tensor) -> Tensor:
    decoded = network.decode(anchor.reference, token)
    flow = F.interpolate(decoded.flow, scale_factor=2, mode="bilinear", align_corners=False)
    return displaced(anchor.picture, flow) + decoded.paint


def _error(shown: Tensor, frame: Tensor) -> float:
    return float((shown - frame).square().mean())


def _step(anchor: FitAnchor, shown: Tensor, frame: Tensor, scale: int, damping: float) -> Tensor:
    """Return one damped Gauss-Newton step ``[1, D]`` from the token that ``shown`` is of."""
    if scale > 1:
        shown, frame = F.avg_pool2d(shown, scale), F.avg_pool2d(frame, scale)
    slope_x, slope_y = _slopes(shown, scale)
    flow = _resized(anchor.slopes, shown.shape[-1])
    change = (
        slope_x * flow[:, :1] + slope_y * flow[:, 1:] + _resized(anchor.paints, shown.shape[-1])
    )
    rows = change.flatten(1)
    rest = (frame - shown).flatten()
    # Large differences are mostly what no motion explains: they count less.
    weight = 1 / (1 + (rest / 0.1).square())
    count = rest.numel()
    matrix = (rows * weight) @ rows.T / count + damping * torch.eye(len(rows))
    step: Tensor = torch.linalg.solve(matrix, (rows * weight) @ rest / count)
    return step[None]


def _resized(planes: Tensor, side: int) -> Tensor:
    if planes.shape[-1] == side:
        return planes
    if planes.shape[-1] > side:
        return F.avg_pool2d(planes, planes.shape[-1] // side)
    return F.interpolate(planes, (side, side), mode="bilinear", align_corners=False)


def _slopes(picture: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Return the change of a picture along x and y, for each pixel of the full side."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / (2 * scale)
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / (2 * scale)
    return along_x, along_y
