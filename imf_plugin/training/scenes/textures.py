"""Procedural textures: noise, stripes, checks, letters, dead leaves, sky, pinwheel.

A texture is a float32 picture ``[H, W, 3]`` in 0..1, the same for the same description. Dead leaves
(discs of power-law sizes over one another) have the edge statistics of photographs.
"""

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

type TexturePicture = NDArray[np.float32]
type Colour = tuple[float, float, float]
type Random = np.random.Generator

BAND_LIMIT_PX = 0.7
"""Standard deviation of the blur that keeps hard drawn edges from aliasing when they move."""


@dataclass(frozen=True, kw_only=True)
class Texture:
    """What a layer is painted with."""

    kind: str
    """A name of `TEXTURE_KINDS`."""
    seed: int
    width_px: int
    height_px: int
    colours: tuple[Colour, ...] = ()
    """From dark to light; drawn from the seed where empty."""
    period_px: float = 24.0
    """Size of the pattern: stripe, check, letter, coarsest noise."""
    source: str = ""
    """For ``picture``: a file with uint8 frames ``[N, H, W, 3]``; the seed chooses one."""


def noise(
    random: Random, height: int, width: int, *, period_px: float, octaves: int = 5
) -> NDArray[np.float32]:
    """Return smooth noise in 0..1, ``[H, W]``, whose octaves halve in size and weight."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        period = max(period_px / 2**octave, 1.5)
        cells = (math.ceil(height / period) + 3, math.ceil(width / period) + 3)
        coarse = random.random(cells, dtype=np.float32)
        # Cut from an enlarged grid so that the cells are square whatever the shape of the picture.
        grown = cv2.resize(coarse, None, fx=period, fy=period, interpolation=cv2.INTER_CUBIC)
        total += grown[:height, :width] * np.float32(0.5**octave)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _palette(texture: Texture, random: Random, count: int) -> NDArray[np.float32]:
    if texture.colours:
        return np.asarray(texture.colours, np.float32)
    hue = random.random()
    rows = []
    for _ in range(count):
        shade = colorsys.hsv_to_rgb(
            (hue + 0.35 * (random.random() - 0.5)) % 1,
            random.uniform(0.05, 0.8),
            random.uniform(0.08, 1.0),
        )
        rows.append(shade)
    return np.asarray(sorted(rows, key=sum), np.float32)


def _ramp(values: NDArray[np.float32], palette: NDArray[np.float32]) -> TexturePicture:
    """Colour values in 0..1 by a palette, linearly."""
    places = np.linspace(0, 1, len(palette))
    channels = [np.interp(values, places, palette[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _grid(texture: Texture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[: texture.height_px, : texture.width_px].astype(np.float32)
    return x - (texture.width_px - 1) / 2, y - (texture.height_px - 1) / 2


def _noise(texture: Texture, random: Random) -> TexturePicture:
    values = noise(random, texture.height_px, texture.width_px, period_px=2 * texture.period_px)
    return _ramp(values, _palette(texture, random, 4))


def _stripes(texture: Texture, random: Random) -> TexturePicture:
    x, y = _grid(texture)
    angle = random.random() * math.pi
    wave = np.sin(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / texture.period_px)
    return _grained(_ramp(np.clip(0.5 + 1.5 * wave, 0, 1), _palette(texture, random, 2)), random)


def _checks(texture: Texture, random: Random) -> TexturePicture:
    x, y = _grid(texture)
    product = np.sin(math.pi * x / texture.period_px) * np.sin(math.pi * y / texture.period_px)
    values = np.clip(0.5 + 4 * product, 0, 1)
    return _grained(_ramp(values, _palette(texture, random, 2)), random)


def _letters(texture: Texture, random: Random) -> TexturePicture:
    palette = _palette(texture, random, 3)
    height, width = texture.height_px, texture.width_px
    # OpenCV writes only into 8-bit pictures.
    palette8 = np.rint(palette * 255).astype(np.uint8)
    page = np.tile(palette8[-1], (height, width, 1))
    scale = texture.period_px / 30
    line = max(round(1.4 * texture.period_px), 6)
    letters = np.array(list("ABCDEFGHKLMNPRSTUVXYZ abdefghkmnopqrstuvxyz 0123456789"))
    for y in range(line, height + line, line):
        text = "".join(random.choice(letters, 2 + round(width / (0.5 * texture.period_px))))
        colour = palette8[int(random.integers(len(palette) - 1))].tolist()
        thickness = max(1, round(2 * scale))
        cv2.putText(page, text, (-4, y), 0, scale, colour, thickness, cv2.LINE_AA)
    picture = page.astype(np.float32) / np.float32(255)
    return cv2.GaussianBlur(picture, (0, 0), BAND_LIMIT_PX).astype(np.float32)


def _leaves(texture: Texture, random: Random) -> TexturePicture:
    height, width = texture.height_px, texture.width_px
    palette = _palette(texture, random, 9)
    picture = np.tile(palette[0], (height, width, 1)).astype(np.float32)
    largest = 4 * texture.period_px
    count = int(np.clip(6 * height * width / texture.period_px**2, 60, 1500))
    radii = np.sort(largest * (1 + 12 * random.random(count)) ** -1.2)[::-1]
    for radius in radii:
        centre = (int(random.random() * width * 16), int(random.random() * height * 16))
        axes = (int(radius * 16), int(radius * 16 * random.uniform(0.4, 1)))
        colour = np.clip(
            palette[int(random.integers(len(palette)))] * random.uniform(0.7, 1.3), 0, 1
        )
        box = cv2.ellipse2Poly((0, 0), (100, 100), 0, 0, 360, 90) if random.random() < 0.3 else None
        if box is None:
            turn = random.random() * 360
            cv2.ellipse(picture, centre, axes, turn, 0, 360, colour.tolist(), -1, cv2.LINE_AA, 4)
        else:
            turn = random.random() * math.pi
            rotation = np.array(
                [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
            )
            corners = (np.asarray(box, np.float32) / 100 * np.array(axes)) @ rotation.T + np.array(
                centre
            )
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour.tolist(), cv2.LINE_AA, 4)
    shade = noise(random, height, width, period_px=3 * texture.period_px)
    picture *= (0.75 + 0.5 * shade)[..., None]
    return _grained(cv2.GaussianBlur(picture, (0, 0), BAND_LIMIT_PX).astype(np.float32), random)


def _sky(texture: Texture, random: Random) -> TexturePicture:
    palette = _palette(texture, random, 3)
    _, y = _grid(texture)
    picture = _ramp(y / np.float32(texture.height_px) + np.float32(0.5), palette)
    clouds = noise(random, texture.height_px, texture.width_px, period_px=3 * texture.period_px)
    cover = np.clip(2.2 * (clouds - 0.5), 0, 0.8)[..., None]
    return np.asarray(picture * (1 - cover) + cover * np.float32(0.97), np.float32)


def _pinwheel(texture: Texture, random: Random) -> TexturePicture:
    x, y = _grid(texture)
    radius = np.hypot(x, y)
    sector = np.arctan2(y, x) * 8 / (2 * math.pi) + radius / (12 * texture.period_px)
    palette = _palette(texture, random, 4)
    picture = palette[np.floor(sector).astype(int) % len(palette)]
    rim = np.abs(radius - texture.width_px * 0.4) < 0.12 * texture.period_px
    picture = np.where(rim[..., None], np.float32(0.95), picture)
    return _grained(cv2.GaussianBlur(picture, (0, 0), BAND_LIMIT_PX).astype(np.float32), random)


def _picture(texture: Texture, random: Random) -> TexturePicture:
    frames = np.load(texture.source, mmap_mode="r")
    chosen = frames[texture.seed % len(frames)]
    return np.asarray(chosen, np.float32) / np.float32(255)


def _grained(picture: TexturePicture, random: Random) -> TexturePicture:
    """Add faint fine noise, so that no area is without any hint of its motion."""
    grain = noise(random, *picture.shape[:2], period_px=8, octaves=3)[..., None] - 0.5
    return np.asarray(picture + np.float32(0.12) * grain, np.float32)


_PAINTERS: dict[str, Callable[[Texture, Random], TexturePicture]] = {
    "noise": _noise,
    "stripes": _stripes,
    "checks": _checks,
    "letters": _letters,
    "leaves": _leaves,
    "sky": _sky,
    "pinwheel": _pinwheel,
    "picture": _picture,
}
TEXTURE_KINDS = tuple(kind for kind in _PAINTERS if kind != "picture")
"""Those that need no file."""


@lru_cache(maxsize=48)
def paint(texture: Texture) -> TexturePicture:
    """Return the picture of a texture, read-only ``[H, W, 3]`` in 0..1.

    Raises:
        ValueError: If there is no such kind of texture.
    """
    if texture.kind not in _PAINTERS:
        raise ValueError(f"a texture is one of {TEXTURE_KINDS}, got {texture.kind = }")
    picture = _PAINTERS[texture.kind](texture, np.random.default_rng(texture.seed))
    picture = np.ascontiguousarray(np.clip(picture, 0, 1))
    picture.setflags(write=False)
    return picture
