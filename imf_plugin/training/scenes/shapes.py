"""Outlines of layers, as signed distances: negative inside, in layer pixels.

The distance is exact near the edge to first order, which is what anti-aliasing needs; its sign is
exact everywhere, which is what visibility needs.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

type Field = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """A layer without edge: the background."""

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return math.inf

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        return np.full_like(x, -1e6)


@dataclass(frozen=True, kw_only=True)
class Ellipse:
    """An ellipse around the origin."""

    half_width_px: float
    half_height_px: float

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return max(self.half_width_px, self.half_height_px)

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        unit = np.hypot(x / self.half_width_px, y / self.half_height_px)
        slope = np.hypot(x / self.half_width_px**2, y / self.half_height_px**2)
        return np.asarray((unit - 1) * unit / np.maximum(slope, 1e-6), np.float32)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle around the origin, with rounded corners."""

    half_width_px: float
    half_height_px: float
    corner_px: float = 0.0

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return math.hypot(self.half_width_px, self.half_height_px)

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        beyond_x = np.abs(x) - (self.half_width_px - self.corner_px)
        beyond_y = np.abs(y) - (self.half_height_px - self.corner_px)
        outside = np.hypot(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
        inside = np.minimum(np.maximum(beyond_x, beyond_y), 0)
        return np.asarray(outside + inside - self.corner_px, np.float32)


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A limb: from the origin (its joint) along x, round at both ends."""

    length_px: float
    half_width_px: float

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return self.length_px + self.half_width_px

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        along = np.clip(x, 0, self.length_px)
        return np.asarray(np.hypot(x - along, y) - self.half_width_px, np.float32)


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A star-shaped outline with smooth random bumps."""

    mean_radius_px: float
    seed: int
    bumpiness: float = 0.25
    """Largest deviation of the radius, as a share of it."""

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return self.mean_radius_px * (1 + self.bumpiness)

    @cached_property
    def _waves(self) -> list[tuple[int, float, float]]:
        random = np.random.default_rng(self.seed)
        weights = random.random(4) / np.arange(1, 5)
        weights *= self.bumpiness / weights.sum()
        phases = random.random(4) * 2 * math.pi
        return [(k + 2, float(weights[k]), float(phases[k])) for k in range(4)]

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        angle = np.arctan2(y, x)
        radius = np.hypot(x, y)
        outline = np.ones_like(radius)
        slope = np.zeros_like(radius)
        for count, weight, phase in self._waves:
            outline += np.float32(weight) * np.sin(count * angle + phase)
            slope += np.float32(weight * count) * np.cos(count * angle + phase)
        outline *= self.mean_radius_px
        slope *= self.mean_radius_px / np.maximum(radius, 0.1 * self.mean_radius_px)
        return np.asarray((radius - outline) / np.sqrt(1 + slope**2), np.float32)


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """Everything below a wavy line through the origin: hills."""

    height_px: float
    wavelength_px: float
    seed: int

    @property
    def radius_px(self) -> float:
        """Return how far from the layer's origin the shape reaches."""
        return math.inf

    def distance(self, x: Field, y: Field) -> Field:
        """Return the signed distance at layer coordinates, ``[H, W]``."""
        phases = np.random.default_rng(self.seed).random(4) * 2 * math.pi
        line, slope = np.zeros_like(x), np.zeros_like(x)
        for octave, phase in enumerate(phases):
            wave = np.float32(2 * math.pi * 1.9**octave / self.wavelength_px)
            weight = np.float32(self.height_px * 0.5**octave)
            line += weight * np.sin(wave * x + np.float32(phase))
            slope += weight * wave * np.cos(wave * x + np.float32(phase))
        return np.asarray((line - y) / np.sqrt(1 + slope**2), np.float32)


type Shape = Everywhere | Ellipse | Box | Capsule | Blob | Ridge
