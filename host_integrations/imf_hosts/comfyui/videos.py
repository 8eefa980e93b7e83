"""A VIDEO whose frames are made while it is saved."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import av
import comfy.model_management as mm
import psutil
import torch
from comfy_api.latest import Input, Types
from torch import Tensor

from imf_hosts.comfyui.batches import bytes_of, check_memory
from imf_hosts.comfyui.running import Watch, clear_errors, make_ready
from imf_hosts.comfyui.sound import bend
from imf_hosts.comfyui.sources import OpenClip, VideoSource
from imf_hosts.comfyui.writing import Encoding, Sound, write_video
from imf_plugin.engine.pictures import find_picture_cuts, make_pictures
from imf_plugin.timeline.plan import OnCut, PlannedFrame, make_frames
from imf_plugin.timeline.timemap import AudioSpan, TimeMap

type AudioMode = Literal["keep", "stretch", "drop"]


@dataclass(frozen=True, kw_only=True)
class CutSearch:
    """Where shots begin, or how to find out."""

    known: tuple[int, ...] = ()
    """Frames that the user named; nothing is searched for then."""
    threshold: float | None = None
    """How far a cut must stand out; None to look for none."""
    on_cut: OnCut = OnCut.HOLD
    """What fills the time before a cut."""


@dataclass(frozen=True, kw_only=True)
class Retiming:
    """How a clip is retimed."""

    moments: TimeMap
    """When each output frame is shown and what it shows, before `speed` is applied."""
    rate: Fraction
    """Frames per second that the result is written at."""
    cuts: CutSearch
    """Where nothing may be made."""
    audio: AudioMode
    """What becomes of the sound."""
    slowdown: Fraction = Fraction(1)
    """How many times longer the result lasts than the moments say."""


class RetimedVideo(Input.Video):
    """Frames between the frames of another video, made when they are wanted.

    Args:
        source: The video.
        patcher: The model.
        retiming: What to make.
        window: First frame and frame after the last one of the part that is meant.
    """

    def __init__(
        self,
        source: VideoSource,
        patcher: Any,
        retiming: Retiming,
        window: tuple[int, int] | None = None,
    ) -> None:
        self._source = source
        self._patcher = patcher
        self._retiming = retiming
        self._window = window or (0, len(retiming.moments.moments))

    @property
    def imf_first_frame(self) -> int:
        """Number of the first frame that is meant; also tells our videos from others."""
        return self._window[0]

    def get_dimensions(self) -> tuple[int, int]:
        """Return width and height."""
        return self._source.info.width, self._source.info.height

    def get_frame_count(self) -> int:
        """Return the number of frames."""
        return self._window[1] - self._window[0]

    def get_frame_rate(self) -> Fraction:
        """Return frames per second."""
        return self._retiming.rate

    def get_duration(self) -> float:
        """Return seconds."""
        return float(self.get_frame_count() / self._retiming.rate)

    def get_bit_depth(self) -> int:
        """Return bits per component."""
        return 10 if self._source.info.bit_depth > 8 else 8

    def get_container_format(self) -> str:
        """Return what it will be saved as."""
        return "mp4"

    def as_trimmed(
        self,
        start_time: float | None = None,
        duration: float | None = None,
        strict_duration: bool = False,
    ) -> "RetimedVideo | None":
        """Return a part of it; None if there is not so much of it."""
        begin = self._window[0] + round((start_time or 0) * self._retiming.rate)
        end = begin + round(duration * self._retiming.rate) if duration else self._window[1]
        if begin >= self._window[1] or (strict_duration and end > self._window[1]):
            return None
        window = (max(begin, self._window[0]), min(end, self._window[1]))
        return RetimedVideo(self._source, self._patcher, self._retiming, window)

    def get_components(self) -> Any:
        """Make all frames, in memory."""
        width, height = self.get_dimensions()
        shape = (self.get_frame_count(), height, width, 3)
        check_memory(shape, 4, psutil.virtual_memory().available)
        with clear_errors(), torch.inference_mode(), self._source.opened() as clip:
            images = torch.empty(shape, device=mm.intermediate_device())
            for number, picture in enumerate(self._made(clip)):
                if not isinstance(picture, Tensor):
                    raise TypeError("a decoded frame where a tensor was asked for")
                images[number] = picture[:3].movedim(0, -1)
            sound = self._sound(clip)
        audio = None
        if sound:
            samples = torch.cat([torch.from_numpy(piece) for piece in sound.pieces], dim=1)
            audio = {"waveform": samples[None], "sample_rate": sound.rate}
        return Types.VideoComponents(images=images, audio=audio, frame_rate=self._retiming.rate)

    def save_to(
        self,
        path: str | io.BytesIO,
        format: Any = None,
        codec: Any = None,
        metadata: dict[str, Any] | None = None,
        bit_depth: int | None = None,
    ) -> None:
        """Make the frames and encode them as they come.

        Raises:
            ValueError: If another container or codec than MP4 with H.264 is asked for.
        """
        for wanted, allowed in ((format, ("auto", "mp4")), (codec, ("auto", "h264"))):
            name = getattr(wanted, "value", wanted)
            if name is not None and name not in allowed:
                raise ValueError(f"a video can be saved as MP4 with H.264, not as {name}")
        width, height = self.get_dimensions()
        encoding = Encoding(
            width=width,
            height=height,
            rate=self._retiming.rate,
            bit_depth=bit_depth or self.get_bit_depth(),
            color=self._source.info.color,
            metadata=metadata,
        )
        with clear_errors(), torch.inference_mode(), self._source.opened() as clip:
            sound = self._sound(clip)
            write_video(path, encoding, sound, lambda: self._made(clip, as_decoded=True))

    def _made(
        self, clip: OpenClip, *, as_decoded: bool = False
    ) -> Iterator[Tensor | av.VideoFrame]:
        """Make the frames in order, with progress; source frames as decoded where wanted."""
        frames = self._frames[self._window[0] : self._window[1]]
        ready = make_ready(self._patcher, clip.info.height, clip.info.width)
        watch = Watch(len(frames))
        made = make_pictures(
            frames,
            lambda index: clip.picture(index).to(ready.device),
            ready.model,
            longest=ready.longest,
        )
        for number, (frame, picture) in enumerate(made):
            shown: Tensor | av.VideoFrame | None = picture
            if shown is None and as_decoded:
                shown = clip.decoded(frame.before)
            if shown is None:
                shown = clip.picture(frame.before)
            watch.step(number + 1, shown.movedim(0, -1) if isinstance(shown, Tensor) else None)
            yield shown

    @cached_property
    def _frames(self) -> tuple[PlannedFrame, ...]:
        cuts = self._retiming.cuts
        found = cuts.known or (self._found_cuts() if cuts.threshold is not None else ())
        return make_frames(
            self._source.info.timing, self._retiming.moments, cuts=found, on_cut=cuts.on_cut
        )

    def _found_cuts(self) -> tuple[int, ...]:
        return find_video_cuts(self._source, self._retiming.cuts.threshold)

    def _sound(self, clip: OpenClip) -> Sound | None:
        if self._retiming.audio == "drop":
            return None
        source = clip.sound()
        if source is None:
            return None
        spans = self._spans()
        return Sound(pieces=bend(source, spans), rate=source.rate, channels=source.channels)

    def _spans(self) -> list[AudioSpan]:
        """Return how the sound follows the part of the video that is meant."""
        retiming = self._retiming
        begin, end = (frame / retiming.rate for frame in self._window)
        if retiming.audio == "keep":
            return [AudioSpan(source_start=begin, source_end=end, output_duration=end - begin)]
        spans, now = [], Fraction(0)
        for span in retiming.moments.audio:
            length = span.output_duration * retiming.slowdown
            first, last = max(begin, now), min(end, now + length)
            if last > first:
                travel = (span.source_end - span.source_start) / length
                spans.append(
                    replace(
                        span,
                        source_start=span.source_start + (first - now) * travel,
                        source_end=span.source_start + (last - now) * travel,
                        output_duration=last - first,
                    )
                )
            now += length
        return spans


def find_video_cuts(source: VideoSource, threshold: float | None) -> tuple[int, ...]:
    """Return the numbers of the frames that begin a new shot."""
    count = len(source.info.timing.frame_times)
    with source.opened() as clip:
        watch = Watch(count)

        def pictures() -> Iterator[Any]:
            for index in range(count):
                watch.step(index + 1)
                frame = clip.decoded(index)
                yield bytes_of(clip.picture(index).movedim(0, -1)) if frame is None else frame

        return find_picture_cuts(pictures(), threshold=threshold)
