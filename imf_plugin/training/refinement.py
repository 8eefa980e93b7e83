"""Trains the refinement of recognised motion: boxed in time, resumable to the step.

First the drafts that are to be refined, by the recognition that ships or by a checkpoint of it::

    python -m imf_plugin.training.refinement --cache CACHE --drafts 4000 [--recognition CHECKPOINT]

then ``python -m imf_plugin.training.refinement --cache CACHE --output RUN --minutes 90``. The same
line again goes on where it stopped.
"""

import argparse
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.layers import doubled
from imf_plugin.models.imf_vfi.recogniser import NAME, load_recogniser
from imf_plugin.models.imf_vfi.recognition import RecognitionNetwork, seen_halfway
from imf_plugin.models.imf_vfi.refinement import Refined, RefinementNetwork
from imf_plugin.models.weight_files import write_weights
from imf_plugin.training.checkpoint import history, load_checkpoint
from imf_plugin.training.losses import log_square
from imf_plugin.training.recognition_data import FILM_TRUST
from imf_plugin.training.recognition_losses import choice_error, motion_error
from imf_plugin.training.refinement_data import (
    RefinementDataOptions,
    RefinementSample,
    RefinementSamples,
    gathered,
    prepare_drafts,
)
from imf_plugin.training.run_state import RunState, Schedule, below
from imf_plugin.training.timed_run import TimedRun

log = logging.getLogger(__name__)

RIGHT_PX = 1.0
"""A candidate this far off the true motion is right to a third."""


@dataclass(frozen=True, kw_only=True)
class RefinementWeights:
    """Of the parts of the loss."""

    choice: float = 0.3
    """Negative logarithm of how right the chosen candidates are."""
    motion: float = 0.5
    """Of the motion after each step, see `motion_error`."""
    frame: float = 0.4
    """Of the frame between, see `log_square`."""
    side: float = 0.4
    """Of that frame with the true motion, where it is known: what is left is who shows it."""


@dataclass(frozen=True, kw_only=True)
class RefinementRecipe:
    """Everything that decides a run, apart from its drafts and its time."""

    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            total_steps=12_000, learning_rate=8e-4, final_learning_rate=1e-5
        )
    )
    data: RefinementDataOptions = field(default_factory=RefinementDataOptions)
    weights: RefinementWeights = field(default_factory=RefinementWeights)
    samples_per_step: int = 4
    seed: int = 0


class RefinementTrainer(TimedRun):
    """One run."""

    def __init__(self, recipe: RefinementRecipe, cache: Path, output: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network = RefinementNetwork()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.samples = RefinementSamples(cache, recipe.data)
        state = RunState(self.network, recipe.schedule)
        super().__init__(state, output, recipe.samples_per_step)

    def train_step(self) -> list[dict[str, float]]:
        """Take one step and return its figures."""
        count = self.recipe.samples_per_step
        numbers = range(self.state.step * count, (self.state.step + 1) * count)
        samples = [self.samples[number] for number in numbers]
        loss, figures = refinement_loss(self.network, samples, self.recipe.weights)
        self.state.learn(loss)
        return [figures]


def refinement_loss(
    network: RefinementNetwork, samples: list[RefinementSample], weights: RefinementWeights
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of a batch, and figures of it for people."""
    batch = gathered(samples)
    draft = batch.draft
    first, truth, second = batch.frames.unbind(1)
    found: Refined = network(first, second, draft)
    choice = choice_error(found.candidates, found.shares, batch.middle, batch.known, RIGHT_PX)
    motions = [motion_error(motion, batch.middle, batch.known) for motion in found.motions]
    frame = log_square(between(first, second, found.motions[-1], found.sides[-1]), truth)
    with_truth = between(first, second, batch.middle, found.sides[-1])
    is_scene = batch.known.amax((1, 2, 3)) > (1 + FILM_TRUST) / 2
    side = log_square(with_truth[is_scene], truth[is_scene]) if is_scene.any() else 0 * frame
    loss = (
        weights.choice * choice
        + weights.motion * torch.stack(motions).mean()
        + weights.frame * frame
        + weights.side * side
    )
    with torch.no_grad():
        as_drafted = between(first, second, doubled(draft.motion), doubled(draft.side))
        figures = {
            "choice": float(choice),
            "drafted": float(motion_error(doubled(draft.motion), batch.middle, batch.known)),
            "chosen": float(motions[0]),
            "corrected": float(motions[-1]),
            "frame_drafted": float(log_square(as_drafted, truth)),
            "frame": float(frame),
            "side": float(side),
        }
    return loss, figures


def between(first: Tensor, second: Tensor, motion: Tensor, side: Tensor) -> Tensor:
    """Return the frame between two pictures, ``[B, 3, H, W]``.

    Args:
        first: ``[B, 3, H, W]``.
        second: Likewise.
        motion: ``[B, 2, H/2, W/2]`` pixels.
        side: See `Recognised.side`, ``[B, 1, H/2, W/2]``.
    """
    seen0, seen1 = seen_halfway(first, second, doubled(motion), "border")
    return torch.lerp(seen0, seen1, torch.sigmoid(doubled(side)))


def export_far_motion(
    recognition: Path, refinement: Path, output: Path, details: dict[str, str]
) -> Path:
    """Write the averaged weights of two checkpoints, and their card; return the weights' file.

    Raises:
        ModelError: If there is no such checkpoint.
    """
    tensors: dict[str, Tensor] = {}
    rows = dict(details)
    for part, checkpoint in (("recognition", recognition), ("refinement", refinement)):
        kept, facts = load_checkpoint(checkpoint)
        tensors |= {f"{part}.{key}": value for key, value in below(kept, "ema.").items()}
        rows |= {f"{part}, {name}": text for name, text in history(facts).items()}
    return write_weights(output, NAME, {}, tensors, rows)


def _recognition(checkpoint: Path | None) -> RecognitionNetwork:
    """Return the recognition of a checkpoint; without one, that which ships."""
    if checkpoint is None:
        return load_recogniser(torch.device("cpu")).network.recognition
    network = RecognitionNetwork()
    network.load_state_dict(below(load_checkpoint(checkpoint)[0], "ema."))
    return network.eval()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="written by training.prepare")
    parser.add_argument("--drafts", type=int, help="write so many drafts and stop")
    parser.add_argument("--recognition", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--output", type=Path, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help="write both networks' weights there"
    )
    parser.add_argument("--detail", action="append", default=[], metavar="NAME=TEXT")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    if arguments.drafts is not None:
        prepare_drafts(arguments.cache, _recognition(arguments.recognition), arguments.drafts)
    if arguments.output is not None:
        trainer = RefinementTrainer(RefinementRecipe(), arguments.cache, arguments.output)
        trainer.run(arguments.minutes)
    if arguments.export:
        if arguments.recognition is None or arguments.output is None:
            parser.error("--export needs --recognition and --output")
        details = dict(row.split("=", 1) for row in arguments.detail)
        parts = arguments.recognition, arguments.output / "last"
        log.info("wrote %s", export_far_motion(*parts, arguments.export, details))


if __name__ == "__main__":
    main()
