"""What training minimises: means over the pixels of pictures ``[B, 3, H, W]`` in 0..1."""

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3
LAPLACIAN_LEVELS = 4
CENSUS_SOFTNESS = 0.1
TEXTURE_LEVELS = 3
TEXTURE_REACH_PX = 8
TEXTURE_FLOOR = 2e-3
"""Contrast that nobody sees."""
LEAST_SQUARE = 1e-5
"""A mean squared error (50 dB) below which there is nothing to learn but noise."""


def charbonnier(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean of ``sqrt(difference^2 + epsilon^2)``: absolute error without the kink."""
    error: Tensor = torch.sqrt((found - truth) ** 2 + CHARBONNIER_EPSILON**2).mean()
    return error


def log_square(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean over pictures of the logarithm of their mean squared error.

    PSNR but for sign and scale: calm pictures, which are nearly right, count as much as wild ones.
    """
    error = ((found - truth) ** 2).mean((1, 2, 3))
    return torch.log(error + LEAST_SQUARE).mean()


def laplacian(found: Tensor, truth: Tensor) -> Tensor:
    """Return the absolute difference of the Laplacian pyramids, coarse levels counting more.

    The pyramid is linear, so that of the difference is the difference of the pyramids.
    """
    rest: Tensor = found - truth
    total: Tensor = rest.new_zeros(())
    for level in range(LAPLACIAN_LEVELS):
        smaller = _halved(rest)
        band = rest - F.interpolate(smaller, rest.shape[2:], mode="bilinear", align_corners=False)
        total = total + 2**level * band.abs().mean()
        rest = smaller
    total = total + 2**LAPLACIAN_LEVELS * rest.abs().mean()
    return total


def _halved(picture: Tensor) -> Tensor:
    # Means of 2x2 pixels: a wider kernel took 7 % of a training step on a CPU.
    return F.avg_pool2d(picture, 2, ceil_mode=True, count_include_pad=False)


def census(found: Tensor, truth: Tensor, *, reach_px: int = 2) -> Tensor:
    """Return how differently each pixel compares with its neighbours (soft census transform).

    It does not see brightness, only structure.
    """
    return (_census_signs(found, reach_px) - _census_signs(truth, reach_px)).abs().mean()


def _census_signs(picture: Tensor, reach_px: int) -> Tensor:
    grey = picture.mean(1, keepdim=True)
    side = 2 * reach_px + 1
    neighbours = F.unfold(F.pad(grey, (reach_px,) * 4, mode="replicate"), side)
    difference = neighbours - grey.flatten(2)
    return difference / torch.sqrt(CENSUS_SOFTNESS**2 + difference**2)


def texture(found: Tensor, truth: Tensor) -> Tensor:
    """Return how much more or less fine detail there is than in the truth, place by place.

    Detail that lies beside its place costs a pointwise loss twice, where it is and where it is
    not; so that loss prefers none. This one compares the contrast of the finest bands within
    neighbourhoods and does not ask where in them it is (statistics of a Laplacian pyramid, after
    Portilla and Simoncelli, "A Parametric Texture Model Based on Joint Statistics of Complex
    Wavelet Coefficients", IJCV 2000).
    """
    total: Tensor = found.new_zeros(())
    for _ in range(TEXTURE_LEVELS):
        total = total + (_contrast(found) - _contrast(truth)).abs().mean()
        found, truth = _halved(found), _halved(truth)
    return total


def _contrast(picture: Tensor) -> Tensor:
    """Return the root mean square of a picture's finest band around each place."""
    mean = F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    square = F.avg_pool2d((picture - mean) ** 2, TEXTURE_REACH_PX, TEXTURE_REACH_PX // 2)
    return torch.sqrt(square + TEXTURE_FLOOR**2)


def motion_through(flows: Tensor) -> Tensor:
    """Return the motion from keyframe to keyframe that flows to both add up to, ``[B, 2, H, W]``.

    Only this can be told from two keyframes. Where on the way the content is at the timestep is a
    matter of its acceleration, and teaching that from two frames would be teaching noise.
    """
    return flows[:, 2:] - flows[:, :2]


def flow_error(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error of flows where the truth is known, 0 if it is nowhere.

    Args:
        found: ``[B, C, H, W]`` pixels, or smaller by a whole factor, its values being full-size
            pixels all the same.
        truth: ``[B, C, H, W]``, NaN where unknown.
    """
    known = torch.isfinite(truth)
    if found.shape != truth.shape:
        truth, known = _pooled_truth(truth, known, truth.shape[-1] // found.shape[-1])
    difference = torch.where(known, found - truth.nan_to_num(), 0.0)
    # Robust: a few pixels that are far off must not drown the rest.
    robust = torch.sqrt(difference**2 + 0.01) - 0.1
    return robust.sum() / known.sum().clamp_min(1)


def _pooled_truth(truth: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Return the mean of what is known in each cell, and where at least half of it is."""
    share = F.avg_pool2d(known.to(truth.dtype), factor)
    total = F.avg_pool2d(truth.nan_to_num(), factor)
    return total / share.clamp_min(1e-6), share >= 0.5
