"""What the command says on the terminal: progress, notes, errors."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

from imf_plugin.engine.progress import Progress

_PLAIN_LINE_SECONDS = 10.0
_LABELS = {
    "analyse": "looking for cuts",
    "render": "rendering",
    "scene": "rendering the scene",
    "compare": "comparing with the truth",
    "train": "training",
    "anchor": "looking for the anchor",
    "adapt": "reading the driving",
    "encode": "encoding tokens",
}


def one_line(text: str) -> str:
    """Return text without anything that would break the line or the terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def print_error(message: str) -> None:
    """Print the one line that every failure ends with."""
    print(f"imf: error: {one_line(message)}", file=sys.stderr)


class ProgressDisplay:
    """Shows progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty()
        self._bar: tqdm[None] | None = None
        self._stage = ""
        self._last_line = 0.0

    def __enter__(self) -> "ProgressDisplay":
        """Return itself, to be used as a progress callback."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal clean."""
        self._close_bar()

    def __call__(self, event: Progress) -> None:
        """Show an event."""
        if event.note:
            self.say(f"note: {event.note}")
        elif self._quiet:
            return
        elif self._is_terminal:
            self._show_bar(event)
        else:
            self._show_line(event)

    def say(self, text: str) -> None:
        """Print a sentence for the user, above the bar."""
        if not self._quiet:
            tqdm.write(f"imf: {one_line(text)}", file=sys.stderr)

    def _show_bar(self, event: Progress) -> None:
        if self._bar is None or event.stage != self._stage:
            self._close_bar()
            self._stage = event.stage
            self._bar = tqdm(
                total=event.total,
                initial=max(0, event.done - 1),
                desc=_LABELS.get(event.stage, event.stage),
                unit="frame",
                file=sys.stderr,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.update(event.done - self._bar.n)

    def _show_line(self, event: Progress) -> None:
        now = time.monotonic()
        due = now - self._last_line >= _PLAIN_LINE_SECONDS
        starts = event.stage != self._stage
        if starts or due:
            self._stage, self._last_line = event.stage, now
            print(f"imf: {one_line(str(event))}", file=sys.stderr, flush=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
