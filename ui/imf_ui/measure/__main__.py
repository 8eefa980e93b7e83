"""Measure the editor: ``python -m imf_ui.measure [NUMBER...] [--write FILE.md]``."""

import argparse
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtWidgets import QApplication

from imf_ui.measure import documents, frames, memory, playing, renders, starting
from imf_ui.measure.bench import Figure

_HEAD = """# The editor, measured

Printed by `python -m imf_ui.measure --write docs/editor-measurements.md`, offscreen, on {machine}.
The load is how many programs wanted these cores meanwhile, the measured one included: above 3 each
had that much less. A limit in brackets is the doubled one for a loaded machine; what keeps only
that one is not called met without a word. Clips are painted by the command itself. Rows that are
measured again on their own (`python -m imf_ui.measure 12 --write ...`) replace the older ones. The
numbers are those of the criteria in the design study of the editor; 20b is none of them.

| criterion | what | limit | measured | met | load |
| --- | --- | --- | --- | --- | --- |
"""


_ROW = re.compile(r"\| \d+b? \|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m imf_ui.measure", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="criteria to measure; all when none is given")
    parser.add_argument(
        "--minutes", type=float, default=1, help="how long criterion 13 scrubs; the study asks 10"
    )
    parser.add_argument("--write", metavar="FILE.md", help="write the table there as well")
    args = parser.parse_args(arguments)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication(["imf-measure"])
    wanted = set(args.numbers)
    found: list[Figure] = []
    parts = (starting.run, playing.run, documents.run, frames.run, renders.run)
    for part in (*parts, lambda numbers: memory.run(numbers, args.minutes)):
        for figure in part(wanted):
            found.append(figure)
            sys.stdout.write(_row(figure) + "\n")
            sys.stdout.flush()
    if args.write:
        page = Path(args.write)
        older = page.read_text(encoding="utf-8") if page.exists() else ""
        page.write_text(_page(found, older), encoding="utf-8")
    app.quit()
    return 0 if all(figure.met for figure in found) else 1


def _row(figure: Figure) -> str:
    met = "yes" if figure.met_undoubled else "the doubled limit only"
    met = met if figure.met else "**no**"
    cells = (figure.number, figure.words, figure.limit, figure.measured, met, f"{figure.load:.1f}")
    return f"| {' | '.join(cells)} |"


def _page(found: list[Figure], older: str) -> str:
    rows = {line.split(" | ")[0][2:]: line for line in older.splitlines() if _ROW.match(line)}
    rows |= {figure.number: _row(figure) for figure in found}
    machine = f"{os.cpu_count()} CPU cores, {platform.system()}, no GPU"
    order = sorted(rows, key=lambda number: (int(number.rstrip("b")), number))
    return _HEAD.format(machine=machine) + "\n".join(rows[number] for number in order) + "\n"


if __name__ == "__main__":
    sys.exit(main())
