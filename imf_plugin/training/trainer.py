"""The training loop: resumable to the step, boxed in time, validated every few minutes."""

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from imf_plugin.errors import ModelError
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.network import Decoded, ImfVfiNetwork
from imf_plugin.models.imf_vfi.weights import load_network
from imf_plugin.training import losses
from imf_plugin.training.checkpoint import load_checkpoint
from imf_plugin.training.clock import TrainingClock
from imf_plugin.training.data import Batch, TrainingSamples, collate
from imf_plugin.training.forward import decoded
from imf_plugin.training.recipes import Recipe
from imf_plugin.training.run_state import RunState
from imf_plugin.training.validation import (
    held_out_samples,
    score,
    triplet_samples,
    write_grid,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run reads and writes, and how long it takes."""

    cache: Path
    output: Path
    """Folder of the run: ``last/`` and ``best/`` checkpoints, ``log.jsonl``, ``grid_*.png``."""
    minutes: float = math.inf
    """The run stops after this long, leaving a checkpoint to go on from."""
    device: str = "cpu"
    workers: int = 0
    """Processes that make samples; 0 makes them in the training process."""
    validate_every_minutes: float = 10.0
    save_every_minutes: float = 3.0
    validation_items: int = 24
    triplets: Path | None = None
    """Picture triplets to score besides; never trained on."""
    begin_with: Path | None = None
    """Released weights of the same network that a new run begins with."""
    log_every_steps: int = 50


class Trainer:
    """One run of a recipe."""

    def __init__(self, recipe: Recipe, options: RunOptions) -> None:
        self.recipe = recipe
        self.options = options
        self.device = torch.device(options.device)
        torch.manual_seed(recipe.seed)
        self.network = ImfVfiNetwork(recipe.network).to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if options.begin_with is not None:
            self._begin_with(options.begin_with)
        self.state = RunState(self.network, recipe)
        self.best_error = math.inf

    def run(self) -> None:
        """Train until the time or the steps are used up; goes on from ``last/`` if it is there."""
        self.options.output.mkdir(parents=True, exist_ok=True)
        if (self.options.output / "last" / "facts.json").exists():
            self.resume(self.options.output / "last")
        samples = TrainingSamples(self.options.cache, self.recipe.data)
        clock = TrainingClock()
        losses_since: list[Tensor] = []
        for batch in self._batches(samples):
            losses_since.append(self.train_step(batch))
            self.state.trained_seconds += clock.tick()
            if self.state.step % self.options.log_every_steps == 0:
                mean_loss = float(torch.stack(losses_since).mean())
                count = len(losses_since) * self.recipe.batch_size
                rate = count / clock.seconds_since("noted")
                self._note(
                    loss=mean_loss, samples_per_second=rate, rate=self.recipe.rate(self.state.step)
                )
                losses_since = []
            done = self.state.step >= self.recipe.total_steps
            done = done or clock.total_seconds >= 60 * self.options.minutes
            if done or clock.is_due("saved", 60 * self.options.save_every_minutes):
                self.save("last")
            if done or clock.is_due("validated", 60 * self.options.validate_every_minutes):
                self.validate()
            clock.skip()
            if done:
                break

    def train_step(self, batch: Batch) -> Tensor:
        """Take one step and return its loss, detached."""
        batch = batch.to(self.device)
        half = self.recipe.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            found = decoded(self.network, batch, halved=self.recipe.halved)
        loss = self.loss(found, batch)
        self.state.learn(loss)
        return loss.detach()

    def loss(self, found: Decoded, batch: Batch) -> Tensor:
        """Return the recipe's weighted sum of losses."""
        recipe = self.recipe
        frames = found.frames.float()
        total = recipe.charbonnier_weight * losses.charbonnier(frames, batch.target)
        if recipe.log_square_weight:
            total = total + recipe.log_square_weight * losses.log_square(frames, batch.target)
        if recipe.laplacian_weight:
            total = total + recipe.laplacian_weight * losses.laplacian(frames, batch.target)
        if recipe.census_weight:
            total = total + recipe.census_weight * losses.census(frames, batch.target)
        if recipe.texture_weight:
            total = total + recipe.texture_weight * losses.texture(frames, batch.target)
        if recipe.flow_weight:
            taught = losses.motion_through(batch.true_flows)
            flow_loss = losses.flow_error(losses.motion_through(found.flows.float()), taught)
            for flows in found.coarse_flows:
                coarse = losses.flow_error(losses.motion_through(flows.float()), taught)
                flow_loss = flow_loss + recipe.coarse_flow_share * coarse
            total = total + recipe.flow_weight * flow_loss
        return total

    def validate(self) -> None:
        """Score the averaged weights, note the figures and keep the best."""
        network = ImfVfiNetwork(self.recipe.network).to(self.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.load_state_dict(self.state.ema)
        network.eval()
        samples = held_out_samples(self.options.cache, self.options.validation_items)
        found, rows = score(network, samples, self.device, halved=self.recipe.halved)
        log.info("step %d held out: %s", self.state.step, found)
        self._record(kind="held_out", **vars(found))
        if self.options.triplets is not None:
            triplets, more = score(
                network,
                triplet_samples(self.options.triplets),
                self.device,
                halved=self.recipe.halved,
            )
            log.info("step %d triplets: %s", self.state.step, triplets)
            self._record(kind="triplets", **vars(triplets))
            rows = rows[:4] + more[:3]
        write_grid(self.options.output / f"grid_{self.state.step:06d}.png", rows)
        if found.error < self.best_error:
            self.best_error = found.error
            self.save("best")

    def save(self, name: str) -> None:
        """Write a checkpoint into the run's folder."""
        facts = {
            "network": self.recipe.network.to_dict(),
            "total_steps": self.recipe.total_steps,
            "batch_size": self.recipe.batch_size,
            "best_error": None if math.isinf(self.best_error) else self.best_error,
            "device": self.options.device,
        }
        self.state.save(self.options.output / name, facts)

    def resume(self, folder: Path) -> None:
        """Take up the state of a checkpoint.

        Raises:
            ModelError: If there is none, it is damaged or of another network.
        """
        tensors, facts = load_checkpoint(folder)
        if ImfVfiConfig.from_dict(facts["network"]) != self.recipe.network:
            raise ModelError(
                f"the run in {folder.parent} trains another network than this recipe's; "
                "give the recipe it was begun with, or another folder"
            )
        self.state.take_up(tensors, facts)
        best = facts["best_error"]
        self.best_error = math.inf if best is None else float(best)
        log.info("going on from step %d of %s", self.state.step, folder)

    def _begin_with(self, path: Path) -> None:
        network, card = load_network(path.stem, path.parent)
        # One network may be trained for more than one purpose, under more than one name.
        if replace(card.config, name=self.recipe.network.name) != self.recipe.network:
            raise ModelError(
                f"{path} holds another network than this recipe's; begin with weights of a "
                f"{self.recipe.network.name} of this version, or with none"
            )
        self.network.load_state_dict(network.state_dict())

    def _batches(self, samples: TrainingSamples) -> Iterator[Batch]:
        size = self.recipe.batch_size
        numbers = range(self.state.step * size, self.recipe.total_steps * size)
        yield from DataLoader(
            samples,
            batch_size=size,
            sampler=numbers,
            collate_fn=collate,
            num_workers=self.options.workers,
            persistent_workers=False,
        )

    def _note(self, **figures: float) -> None:
        log.info(
            "step %d of %d, loss %.5f, %.2f samples/s, rate %.1e, %.1f min",
            self.state.step,
            self.recipe.total_steps,
            figures["loss"],
            figures["samples_per_second"],
            figures["rate"],
            self.state.trained_seconds / 60,
        )
        self._record(kind="train", **figures)

    def _record(self, **row: float | str) -> None:
        minutes = round(self.state.trained_seconds / 60, 2)
        entry = {"step": self.state.step, "minutes": minutes, **row}
        with (self.options.output / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
