"""The frames of a ComfyUI VIDEO, one at a time instead of all in memory."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl
from torch import Tensor

from imf_hosts.comfyui.batches import check_images, picture_of
from imf_hosts.comfyui.sound import SampleSource, file_source, waveform_source
from imf_plugin.engine.keyframes import KeyframeSource
from imf_plugin.media.info import ColorTags
from imf_plugin.media.read import open_media
from imf_plugin.timeline.timemap import SourceTiming


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """What is known of a clip before its pictures are read."""

    timing: SourceTiming
    """When its frames are shown."""
    rate: Fraction
    """Frames per second, the average where it varies."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    bit_depth: int
    """Bits per component."""
    color: ColorTags
    """How its colours are to be read."""


@dataclass(frozen=True, kw_only=True)
class OpenClip:
    """A clip whose frames can be asked for."""

    info: ClipInfo
    """About it."""
    picture: Callable[[int], Tensor]
    """Returns a frame by its number, ``[3+E, H, W]`` in 0..1 on the CPU."""
    decoded: Callable[[int], av.VideoFrame | None]
    """Returns a frame as it was decoded, where it was."""
    sound: Callable[[], SampleSource | None]
    """Opens the sound."""


class VideoSource:
    """Any VIDEO as a clip that can be opened, again and again.

    Args:
        video: From ComfyUI.

    Raises:
        ValueError: If it has no frames.
    """

    def __init__(self, video: Any) -> None:
        self._images: Any = None
        self._path: str | None = None
        self._temporary: _TemporaryFile | None = None
        self._first = 0
        if isinstance(video, InputImpl.VideoFromFile):
            self._open_file(video)
        elif hasattr(video, "imf_first_frame"):
            # One of ours: its frames are rendered once, to a file, and read from there.
            self._temporary = _TemporaryFile()
            self._path = self._temporary.path
            video.save_to(self._path)
            self.info = self._file_info(0.0, 0.0)
        else:
            self._open_components(video.get_components())

    def _open_file(self, video: Any) -> None:
        source = video.get_stream_source()
        if isinstance(source, io.BytesIO):
            self._temporary = _TemporaryFile()
            self._path = self._temporary.path
            Path(self._path).write_bytes(source.getvalue())
        else:
            self._path = str(source)
        self.info = self._file_info(*_window_of(video))

    def _file_info(self, start: float, length: float) -> ClipInfo:
        assert self._path is not None
        with open_media(self._path) as reader:
            about = reader.info
        times = about.frame_times
        begin, half = Fraction(start), Fraction(1, 2) / about.frame_rate
        end = begin + Fraction(length) if length else about.duration
        chosen = [n for n, time in enumerate(times) if begin - half < time < end - half]
        if not chosen:
            raise ValueError("video: no frame lies within the part of it that was cut out")
        self._first = chosen[0]
        origin, last = times[chosen[0]], chosen[-1]
        following = times[last + 1] if last + 1 < len(times) else about.duration
        return ClipInfo(
            timing=SourceTiming(
                frame_times=tuple(times[n] - origin for n in chosen), duration=following - origin
            ),
            rate=about.frame_rate,
            width=about.width,
            height=about.height,
            bit_depth=about.bit_depth,
            color=about.color,
        )

    def _open_components(self, parts: Any) -> None:
        check_images(parts.images, "video")
        self._images, self._audio = parts.images, parts.audio
        rate = Fraction(parts.frame_rate)
        count, height, width, _ = parts.images.shape
        self.info = ClipInfo(
            timing=SourceTiming(
                frame_times=tuple(n / rate for n in range(count)), duration=count / rate
            ),
            rate=rate,
            width=width,
            height=height,
            bit_depth=8,
            color=ColorTags(),
        )

    @contextmanager
    def opened(self) -> Iterator[OpenClip]:
        """Open the clip for reading."""
        if self._path is None:
            yield OpenClip(
                info=self.info,
                picture=lambda index: picture_of(self._images, index, "cpu")[:3],
                decoded=lambda index: None,
                sound=self._component_sound,
            )
            return
        with open_media(self._path) as reader:
            source = KeyframeSource(reader)
            path, origin = self._path, reader.info.frame_times[self._first]
            try:
                yield OpenClip(
                    info=self.info,
                    picture=lambda index: _tensor(source.get(self._first + index).rgb()),
                    decoded=lambda index: source.get(self._first + index).picture,
                    sound=lambda: file_source(path, reader.info.start_time + origin),
                )
            finally:
                source.close()

    def _component_sound(self) -> SampleSource | None:
        if not self._audio:
            return None
        return waveform_source(self._audio["waveform"], int(self._audio["sample_rate"]))


class _TemporaryFile:
    """A file in ComfyUI's temporary folder that goes when it is no longer needed."""

    def __init__(self) -> None:
        folder = folder_paths.get_temp_directory()
        os.makedirs(folder, exist_ok=True)
        handle, self.path = tempfile.mkstemp(suffix=".mp4", prefix="imf_", dir=folder)
        os.close(handle)

    def __del__(self) -> None:
        Path(self.path).unlink(missing_ok=True)


def _window_of(video: Any) -> tuple[float, float]:
    """Return start and length in seconds of the part of a file that a VIDEO stands for."""
    if hasattr(video, "get_active_trim_window"):
        start, length = video.get_active_trim_window()
        return float(start), float(length)
    return 0.0, 0.0


def _tensor(pixels: Any) -> Tensor:
    """Return ``[H, W, C]`` integers as ``[C, H, W]`` floats in 0..1."""
    highest = np.float32(np.iinfo(pixels.dtype).max)
    planes = np.empty((pixels.shape[2], *pixels.shape[:2]), np.float32)
    for number, plane in enumerate(planes):
        np.divide(pixels[..., number], highest, out=plane, dtype=np.float32)
    return torch.from_numpy(planes)
