"""Articulated figures with named controls: truth for what a motion token must know.

A figure is a body with a head, two arms and two legs before a still background. Its looks follow
from one seed, its proportions from another, and its pose from eight named controls, so that two
figures of different looks can be shown in exactly the same pose.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray
from imf_plugin.training.scenes import (
    Box,
    Capsule,
    Curve,
    Ellipse,
    Everywhere,
    Layer,
    Pose,
    Scene,
    Texture,
    render,
    true_flow,
    true_visibility,
)
from imf_plugin.training.scenes.shapes import Shape

CONTROL_RANGES = {
    "x": (-0.14, 0.14),
    "y": (-0.12, 0.12),
    "rotation": (-0.4, 0.4),
    "scale": (0.8, 1.2),
    "left_arm": (-0.8, 0.8),
    "right_arm": (-0.8, 0.8),
    "left_leg": (-0.5, 0.5),
    "right_leg": (-0.5, 0.5),
}
"""Least and greatest value of each control: shares of the frame's side, radians, a factor."""

CONTROLS = tuple(CONTROL_RANGES)

type ControlValues = NDArray[np.float64]
"""One value for each of `CONTROLS`."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure's looks; the same proportions under another looks seed make its twin."""

    looks: int
    proportions: int
    side_px: int = 128

    def scene(self, start: ControlValues, end: ControlValues) -> Scene:
        """Return the scene in which the figure is posed as ``start`` at time 0, ``end`` at 1."""
        builder = _Builder(self, start, end)
        return Scene(width_px=self.side_px, height_px=self.side_px, layers=builder.layers())

    def picture(self, controls: ControlValues) -> NDArray[np.uint8]:
        """Return the figure in a pose, ``[H, W, 3]``."""
        drawn = render(self.scene(controls, controls), 0.0)
        return np.rint(drawn * 255).astype(np.uint8)

    def flow(self, start: ControlValues, end: ControlValues) -> FlowArray:
        """Return where each pixel of the pose ``start`` is in ``end``; NaN where it is hidden."""
        scene = self.scene(start, end)
        flow = true_flow(scene, 0.0, 1.0)
        flow[~true_visibility(scene, 0.0, 1.0)] = np.nan
        return flow

    def joints(self, controls: ControlValues) -> NDArray[np.float64]:
        """Return the far ends of both arms and legs and the head's middle, ``[5, 2]`` px."""
        scene = self.scene(controls, controls)
        ends = []
        for index, layer in enumerate(scene.layers):
            if isinstance(layer.shape, Capsule):
                end = scene.matrix(index, 0.0) @ np.array([layer.shape.length_px, 0.0, 1.0])
                ends.append(end[:2])
            elif isinstance(layer.shape, Ellipse):
                ends.append(scene.matrix(index, 0.0)[:2, 2])
        return np.asarray(ends)


def draw_controls(random: np.random.Generator, spread: float = 1.0) -> ControlValues:
    """Return controls drawn evenly from their ranges, narrowed around their middles."""
    low, high = (np.array(side) for side in zip(*CONTROL_RANGES.values(), strict=True))
    middle, half = (low + high) / 2, (high - low) / 2
    return np.asarray(middle + spread * half * random.uniform(-1, 1, len(CONTROLS)))


class _Builder:
    """Puts the layers of one figure together."""

    def __init__(self, figure: Figure, start: ControlValues, end: ControlValues) -> None:
        self.side = figure.side_px
        self.looks = np.random.default_rng([7, figure.looks])
        build = np.random.default_rng([8, figure.proportions])
        self.girth, self.reach, self.stature = build.uniform(0.88, 1.14, 3)
        self.start = dict(zip(CONTROLS, start.tolist(), strict=True))
        self.end = dict(zip(CONTROLS, end.tolist(), strict=True))

    def layers(self) -> tuple[Layer, ...]:
        """Return background, limbs, body and head; limbs hang from the body behind them."""
        side, girth, stature = self.side, self.girth, self.stature
        body_index = 5
        half_width, half_height = 0.075 * side * girth, 0.14 * side * stature
        limbs = []
        skin = self._colours()
        for name, place, rest in (
            ("left_arm", (-0.9, -0.8), math.pi * 0.75),
            ("right_arm", (0.9, -0.8), math.pi * 0.25),
            ("left_leg", (-0.6, 0.85), math.pi * 0.57),
            ("right_leg", (0.6, 0.85), math.pi * 0.43),
        ):
            length = side * self.reach * (0.19 if "arm" in name else 0.2)
            thick = side * girth * (0.026 if "arm" in name else 0.034)
            limbs.append(
                self._layer(
                    Capsule(length_px=length, half_width_px=thick),
                    Pose(
                        x=Curve(value=place[0] * half_width),
                        y=Curve(value=place[1] * half_height),
                        angle=self._curve(name, offset=rest),
                    ),
                    kind=str(self.looks.choice(["stripes", "noise"])),
                    size=2.6 * length,
                    colours=skin,
                    parent=body_index,
                )
            )
        whole = Pose(
            x=self._curve("x", factor=side, offset=(side - 1) / 2),
            y=self._curve("y", factor=side, offset=(side - 1) / 2),
            angle=self._curve("rotation"),
            zoom=self._curve("scale"),
        )
        body = self._layer(
            Box(half_width_px=half_width, half_height_px=half_height, corner_px=0.4 * half_width),
            whole,
            kind=str(self.looks.choice(["stripes", "checks", "leaves", "letters"])),
            size=2.6 * half_height,
        )
        head = self._layer(
            Ellipse(half_width_px=0.065 * side * girth, half_height_px=0.075 * side),
            Pose(y=Curve(value=-half_height - 0.065 * side)),
            kind=str(self.looks.choice(["noise", "pinwheel", "leaves"])),
            size=0.2 * side,
            parent=body_index,
        )
        kind = str(self.looks.choice(["noise", "noise", "sky", "sky", "leaves"]))
        backdrop = self._layer(
            Everywhere(), Pose(x=Curve(value=side / 2), y=Curve(value=side / 2)), kind, 1.1 * side
        )
        return (backdrop, *limbs, body, head)

    def _layer(
        self,
        shape: Shape,
        pose: Pose,
        kind: str,
        size: float,
        colours: tuple[tuple[float, float, float], ...] = (),
        parent: int | None = None,
    ) -> Layer:
        texture = Texture(
            kind=kind,
            seed=int(self.looks.integers(10_000)),
            width_px=round(size) + 8,
            height_px=round(size) + 8,
            colours=colours,
            period_px=float(self.looks.uniform(0.06, 0.2) * self.side),
        )
        return Layer(texture=texture, shape=shape, pose=pose, parent=parent)

    def _colours(self) -> tuple[tuple[float, float, float], ...]:
        shade = self.looks.uniform(0.15, 0.95, 3)
        light, dark = (np.clip(shade * factor, 0, 1).tolist() for factor in (1.25, 0.8))
        return ((dark[0], dark[1], dark[2]), (light[0], light[1], light[2]))

    def _curve(self, name: str, *, factor: float = 1.0, offset: float = 0.0) -> Curve:
        start, end = self.start[name], self.end[name]
        return Curve(value=factor * start + offset, velocity=factor * (end - start))
