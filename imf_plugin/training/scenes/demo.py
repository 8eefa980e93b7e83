"""The scene that `imf demo` renders: hills going by, a dancer, a pinwheel, a ball and a sign."""

import math
from collections.abc import Sequence

from imf_plugin.training.scenes.paths import Curve, Pose
from imf_plugin.training.scenes.scene import Layer, Scene
from imf_plugin.training.scenes.shapes import Box, Capsule, Ellipse, Everywhere, Ridge, Shape
from imf_plugin.training.scenes.textures import Colour, Texture

DEMO_SECONDS = 3
DEMO_FRAME_RATE = 24
DEMO_HEIGHT_PX = 360
"""The height that the numbers below are meant for; other sizes are scaled."""

SKIN: Colour = (0.93, 0.70, 0.55)
SHIRT: tuple[Colour, ...] = ((0.75, 0.12, 0.15), (0.98, 0.93, 0.85))
TROUSERS: tuple[Colour, ...] = ((0.10, 0.16, 0.35), (0.22, 0.33, 0.58))


def demo_scene(size: tuple[int, int] = (640, 360), *, shutter_seconds: float = 0.0) -> Scene:
    """Return the demo scene, meant for 0 to `DEMO_SECONDS` at `DEMO_FRAME_RATE`.

    Things move 4 to 30 px a frame at 640x360, swing, turn, speed up and hide one another.

    Args:
        size: Width and height in pixels; the picture is the same at every size, wider ones show
            more of it.
        shutter_seconds: Exposure of each frame.
    """
    width, height = size
    stage = _Stage(width, height)
    stage.sky()
    stage.hills(horizon=0.60, speed=-60, height_px=26, wavelength_px=420, seed=3, dark=0.55)
    stage.hills(horizon=0.72, speed=-130, height_px=20, wavelength_px=260, seed=8, dark=0.35)
    stage.pinwheel()
    stage.ground()
    stage.dancer()
    stage.ball()
    stage.sign()
    return Scene(
        width_px=width,
        height_px=height,
        layers=tuple(stage.layers),
        shutter_seconds=shutter_seconds,
    )


class _Stage:
    """Collects the layers; lengths are given for a height of `DEMO_HEIGHT_PX`."""

    def __init__(self, width: int, height: int) -> None:
        self.unit = height / DEMO_HEIGHT_PX
        self.middle = (width - 1) / 2
        self.width = width / self.unit
        self.layers: list[Layer] = []

    def length(self, value: float) -> Curve:
        """Return a constant length in frame pixels."""
        return Curve(value=value * self.unit)

    def across(self, value: float, **motion: float) -> Curve:
        """Return a horizontal place, measured from the middle of the frame."""
        lengths = {name: motion.get(name, 0.0) * self.unit for name in _LENGTHS}
        rest = {name: value for name, value in motion.items() if name not in _LENGTHS}
        return Curve(value=self.middle + value * self.unit, **lengths, **rest)

    def down(self, value: float, **motion: float) -> Curve:
        """Return a vertical place, measured from the top of the frame."""
        lengths = {name: motion.get(name, 0.0) * self.unit for name in _LENGTHS}
        rest = {name: value for name, value in motion.items() if name not in _LENGTHS}
        return Curve(value=value * self.unit, **lengths, **rest)

    def texture(
        self,
        kind: str,
        size: tuple[float, float],
        period: float,
        colours: Sequence[Colour] = (),
        seed: int = 1,
    ) -> Texture:
        """Return a texture with lengths scaled to the frame."""
        return Texture(
            kind=kind,
            seed=seed,
            width_px=max(8, round(size[0] * self.unit)),
            height_px=max(8, round(size[1] * self.unit)),
            period_px=max(2.0, period * self.unit),
            colours=tuple(colours),
        )

    def add(self, texture: Texture, shape: Shape, pose: Pose, parent: int | None = None) -> int:
        """Append a layer and return its index."""
        self.layers.append(Layer(texture=texture, shape=shape, pose=pose, parent=parent))
        return len(self.layers) - 1

    def sky(self) -> None:
        """Add the sky, which drifts slowly."""
        blue: tuple[Colour, ...] = ((0.20, 0.45, 0.80), (0.55, 0.75, 0.93), (0.98, 0.90, 0.75))
        texture = self.texture("sky", (2 * self.width, 440), 90, blue)
        pose = Pose(x=self.across(0, velocity=-24), y=self.down(180))
        self.add(texture, Everywhere(), pose)

    def hills(
        self,
        *,
        horizon: float,
        speed: float,
        height_px: float,
        wavelength_px: float,
        seed: int,
        dark: float,
    ) -> None:
        """Add a chain of hills; nearer ones go by faster."""
        green: tuple[Colour, ...] = (
            (0.3 * dark, 0.6 * dark, 0.4 * dark),
            (0.7 * dark, 1.1 * dark, 0.5 * dark),
            (1.1 * dark, 1.3 * dark, 0.8 * dark),
        )
        texture = self.texture("leaves", (3 * self.width, 300), 16, green, seed)
        shape = Ridge(
            height_px=height_px * self.unit, wavelength_px=wavelength_px * self.unit, seed=seed
        )
        pose = Pose(x=self.across(0.2 * self.width, velocity=speed), y=self.down(360 * horizon))
        self.add(texture, shape, pose)

    def ground(self) -> None:
        """Add the tiled square in front."""
        tiles: tuple[Colour, ...] = ((0.45, 0.36, 0.30), (0.80, 0.71, 0.58))
        texture = self.texture("checks", (4 * self.width, 200), 34, tiles)
        shape = Box(half_width_px=2 * self.width * self.unit, half_height_px=100 * self.unit)
        pose = Pose(x=self.across(0.4 * self.width, velocity=-220), y=self.down(398))
        self.add(texture, shape, pose)

    def pinwheel(self) -> None:
        """Add a pole with a wheel that spins ever faster."""
        wood: tuple[Colour, ...] = ((0.30, 0.20, 0.12), (0.50, 0.36, 0.22))
        pole = self.texture("noise", (20, 300), 10, wood)
        place = self.across(190, amplitude=60, frequency_hz=1 / 3)
        pole_shape = Box(half_width_px=5 * self.unit, half_height_px=130 * self.unit)
        post = self.add(pole, pole_shape, Pose(x=place, y=self.down(225)))
        bright: tuple[Colour, ...] = (
            (0.85, 0.20, 0.20),
            (0.98, 0.80, 0.20),
            (0.20, 0.55, 0.80),
            (0.95, 0.95, 0.92),
        )
        wheel = self.texture("pinwheel", (168, 168), 30, bright)
        radius = 82 * self.unit
        spin = Curve(velocity=1.5, acceleration=2.0)
        hub = Pose(y=self.length(-130), angle=spin)
        rim = Ellipse(half_width_px=radius, half_height_px=radius)
        self.add(wheel, rim, hub, parent=post)

    def ball(self) -> None:
        """Add a ball that flies in an arc, turning, in front of everything else."""
        colours: tuple[Colour, ...] = ((0.90, 0.35, 0.10), (0.99, 0.92, 0.80))
        texture = self.texture("stripes", (80, 80), 26, colours, 5)
        radius = 30 * self.unit
        # Free fall, from left to right in a second and a half, then on and out of the frame.
        pose = Pose(
            x=self.across(-0.5 * self.width - 20, velocity=330),
            y=self.down(250, velocity=-480, acceleration=620),
            angle=Curve(velocity=5.0),
        )
        self.add(texture, Ellipse(half_width_px=radius, half_height_px=radius), pose)

    def sign(self) -> None:
        """Add a sign with letters that swings before the hills."""
        paper: tuple[Colour, ...] = ((0.10, 0.10, 0.14), (0.45, 0.10, 0.12), (0.97, 0.95, 0.88))
        texture = self.texture("letters", (170, 70), 20, paper, 7)
        shape = Box(
            half_width_px=78 * self.unit, half_height_px=30 * self.unit, corner_px=8 * self.unit
        )
        pose = Pose(
            x=self.across(-190, amplitude=40, frequency_hz=0.7),
            y=self.down(70, amplitude=14, frequency_hz=1.1),
            angle=Curve(amplitude=0.22, frequency_hz=0.9),
            zoom=Curve(value=1.0, amplitude=0.12, frequency_hz=0.5),
        )
        self.add(texture, shape, pose)

    def dancer(self) -> None:
        """Add a figure whose limbs swing from their joints, far arm and leg first."""
        body_index = len(self.layers) + 4
        for phase in (0.0, 0.5):
            self._limb(body_index, (0, 46), 0.25 * math.tau, 0.7, phase, TROUSERS, (52, 11), 48)
            self._limb(body_index, (0, -38), 0.25 * math.tau, 0.95, phase + 0.5, SHIRT, (42, 9), 40)
            if phase == 0.0:
                self._body()

    def _body(self) -> None:
        texture = self.texture("stripes", (70, 130), 18, SHIRT, 2)
        shape = Box(
            half_width_px=24 * self.unit, half_height_px=50 * self.unit, corner_px=16 * self.unit
        )
        pose = Pose(
            x=self.across(-30, amplitude=120, frequency_hz=0.5),
            y=self.down(206, amplitude=16, frequency_hz=2.0),
            angle=Curve(amplitude=0.25, frequency_hz=0.5, phase=0.25),
        )
        body = self.add(texture, shape, pose)
        face = self.texture("noise", (60, 60), 40, ((0.85, 0.60, 0.45), SKIN))
        head = Ellipse(half_width_px=21 * self.unit, half_height_px=25 * self.unit)
        nod = Pose(y=self.length(-74), angle=Curve(amplitude=0.2, frequency_hz=1.0))
        self.add(face, head, nod, parent=body)

    def _limb(
        self,
        body: int,
        joint: tuple[float, float],
        rest_angle: float,
        swing: float,
        phase: float,
        colours: Sequence[Colour],
        upper: tuple[float, float],
        lower: float,
    ) -> None:
        """Add an upper and a lower part, joined at their ends."""
        length, half_width = upper
        texture = self.texture("stripes", (2.4 * length, 4 * half_width), 14, colours, 4)
        pose = Pose(
            x=self.length(joint[0]),
            y=self.length(joint[1]),
            angle=Curve(value=rest_angle, amplitude=swing, frequency_hz=1.0, phase=phase),
        )
        shape = Capsule(length_px=length * self.unit, half_width_px=half_width * self.unit)
        first = self.add(texture, shape, pose, parent=body)
        end = Pose(
            x=self.length(length),
            angle=Curve(value=0.3, amplitude=0.5 * swing, frequency_hz=1.0, phase=phase + 0.1),
        )
        thin = Capsule(length_px=lower * self.unit, half_width_px=0.8 * half_width * self.unit)
        self.add(texture, thin, end, parent=first)


_LENGTHS = ("velocity", "acceleration", "amplitude")
