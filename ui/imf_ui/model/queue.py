"""The render queue as data: jobs, the states they may go through, and the order."""

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fractions import Fraction

from imf_ui.model.curve import SpeedCurve
from imf_ui.model.document import RetargetSetup
from imf_ui.model.values import VOLATILE


class JobState(StrEnum):
    """What becomes of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DONE = "done"


_NEXT: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.PAUSED}),
    JobState.RUNNING: frozenset(
        {
            JobState.PAUSED,
            JobState.CANCELLING,
            JobState.FAILED,
            JobState.DONE,
            JobState.QUEUED,
            JobState.CANCELLED,
        }
    ),
    JobState.PAUSED: frozenset(
        {JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING, JobState.CANCELLED,
         JobState.FAILED, JobState.DONE}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.FAILED, JobState.DONE}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.DONE: frozenset({JobState.QUEUED}),
}  # fmt: skip

UNFINISHED = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.PAUSED})


@dataclass(frozen=True, kw_only=True)
class RetimeSpec:
    """What is rendered: everything that decides the result of a clip."""

    source: str
    curve: SpeedCurve | None = None
    """The clip's speed; without one ``factor`` says how many times longer it lasts."""
    factor: Fraction | None = None
    rate: Fraction | None = None
    """Output frames per second along the curve; the clip's own when None."""
    first: int | None = None
    """First output frame of the part; None for all."""
    last: int | None = None
    """Last output frame of the part, included."""
    find_cuts: bool = True
    cuts: tuple[int, ...] | None = None
    """Frames that begin a shot, where they are known."""
    on_cut: str = "hold"
    dedup: bool = False


@dataclass(frozen=True, kw_only=True)
class RetargetSpec:
    """What is rendered: the members of `imf.retarget`."""

    reference: str
    driving: str
    reference_frame: int = 0
    model: str = "auto"
    mode: str = "relative"
    anchor: int | None = None
    strength: Fraction = Fraction(1)
    smooth: int = 0
    mask: str = ""
    keep_background: bool = False


def spec_of_retarget(setup: RetargetSetup) -> RetargetSpec:
    """Return what a document's retargeting renders."""
    names = [member.name for member in fields(RetargetSpec)]
    return RetargetSpec(**{name: getattr(setup, name) for name in names})


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """How it is rendered: the members of the engine's options."""

    model: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    codec: str | None = None
    crf: int | None = None
    audio: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One render."""

    id: str
    name: str
    output: str
    retime: RetimeSpec | None = None
    """Exactly one of this and ``retarget``."""
    retarget: RetargetSpec | None = None
    options: JobOptions = JobOptions()
    state: JobState = JobState.QUEUED
    stage: str = ""
    """``analyse``, ``render`` or ``join`` while it runs."""
    done: int = 0
    total: int = 0
    fps: float = field(default=0.0, compare=False, metadata=VOLATILE)
    eta_seconds: float | None = field(default=None, compare=False, metadata=VOLATILE)
    error_code: str = ""
    error_text: str = ""
    error_details: str = ""
    notes: tuple[str, ...] = ()
    """What the engine said on the way."""

    @property
    def source(self) -> str:
        """The input, for a thumbnail and relinking."""
        if self.retime:
            return self.retime.source
        return self.retarget.reference if self.retarget else ""

    @property
    def progress(self) -> float:
        """Share that is done, 0..1."""
        return self.done / self.total if self.total else float(self.state is JobState.DONE)

    def to(self, state: JobState, **changes: object) -> "Job":
        """Return the job in its next state.

        Raises:
            ValueError: If it cannot get there from here.
        """
        if state is not self.state and state not in _NEXT[self.state]:
            raise ValueError(f"a job cannot go from {self.state} to {state}")
        return replace(self, state=state, **changes)  # type: ignore[arg-type]


def moved[T](items: tuple[T, ...], index: int, to: int) -> tuple[T, ...]:
    """Return the items with one at another place."""
    rest = [*items[:index], *items[index + 1 :]]
    rest.insert(min(max(to, 0), len(rest)), items[index])
    return tuple(rest)
