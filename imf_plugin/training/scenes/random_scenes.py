"""Scenes drawn at random from a seed: for training and for tests that nobody tuned on.

Such a scene is meant for the times 0 to 1, one second being the gap between two keyframes; outside
of it the motion goes on by the same formulas.
"""

import math
from collections.abc import Sequence

import numpy as np

from imf_plugin.training.scenes.paths import Curve, Pose
from imf_plugin.training.scenes.scene import Layer, Scene
from imf_plugin.training.scenes.shapes import Blob, Box, Capsule, Ellipse, Everywhere, Shape
from imf_plugin.training.scenes.textures import Texture

type Random = np.random.Generator

SURFACE_KINDS = ("leaves", "leaves", "noise", "stripes", "checks", "letters", "pinwheel")
PICTURE_SHARE = 0.85
"""Surfaces painted with pictures, where there are any."""

TEXTURE_SEEDS = 10_000
"""Textures are drawn from this many, so that caches between processes stay of bounded size."""


def random_scene(
    seed: int,
    size: tuple[int, int],
    difficulty: float = 0.5,
    *,
    acceleration: float = 0.3,
    pictures: Sequence[str] = (),
) -> Scene:
    """Return a scene of moving things before a moving background.

    Args:
        seed: The same seed gives the same scene.
        size: Width and height in pixels.
        difficulty: In 0..1; sets how far things move within the second (up to a quarter of the
            frame at 1), how many there are and how much they turn and grow.
        acceleration: Share of the motion that speeding up, slowing down and swinging make of it.
        pictures: Files with frames (see `Texture.source`) that most surfaces are painted with.

    Raises:
        ValueError: If the difficulty or the acceleration lies outside 0..1.
    """
    if not (0 <= difficulty <= 1 and 0 <= acceleration <= 1):
        raise ValueError(f"expected values in 0..1, got {difficulty = }, {acceleration = }")
    random = np.random.default_rng(seed)
    width, height = size
    drawer = _Drawer(random, width, height, difficulty, acceleration, pictures)
    layers = [drawer.background()]
    for _ in range(1 + int(random.integers(2 + round(4 * difficulty)))):
        if random.random() < 0.3:
            drawer.add_limbs(layers)
        else:
            layers.append(drawer.thing())
    shutter = float(random.choice([0.0, 0.0, 0.0, 0.25, 0.5]))
    return Scene(width_px=width, height_px=height, layers=tuple(layers), shutter_seconds=shutter)


def accelerating_scene(seed: int, size: tuple[int, int], difficulty: float = 0.5) -> Scene:
    """Return a random scene in which acceleration makes most of the motion."""
    return random_scene(seed, size, difficulty, acceleration=1.0)


class _Drawer:
    """Draws the parts of one random scene."""

    def __init__(
        self,
        random: Random,
        width: int,
        height: int,
        difficulty: float,
        acceleration: float,
        pictures: Sequence[str],
    ) -> None:
        self.pictures = pictures
        self.random = random
        self.width, self.height = width, height
        self.side = min(width, height)
        self.difficulty = difficulty
        self.acceleration = acceleration

    def background(self) -> Layer:
        """Return a layer that covers the frame at every time."""
        kind = str(self.random.choice(["leaves", "leaves", "noise", "letters", "stripes"]))
        texture = self._texture(kind, round(self.width * 1.7), round(self.height * 1.7))
        centre = ((self.width - 1) / 2, (self.height - 1) / 2)
        pose = self._pose(centre, reach=0.5, spin=0.3, growth=0.5)
        return Layer(texture=texture, shape=Everywhere(), pose=pose)

    def thing(self) -> Layer:
        """Return a free surface somewhere in the frame."""
        size = self.side * float(self.random.uniform(0.08, 0.35))
        shape = self._shape(size)
        texture = self._texture(str(self.random.choice(SURFACE_KINDS)), round(2.6 * size) + 8)
        place = (
            self.random.uniform(0, self.width),
            self.random.uniform(0, self.height),
        )
        return Layer(texture=texture, shape=shape, pose=self._pose(place))

    def add_limbs(self, layers: list[Layer]) -> None:
        """Append a chain of limbs, each hanging from the end of the one before."""
        length = self.side * float(self.random.uniform(0.12, 0.3))
        place = (self.random.uniform(0, self.width), self.random.uniform(0, self.height))
        pose = self._pose(place)
        parent: int | None = None
        for _ in range(int(self.random.integers(2, 4))):
            texture = self._texture(str(self.random.choice(SURFACE_KINDS)), round(2.6 * length))
            shape = Capsule(length_px=length, half_width_px=length * 0.2)
            layers.append(Layer(texture=texture, shape=shape, pose=pose, parent=parent))
            parent = len(layers) - 1
            swing = self.difficulty * float(self.random.uniform(-1.2, 1.2))
            pose = Pose(x=Curve(value=length), angle=self._curve(self._angle(), swing))
            length *= float(self.random.uniform(0.6, 1.0))

    def _shape(self, size: float) -> Shape:
        choice = int(self.random.integers(3))
        flat = float(self.random.uniform(0.5, 1))
        if choice == 0:
            return Ellipse(half_width_px=size, half_height_px=flat * size)
        if choice == 1:
            return Box(half_width_px=size, half_height_px=flat * size, corner_px=0.1 * size)
        return Blob(mean_radius_px=size, seed=int(self.random.integers(1 << 30)))

    def _texture(self, kind: str, width: int, height: int | None = None) -> Texture:
        source = ""
        if self.pictures and self.random.random() < PICTURE_SHARE:
            kind = "picture"
            source = self.pictures[int(self.random.integers(len(self.pictures)))]
        return Texture(
            kind=kind,
            source=source,
            seed=int(self.random.integers(TEXTURE_SEEDS)),
            width_px=width,
            height_px=width if height is None else height,
            period_px=float(np.exp(self.random.uniform(math.log(8), math.log(48)))),
        )

    def _angle(self) -> float:
        return float(self.random.uniform(-math.pi, math.pi))

    def _pose(
        self,
        place: tuple[float, float],
        *,
        reach: float = 1.0,
        spin: float = 1.0,
        growth: float = 1.0,
    ) -> Pose:
        # A distance spread over orders of magnitude: calm scenes and wild ones.
        farthest = 0.25 * self.difficulty * self.side
        distance = reach * farthest * float(self.random.random()) ** 2
        direction = self._angle()
        turn = spin * self.difficulty * float(self.random.uniform(-0.6, 0.6))
        zoom = growth * self.difficulty * float(self.random.uniform(-0.25, 0.3))
        return Pose(
            x=self._curve(place[0], distance * math.cos(direction)),
            y=self._curve(place[1], distance * math.sin(direction)),
            angle=self._curve(self._angle(), turn * float(self.random.random())),
            zoom=Curve(value=1.0, velocity=zoom * float(self.random.random())),
        )

    def _curve(self, value: float, change: float) -> Curve:
        """Return a curve that starts at ``value`` and changes by about ``change`` in a second."""
        bent = self.acceleration * change
        even = (1 - self.acceleration) * change
        if self.random.random() < 0.3:
            return Curve(
                value=value,
                velocity=even,
                amplitude=bent / 2,
                frequency_hz=float(self.random.uniform(0.3, 0.8)),
                phase=float(self.random.random()),
            )
        share = float(self.random.uniform(-0.5, 1.0))
        return Curve(value=value, velocity=even + bent * (1 - share), acceleration=2 * bent * share)
