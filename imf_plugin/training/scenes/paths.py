"""Motion in closed form: scalar curves of time, and the poses made of them.

Convention:
    Layer coordinates are pixels of the layer's texture around its centre; frame coordinates are
    pixels with centres on whole numbers, x to the right and y down. A pose turns layer coordinates
    by ``angle`` (radians, from x towards y), scales them by ``zoom`` and moves them to ``x, y``.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

type Affine = NDArray[np.float64]
"""A ``[3, 3]`` matrix for column vectors (x, y, 1)."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """``value + velocity t + acceleration t^2 / 2 + amplitude sin(2 pi (frequency t + phase))``."""

    value: float = 0.0
    velocity: float = 0.0
    """Change per second."""
    acceleration: float = 0.0
    """Change of the velocity per second."""
    amplitude: float = 0.0
    frequency_hz: float = 1.0
    phase: float = 0.0
    """In turns: 0.25 makes the sine a cosine."""

    def at(self, time_seconds: float) -> float:
        """Return the value at a time."""
        turn = 2 * math.pi * (self.frequency_hz * time_seconds + self.phase)
        return (
            self.value
            + self.velocity * time_seconds
            + self.acceleration * time_seconds**2 / 2
            + self.amplitude * math.sin(turn)
        )


ZERO = Curve()
ONE = Curve(value=1.0)


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a layer is at every time, in the frame or in its parent layer."""

    x: Curve = field(default=ZERO)
    y: Curve = field(default=ZERO)
    angle: Curve = field(default=ZERO)
    """Radians."""
    zoom: Curve = field(default=ONE)
    """Factor, above 0 at every time that is rendered."""

    def matrix(self, time_seconds: float) -> Affine:
        """Return the matrix from layer to frame (or parent) coordinates at a time.

        Raises:
            ValueError: If the zoom is not above 0 at this time.
        """
        zoom = self.zoom.at(time_seconds)
        if zoom <= 0:
            raise ValueError(f"the zoom must stay above 0, got {zoom = } at {time_seconds = }")
        angle = self.angle.at(time_seconds)
        cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
        x, y = self.x.at(time_seconds), self.y.at(time_seconds)
        return np.array([[cosine, -sine, x], [sine, cosine, y], [0.0, 0.0, 1.0]])
