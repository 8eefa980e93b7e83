"""What a benchmark found: plain data, its means and ratios, and JSON in and out."""

import errno
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from imf_plugin.bench.machine import Machine
from imf_plugin.bench.methods import MethodInfo
from imf_plugin.bench.metrics import Score, mean_score
from imf_plugin.errors import MediaError, OutputRefused, UnreadableMedia

FORMAT_VERSION: Final = 1

type Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """How one method did on one item."""

    item: str
    group: str
    width: int
    height: int
    method: str
    frames: int
    """New frames that were made and judged."""
    score: Score
    """Means over these frames."""
    seconds_per_frame: float
    """Seconds per new frame, by the clock on the wall."""
    cpu_seconds_per_frame: float
    """Processor seconds per new frame, all threads together; 0 where unknown. Steadier than the
    clock on a busy machine, but it gives no credit for the use of several cores or a GPU."""

    def seconds(self, clock: Clock) -> float:
        """Return the seconds per new frame on one of the two clocks."""
        return self.seconds_per_frame if clock == "wall" else self.cpu_seconds_per_frame


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the benchmark was run."""

    data: str
    frames: int | None
    """Limit of new frames per clip; None for no limit."""
    stride: int
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """Everything that one run measured."""

    date: str
    """When the run began, ISO 8601 with time zone."""
    machine: Machine
    settings: Settings
    methods: tuple[MethodInfo, ...]
    """In the order of the tables: the models first."""
    results: tuple[ItemResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of items, in the order they were measured."""
        return tuple(dict.fromkeys(result.group for result in self.results))

    def of_group(self, group: str, method: str) -> list[ItemResult]:
        """Return the results of a method on a group of items, in order."""
        return [r for r in self.results if r.group == group and r.method == method]

    def mean(self, group: str, method: str) -> Score:
        """Return the mean over the items of a group; each item counts once."""
        return mean_score([result.score for result in self.of_group(group, method)])

    def mean_seconds(self, group: str, method: str, *, clock: Clock = "wall") -> float:
        """Return the mean seconds per new frame over the items of a group."""
        seconds = [result.seconds(clock) for result in self.of_group(group, method)]
        return sum(seconds) / len(seconds)

    def speed_ratio(self, group: str, method: str, other: str, *, clock: Clock = "wall") -> float:
        """Return how many times as long ``other`` takes per new frame as ``method``.

        The geometric mean over the items of the group, so that large pictures do not drown the
        small ones; not a number where the clock could not resolve one of the two.
        """
        pairs = zip(self.of_group(group, method), self.of_group(group, other), strict=True)
        ratios = [(b.seconds(clock), a.seconds(clock)) for a, b in pairs]
        if any(theirs <= 0 or ours <= 0 for theirs, ours in ratios):
            return math.nan
        return math.exp(sum(math.log(theirs / ours) for theirs, ours in ratios) / len(ratios))

    def to_json(self) -> str:
        """Return the report as JSON, means and ratios included."""
        return json.dumps(
            {"imf_bench": FORMAT_VERSION, **asdict(self), "means": self._means()}, indent=2
        )

    def _means(self) -> list[dict[str, Any]]:
        """Return what `from_json` does not need but other readers do."""
        peers = [method.name for method in self.methods if method.kind == "peer"]
        return [
            {
                "group": group,
                "method": method.name,
                **asdict(self.mean(group, method.name)),
                "seconds_per_frame": self.mean_seconds(group, method.name),
                "cpu_seconds_per_frame": self.mean_seconds(group, method.name, clock="cpu"),
                "times_as_fast_as": self._ratios(group, method.name, peers, "wall"),
                "times_less_cpu_than": self._ratios(group, method.name, peers, "cpu"),
            }
            for group in self.groups
            for method in self.methods
        ]

    def _ratios(
        self, group: str, method: str, peers: Sequence[str], clock: Clock
    ) -> dict[str, float | None]:
        others = [peer for peer in peers if peer != method]
        ratios = [self.speed_ratio(group, method, peer, clock=clock) for peer in others]
        return {
            peer: ratio if math.isfinite(ratio) else None
            for peer, ratio in zip(others, ratios, strict=True)
        }


def from_json(text: str, source: str = "the report") -> BenchReport:
    """Read a report back.

    Raises:
        UnreadableMedia: If the text is no report of this version.
    """
    try:
        data = json.loads(text)
        if data["imf_bench"] != FORMAT_VERSION:
            raise KeyError("imf_bench")
        return BenchReport(
            date=data["date"],
            machine=Machine(**data["machine"]),
            settings=Settings(**data["settings"]),
            methods=tuple(MethodInfo(**method) for method in data["methods"]),
            results=tuple(
                ItemResult(**{**result, "score": Score(**result["score"])})
                for result in data["results"]
            ),
            notes=tuple(data["notes"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableMedia(
            f"{source} is no benchmark report of version {FORMAT_VERSION}: "
            "write it anew with imf bench --json"
        ) from error


def write_json(report: BenchReport, path: Path) -> None:
    """Write a report to a file.

    Raises:
        OutputRefused: If the file cannot be written.
    """
    try:
        path.write_text(report.to_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error


def check_writable(path: Path) -> None:
    """Check, before hours of measuring, that a file can be written under this name.

    Raises:
        OutputRefused: If its folder is missing or may not be written to, or it is a folder.
    """
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = errno.EISDIR if path.is_dir() else errno.EACCES
        reason = reason if folder.is_dir() else errno.ENOENT
        raise cannot_write(path, OSError(reason, os.strerror(reason)))


def cannot_write(path: Path, error: OSError) -> MediaError:
    """Return the error that says why an output was not written."""
    return OutputRefused(
        f"{path} cannot be written ({error.strerror}): name a place in a folder that exists "
        "and that you may write to"
    )


def order_methods(methods: Sequence[MethodInfo]) -> tuple[MethodInfo, ...]:
    """Return models before peers, otherwise as they come."""
    return tuple(sorted(methods, key=lambda method: method.kind != "model"))
