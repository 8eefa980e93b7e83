"""The figures of merit against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from imf_plugin.bench.metrics import (
    IDENTICAL_PSNR_DB,
    Score,
    interpolation_error,
    mean_score,
    psnr,
    score,
    ssim,
)

PICTURES = arrays(np.uint8, (12, 13, 3), elements=st.integers(0, 255))


def _noisy_pair() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    generator = np.random.default_rng(3)
    smooth = gaussian_filter(generator.uniform(0, 255, (40, 52, 3)), (3, 3, 0)) * 4 - 380
    noise = generator.normal(0, 9, smooth.shape)
    first, second = np.clip(smooth, 0, 255), np.clip(smooth + noise, 0, 255)
    return np.asarray(np.rint(first), np.uint8), np.asarray(np.rint(second), np.uint8)


@pytest.mark.parametrize("step", [1, 7, 255])
def test_psnr_of_a_constant_difference_has_its_closed_form(step: int) -> None:
    black = np.zeros((16, 16, 3), np.uint8)
    grey = np.full_like(black, step)
    assert psnr(grey, black) == pytest.approx(20 * math.log10(255 / step))
    assert interpolation_error(grey, black) == step


@given(PICTURES, PICTURES)
def test_psnr_and_error_equal_their_definitions(
    made: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> None:
    difference = made.astype(int) - truth.astype(int)
    assert interpolation_error(made, truth) == pytest.approx(float(np.abs(difference).mean()))
    if difference.any():
        expected = peak_signal_noise_ratio(truth, made, data_range=255)  # type: ignore[no-untyped-call]
        assert psnr(made, truth) == pytest.approx(float(expected))
    else:
        assert psnr(made, truth) == math.inf


def test_ssim_equals_the_formula_of_the_paper() -> None:
    made, truth = _noisy_pair()
    x, y = made.astype(np.float64), truth.astype(np.float64)

    def local_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(values, (1.5, 1.5, 0), truncate=3.5, mode="reflect"))

    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x = local_mean(x * x) - mean_x**2
    variance_y = local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    expected = float(similarity[5:-5, 5:-5].mean())
    assert 0.3 < expected < 0.95
    assert ssim(made, truth) == pytest.approx(expected, abs=2e-5)


def test_figures_of_16_bit_pictures_are_those_of_the_same_8_bit_pictures() -> None:
    made, truth = _noisy_pair()
    deep_made, deep_truth = (picture.astype(np.uint16) * 257 for picture in (made, truth))
    assert psnr(deep_made, deep_truth) == pytest.approx(psnr(made, truth))
    assert ssim(deep_made, deep_truth) == pytest.approx(ssim(made, truth), abs=1e-5)
    error = interpolation_error(made, truth)
    assert interpolation_error(deep_made, deep_truth) == pytest.approx(error)


def test_identical_pictures_score_a_finite_best() -> None:
    picture = _noisy_pair()[0]
    best = score(picture, picture.copy())
    assert best.psnr_db == IDENTICAL_PSNR_DB
    assert best.ssim == pytest.approx(1.0)
    assert best.interpolation_error == 0.0


def test_the_mean_score_averages_each_figure() -> None:
    scores = [
        Score(psnr_db=20.0, ssim=0.5, interpolation_error=4.0),
        Score(psnr_db=30.0, ssim=0.7, interpolation_error=1.0),
    ]
    mean = mean_score(scores)
    assert (mean.psnr_db, mean.interpolation_error) == (25.0, 2.5)
    assert mean.ssim == pytest.approx(0.6)
    with pytest.raises(ValueError, match="no scores"):
        mean_score([])


def test_pictures_that_do_not_fit_are_refused() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    for other in (
        np.zeros((16, 15, 3), np.uint8),
        np.zeros((16, 16, 3), np.uint16),
    ):
        for figure in (psnr, ssim, interpolation_error):
            with pytest.raises(ValueError, match="agree in shape and depth"):
                figure(picture, other)
    with pytest.raises(ValueError, match="expected RGB"):
        psnr(picture[..., :2], picture[..., :2])
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(picture[:10], picture[:10])
