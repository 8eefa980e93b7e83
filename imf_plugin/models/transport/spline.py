"""Smooth fields on a coarse grid: uniform cubic B-splines, fitted where the picture says most.

Convention:
    A spline is an array ``[GRID, GRID, 2]`` of control points over the whole picture; control
    point ``i`` of ``n`` stands at ``(i + 0.5) / n`` of the width or height. Beyond the border the
    last control points count again, so a spline of equal control points is constant.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FloatArray, FlowArray

type Spline = NDArray[np.float32]

SAMPLES_PER_CELL = 4
"""Splines are fitted to, and looked up from, this many samples between two control points."""

FIT_ITERATIONS = 12
"""Steps of conjugate gradients; more change the picture by less than 0.01 dB."""

STIFFNESS = np.float32(1e-3)
"""Pull towards the plain mean of each cell, as a share of the mean weight: settles what the
weights leave open."""


@lru_cache(maxsize=16)
def basis(samples: int, points: int) -> FloatArray:
    """Return the matrix ``[samples, points]`` from control points to samples along one side."""
    places = (np.arange(samples) + 0.5) * points / samples - 0.5
    first = np.floor(places).astype(np.intp)
    share = places - first
    pieces = (
        (1 - share) ** 3 / 6,
        (3 * share**3 - 6 * share**2 + 4) / 6,
        (-3 * share**3 + 3 * share**2 + 3 * share + 1) / 6,
        share**3 / 6,
    )
    matrix = np.zeros((samples, points))
    for offset, piece in enumerate(pieces, start=-1):
        np.add.at(matrix, (np.arange(samples), np.clip(first + offset, 0, points - 1)), piece)
    return matrix.astype(np.float32)


def expand(spline: Spline, size: tuple[int, int]) -> FlowArray:
    """Return the spline's values at the pixel centres of ``(height, width)``, ``[H, W, 2]``."""
    rows, columns = basis(size[0], spline.shape[0]), basis(size[1], spline.shape[1])
    return np.stack([_spread(rows, spline[..., axis], columns) for axis in range(2)], axis=-1)


def fit(field: FlowArray, weight: FloatArray, points: int) -> Spline:
    """Return the spline nearest to a field ``[H, W, 2]``, by weighted least squares.

    Args:
        field: What is to be approached.
        weight: ``[H, W]``, how much each pixel counts; above 0.
        points: Control points along each side.
    """
    height, width = weight.shape
    size = min(width, points * SAMPLES_PER_CELL), min(height, points * SAMPLES_PER_CELL)
    small_weight = _shrunk(weight, size)
    small = _shrunk(field * weight[..., None], size) / small_weight[..., None]
    small_weight = small_weight / small_weight.mean()
    means = _shrunk(field, (points, points))
    solver = _LeastSquares(small_weight, points)
    return np.stack(
        [solver.solve(small[..., axis], means[..., axis]) for axis in range(2)], axis=-1
    )


class _LeastSquares:
    """The normal equations of one weighting, solved by conjugate gradients."""

    def __init__(self, weight: FloatArray, points: int) -> None:
        self._weight = weight
        self._rows, self._columns = (basis(side, points) for side in weight.shape)
        diagonal = np.square(self._rows).T @ weight @ np.square(self._columns)
        self._stiffness = STIFFNESS * diagonal.mean()
        self._diagonal = diagonal + self._stiffness

    def solve(self, field: FloatArray, start: FloatArray) -> FloatArray:
        guess = start.copy()
        target = self._gathered(self._weight * field) + self._stiffness * start
        residual = target - self._applied(guess)
        scaled = residual / self._diagonal
        direction, product = scaled, float(np.vdot(residual, scaled))
        for _ in range(FIT_ITERATIONS):
            if product <= 0:
                break
            applied = self._applied(direction)
            step = np.float32(product / max(float(np.vdot(direction, applied)), 1e-30))
            guess += step * direction
            residual -= step * applied
            scaled = residual / self._diagonal
            before, product = product, float(np.vdot(residual, scaled))
            direction = scaled + np.float32(product / before) * direction
        return guess

    def _applied(self, points: FloatArray) -> FloatArray:
        field = _spread(self._rows, points, self._columns)
        applied = self._gathered(self._weight * field) + self._stiffness * points
        return np.asarray(applied, np.float32)

    def _gathered(self, field: FloatArray) -> FloatArray:
        partly = cv2.gemm(self._rows, field, 1, None, 0, flags=cv2.GEMM_1_T)  # type: ignore[call-overload]
        return np.asarray(cv2.gemm(partly, self._columns, 1, None, 0), np.float32)  # type: ignore[call-overload]


def _spread(rows: FloatArray, points: FloatArray, columns: FloatArray) -> FloatArray:
    """Return ``rows @ points @ columns.T``.

    By OpenCV: these products are so small that waking BLAS threads takes a hundred times longer.
    """
    partly = cv2.gemm(rows, np.ascontiguousarray(points), 1, None, 0)  # type: ignore[call-overload]
    return np.asarray(
        cv2.gemm(partly, columns, 1, None, 0, flags=cv2.GEMM_2_T),  # type: ignore[call-overload]
        np.float32,
    )


def _shrunk(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
