"""Trains the recognition of motion: boxed in time, resumable to the step.

``python -m imf_plugin.training.recognition --cache CACHE --output RUN --minutes 90``, with a cache
that `prepare` and `recognition_scenes` wrote. The same line again goes on where it stopped.
"""

import argparse
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import torch

from imf_plugin.models.imf_vfi.recognition import RecognitionNetwork
from imf_plugin.training.recognition_data import RecognitionDataOptions, RecognitionSamples
from imf_plugin.training.recognition_losses import RecognitionWeights, recognition_loss
from imf_plugin.training.run_state import RunState, Schedule
from imf_plugin.training.timed_run import TimedRun


@dataclass(frozen=True, kw_only=True)
class RecognitionRecipe:
    """Everything that decides a run, apart from its scenes and its time."""

    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            total_steps=10_000, learning_rate=1e-3, final_learning_rate=2e-5
        )
    )
    data: RecognitionDataOptions = field(default_factory=RecognitionDataOptions)
    weights: RecognitionWeights = field(default_factory=RecognitionWeights)
    samples_per_step: int = 2
    seed: int = 0


class RecognitionTrainer(TimedRun):
    """One run."""

    def __init__(self, recipe: RecognitionRecipe, cache: Path, output: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network = RecognitionNetwork()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.samples = RecognitionSamples(cache, recipe.data)
        state = RunState(self.network, recipe.schedule)
        super().__init__(state, output, recipe.samples_per_step)

    def train_step(self) -> list[dict[str, float]]:
        """Take one step and return figures of each of its samples."""
        count = self.recipe.samples_per_step
        losses, rows = [], []
        for number in range(self.state.step * count, (self.state.step + 1) * count):
            loss, figures = recognition_loss(
                self.network, self.samples[number], self.recipe.weights
            )
            losses.append(loss)
            rows.append(figures)
        self.state.learn(torch.stack(losses).mean())
        return rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="written by training.prepare")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=math.inf)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    RecognitionTrainer(RecognitionRecipe(), arguments.cache, arguments.output).run(
        arguments.minutes
    )


if __name__ == "__main__":
    main()
