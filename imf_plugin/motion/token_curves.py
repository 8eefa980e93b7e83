"""Tokens between tokens: curves through a track, and smoothing along it.

Convention: tokens are ``[T, *token_shape]``; a position counts frames, 2.5 is halfway between the
frames 2 and 3. Beyond the ends the first and last token hold.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

type TokenCurve = Literal["linear", "spherical", "cubic", "spline"]

TOKEN_CURVES: tuple[TokenCurve, ...] = ("linear", "spherical", "cubic", "spline")

_SAME_DIRECTION = 1e-4
"""Radians below which going along the sphere and straight ahead are the same."""


def tokens_at(tokens: Tensor, positions: Sequence[float], curve: TokenCurve = "linear") -> Tensor:
    """Return the tokens at positions, ``[len(positions), *token_shape]``.

    Args:
        tokens: ``[T, *token_shape]``.
        positions: Any number of them, in any order.
        curve: ``linear`` goes straight from token to token; ``spherical`` turns the direction
            evenly and grows the length evenly; ``cubic`` passes smoothly through all tokens
            (Catmull-Rom), looking one token further to either side; ``spline`` looks at all of
            them and turns evenly too (a cubic spline, not-a-knot): truest for smooth motion, while
            noise in one token is felt in its neighbours.

    Raises:
        ValueError: If there is no token or no position, or no such curve.
    """
    if curve not in TOKEN_CURVES or len(tokens) == 0 or len(positions) == 0:
        raise ValueError(f"no such curve through tokens, got {curve = }, {len(tokens) = }")
    last = len(tokens) - 1
    places = torch.tensor([min(max(float(place), 0.0), float(last)) for place in positions])
    before = places.floor().long().clamp(0, max(0, last - 1))
    share = (places - before).to(tokens.dtype).reshape(-1, *(1,) * (tokens.ndim - 1))
    start, end = tokens[before], tokens[(before + 1).clamp(max=last)]
    if curve == "linear":
        return torch.lerp(start, end, share)
    if curve == "spherical":
        return _spherical(start, end, share)
    if curve == "spline":
        bends = _bends(tokens)
        return _bent(start, end, bends[before], bends[(before + 1).clamp(max=last)], share)
    earlier = tokens[(before - 1).clamp(min=0)]
    later = tokens[(before + 2).clamp(max=last)]
    return _catmull_rom(earlier, start, end, later, share)


def smooth_tokens(tokens: Tensor, radius_frames: int) -> Tensor:
    """Smooth tokens ``[T, ...]`` over time with a bell of ``radius_frames`` to either side.

    The ends are repeated outwards, so the number of frames stays. A radius of 0 changes nothing.
    """
    if radius_frames < 0:
        raise ValueError(f"a radius is 0 or more frames, got {radius_frames = }")
    if radius_frames == 0 or len(tokens) == 0:
        return tokens
    weights = bell(radius_frames)
    places = torch.arange(len(tokens))
    smoothed = torch.zeros_like(tokens)
    for offset, weight in zip(range(-radius_frames, radius_frames + 1), weights, strict=True):
        smoothed += weight * tokens[(places + offset).clamp(0, len(tokens) - 1)]
    return smoothed


def bell(radius_frames: int) -> list[float]:
    """Return the ``2 * radius + 1`` weights of a Gaussian bell; they sum to 1."""
    sigma = max(0.5, radius_frames / 2)
    offsets = range(-radius_frames, radius_frames + 1)
    heights = [float(np.exp(-0.5 * (offset / sigma) ** 2)) for offset in offsets]
    return [height / sum(heights) for height in heights]


def _spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Go from direction to direction along the sphere, from length to length straight."""
    inner = tuple(range(1, start.ndim))
    lengths = [token.square().sum(inner, keepdim=True).sqrt() for token in (start, end)]
    straight = torch.lerp(start, end, share)
    scale = (lengths[0] * lengths[1]).clamp(min=1e-30)
    cosine = ((start * end).sum(inner, keepdim=True) / scale).clamp(-1, 1)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    # Without a length, or straight ahead or back, there is no arc to follow.
    has_arc = (sine > _SAME_DIRECTION) & (lengths[0] * lengths[1] > 1e-20)
    safe_sine = torch.where(has_arc, sine, torch.ones_like(sine))
    units = [
        token / length.clamp(min=1e-30) for token, length in zip((start, end), lengths, strict=True)
    ]
    arc = (
        torch.sin((1 - share) * angle) * units[0] + torch.sin(share * angle) * units[1]
    ) / safe_sine
    return torch.where(has_arc, arc * torch.lerp(lengths[0], lengths[1], share), straight)


def _catmull_rom(
    earlier: Tensor, start: Tensor, end: Tensor, later: Tensor, share: Tensor
) -> Tensor:
    slope0, slope1 = (end - earlier) / 2, (later - start) / 2
    square, cube = share**2, share**3
    return (
        (2 * cube - 3 * square + 1) * start
        + (cube - 2 * square + share) * slope0
        + (3 * square - 2 * cube) * end
        + (cube - square) * slope1
    )


def _bends(tokens: Tensor) -> Tensor:
    """Return the second derivatives of the not-a-knot spline through tokens ``[T, ...]``.

    With even steps the end conditions give the bends next to the ends at once; between these
    elimination solves ``b[i-1] + 4 b[i] + b[i+1] = 6 d[i]``, d being the second differences.
    """
    count = len(tokens)
    if count < 3:
        return torch.zeros_like(tokens)
    bends = torch.zeros_like(tokens, dtype=torch.float64)
    inner = torch.diff(tokens.to(torch.float64), n=2, dim=0)
    bends[1], bends[-2] = inner[0], inner[-1]
    if count > 4:
        wanted = 6 * inner[1:-1]
        wanted[0] -= bends[1]
        wanted[-1] -= bends[-2]
        shares = [0.25]
        wanted[0] *= 0.25
        for row in range(1, len(wanted)):
            shares.append(1 / (4 - shares[-1]))
            wanted[row] = (wanted[row] - wanted[row - 1]) * shares[-1]
        for row in range(len(wanted) - 2, -1, -1):
            wanted[row] -= shares[row] * wanted[row + 1]
        bends[2:-2] = wanted
    bends[0] = 2 * bends[1] - bends[2] if count > 3 else bends[1]
    bends[-1] = 2 * bends[-2] - bends[-3] if count > 3 else bends[1]
    return bends.to(tokens.dtype)


def _bent(start: Tensor, end: Tensor, bend0: Tensor, bend1: Tensor, share: Tensor) -> Tensor:
    rest = 1 - share
    straight = rest * start + share * end
    return straight + ((rest**3 - rest) * bend0 + (share**3 - share) * bend1) / 6
