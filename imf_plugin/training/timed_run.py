"""A run of training that is boxed in time, noted, saved and taken up again."""

import json
import logging
from abc import ABC, abstractmethod
from pathlib import Path

from imf_plugin.training.clock import TrainingClock
from imf_plugin.training.run_state import RunState

log = logging.getLogger(__name__)


class TimedRun(ABC):
    """One run into a folder; subclasses say what a step is."""

    def __init__(self, state: RunState, output: Path, batch_size: int) -> None:
        self.state, self.output, self.batch_size = state, output, batch_size
        output.mkdir(parents=True, exist_ok=True)
        if (output / "last" / "facts.json").exists():
            state.resume(output / "last")
            log.info("going on from step %d", state.step)

    @abstractmethod
    def train_step(self) -> list[dict[str, float]]:
        """Take one step and return figures of it, of each sample or of all."""

    def run(
        self, minutes: float, *, save_every_minutes: float = 3.0, log_every_steps: int = 50
    ) -> None:
        """Train until the time or the steps are used up."""
        clock = TrainingClock()
        rows: list[dict[str, float]] = []
        while self.state.step < self.state.schedule.total_steps:
            rows += self.train_step()
            self.state.trained_seconds += clock.tick()
            if self.state.step % log_every_steps == 0:
                self._note(rows)
                rows = []
            if clock.is_due("saved", 60 * save_every_minutes):
                self.save()
            clock.skip()
            if clock.total_seconds >= 60 * minutes:
                break
        self.save()

    def save(self) -> None:
        """Write the checkpoint ``last``."""
        facts = {"batch_size": self.batch_size, "device": "cpu"}
        self.state.save(self.output / "last", facts)

    def _note(self, rows: list[dict[str, float]]) -> None:
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        minutes = self.state.trained_seconds / 60
        text = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        log.info("step %d, %.1f min: %s", self.state.step, minutes, text)
        entry = {"step": self.state.step, "minutes": round(minutes, 2), **means}
        with (self.output / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
