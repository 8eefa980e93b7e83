"""Validation: held-out clips and, where given, picture triplets; numbers and a picture grid.

Every figure is given for the network and for its start, the motion without training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.imf_vfi.config import CARRIED
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork, untrained_frames
from imf_plugin.training.augment import Sample, grown_flow
from imf_plugin.training.cache import CachedClip, read_cache
from imf_plugin.training.data import Batch, as_tensors, collate
from imf_plugin.training.forward import decoded
from imf_plugin.training.surroundings import surroundings_of

GRID_ITEMS = 6
LARGEST_SIDE_PX = 288
SIDE_MULTIPLE_PX = 32
"""Sides are cut to a multiple of this, which suits the network at half the size too."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over the items."""

    items: int
    psnr_db: float
    prior_psnr_db: float
    error: float
    """Mean absolute difference of 8-bit values."""
    prior_error: float
    improved: int
    """On how many items the network is better than its start."""

    def __str__(self) -> str:
        return (
            f"psnr {self.psnr_db:.3f} (start {self.prior_psnr_db:.3f}, "
            f"{self.psnr_db - self.prior_psnr_db:+.3f}) error {self.error:.4f} "
            f"(start {self.prior_error:.4f}) better on {self.improved}/{self.items}"
        )


def held_out_samples(cache: Path, count: int) -> list[Sample]:
    """Return whole frames of held-out clips, evenly over their groups; always the same ones.

    A cache so small that nothing is held out is scored on what it is trained on.
    """
    groups: dict[str, list[CachedClip]] = {}
    clips = read_cache(cache)
    for clip in [clip for clip in clips if clip.held_out] or clips:
        groups.setdefault(clip.group, []).append(clip)
    samples: list[Sample] = []
    turn = 0
    while groups and len(samples) < count:
        for members in groups.values():
            clip = members[turn % len(members)]
            pair = (7 * turn) % len(clip.pairs)
            samples.append(_whole(clip, pair, random=np.random.default_rng(turn)))
        turn += 1
    return samples[:count]


def _whole(clip: CachedClip, pair_index: int, random: np.random.Generator) -> Sample:
    pair = clip.pairs[pair_index]
    offset = int(random.integers(1, pair.gap))
    height, width = (
        min(side - side % SIDE_MULTIPLE_PX, LARGEST_SIDE_PX) for side in clip.frames.shape[1:3]
    )
    top, left = (
        (have - want) // 4 * 2
        for have, want in zip(clip.frames.shape[1:3], (height, width), strict=True)
    )
    rows, columns = slice(top, top + height), slice(left, left + width)
    half = clip.motions(
        pair_index,
        slice(top // 2, (top + height) // 2),
        slice(left // 2, (left + width) // 2),
    )
    frames = [
        clip.frames[number, rows, columns].astype(np.float32) / np.float32(255)
        for number in (pair.first, pair.first + pair.gap, pair.first + offset)
    ]
    sample = _sample(frames, grown_flow(half, height, width), offset / pair.gap)
    around = surroundings_of(clip, pair_index, sample.timestep, (rows, columns))
    return replace(sample, around=around)


def _sample(
    frames: Sequence[NDArray[np.float32]], flow: NDArray[np.float32], time: float
) -> Sample:
    return Sample(
        frame0=frames[0],
        frame1=frames[1],
        target=frames[2],
        timestep=time,
        middle_flow=flow,
        true_flows=np.full((*flow.shape[:2], 4), np.nan, np.float32),
    )


def triplet_samples(folder: Path) -> list[Sample]:
    """Return the triplets ``NAME/frame10.png frame10i11.png frame11.png``, their sides cut."""
    from imf_plugin.models.flow.opinions import estimate_opinions

    samples = []
    for path in sorted(folder.glob("*/frame10i11.png")):
        pictures = []
        for name in ("frame10.png", "frame11.png", "frame10i11.png"):
            picture = cv2.cvtColor(
                np.asarray(cv2.imread(str(path.parent / name))), cv2.COLOR_BGR2RGB
            )
            height, width = picture.shape[:2]
            bottom, right = (side - side % SIDE_MULTIPLE_PX for side in (height, width))
            pictures.append(picture[:bottom, :right])
        greys = [np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in pictures[:2]]
        flow = estimate_opinions(*greys)
        samples.append(
            _sample([p.astype(np.float32) / np.float32(255) for p in pictures], flow, 0.5)
        )
    return samples


@torch.no_grad()
def score(
    network: ImfVfiNetwork,
    samples: Sequence[Sample],
    device: torch.device,
    *,
    halved: bool = False,
) -> tuple[Scores, list[NDArray[np.uint8]]]:
    """Return the scores and, for the first items, rows of pictures."""
    figures: list[list[float]] = []
    rows: list[NDArray[np.uint8]] = []
    for sample in samples:
        batch = collate([as_tensors(sample)]).to(device)
        found = decoded(network, batch, halved=halved).frames
        start = untrained_frames(
            batch.frame0, batch.frame1, batch.timesteps, batch.motion, batch.bend, carried=CARRIED
        )
        figures.append([*_figures(found, batch.target), *_figures(start, batch.target)])
        if len(rows) < GRID_ITEMS:
            rows.append(_row(batch, found, start))
    table = np.array(figures)
    means = table.mean(axis=0)
    scores = Scores(
        items=len(figures),
        psnr_db=float(means[0]),
        prior_psnr_db=float(means[2]),
        error=float(means[1]),
        prior_error=float(means[3]),
        improved=int((table[:, 0] > table[:, 2]).sum()),
    )
    return scores, rows


def _figures(found: Tensor, truth: Tensor) -> tuple[float, float]:
    """Return PSNR and mean absolute difference of the pictures as 8-bit values."""
    difference = (found.clamp(0, 1) * 255).round() - (truth * 255).round()
    mean_square = float((difference**2).mean())
    psnr = 10 * float(np.log10(255**2 / max(mean_square, 1e-3)))
    return psnr, float(difference.abs().mean())


def _row(batch: Batch, found: Tensor, start: Tensor) -> NDArray[np.uint8]:
    """Return first keyframe, truth, start, result and four times its error, side by side."""
    error = (4 * (found - batch.target).abs()).clamp(0, 1)
    tiles = torch.cat([batch.frame0, batch.target, start, found, error], dim=3)
    picture = (tiles[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return np.asarray(picture[:192, :, ::-1])


def write_grid(path: Path, rows: Sequence[NDArray[np.uint8]]) -> None:
    """Write rows of pictures as one PNG, narrower rows filled up with grey."""
    width = max(row.shape[1] for row in rows)
    filled = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=128)
        for row in rows
    ]
    cv2.imwrite(str(path), np.concatenate(filled))
