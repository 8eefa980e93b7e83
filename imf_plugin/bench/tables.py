"""The report as text: tables of every item, then means and ratios."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from imf_plugin.bench.report import BenchReport, ItemResult


@dataclass(frozen=True, kw_only=True)
class _Figure:
    title: str
    field: Literal["psnr_db", "ssim", "interpolation_error", "wall", "cpu"]
    digits: int

    def of(self, result: ItemResult) -> float:
        if self.field == "wall" or self.field == "cpu":
            return result.seconds(self.field)
        return float(getattr(result.score, self.field))


_FIGURES: Final = (
    _Figure(title="PSNR in dB, higher is better", field="psnr_db", digits=2),
    _Figure(title="SSIM, higher is better", field="ssim", digits=4),
    _Figure(
        title="interpolation error in 8-bit steps, lower is better",
        field="interpolation_error",
        digits=2,
    ),
    _Figure(title="seconds per new frame", field="wall", digits=4),
    _Figure(title="CPU seconds per new frame, all threads together", field="cpu", digits=4),
)


def format_report(report: BenchReport, *, items: bool = True) -> str:
    """Return the report as text for a terminal.

    Args:
        report: What was measured.
        items: Whether to list every item, or only means.
    """
    blocks = [_heading(report)]
    if items:
        for group in report.groups:
            blocks += [_item_table(report, group, figure) for figure in _FIGURES]
    blocks += [_mean_table(report, group) for group in report.groups]
    blocks += [f"note: {note}" for note in report.notes]
    return "\n\n".join(blocks) + "\n"


def _heading(report: BenchReport) -> str:
    machine, settings = report.machine, report.settings
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    limit = "all frames" if settings.frames is None else f"at most {settings.frames} new frames"
    lines = [
        f"imf bench {settings.data}, {report.date}",
        f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads, GPU: {machine.gpu}",
        f"{machine.system}; {versions}",
        f"clips: every {_ordinal(settings.stride)} frame kept, {limit} per clip; "
        f"models on {settings.device} in {settings.precision}",
    ]
    lines += [f"  {method.name}: {method.summary}" for method in report.methods]
    return "\n".join(lines)


def _item_table(report: BenchReport, group: str, figure: _Figure) -> str:
    names = [method.name for method in report.methods]
    columns = [report.of_group(group, name) for name in names]
    rows = [["item", "size", "frames", *names]]
    for results in zip(*columns, strict=True):
        first = results[0]
        values = [_number(figure.of(result), figure.digits) for result in results]
        size = f"{first.width}x{first.height}"
        rows.append([first.item, size, str(first.frames), *values])
    means = [sum(map(figure.of, column)) / len(column) for column in columns]
    frames = sum(result.frames for result in columns[0])
    rows.append(["mean", "", str(frames), *(_number(mean, figure.digits) for mean in means)])
    return f"{group}: {figure.title}\n{_table(rows)}"


def _mean_table(report: BenchReport, group: str) -> str:
    peers = [method.name for method in report.methods if method.kind == "peer"]
    heading = ["method", "PSNR", "SSIM", "error", "s/frame", *(f"x {peer}" for peer in peers)]
    rows = [[*heading, "CPU s/frame", *(f"x {peer}" for peer in peers)]]
    for method in report.methods:
        mean = report.mean(group, method.name)
        ratios = [report.speed_ratio(group, method.name, peer) for peer in peers]
        cpu_ratios = [report.speed_ratio(group, method.name, peer, clock="cpu") for peer in peers]
        rows.append(
            [
                method.name,
                _number(mean.psnr_db, 2),
                _number(mean.ssim, 4),
                _number(mean.interpolation_error, 2),
                _number(report.mean_seconds(group, method.name), 4),
                *(_significant(ratio) for ratio in ratios),
                _number(report.mean_seconds(group, method.name, clock="cpu"), 4),
                *(_significant(ratio) for ratio in cpu_ratios),
            ]
        )
    count = len(report.of_group(group, report.methods[0].name))
    title = f"{group}: means of {count} items"
    if peers:
        title += "; x PEER = that peer's seconds per new frame over the method's"
    return f"{title}\n{_table(rows)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _significant(value: float) -> str:
    """Three digits, as ratios range from thousandths to thousands."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _ordinal(number: int) -> str:
    suffix = {2: "2nd", 3: "3rd"}
    return suffix.get(number, f"{number}th")
