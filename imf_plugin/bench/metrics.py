"""How close a made picture is to the true one.

Convention: pictures are ``[H, W, 3]`` RGB of ``uint8`` or ``uint16`` in the signal's own transfer
curve; every figure takes all three channels and all pixels alike, without cropping borders.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from imf_plugin.engine.pixels import Pixels

IDENTICAL_PSNR_DB: Final = 100.0
"""What `score` gives for the PSNR of identical pictures, so that means stay finite."""

SSIM_SIGMA_PX: Final = 1.5
_SSIM_WINDOW_PX: Final = 11


@dataclass(frozen=True, kw_only=True)
class Score:
    """How close pictures are to the true ones; a mean keeps the same fields."""

    psnr_db: float
    """Peak signal-to-noise ratio in dB, at most `IDENTICAL_PSNR_DB`."""
    ssim: float
    """Structural similarity, 1 for identical pictures."""
    interpolation_error: float
    """Mean absolute difference of 8-bit values."""


def psnr(made: Pixels, truth: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB; infinity for identical pictures.

    The squared error is averaged over pixels and channels before the logarithm; the peak is 255
    or 65535.

    Raises:
        ValueError: If the pictures differ in shape or depth, or are no pictures.
    """
    _check(made, truth)
    difference = cv2.absdiff(made, truth).astype(np.float64)
    mean_square = float(np.mean(np.square(difference)))
    return math.inf if mean_square == 0 else 10 * math.log10(_peak(truth) ** 2 / mean_square)


def ssim(made: Pixels, truth: Pixels) -> float:
    """Return the structural similarity of Wang et al. (IEEE TIP 2004).

    scikit-image with the settings that reproduce the paper: Gaussian weights with sigma 1.5 in an
    11 x 11 window, population covariance, data range 255 (or 65535), K1 0.01, K2 0.03; computed on
    each of R, G and B at full resolution and averaged. Pixels nearer than 5 px to the border do
    not count, as in scikit-image.

    Raises:
        ValueError: If the pictures differ in shape or depth, or are smaller than the window.
    """
    _check(made, truth)
    if min(truth.shape[:2]) < _SSIM_WINDOW_PX:
        raise ValueError(f"SSIM needs at least 11 x 11 pixels, got {truth.shape = }")
    # Single precision halves the time and moves the result by less than 1e-5.
    similarity = structural_similarity(  # type: ignore[no-untyped-call]
        made.astype(np.float32),
        truth.astype(np.float32),
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        data_range=_peak(truth),
        channel_axis=2,
    )
    return float(similarity)


def interpolation_error(made: Pixels, truth: Pixels) -> float:
    """Return the mean absolute difference in 8-bit steps (16-bit values count as 1/257 of one).

    Raises:
        ValueError: If the pictures differ in shape or depth, or are no pictures.
    """
    _check(made, truth)
    return float(np.mean(cv2.absdiff(made, truth), dtype=np.float64)) * 255 / _peak(truth)


def score(made: Pixels, truth: Pixels) -> Score:
    """Return all figures of one picture."""
    return Score(
        psnr_db=min(psnr(made, truth), IDENTICAL_PSNR_DB),
        ssim=ssim(made, truth),
        interpolation_error=interpolation_error(made, truth),
    )


def mean_score(scores: list[Score]) -> Score:
    """Return the mean of each figure; the PSNR is averaged in dB, as the literature does.

    Raises:
        ValueError: If there is no score.
    """
    if not scores:
        raise ValueError("there is no mean of no scores")
    return Score(
        psnr_db=float(np.mean([score.psnr_db for score in scores])),
        ssim=float(np.mean([score.ssim for score in scores])),
        interpolation_error=float(np.mean([score.interpolation_error for score in scores])),
    )


def _peak(picture: Pixels) -> float:
    return float(np.iinfo(picture.dtype).max)


def _check(made: Pixels, truth: Pixels) -> None:
    if made.shape != truth.shape or made.dtype != truth.dtype:
        raise ValueError(
            "the two pictures must agree in shape and depth, "
            f"got {made.shape = }, {truth.shape = }, {made.dtype = }, {truth.dtype = }"
        )
    if truth.ndim != 3 or truth.shape[2] != 3 or truth.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            "expected RGB pictures [H, W, 3] of uint8 or uint16, "
            f"got {truth.shape = }, {truth.dtype = }"
        )
