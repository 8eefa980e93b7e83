"""Means, ratios, tables and JSON of a report."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from imf_plugin.bench.machine import Machine, describe_machine
from imf_plugin.bench.methods import MethodInfo
from imf_plugin.bench.metrics import Score
from imf_plugin.bench.report import (
    BenchReport,
    ItemResult,
    Settings,
    check_writable,
    from_json,
    write_json,
)
from imf_plugin.bench.tables import format_report
from imf_plugin.errors import OutputRefused, UnreadableMedia


def _result(item: str, group: str, method: str, psnr_db: float, seconds: float) -> ItemResult:
    return ItemResult(
        item=item,
        group=group,
        width=640,
        height=480,
        method=method,
        frames=3,
        score=Score(psnr_db=psnr_db, ssim=0.9, interpolation_error=2.0),
        seconds_per_frame=seconds,
        cpu_seconds_per_frame=2 * seconds if method == "flow" else seconds,
    )


@pytest.fixture
def report() -> BenchReport:
    """Two clips and one triplet, one model and one peer."""
    return BenchReport(
        date="2026-11-21T12:00:00+01:00",
        machine=Machine(
            system="Linux", cpu="A CPU", cores=2, threads=2, gpu="none", versions={"imf": "0.1"}
        ),
        settings=Settings(data="dev", frames=None, stride=2, device="cpu", precision="fp32"),
        methods=(
            MethodInfo(name="flow", kind="model", summary="ours"),
            MethodInfo(name="blend", kind="peer", summary="theirs"),
        ),
        results=(
            _result("clips/a", "clips", "flow", 30.0, 0.1),
            _result("clips/a", "clips", "blend", 20.0, 0.4),
            _result("clips/b", "clips", "flow", 34.0, 0.3),
            _result("clips/b", "clips", "blend", 21.0, 2.7),
            _result("triplets/c", "triplets", "flow", 40.0, 0.2),
            _result("triplets/c", "triplets", "blend", 41.0, 0.0),
        ),
        notes=("something was left out",),
    )


def test_means_count_each_item_of_a_group_once(report: BenchReport) -> None:
    assert report.groups == ("clips", "triplets")
    assert report.mean("clips", "flow").psnr_db == 32.0
    assert report.mean("triplets", "blend").psnr_db == 41.0
    assert report.mean_seconds("clips", "flow") == pytest.approx(0.2)


def test_the_speed_ratio_is_the_geometric_mean_over_items(report: BenchReport) -> None:
    assert report.speed_ratio("clips", "flow", "blend") == pytest.approx(math.sqrt(4 * 9))
    assert report.speed_ratio("clips", "blend", "flow") == pytest.approx(1 / 6)
    assert report.speed_ratio("clips", "flow", "blend", clock="cpu") == pytest.approx(3)
    assert math.isnan(report.speed_ratio("triplets", "flow", "blend"))


def test_a_report_survives_json(report: BenchReport, tmp_path: Path) -> None:
    write_json(report, tmp_path / "bench.json")
    text = (tmp_path / "bench.json").read_text(encoding="utf-8")
    assert from_json(text) == report


def test_json_has_means_and_ratios_and_no_numbers_that_json_lacks(report: BenchReport) -> None:
    def refuse(name: str) -> float:
        raise AssertionError(f"JSON has no {name}")

    data = json.loads(report.to_json(), parse_constant=refuse)
    first = data["means"][0]
    assert (first["group"], first["method"], first["psnr_db"]) == ("clips", "flow", 32.0)
    assert first["times_as_fast_as"]["blend"] == pytest.approx(6.0)
    assert first["times_less_cpu_than"]["blend"] == pytest.approx(3.0)
    triplets = [row for row in data["means"] if row["group"] == "triplets"]
    assert triplets[0]["times_as_fast_as"] == {"blend": None}


def test_other_text_is_refused_by_name(report: BenchReport) -> None:
    newer = report.to_json().replace('"imf_bench": 1', '"imf_bench": 2')
    for text in ("{}", "[]", "no json", newer):
        with pytest.raises(UnreadableMedia, match=r"old\.json is no benchmark report"):
            from_json(text, "old.json")


def test_a_report_that_cannot_be_written_names_the_file(
    report: BenchReport, tmp_path: Path
) -> None:
    check_writable(tmp_path / "bench.json")
    for path in (tmp_path / "nowhere" / "bench.json", tmp_path):
        with pytest.raises(OutputRefused, match=f"{path} cannot be written"):
            write_json(report, path)
        with pytest.raises(OutputRefused, match=f"{path} cannot be written"):
            check_writable(path)


def test_the_text_shows_every_item_the_means_and_the_machine(report: BenchReport) -> None:
    text = format_report(report)
    lines = [line.split() for line in text.splitlines()]
    assert ["clips/a", "640x480", "3", "30.00", "20.00"] in lines
    assert ["mean", "6", "32.00", "20.50"] in lines
    assert ["flow", "32.00", "0.9000", "2.00", "0.2000", "6", "0.4000", "3"] in lines
    assert ["flow", "40.00", "0.9000", "2.00", "0.2000", "-", "0.4000", "-"] in lines
    assert "A CPU, 2 cores" in text
    assert "all frames" in text
    assert text.endswith("note: something was left out\n")
    assert "clips/a" not in format_report(report, items=False)


def test_a_report_without_peers_has_no_ratios(report: BenchReport) -> None:
    alone = replace(
        report,
        methods=report.methods[:1],
        results=tuple(result for result in report.results if result.method == "flow"),
    )
    assert " x " not in format_report(alone)


def test_this_machine_is_described() -> None:
    machine = describe_machine(ffmpeg_version="7.1")
    assert machine.cores >= 1
    assert machine.cpu
    assert machine.versions["ffmpeg"] == "7.1"
    assert "ffmpeg" not in describe_machine().versions
