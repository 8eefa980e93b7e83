"""The ffmpeg binary: where it is, what it can do, and running it without a shell.

The module of ffmpeg-python is `ffmpeg` too; inside this package it is imported by its full name.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from imf_plugin.errors import EncoderFailed

_TRIAL_SECONDS: Final = 20
_LAST_LINES: Final = 6
_NO_SPACE_SIGNS: Final = ("No space left on device", "not enough space on the disk", "ENOSPC")
_ECHOES: Final = ("Task finished with error", "Terminating thread", "Conversion failed!")
_QUIET: Final = ("-hide_banner", "-nostdin", "-loglevel", "error")


@dataclass(frozen=True, kw_only=True)
class Ffmpeg:
    """An ffmpeg binary."""

    path: str
    """Where it lies."""

    def __str__(self) -> str:
        return self.path

    @property
    def version(self) -> str:
        """The version it prints, such as ``7.1``."""
        words = _output(self.path, "-version").split()
        return words[2] if len(words) > 2 else "unknown"

    @property
    def encoders(self) -> frozenset[str]:
        """The names of the encoders that are built in."""
        return _listed(self.path, "-encoders")

    @property
    def filters(self) -> frozenset[str]:
        """The names of the filters that are built in."""
        return _listed(self.path, "-filters")

    def can_encode(self, encoder: str, arguments: Sequence[str] = ()) -> bool:
        """Whether an encoder really works here: it is listed, and two small frames encode.

        Args:
            encoder: Such as ``h264_nvenc``.
            arguments: Output options that it needs.
        """
        return encoder in self.encoders and _trial_encode(self.path, encoder, tuple(arguments))


def locate_ffmpeg() -> Ffmpeg:
    """Find ffmpeg: the one on PATH, else the one that the imageio-ffmpeg wheel carries.

    Raises:
        EncoderFailed: If there is neither.
    """
    on_path = shutil.which("ffmpeg")
    if on_path:
        return Ffmpeg(path=on_path)
    try:
        import imageio_ffmpeg

        return Ffmpeg(path=imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise EncoderFailed(
            "ffmpeg was not found: install it so that it is on PATH, "
            "or run: pip install imageio-ffmpeg"
        ) from error


def run_ffmpeg(ffmpeg: Ffmpeg, arguments: Sequence[str], purpose: str) -> None:
    """Run ffmpeg to its end.

    Args:
        ffmpeg: Which binary.
        arguments: Everything after the program's name; never parsed by a shell.
        purpose: What for, as in ``write the sound of out.mp4``.

    Raises:
        EncoderFailed: If it cannot be started or fails; with its last lines.
    """
    try:
        done = subprocess.run(
            [ffmpeg.path, *_QUIET, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            check=False,
        )
    except OSError as error:
        raise EncoderFailed(
            f"ffmpeg at {ffmpeg.path} cannot be started ({error.strerror}): install it anew"
        ) from error
    if done.returncode:
        raise EncoderFailed(failure_sentence(purpose, decode_lines(done.stderr), done.returncode))


def decode_lines(output: bytes) -> list[str]:
    """Split what ffmpeg printed into lines without blanks at their ends."""
    return [line.rstrip() for line in output.decode(errors="replace").splitlines() if line.strip()]


def failure_sentence(purpose: str, lines: Sequence[str], returncode: int | None) -> str:
    """Say why ffmpeg failed, from its last lines.

    Args:
        purpose: What it was to do, as in ``encode out.mp4``.
        lines: What it printed.
        returncode: How it ended; negative for a signal.
    """
    if any(sign in line for line in lines for sign in _NO_SPACE_SIGNS):
        return f"the disk is full: ffmpeg could not {purpose}; free some space and run this again"
    how = f"was stopped by signal {-returncode}" if returncode and returncode < 0 else "failed"
    telling = [line for line in lines if not any(echo in line for echo in _ECHOES)] or lines
    said = " | ".join(telling[-_LAST_LINES:]) or "nothing"
    return f"ffmpeg {how} and could not {purpose}; its last lines: {said}"


@lru_cache(maxsize=32)
def _output(path: str, option: str) -> str:
    try:
        done = subprocess.run(
            [path, "-hide_banner", option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise EncoderFailed(
            f"ffmpeg at {path} cannot be started ({error.strerror}): install it anew"
        ) from error
    return done.stdout


@lru_cache(maxsize=32)
def _listed(path: str, option: str) -> frozenset[str]:
    """Names from a table whose lines read ``FLAGS name description``."""
    rows = (line.split(maxsplit=2) for line in _output(path, option).splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[1] != "=")


@lru_cache(maxsize=64)
def _trial_encode(path: str, encoder: str, arguments: tuple[str, ...]) -> bool:
    picture = ("-f", "lavfi", "-i", "color=size=256x256:rate=25:duration=0.2")
    nowhere = ("-f", "null", "-")
    try:
        done = subprocess.run(
            [path, *_QUIET, *picture, "-frames:v", "2", "-c:v", encoder, *arguments, *nowhere],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def ffmpeg_version() -> str:
    """The version of the ffmpeg that `locate_ffmpeg` finds."""
    return locate_ffmpeg().version
