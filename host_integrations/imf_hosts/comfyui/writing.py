"""Encoding frames and sound while they are made, with what ComfyUI itself uses for it."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from torch import Tensor

from imf_hosts.comfyui.sound import Piece, layout_of
from imf_plugin.media.color import convert_picture, rgb_to_picture
from imf_plugin.media.info import ColorTags

type Target = str | io.BytesIO

_CRF = "18"
_LOOKAHEAD = "20"
"""Frames that x264 looks ahead, half of what it would: it keeps them all, and more of each."""
_MOST_WAITING = 2
_AUDIO_CHUNK = 1024
_MATRIX_NUMBERS = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "bt2020nc": 9}


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How to write a video."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    rate: Fraction
    """Frames per second."""
    bit_depth: int
    """8 or 10."""
    color: ColorTags
    """Tags that the pictures follow."""
    metadata: dict[str, Any] | None
    """What ComfyUI wants stored beside the pictures."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Sound to go with it."""

    pieces: Iterator[Piece]
    """``[channels, samples]``."""
    rate: int
    """Samples per second."""
    channels: int
    """Number of channels."""


class VideoWriter:
    """Writes a file; encoding runs beside the making of frames.

    Args:
        target: Where to.
        encoding: How.
        sound: What is heard, if anything.
    """

    def __init__(self, target: Target, encoding: Encoding, sound: Sound | None) -> None:
        self._target = target
        self._encoding = encoding
        self._sound = sound
        self._rest = np.zeros((sound.channels if sound else 1, 0), np.float32)
        self._samples = 0
        options = {"movflags": "use_metadata_tags"}
        self._container: Any = av.open(
            target,
            "w",
            format="mp4" if isinstance(target, io.BytesIO) or _is_mp4(target) else None,
            options=options,
        )
        for key, value in (encoding.metadata or {}).items():
            self._container.metadata[key] = json.dumps(value)
        self._video = self._add_video()
        self._audio: Any = None
        if sound:
            self._audio = self._container.add_stream(
                "aac", rate=sound.rate, layout=layout_of(sound.channels)
            )
        self._worker = ThreadPoolExecutor(1, "imf-encode")
        self._waiting: list[Future[None]] = []
        self._count = 0

    def _add_video(self) -> Any:
        about = self._encoding
        stream: Any = self._container.add_stream("libx264", rate=about.rate)
        even = about.width % 2 == 0 and about.height % 2 == 0
        stream.width, stream.height = about.width, about.height
        stream.pix_fmt = ("yuv420p" if even else "yuv444p") + (
            "10le" if about.bit_depth > 8 else ""
        )
        stream.options = {"crf": _CRF, "rc-lookahead": _LOOKAHEAD}
        stream.time_base = 1 / about.rate
        if about.color.matrix in _MATRIX_NUMBERS:
            stream.codec_context.colorspace = _MATRIX_NUMBERS[about.color.matrix]
        return stream

    def write(self, picture: Tensor | av.VideoFrame) -> None:
        """Take the next frame, made ``[3+E, H, W]`` or as it was decoded."""
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(0).result()
        number = self._count
        self._count += 1
        self._waiting.append(self._worker.submit(self._encode, picture, number))

    def close(self) -> None:
        """Finish the file."""
        for waiting in self._waiting:
            waiting.result()
        self._worker.shutdown()
        self._mux(self._video.encode(None))
        self._write_sound(self._count / self._encoding.rate)
        if self._audio:
            self._encode_sound(self._rest)
            self._mux(self._audio.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Stop and remove what was written."""
        self._worker.shutdown(cancel_futures=True)
        self._container.close()
        if isinstance(self._target, str):
            Path(self._target).unlink(missing_ok=True)

    def _encode(self, picture: Tensor | av.VideoFrame, number: int) -> None:
        self._write_sound(number / self._encoding.rate)
        frame = self._frame(picture)
        frame.pts, frame.time_base = number, 1 / self._encoding.rate
        frame.pict_type = 0
        self._mux(self._video.encode(frame))

    def _frame(self, picture: Tensor | av.VideoFrame) -> Any:
        if isinstance(picture, Tensor):
            deep = self._encoding.bit_depth > 8
            pixels = _pixels(picture[:3], 65535 if deep else 255)
            return rgb_to_picture(pixels, self._video.pix_fmt, self._encoding.color)
        # A keyframe shown twice may be the same object twice; its time is set just before it is
        # encoded, in this one thread.
        return convert_picture(picture, self._video.pix_fmt, self._encoding.color)

    def _write_sound(self, until: Fraction) -> None:
        """Write the sound up to a moment, so that the file can be played while it is read."""
        if self._sound is None:
            return
        while self._samples < until * self._sound.rate:
            piece = next(self._sound.pieces, None)
            if piece is None:
                return
            self._samples += piece.shape[1]
            self._rest = np.concatenate([self._rest, piece], axis=1)
            whole = self._rest.shape[1] // _AUDIO_CHUNK * _AUDIO_CHUNK
            self._encode_sound(self._rest[:, :whole])
            self._rest = self._rest[:, whole:]

    def _encode_sound(self, samples: Piece) -> None:
        assert self._sound is not None
        if not samples.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), "fltp", layout_of(self._sound.channels)
        )
        frame.sample_rate = self._sound.rate
        frame.pts, frame.time_base = self._sound_pts, Fraction(1, self._sound.rate)
        self._sound_pts += samples.shape[1]
        self._mux(self._audio.encode(frame))

    _sound_pts = 0

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)


def write_video(
    target: Target,
    encoding: Encoding,
    sound: Sound | None,
    frames: Callable[[], Iterator[Tensor | av.VideoFrame]],
) -> None:
    """Write a whole video; a failure or interruption leaves no file behind."""
    writer = VideoWriter(target, encoding, sound)
    try:
        for frame in frames():
            writer.write(frame)
        writer.close()
    except BaseException:
        writer.abandon()
        raise


def _is_mp4(target: str) -> bool:
    return target.lower().endswith(".mp4")


def _pixels(picture: Tensor, highest: int) -> Any:
    # Plane by plane, and by NumPy: PyTorch would start threads of its own for this one.
    planes = picture.float().cpu().numpy()
    kind = np.uint8 if highest == 255 else np.uint16
    pixels = np.empty((*planes.shape[1:], len(planes)), kind)
    for number, plane in enumerate(planes):
        pixels[..., number] = np.rint(np.clip(plane, 0, 1) * np.float32(highest))
    return pixels
