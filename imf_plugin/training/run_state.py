"""What a training run is made of besides its data: weights, their average, the optimiser, a step.

Saved and taken up again as a checkpoint, so that a run goes on where it stopped.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imf_plugin.training.checkpoint import load_checkpoint, save_checkpoint


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How fast is learnt, and for how long; most recipes extend it."""

    total_steps: int
    """The learning rate falls along a cosine until this step."""
    learning_rate: float
    final_learning_rate: float
    warmup_steps: int = 100
    """Steps in which the learning rate rises along a line; 0 begins with the whole rate."""
    falls_while_warming: bool = False
    """Whether the line ends on the cosine, not on `learning_rate`."""
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    """Of AdamW: how much of the former means of gradients and of their squares is kept."""
    gradient_norm: float = 1.0
    """Gradients are clipped to this norm."""
    ema_decay: float = 0.998

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step >= self.warmup_steps:
            return self._fallen(step)
        whole = self._fallen(step) if self.falls_while_warming else self.learning_rate
        return whole * (step + 1) / self.warmup_steps

    def _fallen(self, step: int) -> float:
        swing = (1 + math.cos(math.pi * min(1.0, step / self.total_steps))) / 2
        return self.final_learning_rate + swing * (self.learning_rate - self.final_learning_rate)


class RunState:
    """A network in training."""

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        self.network = network
        self.schedule = schedule
        self.ema = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=schedule.learning_rate,
            betas=schedule.betas,
            weight_decay=schedule.weight_decay,
        )
        self.step = 0
        self.trained_seconds = 0.0

    def learn(self, loss: Tensor) -> None:
        """Take one step down a loss ``[]``; one that is not finite is passed over."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.schedule.gradient_norm
        )
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        self._follow()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights, faster at the beginning when the average is young."""
        decay = min(self.schedule.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            self.ema[name].lerp_(value, 1 - decay)

    def save(
        self, folder: Path, facts: dict[str, Any], tensors: dict[str, Tensor] | None = None
    ) -> None:
        """Write a checkpoint, with facts and tensors of one's own."""
        kept = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        kept |= {f"ema.{key}": value for key, value in self.ema.items()}
        kept |= optimiser_tensors(self.optimiser, "adam.")
        own = {
            "step": self.step,
            "trained_seconds": self.trained_seconds,
            "threads": torch.get_num_threads(),
        }
        save_checkpoint(folder, kept | (tensors or {}), own | facts)

    def resume(self, folder: Path) -> dict[str, Any]:
        """Take up a checkpoint and return its facts.

        Raises:
            ModelError: If there is none, or it is damaged.
        """
        tensors, facts = load_checkpoint(folder)
        self.take_up(tensors, facts)
        return facts

    def take_up(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take up what `load_checkpoint` returned, on the network's device."""
        self.network.load_state_dict(below(tensors, "network."))
        self.ema = {
            key: value.to(self.ema[key].device) for key, value in below(tensors, "ema.").items()
        }
        resume_optimiser(self.optimiser, tensors, "adam.")
        self.step = int(facts["step"])
        self.trained_seconds = float(facts["trained_seconds"])


def optimiser_tensors(optimiser: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return what an optimiser remembers of each parameter, named for a checkpoint."""
    return {
        f"{prefix}{index}.{key}": value
        for index, state in optimiser.state_dict()["state"].items()
        for key, value in state.items()
    }


def resume_optimiser(
    optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str
) -> None:
    """Give an optimiser back what `optimiser_tensors` returned."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in below(tensors, prefix).items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})


def below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
