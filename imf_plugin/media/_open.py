"""Opening files with PyAV: safely named, silent, and with errors in plain words."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

from imf_plugin.errors import UnreadableMedia

_MOST_DECODER_THREADS = 8

# The libraries would otherwise write to stderr past every logger; failures come as exceptions.
av.logging.set_level(None)


def file_url(path: Path) -> str:
    """Name a file so that neither dashes, colons nor percent signs in it mean anything."""
    return f"file:{path.absolute()}"


def as_fraction(value: Any) -> Fraction | None:
    """Turn PyAV's rationals (a class of its own since version 15) into a Fraction."""
    if value is None or not value.denominator:
        return None
    return Fraction(int(value.numerator), int(value.denominator))


def open_input(path: Path) -> InputContainer:
    """Open a media file for reading.

    Raises:
        UnreadableMedia: If it is missing, empty or of no known kind.
    """
    check_readable_file(path)
    try:
        return av.open(file_url(path), "r")
    except av.error.PermissionError as error:
        raise UnreadableMedia(f"{path} may not be read: check its permissions") from error
    except (av.error.FFmpegError, UnicodeError) as error:
        raise UnreadableMedia(
            f"{path} is no video that ffmpeg can read: it may be damaged or cut off, "
            "or another kind of file under a video's name"
        ) from error


def check_readable_file(path: Path) -> None:
    """Check that a file exists and holds something.

    Raises:
        UnreadableMedia: If it does not exist, is a folder or has no bytes.
    """
    try:
        size_bytes = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableMedia(f"{path} does not exist: check the spelling of its name") from None
    except OSError as error:
        reason = "its name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
        raise UnreadableMedia(f"{path} cannot be opened: {reason}") from None
    if path.is_file() and size_bytes == 0:
        raise UnreadableMedia(f"{path} is empty (0 bytes): copy or download it again")


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the main video stream.

    Raises:
        UnreadableMedia: If there is none; cover art does not count.
    """
    pictures = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic
    ]
    if not pictures:
        kind = "only sound" if container.streams.audio else "no video"
        raise UnreadableMedia(f"{path} holds {kind}: give a file that has a video stream")
    usable = [stream for stream in pictures if stream.codec_context is not None]
    if not usable:
        raise UnreadableMedia(
            f"{path} holds video in a codec that this ffmpeg cannot decode: "
            "convert it to H.264 or ProRes first"
        )
    stream = max(usable, key=lambda s: s.codec_context.width * s.codec_context.height)
    stream.thread_type = "AUTO"
    # Every thread holds a few whole frames; machines with many cores would fill with them.
    stream.codec_context.thread_count = min(os.cpu_count() or 1, _MOST_DECODER_THREADS)
    return stream


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream for the length of a ``with`` block."""
    with open_input(path) as container:
        yield container, video_stream(container, path)


def alpha_mark(stream: Any) -> dict[str, str]:
    """The mark by which Matroska and WebM say that a VP9 stream has alpha, if it is there."""
    metadata = {key.lower(): value for key, value in dict(stream.metadata).items()}
    return {"alpha_mode": "1"} if metadata.get("alpha_mode") == "1" else {}
