"""Samples for training the recognition of motion, by number so that runs can resume.

From scenes that `recognition_scenes` wrote, where all is known, and from film clips of the cache,
where the frame between and what classical flow says of it are.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.errors import MediaError
from imf_plugin.models.flow.layers import layer_motions, least_mismatch
from imf_plugin.models.imf_vfi.recognition import SIDE_MULTIPLE
from imf_plugin.motion.flow import FlowArray
from imf_plugin.training.augment import Random, Sample, grown_flow
from imf_plugin.training.cache import CachedClip, Pair, read_cache
from imf_plugin.training.teacher import grey_of, taught

FILM_TRUST = 0.3
"""What classical flow says of film counts so much beside the truth of scenes."""

MOTION_RANGE_PX = (0.5, 30.0)
"""Film pairs are drawn in proportion to the root of their motion, kept within this range."""

type Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class RecognitionDataOptions:
    """What is drawn how often, and changed how."""

    film_share: float = 0.4
    crop_px: tuple[int, int] = (256, 384)
    """Height and width of crops."""
    whole_share: float = 0.3
    """Scenes that are not cropped."""
    mirror_share: float = 0.5
    turn_over_share: float = 0.25
    reverse_share: float = 0.5
    recolour_share: float = 0.6
    noise_share: float = 0.3
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RecognitionSample:
    """Two pictures, the truth between them and what is known of their motion."""

    frames: Tensor
    """First, between, second, ``[3, 3, H, W]``, RGB 0..1."""
    middle: Tensor
    """The middle flow to find, ``[1, 2, H/2, W/2]`` pixels."""
    known: Tensor
    """How much that counts, ``[1, 1, H/2, W/2]``."""
    opinions: Tensor
    """What the dense search says, ``[n, 2, H/2, W/2]`` pixels."""
    layers: Tensor
    """Motions of surfaces found by landmarks, ``[k, 2, H/4, W/4]`` pixels."""
    forward: Tensor
    """Where pixels (4, 4), (4, 12) ... of the first picture go, ``[2, H/8, W/8]`` pixels."""
    backward: Tensor
    """Likewise for the second."""
    seen_forward: Tensor
    """1 where that is known and seen, else 0, ``[H/8, W/8]``."""
    seen_backward: Tensor
    is_film: bool
    """Whether the motion is only what classical flow says."""


class RecognitionSamples:
    """An endless supply: item ``n`` is drawn with a random generator seeded by ``n``.

    Raises:
        MediaError: If the cache has no scenes.
    """

    def __init__(self, cache: Path, options: RecognitionDataOptions) -> None:
        self.options = options
        self.scenes = sorted((cache / "far").glob("[0-9]*.npz"))
        if not self.scenes:
            raise MediaError(
                f"there are no scenes in {cache / 'far'}; write them with "
                f"`python -m imf_plugin.training.recognition_scenes --cache {cache}`"
            )
        groups: dict[str, list[tuple[CachedClip, list[tuple[int, Pair]]]]] = {}
        for clip in read_cache(cache):
            # A frame must lie exactly between.
            pairs = [(number, pair) for number, pair in enumerate(clip.pairs) if pair.gap % 2 == 0]
            is_film = not clip.is_scene and clip.opinions is not None
            if is_film and pairs and not clip.held_out:
                groups.setdefault(clip.group, []).append((clip, pairs))
        self.groups = list(groups.values())

    def __getitem__(self, number: int) -> RecognitionSample:
        """Return a sample."""
        random = np.random.default_rng([self.options.seed, number])
        wants_film = random.random() < self.options.film_share
        is_film = bool(wants_film and self.groups)
        arrays = self._film(random) if is_film else self._scene(random)
        return _as_tensors(_changed(arrays, random, self.options), is_film=is_film)

    def _scene(self, random: Random) -> Arrays:
        with np.load(self.scenes[int(random.integers(len(self.scenes)))]) as archive:
            stored = dict(archive)
        height, width = stored["frames"].shape[1:3]
        size = self.options.crop_px
        if random.random() < self.options.whole_share:
            size = (height, width)
        rows, columns = _crop((height, width), size, random)
        half = _shrunk(rows, 2), _shrunk(columns, 2)
        eighth = _shrunk(rows, 8), _shrunk(columns, 8)
        middle = stored["middle"][half]
        arrays = {
            "frames": stored["frames"][:, rows, columns] / np.float32(255),
            "middle": middle,
            "known": np.ones(middle.shape[:2]),
            "opinions": stored["opinions"][:, *half],
            "layers": stored["layers"][:, _shrunk(rows, 4), _shrunk(columns, 4)],
        }
        for name in ("forward", "backward", "seen_forward", "seen_backward"):
            arrays[name] = stored[name][eighth]
        return {name: np.asarray(array, np.float32) for name, array in arrays.items()}

    def _film(self, random: Random) -> Arrays:
        group = self.groups[int(random.integers(len(self.groups)))]
        clip, pairs = group[int(random.integers(len(group)))]
        motions = np.array([pair.motion_px for _, pair in pairs])
        chances = np.sqrt(np.clip(motions, *MOTION_RANGE_PX))
        number, pair = pairs[int(random.choice(len(pairs), p=chances / chances.sum()))]
        whole = clip.frames.shape[1], clip.frames.shape[2]
        rows, columns = _crop(whole, self.options.crop_px, random)
        numbers = (pair.first, pair.first + pair.gap // 2, pair.first + pair.gap)
        frames = clip.frames[list(numbers), rows, columns].astype(np.float32) / np.float32(255)
        height, width = frames.shape[1:3]
        half = clip.motions(number, _shrunk(rows, 2), _shrunk(columns, 2))
        grown = grown_flow(half, height, width)
        sample = Sample(
            frame0=frames[0],
            frame1=frames[2],
            target=frames[1],
            timestep=0.5,
            middle_flow=grown,
            true_flows=np.full((height, width, 4), np.nan, np.float32),
        )
        flows = taught(sample).true_flows
        middle = (flows[..., 2:] - flows[..., :2])[1::2, 1::2]
        known = np.isfinite(middle).all(-1)
        eighth = (height // 8, width // 8)
        return {
            "frames": frames,
            "middle": np.nan_to_num(middle),
            "known": known * np.float32(FILM_TRUST),
            "opinions": np.stack(np.split(half.astype(np.float32), half.shape[-1] // 2, -1)),
            "layers": _layers(frames, grown),
            "forward": np.zeros((*eighth, 2), np.float32),
            "backward": np.zeros((*eighth, 2), np.float32),
            "seen_forward": np.zeros(eighth, np.float32),
            "seen_backward": np.zeros(eighth, np.float32),
        }


def _layers(frames: NDArray[np.float32], opinions: FlowArray) -> NDArray[np.float32]:
    """Return the motions of surfaces of a film crop, ``[k, H/4, W/4, 2]`` pixels."""
    height, width = opinions.shape[:2]
    flows = [np.ascontiguousarray(flow) for flow in np.split(opinions, opinions.shape[-1] // 2, -1)]
    grey0, grey1 = grey_of(frames[0]), grey_of(frames[2])
    found = layer_motions(grey0, grey1, least_mismatch(grey0, grey1, flows))
    small = [cv2.resize(flow, (width // 4, height // 4)) for flow in found]
    return np.stack(small) if small else np.zeros((0, height // 4, width // 4, 2), np.float32)


def _crop(whole: tuple[int, int], wanted: tuple[int, int], random: Random) -> tuple[slice, slice]:
    places = []
    for side, want in zip(whole, wanted, strict=True):
        size = min(want, side) // SIDE_MULTIPLE * SIDE_MULTIPLE
        # Cells of the coarser arrays stay whole.
        start = 8 * int(random.integers((side - size) // 8 + 1))
        places.append(slice(start, start + size))
    return places[0], places[1]


def _shrunk(place: slice, factor: int) -> slice:
    return slice(place.start // factor, place.stop // factor)


_STACKED = ("frames", "opinions", "layers")
"""Arrays with rows on axis 1; those of the others are on axis 0."""

_FLOWS = ("middle", "opinions", "layers", "forward", "backward")


def _changed(arrays: Arrays, random: Random, options: RecognitionDataOptions) -> Arrays:
    """Return the sample mirrored, turned over, reversed, recoloured, with noise; or not."""
    if random.random() < options.mirror_share:
        arrays = _flipped(arrays, along_x=True)
    if random.random() < options.turn_over_share:
        arrays = _flipped(arrays, along_x=False)
    if random.random() < options.reverse_share:
        arrays = _reversed(arrays)
    frames = arrays["frames"]
    if random.random() < options.recolour_share:
        gamma, gain = math.exp(random.uniform(-0.3, 0.3)), random.uniform(0.75, 1.1)
        frames = np.clip(np.power(frames[..., random.permutation(3)], gamma) * gain, 0, 1)
    if random.random() < options.noise_share:
        sigma = np.float32(random.uniform(0.5, 4) / 255)
        noise = sigma * random.standard_normal(frames.shape, np.float32)
        frames = np.clip(frames + noise, 0, 1)
    return {**arrays, "frames": frames}


def _flipped(arrays: Arrays, *, along_x: bool) -> Arrays:
    signs = np.array([-1, 1] if along_x else [1, -1], np.float32)
    flipped = {}
    for name, array in arrays.items():
        axis = int(along_x) + int(name in _STACKED)
        flipped[name] = np.flip(array, axis) * (signs if name in _FLOWS else np.float32(1))
    return flipped


def _reversed(arrays: Arrays) -> Arrays:
    return {
        "frames": arrays["frames"][::-1],
        "middle": -arrays["middle"],
        "known": arrays["known"],
        "opinions": -arrays["opinions"],
        "layers": -arrays["layers"],
        "forward": arrays["backward"],
        "backward": arrays["forward"],
        "seen_forward": arrays["seen_backward"],
        "seen_backward": arrays["seen_forward"],
    }


def _as_tensors(arrays: Arrays, *, is_film: bool) -> RecognitionSample:
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array, np.float32))
        for name, array in arrays.items()
    }
    return RecognitionSample(
        frames=tensors["frames"].permute(0, 3, 1, 2),
        middle=tensors["middle"].permute(2, 0, 1)[None],
        known=tensors["known"][None, None],
        opinions=tensors["opinions"].permute(0, 3, 1, 2),
        layers=tensors["layers"].permute(0, 3, 1, 2),
        forward=tensors["forward"].permute(2, 0, 1),
        backward=tensors["backward"].permute(2, 0, 1),
        seen_forward=tensors["seen_forward"],
        seen_backward=tensors["seen_backward"],
        is_film=is_film,
    )
