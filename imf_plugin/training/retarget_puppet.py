"""Trains the network of figures on rendered figures, whose parts and poses are known.

``python -m imf_plugin.training.retarget_puppet --output RUN --minutes 60``

The same command goes on where it stopped. Looks, builds and poses are drawn anew for every sample;
seeds from 900,000 on are kept for tests and reports.
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
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.imf.puppet import UNITS, PuppetConfig, PuppetNetwork
from imf_plugin.models.weight_files import write_weights
from imf_plugin.training.retarget_figures import Figure, draw_controls
from imf_plugin.training.run_state import RunState, Schedule
from imf_plugin.training.scenes.render import front_layers

log = logging.getLogger(__name__)

REST_ANGLES = (math.pi * 0.75, math.pi * 0.25, math.pi * 0.57, math.pi * 0.43, 0.0, 0.0)
"""Of arms, legs, body and head: the angles that a token counts from."""
LARGEST_SEED = 900_000


@dataclass(frozen=True, kw_only=True)
class PuppetRecipe(Schedule):
    """Everything that decides a run, apart from its time."""

    network: PuppetConfig = field(default_factory=PuppetConfig)
    looks: int = 2500
    """Figures that are drawn, each in `poses`, for every chapter."""
    poses: int = 5
    chapter_steps: int = 5000
    """Steps after which other figures are drawn."""
    batch: int = 16
    total_steps: int = 10_000
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5
    falls_while_warming: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    outline_weight: float = 0.3
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Posed:
    """Figures with everything that is known of them."""

    pictures: NDArray[np.uint8]
    """``[N, S, S, 3]``"""
    owners: NDArray[np.uint8]
    """Which part is in front at each pixel, 0 the background, ``[N, S, S]``."""
    tokens: NDArray[np.float32]
    """``[N, 4 * P]``"""


def true_token(figure: Figure, controls: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the token of a figure in a pose."""
    scene = figure.scene(controls, controls)
    rows = []
    for index, rest in enumerate(REST_ANGLES, start=1):
        matrix = scene.matrix(index, 0.0)
        place = (matrix[:2, 2] + 0.5) / figure.side_px - 0.5
        angle = math.atan2(matrix[1, 0], matrix[0, 0]) - rest
        angle = (angle + math.pi) % (2 * math.pi) - math.pi
        rows.append([*place, angle, math.log(math.hypot(matrix[0, 0], matrix[1, 0]))])
    return (np.array(rows) / UNITS).astype(np.float32).flatten()


def posed_figures(recipe: PuppetRecipe, first: int, count: int) -> Posed:
    """Return ``count`` looks of figures from number ``first`` on, each in some poses."""
    pictures, owners, tokens = [], [], []
    for number in range(first, first + count):
        random = np.random.default_rng([21, recipe.seed, number])
        looks, proportions = random.integers(LARGEST_SEED, size=2)
        figure = Figure(
            looks=int(looks), proportions=int(proportions), side_px=recipe.network.size_px
        )
        for _ in range(recipe.poses):
            controls = draw_controls(random)
            pictures.append(figure.picture(controls))
            owners.append(front_layers(figure.scene(controls, controls), 0.0).astype(np.uint8))
            tokens.append(true_token(figure, controls))
    return Posed(pictures=np.stack(pictures), owners=np.stack(owners), tokens=np.stack(tokens))


class PuppetTrainer:
    """One run: renders its figures, trains, notes its figures and keeps the averaged weights."""

    def __init__(self, recipe: PuppetRecipe, output: Path) -> None:
        self.recipe, self.output = recipe, output
        torch.manual_seed(recipe.seed)
        self.network = PuppetNetwork(recipe.network)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.state = RunState(self.network, recipe)

    def run(self, minutes: float) -> Path:
        """Train until the time or the steps are used up; returns the file of the weights."""
        state, folder = self.state, self.output / "last"
        self.output.mkdir(parents=True, exist_ok=True)
        if (folder / "facts.json").exists():
            state.resume(folder)
            log.info("going on from step %d", state.step)
        data = self._figures()
        chapter = state.step // self.recipe.chapter_steps
        began = saved = last = time.monotonic()
        before = state.trained_seconds
        parts: list[Tensor] = []
        while state.step < self.recipe.total_steps and last - began < 60 * minutes:
            if state.step // self.recipe.chapter_steps != chapter:
                chapter, data = state.step // self.recipe.chapter_steps, self._figures()
            parts.append(self.train_step(data))
            last = time.monotonic()
            state.trained_seconds = before + last - began
            if state.step % 50 == 0:
                self._note(torch.stack(parts).mean(0))
                parts = []
            if last - saved > 60:
                state.save(folder, {})
                saved = last
        state.save(folder, {})
        return self._export()

    def train_step(self, data: Posed) -> Tensor:
        """Take one step; returns loss, token error in units, share of wrong pixels."""
        pictures, owners, truth = self._batch(data)
        with torch.autocast("cpu", torch.bfloat16):
            tokens, scores = self.network(pictures)
        tokens, scores = tokens.float(), scores.float()
        outline = F.cross_entropy(scores, owners)
        miss = F.smooth_l1_loss(tokens, truth, beta=0.05)
        loss = miss + self.recipe.outline_weight * outline
        self.state.learn(loss)
        wrong = (scores.detach().argmax(1) != owners).float().mean()
        return torch.stack([loss.detach(), (tokens - truth).detach().abs().mean(), wrong])

    def _batch(self, data: Posed) -> tuple[Tensor, Tensor, Tensor]:
        """Return pictures, owners and tokens of this step, recoloured at random."""
        random = np.random.default_rng([22, self.recipe.seed, self.state.step])
        chosen = random.integers(len(data.tokens), size=self.recipe.batch)
        pictures = data.pictures[chosen].astype(np.float32) / 255
        for picture in pictures:
            picture[...] = picture[..., random.permutation(3)] ** float(
                np.exp(random.uniform(-0.5, 0.5))
            )
            picture *= random.uniform(0.7, 1.1, 3).astype(np.float32)
            picture += random.normal(0, 0.01, picture.shape).astype(np.float32)
        planes = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        return (
            planes.contiguous(memory_format=torch.channels_last),
            torch.from_numpy(data.owners[chosen]).long(),
            torch.from_numpy(data.tokens[chosen]),
        )

    def _figures(self) -> Posed:
        """Return the figures of this chapter, rendered once and kept beside the checkpoints."""
        chapter = self.state.step // self.recipe.chapter_steps
        path = self.output / f"figures-{chapter}.npz"
        if not path.exists():
            log.info("rendering %d figures", self.recipe.looks)
            data = posed_figures(self.recipe, chapter * self.recipe.looks, self.recipe.looks)
            np.savez(path, **vars(data))
        with np.load(path) as kept:
            return Posed(**{name: kept[name] for name in kept.files})

    def _note(self, parts: Tensor) -> None:
        loss, miss, wrong = parts.tolist()
        row = {"step": self.state.step, "loss": loss, "miss": miss, "wrong": wrong}
        log.info("%s, %.1f min", row, self.state.trained_seconds / 60)
        with (self.output / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _export(self) -> Path:
        config = self.recipe.network
        rows = {
            "training": f"{self.state.step} steps of {self.recipe.batch} rendered figures, "
            f"{self.state.trained_seconds / 60:.0f} minutes",
            "training data": "figures of imf_plugin.training.retarget_figures, their parts known",
            "device": f"cpu, {torch.get_num_threads()} thread(s)",
        }
        return write_weights(self.output, config.name, config.to_dict(), self.state.ema, rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=PuppetRecipe.total_steps)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    trainer = PuppetTrainer(PuppetRecipe(total_steps=arguments.steps), arguments.output)
    log.info("wrote %s", trainer.run(arguments.minutes))


if __name__ == "__main__":
    main()
