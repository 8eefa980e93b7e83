"""Which frame of an item is shown: the one on which the first method is worst.

All methods are shown on the same frame, so that their pictures can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imf_plugin.bench.items import Interval
from imf_plugin.bench.metrics import Score
from imf_plugin.bench.pictures import comparison, save_picture
from imf_plugin.engine.pixels import Pixels


@dataclass(kw_only=True)
class _Shown:
    place: tuple[int, int]
    """Interval, and place among its new frames."""
    psnr_db: float
    before: Pixels
    truth: Pixels
    made: dict[str, tuple[Pixels, Score]] = field(default_factory=dict)


class Showcase:
    """Keeps the pictures of the shown frame of one item, and no others."""

    def __init__(self) -> None:
        self._first_method = ""
        self._shown: _Shown | None = None

    def offer(
        self, interval: Interval, method: str, pictures: Sequence[Pixels], scores: Sequence[Score]
    ) -> None:
        """Look at what a method made in an interval; the first method to come chooses the frame."""
        self._first_method = self._first_method or method
        if method == self._first_method:
            self._choose(interval, scores)
        shown = self._shown
        if shown and shown.place[0] == interval.index:
            place = shown.place[1]
            shown.made[method] = (pictures[place], scores[place])

    def save(self, folder: Path) -> None:
        """Write a comparison for each method as ``METHOD.png``.

        Raises:
            OutputRefused: If a file cannot be written.
        """
        if self._shown is None:
            return
        for method, (picture, score) in self._shown.made.items():
            page = comparison(
                self._shown.before,
                self._shown.truth,
                picture,
                caption=f"{method} {score.psnr_db:.2f} dB",
            )
            save_picture(page, folder / f"{method}.png")

    def _choose(self, interval: Interval, scores: Sequence[Score]) -> None:
        place = min(range(len(scores)), key=lambda index: scores[index].psnr_db)
        if self._shown is None or scores[place].psnr_db < self._shown.psnr_db:
            self._shown = _Shown(
                place=(interval.index, place),
                psnr_db=scores[place].psnr_db,
                before=interval.before,
                truth=interval.truths[place],
            )
