"""Trains the compact Implicit Motion Function: boxed in time, resumable to the step."""

import json
import logging
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from imf_plugin.models.imf.compact import CompactDecoded, CompactImf, shown
from imf_plugin.models.imf.config import COMPACT, CompactConfig
from imf_plugin.training import losses
from imf_plugin.training.checkpoint import load_checkpoint
from imf_plugin.training.clock import TrainingClock
from imf_plugin.training.retarget_adversary import Adversary
from imf_plugin.training.retarget_data import RetargetBatch, RetargetDataOptions, RetargetSamples
from imf_plugin.training.retarget_validation import RetargetScores, score_held_out
from imf_plugin.training.run_state import RunState, Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RetargetRecipe(Schedule):
    """Everything that decides a run, apart from its data and its time."""

    network: CompactConfig = COMPACT
    data: RetargetDataOptions = field(default_factory=RetargetDataOptions)
    references: int = 2
    """References in a step; each comes with `RetargetDataOptions.moments`."""
    total_steps: int = 6000
    learning_rate: float = 5e-4
    final_learning_rate: float = 2e-5
    laplacian_weight: float = 0.03
    census_weight: float = 0.0
    """Structure without brightness, in place of the perceptual network that is not at hand."""
    flow_weight: float = 0.01
    """Of the error against known flows, in pixels of the network's side."""
    token_weight: float = 1e-4
    """Of the tokens' mean square, which keeps them of one scale."""
    absolute_weight: float = 0.01
    """Of the difference between tokens read from single pictures and from motion."""
    absolute_every: int = 4
    """Steps from one time that this is trained to the next."""
    adversarial_weight: float = 0.0
    """Of the patch discriminator's verdict; 0 trains without one."""
    adversarial_from_step: int = 0
    """Before this step only the discriminator learns, if there is one."""
    judge_widths: tuple[int, ...] = (32, 64, 96, 128)
    """Channels of the discriminator at 1/2, 1/4, 1/8 and 1/16."""
    precision: str = "bf16"
    """Of the forward pass: ``fp32`` or ``bf16``."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RetargetRunOptions:
    """Where a run reads and writes, and how long it takes."""

    cache: Path
    output: Path
    """Folder of the run: ``last/`` and ``best/`` checkpoints, ``log.jsonl``, ``grid_*.png``."""
    minutes: float = math.inf
    save_every_minutes: float = 3.0
    validate_every_minutes: float = 10.0
    log_every_steps: int = 50
    start: dict[str, Tensor] | None = None
    """Weights to begin with, where the run has no checkpoint yet."""


class RetargetTrainer:
    """One run of a recipe."""

    def __init__(self, recipe: RetargetRecipe, options: RetargetRunOptions) -> None:
        self.recipe, self.options = recipe, options
        torch.manual_seed(recipe.seed)
        self.network = CompactImf(recipe.network)
        if options.start is not None:
            self.network.load_state_dict(options.start)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.state = RunState(self.network, recipe)
        self.adversary: Adversary | None = None
        if recipe.adversarial_weight:
            self.adversary = Adversary(recipe.judge_widths, recipe.learning_rate)
        self._shown = torch.empty(0)
        self.best_db = -math.inf

    def run(self) -> None:
        """Train until the time or the steps are used up; goes on from ``last/`` if it is there."""
        self.options.output.mkdir(parents=True, exist_ok=True)
        if (self.options.output / "last" / "facts.json").exists():
            self.resume(self.options.output / "last")
        samples = RetargetSamples(self.options.cache, self.recipe.data)
        state = self.state
        clock = TrainingClock()
        figures: list[Tensor] = []
        while True:
            figures.append(self.train_step(self._batch(samples)))
            state.trained_seconds += clock.tick()
            if state.step % self.options.log_every_steps == 0:
                self._note(figures, clock.seconds_since("noted"))
                figures = []
            done = state.step >= self.recipe.total_steps
            done = done or clock.total_seconds >= 60 * self.options.minutes
            if done or clock.is_due("saved", 60 * self.options.save_every_minutes):
                self.save("last")
            if done or clock.is_due("validated", 60 * self.options.validate_every_minutes):
                self.validate()
            clock.skip()
            if done:
                break

    def train_step(self, batch: RetargetBatch) -> Tensor:
        """Take one step and return (loss, photometric part, flow part), detached."""
        parts = self.loss(batch)
        self.state.learn(parts[0])
        if self.adversary is not None:
            self.adversary.learn(batch.target, self._shown)
        return parts.detach()

    def loss(self, batch: RetargetBatch) -> Tensor:
        """Return the weighted sum of losses, and two of its parts without weight, ``[3]``."""
        recipe = self.recipe
        count = len(batch.reference)
        times = len(batch.target) // count
        half = recipe.precision == "bf16"
        reads_all = self.state.step % recipe.absolute_every == 0
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            pictures = torch.cat([batch.reference, batch.driving]) if reads_all else batch.reference
            read = self.network.tokens(pictures).float()
            anchors = batch.anchor.repeat_interleave(times, 0)
            moved = self.network.moved_tokens(batch.driving, anchors, batch.motion).float()
            own = read[:count].repeat_interleave(times, 0)
            reference = self.network.reference(batch.reference, read[:count])
            decoded = self.network.decode(reference, own + moved)
        decoded = CompactDecoded(
            flow=decoded.flow.float(),
            paint=decoded.paint.float(),
            coarse_flows=[flow.float() for flow in decoded.coarse_flows],
        )
        pictures = batch.reference.repeat_interleave(times, 0)
        found = shown(pictures, decoded, recipe.network.size_px)
        picture = losses.charbonnier(found, batch.target)
        picture = picture + recipe.laplacian_weight * losses.laplacian(found, batch.target)
        if recipe.census_weight:
            picture = picture + recipe.census_weight * losses.census(found, batch.target)
        flow = self._flow_error(decoded, batch.flow)
        self._shown = found.detach()
        total = picture + recipe.flow_weight * flow
        total = total + recipe.token_weight * (read.square().mean() + moved.square().mean())
        if self.adversary is not None and self.state.step >= recipe.adversarial_from_step:
            total = total + recipe.adversarial_weight * self.adversary.loss(found)
        if reads_all:
            # The encoder of single pictures learns from the one that sees motion, not vice versa.
            absolute = (read[count:] - own - moved.detach()).square().mean()
            total = total + recipe.absolute_weight * absolute
        return torch.stack([total, picture, flow])

    def _flow_error(self, decoded: CompactDecoded, truth: Tensor) -> Tensor:
        total = losses.flow_error(decoded.flow, truth)
        for flow in decoded.coarse_flows:
            total = total + 0.3 * losses.flow_error(flow, truth)
        return total

    def _batch(self, samples: RetargetSamples) -> RetargetBatch:
        size = self.recipe.references
        batch = samples.batch(self.state.step * size, size)
        moved = {
            name: plane.contiguous(memory_format=torch.channels_last)
            for name, plane in vars(batch).items()
        }
        return RetargetBatch(**moved)

    def validate(self) -> None:
        """Score the averaged weights on held-out clips, note the figures and keep the best."""
        scores = score_held_out(
            self.averaged(),
            self.options.cache,
            self.options.output / f"grid_{self.state.step:06d}.png",
        )
        log.info("step %d held out: %s", self.state.step, scores)
        self._record({"kind": "held_out", **asdict(scores)})
        if scores.psnr_db > self.best_db:
            self.best_db = scores.psnr_db
            self.save("best")

    def averaged(self) -> CompactImf:
        """Return a network with the averaged weights."""
        network = CompactImf(self.recipe.network)
        network.load_state_dict(self.state.ema)
        return network.eval()

    def save(self, name: str) -> None:
        """Write a checkpoint into the run's folder."""
        facts = {
            "network": self.recipe.network.to_dict(),
            "batch_size": self.recipe.references * self.recipe.data.moments,
            "best_db": None if math.isinf(self.best_db) else self.best_db,
            "device": "cpu",
        }
        tensors = None if self.adversary is None else self.adversary.tensors()
        self.state.save(self.options.output / name, facts, tensors)

    def resume(self, folder: Path) -> None:
        """Take up the state of a checkpoint.

        Raises:
            ModelError: If there is none, or it is damaged.
        """
        tensors, facts = load_checkpoint(folder)
        self.state.take_up(tensors, facts)
        if self.adversary is not None:
            self.adversary.resume(tensors)
        best = facts["best_db"]
        self.best_db = -math.inf if best is None else float(best)
        log.info("going on from step %d of %s", self.state.step, folder)

    def _note(self, figures: list[Tensor], seconds: float) -> None:
        loss, picture, flow = torch.stack(figures).mean(0).tolist()
        rate = len(figures) * self.recipe.references * self.recipe.data.moments / max(seconds, 1e-9)
        log.info(
            "step %d of %d, loss %.4f picture %.4f flow %.3f px, %.1f moments/s, %.1f min",
            self.state.step,
            self.recipe.total_steps,
            loss,
            picture,
            flow,
            rate,
            self.state.trained_seconds / 60,
        )
        self._record(
            {"kind": "train", "loss": loss, "picture": picture, "flow": flow, "rate": rate}
        )

    def _record(self, row: dict[str, object]) -> None:
        minutes = round(self.state.trained_seconds / 60, 2)
        entry = {"step": self.state.step, "minutes": minutes, **row}
        with (self.options.output / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")


__all__ = ["RetargetRecipe", "RetargetRunOptions", "RetargetScores", "RetargetTrainer"]
