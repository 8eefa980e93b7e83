"""Trains the latent motion model: minutes on one core, from the retargeting cache.

``python -m imf_plugin.training.retarget_latent --cache DIR --output DIR --minutes 8``
"""

import argparse
import json
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.imf.compact import displaced
from imf_plugin.models.imf.measuring import motion_planes
from imf_plugin.models.latent_motion.network import (
    SIDE_PX,
    LatentMotion,
    LatentMotionConfig,
)
from imf_plugin.models.latent_motion.retargeter import MEASURED_PX, small_motion
from imf_plugin.training import losses
from imf_plugin.training.retarget_cache import RetargetClip, read_retarget_cache
from imf_plugin.training.retarget_figures import Figure, draw_controls
from imf_plugin.training.run_state import RunState, Schedule

log = logging.getLogger(__name__)

WINDOW = 16
"""Frames of a training sequence."""
LONGEST = 32
"""Frames of a clip that are used."""


@dataclass(frozen=True, kw_only=True)
class LatentRecipe(Schedule):
    """Everything that decides a run, apart from its data and its time."""

    network: LatentMotionConfig = field(default_factory=LatentMotionConfig)
    sequences: int = 6
    """In a step, `WINDOW` frames each."""
    total_steps: int = 6000
    learning_rate: float = 1e-3
    final_learning_rate: float = 3e-5
    warmup_steps: int = 0
    betas: tuple[float, float] = (0.9, 0.999)
    flow_weight: float = 1.0
    """Of the error against measured motion, in pixels of 32."""
    picture_weight: float = 2.0
    divergence_weight: float = 1e-3
    """Of the Kullback-Leibler divergence from the standard normal distribution."""
    matrix_weight: float = 0.05
    """Of the temporal network's squared error in the matrix."""
    dropout: float = 0.5
    """How often rows are left out of the matrix, when they are at all."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A first frame, frames and their motion back to it."""

    frames: Tensor
    """``[T, 3, 32, 32]`` uint8; the first is the one that motion is measured from."""
    motion: Tensor
    """``[T, 3, 32, 32]`` float16: flow in px of 32, and how much of it is known."""


class LatentTrainer:
    """One run of a recipe."""

    def __init__(self, recipe: LatentRecipe, sequences: list[Sequence]) -> None:
        self.recipe, self.sequences = recipe, sequences
        torch.manual_seed(recipe.seed)
        self.network = LatentMotion(recipe.network)
        self.state = RunState(self.network, recipe)

    def run(self, output: Path, minutes: float = math.inf) -> None:
        """Train until the time or the steps are used up; goes on from ``last/`` if it is there."""
        output.mkdir(parents=True, exist_ok=True)
        if (output / "last" / "facts.json").exists():
            self.state.resume(output / "last")
        began = time.monotonic()
        before = self.state.trained_seconds
        figures: list[Tensor] = []
        while self.state.step < self.recipe.total_steps:
            figures.append(self.train_step())
            self.state.trained_seconds = before + time.monotonic() - began
            over = time.monotonic() - began >= 60 * minutes
            if self.state.step % 100 == 0 or over:
                row = torch.stack(figures).mean(0).tolist()
                log.info("step %d: flow %.3f, filled %.3f px of 32, KL %.2f", self.state.step, *row)
                with (output / "log.jsonl").open("a") as file:
                    file.write(json.dumps({"step": self.state.step, "figures": row}) + "\n")
                figures = []
            if self.state.step % 500 == 0 or over:
                self.save(output / "last")
            if over:
                break
        self.save(output / "last")

    def train_step(self) -> Tensor:
        """Take one step; returns flow error, that of the filled matrix, and divergence."""
        recipe = self.recipe
        random = np.random.default_rng([recipe.seed, self.state.step])
        first, frames, motion = self._batch(random)
        count, window = frames.shape[:2]
        flat, target = frames.flatten(0, 1), motion.flatten(0, 1)
        mean, log_variance = self.network.encoder(first.repeat_interleave(window, 0), flat, target)
        noise = torch.randn_like(mean) * (log_variance / 2).exp()
        truth = torch.where(target[:, 2:] > 0.5, target[:, :2], torch.nan)
        flow = self.network.flow(first, mean + noise)
        error = losses.flow_error(flow, truth)
        pictures = first.repeat_interleave(window, 0)
        shown = losses.charbonnier(displaced(pictures, flow), flat)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        matrix = mean.reshape(count, window, -1)
        known = _known(random, count, window, recipe.dropout)
        filled = self.network.temporal(matrix.detach(), known)
        filled_error = losses.flow_error(self.network.flow(first, filled.flatten(0, 1)), truth)
        total = (
            recipe.flow_weight * (error + 0.5 * filled_error)
            + recipe.picture_weight * shown
            + recipe.divergence_weight * divergence
            + recipe.matrix_weight * (filled - matrix.detach()).square().mean()
        )
        self.state.learn(total)
        return torch.stack([error, filled_error, divergence]).detach()

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        facts = {
            "network": self.recipe.network.to_dict(),
            "batch_size": self.recipe.sequences * WINDOW,
            "device": "cpu",
        }
        self.state.save(folder, facts)

    def _batch(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return first frames ``[B, ...]``, frames and motion ``[B, WINDOW, 3, 32, 32]``."""
        parts = []
        for _ in range(self.recipe.sequences):
            sequence = self.sequences[int(random.integers(len(self.sequences)))]
            count = len(sequence.frames)
            start = int(random.integers(max(1, count - WINDOW + 1)))
            rows = torch.arange(start, start + WINDOW).clamp_max(count - 1)
            first = sequence.frames[0].float() / 255
            frames = sequence.frames[rows].float() / 255
            motion = sequence.motion[rows].float()
            if random.random() < 0.5:
                first, frames, motion = first.flip(-1), frames.flip(-1), motion.flip(-1)
                motion = motion * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
            parts.append((first, frames, motion))
        first, frames, motion = (torch.stack(part) for part in zip(*parts, strict=True))
        return first, frames, motion


def _known(random: np.random.Generator, count: int, window: int, share: float) -> Tensor:
    """Return which rows are seen: all, all but some at random, or one of so many."""
    known = torch.ones(count, window)
    for row in known:
        kind = random.random()
        if kind < 0.4:
            row[torch.from_numpy(random.random(window) < share)] = 0
        elif kind < 0.8:
            step = int(random.integers(2, 7))
            row.zero_()
            row[int(random.integers(step)) :: step] = 1
        if not row.any():
            row[int(random.integers(window))] = 1
    return known


def read_sequences(cache: Path, *, figures: int = 60, crops: int = 1) -> list[Sequence]:
    """Return sequences of a retargeting cache, kept in ``latent.npz`` beside it.

    Raises:
        MediaError: If there is no cache.
    """
    path = cache / "latent.npz"
    if not path.exists():
        _write_sequences(path, read_retarget_cache(cache), figures, crops)
    stored = np.load(path)
    lengths = stored["lengths"].tolist()
    frames = torch.split(torch.from_numpy(stored["frames"]), lengths)
    motion = torch.split(torch.from_numpy(stored["motion"]), lengths)
    return [Sequence(frames=f, motion=m) for f, m in zip(frames, motion, strict=True)]


def _write_sequences(path: Path, clips: list[RetargetClip], figures: int, crops: int) -> None:
    found: list[Sequence] = []
    films = [clip for clip in clips if clip.kind != "figure" and not clip.held_out]
    for number, clip in enumerate(films):
        for crop in range(crops):
            random = np.random.default_rng([21, number, crop])
            found.append(_measured(_cropped(clip, random)))
    wanted = figures if any(clip.kind == "figure" for clip in clips) else 0
    found += [_measured(_swinging(number)) for number in range(wanted)]
    log.info("measured %d sequences", len(found))
    temporary = path.with_suffix(".partial.npz")
    np.savez(
        temporary,
        lengths=np.array([len(sequence.frames) for sequence in found]),
        frames=torch.cat([sequence.frames for sequence in found]).numpy(),
        motion=torch.cat([sequence.motion for sequence in found]).numpy(),
    )
    temporary.replace(path)


def _cropped(clip: RetargetClip, random: np.random.Generator) -> list[NDArray[np.uint8]]:
    height, width = clip.frames.shape[1:3]
    side = round(min(height, width) * float(random.uniform(0.75, 1.0)))
    top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
    start = int(random.integers(max(1, len(clip.frames) - LONGEST)))
    return [
        np.asarray(
            cv2.resize(
                np.ascontiguousarray(frame[top : top + side, left : left + side]),
                (MEASURED_PX, MEASURED_PX),
                interpolation=cv2.INTER_AREA,
            ),
            np.uint8,
        )
        for frame in clip.frames[start : start + LONGEST]
    ]


def _swinging(number: int) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng([22, number])
    figure = Figure(looks=700_000 + number, proportions=700_000 + number, side_px=MEASURED_PX)
    poses = [draw_controls(random, 0.8) for _ in range(3)]
    pictures = []
    for index in range(24):
        share = index / 12
        step, part = int(share), share % 1
        part = part * part * (3 - 2 * part)
        pose = poses[step] * (1 - part) + poses[min(step + 1, 2)] * part
        pictures.append(figure.picture(pose))
    return pictures


def _measured(pictures: list[NDArray[np.uint8]]) -> Sequence:
    motion = torch.from_numpy(
        np.stack([motion_planes(picture, pictures[0]) for picture in pictures])
    )
    frames = [
        cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        for picture in pictures
    ]
    return Sequence(
        frames=torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous(),
        motion=small_motion(motion).half(),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--total-steps", type=int, default=LatentRecipe().total_steps)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    recipe = LatentRecipe(total_steps=arguments.total_steps)
    LatentTrainer(recipe, read_sequences(arguments.cache)).run(arguments.output, arguments.minutes)


if __name__ == "__main__":
    main()
