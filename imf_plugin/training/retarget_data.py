"""Training samples of retargeting by number: a reference and some moments of the same clip.

Convention:
    Pictures float32 ``[3, S, S]`` RGB in 0..1; flows ``[2, S/2, S/2]`` backward, from the moment to
    the reference, x then y, in pixels of side S; NaN where unknown.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.imf.measuring import motion_planes
from imf_plugin.training.retarget_cache import RetargetClip, read_retarget_cache

type Picture = NDArray[np.float32]
type Moment = tuple[Picture, Picture, Picture]


@dataclass(frozen=True, kw_only=True)
class RetargetDataOptions:
    """What is drawn how often, and how it is changed."""

    size_px: int = 128
    moments: int = 4
    """Moments for each reference."""
    shares: dict[str, float] = field(
        default_factory=lambda: {"face": 0.5, "person": 0.08, "figure": 0.3, "general": 0.12}
    )
    """How often each kind is drawn; kinds that the cache lacks are left out."""
    moved_share: float = 0.3
    """Moments of films that are turned, scaled and shifted besides."""
    cross_share: float = 0.6
    """How often a figure's tokens come from its twin of other looks."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RetargetBatch:
    """Samples as tensors; ``M`` moments for each of ``B`` references."""

    reference: Tensor
    """``[B, 3, S, S]``"""
    anchor: Tensor
    """The driving picture in the reference's pose, ``[B, 3, S, S]``; mostly the reference."""
    driving: Tensor
    """What tokens are read from, ``[B * M, 3, S, S]``."""
    motion: Tensor
    """Measured from the driving picture back to the anchor, ``[B * M, 3, S/2, S/2]``."""
    target: Tensor
    """``[B * M, 3, S, S]``"""
    flow: Tensor
    """``[B * M, 2, S/2, S/2]``"""


class RetargetSamples:
    """An endless supply: sample ``n`` is drawn with a random generator seeded by ``n``."""

    def __init__(self, cache: Path, options: RetargetDataOptions) -> None:
        self.options = options
        kinds: dict[str, dict[str, list[RetargetClip]]] = {}
        for clip in read_retarget_cache(cache):
            if not clip.held_out:
                kinds.setdefault(clip.kind, {}).setdefault(clip.group, []).append(clip)
        self.groups = {kind: list(groups.values()) for kind, groups in kinds.items()}
        self.kinds = list(self.groups)
        weights = np.array([options.shares.get(kind, 0.0) for kind in self.kinds])
        self.chances = weights / weights.sum()

    def sample(self, number: int) -> tuple[Picture, Picture, list[Moment]]:
        """Return a reference, its anchor and moments (driving, target, flow), height first."""
        random = np.random.default_rng([self.options.seed, number])
        kind = self.kinds[int(random.choice(len(self.kinds), p=self.chances))]
        clips = self.groups[kind][int(random.integers(len(self.groups[kind])))]
        clip = clips[int(random.integers(len(clips)))]
        row = int(random.integers(len(clip.references)))
        wanted = self.options.moments
        count = len(clip.currents[row])
        chosen = random.choice(count, wanted, replace=count < wanted)
        is_figure = clip.kind == "figure"
        view = _View(clip.frames.shape[1], clip.frames.shape[2], random, is_figure, self.options)
        crosses = is_figure and random.random() < self.options.cross_share
        reference = view.picture(clip.frames[clip.references[row]])
        anchor = view.picture(clip.driving[clip.references[row]]) if crosses else reference
        moments = []
        for index in chosen:
            number_of = clip.currents[row][index]
            target = view.picture(clip.frames[number_of])
            driving = view.picture(clip.driving[number_of]) if crosses else target
            flow = view.flow(clip.flows[row, index])
            if not is_figure and random.random() < self.options.moved_share:
                target, flow = _moved(target, flow, random)
                driving = target
            moments.append((driving, target, flow))
        return reference, anchor, moments

    def batch(self, start: int, count: int) -> RetargetBatch:
        """Return the samples of ``count`` numbers from ``start``."""
        samples = [self.sample(number) for number in range(start, start + count)]
        moments = [moment for _, _, row in samples for moment in row]
        pairs = [(moment[0], anchor) for _, anchor, row in samples for moment in row]
        planes = [motion_planes(_bytes(driving), _bytes(anchor)) for driving, anchor in pairs]
        return RetargetBatch(
            reference=_tensor([reference for reference, _, _ in samples]),
            anchor=_tensor([anchor for _, anchor, _ in samples]),
            driving=_tensor([moment[0] for moment in moments]),
            motion=torch.from_numpy(np.stack(planes)),
            target=_tensor([moment[1] for moment in moments]),
            flow=_tensor([moment[2] for moment in moments]),
        )


class _View:
    """One crop and recolouring, the same for all frames of a sample."""

    def __init__(
        self,
        height: int,
        width: int,
        random: np.random.Generator,
        whole: bool,
        options: RetargetDataOptions,
    ) -> None:
        self.size = options.size_px
        shortest = min(height, width)
        side = shortest * (1.0 if whole else float(random.uniform(0.7, 1.0)))
        aspect = 1.0 if whole else float(np.exp(np.clip(random.normal(0, 0.12), -0.35, 0.35)))
        self.height = _even(min(height, side * math.sqrt(aspect)))
        self.width = _even(min(width, side / math.sqrt(aspect)))
        self.top = 2 * int(random.integers((height - self.height) // 2 + 1))
        self.left = 2 * int(random.integers((width - self.width) // 2 + 1))
        self.mirrors = not whole and random.random() < 0.5
        recolours = random.random() < 0.5
        self.order = random.permutation(3) if recolours and random.random() < 0.5 else np.arange(3)
        self.gamma = float(np.exp(random.uniform(-0.3, 0.3))) if recolours else 1.0
        self.gain = float(random.uniform(0.85, 1.1)) if recolours else 1.0

    def picture(self, frame: NDArray[np.uint8]) -> Picture:
        """Return the crop as float32 ``[S, S, 3]``."""
        rows, columns = (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )
        cut = np.ascontiguousarray(frame[rows, columns][..., self.order])
        method = cv2.INTER_AREA if self.height > self.size else cv2.INTER_LINEAR
        cut = np.asarray(cv2.resize(cut, (self.size, self.size), interpolation=method))
        levels = np.arange(256, dtype=np.float32) / 255
        table = np.clip(self.gain * levels**self.gamma, 0, 1).astype(np.float32)
        picture = table[cut]
        return picture[:, ::-1] if self.mirrors else picture

    def flow(self, half: NDArray[np.float16]) -> Picture:
        """Return the crop of a half-size flow as ``[S/2, S/2, 2]``."""
        rows = slice(self.top // 2, (self.top + self.height) // 2)
        columns = slice(self.left // 2, (self.left + self.width) // 2)
        cut = half[rows, columns].astype(np.float32)
        side = self.size // 2
        cut = np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_NEAREST), np.float32)
        cut = cut * np.array([self.size / self.width, self.size / self.height], np.float32)
        if self.mirrors:
            cut = cut[:, ::-1] * np.array([-1, 1], np.float32)
        return cut


def _even(value: float) -> int:
    return int(value) // 2 * 2


def _moved(picture: Picture, flow: Picture, random: np.random.Generator) -> tuple[Picture, Picture]:
    """Return a moment seen by a camera that was turned, zoomed and shifted, with its flow."""
    size, half = picture.shape[0], flow.shape[0]
    angle, zoom = float(random.normal(0, 0.06)), float(np.exp(random.normal(0, 0.05)))
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    shift = random.normal(0, 0.03, 2) * size
    centre = (size - 1) / 2
    turn = np.array([[cosine, -sine], [sine, cosine]])
    offset = np.array([centre, centre]) + shift - turn @ np.array([centre, centre])
    lookup = np.concatenate([turn, offset[:, None]], axis=1)
    seen = cv2.warpAffine(
        picture,
        lookup,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    ratio = size / half
    y, x = np.mgrid[:half, :half].astype(np.float32)
    # Centres of the flow's cells in the picture, and where the camera looks from there.
    place = np.stack([(x + 0.5) * ratio - 0.5, (y + 0.5) * ratio - 0.5], -1)
    looked = (place @ turn.T + offset).astype(np.float32)
    cells = (looked + 0.5) / ratio - 0.5
    columns = np.rint(cells[..., 0]).astype(int)
    rows = np.rint(cells[..., 1]).astype(int)
    inside = (columns >= 0) & (rows >= 0) & (columns < half) & (rows < half)
    found = flow[rows.clip(0, half - 1), columns.clip(0, half - 1)]
    moved = np.where(inside[..., None], looked - place + found, np.nan).astype(np.float32)
    return np.asarray(seen, np.float32), moved


def _bytes(picture: Picture) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rint(picture * 255).astype(np.uint8))


def _tensor(planes: list[Picture]) -> Tensor:
    stacked = np.stack([plane.transpose(2, 0, 1) for plane in planes])
    return torch.from_numpy(np.ascontiguousarray(stacked, np.float32))
