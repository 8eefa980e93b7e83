"""Writing one part of a render: pictures in, a complete file or folder of images out.

A part appears under its name only when it is complete. It begins with a keyframe and refers to
nothing outside itself, and the same pictures and settings give the same bytes, so that parts of an
interrupted render fit those made later.
"""

import errno
import os
import subprocess
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Final, Protocol

import av
import ffmpeg as ffmpeg_python
import numpy as np

from imf_plugin.errors import EncoderFailed
from imf_plugin.media._open import file_url
from imf_plugin.media.codecs import EncodeSettings, frame_rate_text
from imf_plugin.media.color import convert_picture, stored_tags
from imf_plugin.media.ffmpeg import Ffmpeg, failure_sentence, locate_ffmpeg
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.media.write_images import ImageWriter

__all__ = ["ImageWriter", "PartWriter", "PictureShape", "Writer", "encode_command"]

_KEPT_LINES: Final = 40
_PART_SUFFIX: Final = ".partial"


@dataclass(frozen=True, kw_only=True)
class PictureShape:
    """What all pictures of an output have in common."""

    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    frame_rate: Fraction
    """The nominal rate, for the encoder's rate control; exact times are given when joining."""
    color: ColorTags
    """Colour tags to store."""
    sample_aspect_ratio: Fraction = Fraction(1)
    """Width over height of a pixel."""

    @classmethod
    def of(cls, source: MediaInfo, frame_rate: Fraction) -> "PictureShape":
        """The shape of a source's pictures at another rate."""
        return cls(
            width=source.width,
            height=source.height,
            frame_rate=frame_rate,
            color=source.color,
            sample_aspect_ratio=source.sample_aspect_ratio,
        )


class Writer(Protocol):
    """What takes the pictures of one part."""

    def write(self, picture: av.VideoFrame) -> None:
        """Add a picture, in any format."""
        ...

    def close(self) -> None:
        """Finish the part, so that it appears under its name."""
        ...

    def abort(self) -> None:
        """Stop and leave nothing behind."""
        ...


class PartWriter:
    """Encodes pictures to a Matroska file through an ffmpeg process.

    Raises:
        EncoderFailed: From any method, if ffmpeg cannot be started or died; with its last lines.
    """

    def __init__(
        self,
        path: Path,
        *,
        shape: PictureShape,
        settings: EncodeSettings,
        ffmpeg: Ffmpeg | None = None,
    ) -> None:
        self._path = path
        self._partial = path.with_name(path.name + _PART_SUFFIX)
        self._shape, self._settings = shape, settings
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = _start(
            encode_command(ffmpeg or locate_ffmpeg(), self._partial, shape, settings)
        )
        self._reader = threading.Thread(
            target=_collect_lines, args=(self._process.stderr, self._lines), daemon=True
        )
        self._reader.start()

    @property
    def process_id(self) -> int:
        """The number of the ffmpeg process."""
        return self._process.pid

    def write(self, picture: av.VideoFrame) -> None:
        """Add a picture; one that has the output's format is stored as it is.

        Raises:
            ValueError: If its size is not that of the part.
        """
        if (picture.width, picture.height) != (self._shape.width, self._shape.height):
            raise ValueError(
                f"pictures of this part are {self._shape.width}x{self._shape.height}, "
                f"got {picture.width = }, {picture.height = }"
            )
        native = convert_picture(picture, self._settings.pixel_format, self._shape.color)
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise ValueError("this part is closed already")
        try:
            for rows in plane_rows(native):
                pipe.write(rows)
        except (BrokenPipeError, OSError) as error:
            self._fail(error)

    def close(self) -> None:
        """Wait until ffmpeg has finished the file and give it its name."""
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            return
        try:
            pipe.close()
        except OSError as error:
            self._fail(error)
        returncode = self._process.wait()
        self._reader.join()
        self._close_stderr()
        if returncode:
            self._partial.unlink(missing_ok=True)
            raise EncoderFailed(self._sentence(returncode))
        os.replace(self._partial, self._path)

    def abort(self) -> None:
        """Kill ffmpeg and remove the unfinished file; does nothing after `close`."""
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            return
        self._end_process(kill=True)
        self._partial.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        # A broken pipe means that ffmpeg is gone; its own words say why.
        died = isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL
        self._end_process(kill=not died)
        self._partial.unlink(missing_ok=True)
        raise EncoderFailed(self._sentence(self._process.returncode)) from error

    def _end_process(self, *, kill: bool) -> None:
        if kill:
            self._process.kill()
        pipe = self._process.stdin
        if pipe is not None:
            # Flushing what was buffered fails again; the pipe is closed all the same.
            with suppress(OSError):
                pipe.close()
        self._process.wait()
        self._reader.join()
        self._close_stderr()

    def _close_stderr(self) -> None:
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _sentence(self, returncode: int | None) -> str:
        return failure_sentence(f"encode {self._path}", list(self._lines), returncode)


def encode_command(
    ffmpeg: Ffmpeg, path: Path, shape: PictureShape, settings: EncodeSettings
) -> list[str]:
    """The command line that encodes raw pictures from stdin to a Matroska file."""
    tags = stored_tags(shape.color, settings.pixel_format)
    source = ffmpeg_python.input(
        "pipe:0",
        format="rawvideo",
        pixel_format=settings.pixel_format,
        video_size=(shape.width, shape.height),
        framerate=frame_rate_text(shape.frame_rate),
    )
    options = dict(settings.options)
    aspect = shape.sample_aspect_ratio.limit_denominator(65535)
    # Tagging the pictures themselves keeps every ffmpeg from converting them to fit the tags.
    filters = [_setparams(tags), f"setsar={aspect.numerator}/{aspect.denominator}"]
    filters += [options.pop("vf")] if "vf" in options else []
    options = {**_tag_options(tags), **options}
    output = ffmpeg_python.output(
        source,
        file_url(path),
        format="matroska",
        vcodec=settings.encoder,
        vf=",".join(filters),
        # No version strings and random identifiers: equal input gives equal parts.
        fflags="+bitexact",
        **{"flags:v": "+bitexact"},
        **({} if "hwupload" in filters[-1] else {"pix_fmt": settings.pixel_format}),
        **options,
    )
    output = output.global_args("-hide_banner", "-nostats", "-loglevel", "error", "-y")
    command: list[str] = ffmpeg_python.compile(output, cmd=ffmpeg.path)
    return command


def plane_rows(picture: av.VideoFrame) -> list[bytes | memoryview]:
    """The bytes of a picture, plane after plane, without the padding at the ends of rows."""
    parts: list[bytes | memoryview] = []
    for number, plane in enumerate(picture.planes):
        row_bytes = _row_bytes(picture, number)
        if plane.line_size == row_bytes:
            parts.append(memoryview(plane)[: row_bytes * plane.height])
        else:
            rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
            parts.append(rows[: plane.height, :row_bytes].tobytes())
    return parts


def _row_bytes(picture: av.VideoFrame, plane: int) -> int:
    format_ = picture.format
    if len(picture.planes) == 1:
        return -(-format_.padded_bits_per_pixel * picture.width // 8)
    return sum(
        part.width * -(-part.bits // 8) for part in format_.components if part.plane == plane
    )


def _setparams(tags: ColorTags) -> str:
    return (
        f"setparams=colorspace={tags.matrix or 'unknown'}"
        f":color_primaries={tags.primaries or 'unknown'}"
        f":color_trc={tags.transfer or 'unknown'}:range={tags.range or 'unknown'}"
    )


def _tag_options(tags: ColorTags) -> dict[str, str]:
    named = {
        "colorspace": tags.matrix if tags.matrix != "gbr" else "rgb",
        "color_primaries": tags.primaries,
        "color_trc": tags.transfer,
        "color_range": tags.range,
    }
    return {name: value for name, value in named.items() if value is not None}


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl+C in the terminal is for us, who then stop ffmpeg in order.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise EncoderFailed(
            f"ffmpeg at {command[0]} cannot be started ({error.strerror}): install it anew"
        ) from error


def _collect_lines(pipe: IO[bytes] | None, lines: deque[str]) -> None:
    if pipe is None:
        return
    for line in pipe:
        text = line.decode(errors="replace").rstrip()
        if text:
            lines.append(text)
