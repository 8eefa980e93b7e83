"""Where a retargeting's parts come from: pictures, masks, anchors and tokens, from files."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from imf_plugin.engine.crops import resize
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.retargeting import Retargeting, likeness
from imf_plugin.errors import PlanError
from imf_plugin.media.read import Reader, open_media
from imf_plugin.media.sequences import is_image, read_image
from imf_plugin.models.retargeting import AdaptingRetargeter, Retargeter
from imf_plugin.motion.tracks import TokenTrack, TrackHeader

type Anchor = int | Literal["best"]

LARGEST_REFERENCE_PIXELS = 64_000_000
_ANCHOR_CANDIDATES = 48
_LEAST_WHITE = 0.02
LEARNED_FRAMES = 40
"""Frames, spread over a video, that a model adapts itself to."""
_LEARNED_SIDE_PX = 512
_MOST_THREADS = 4
_JPEG_SIDE_PX = 192
_JPEG_QUALITY = 80


def read_reference(path: Path, frame: int = 0) -> Tensor:
    """Read the picture that shall move, ``[3, H, W]``: an image, or a frame of a video.

    Raises:
        UnreadableMedia: If it cannot be read.
        PlanError: If the video has no such frame, or the picture is too large.
    """
    if is_image(path):
        pixels = read_image(path)
    else:
        with open_media(path) as reader:
            check_frame(path, reader, frame, "--reference-frame")
            pixels = reader.frame(frame).rgb()
    height, width = pixels.shape[:2]
    if height * width > LARGEST_REFERENCE_PIXELS:
        raise PlanError(
            f"{path} is {width}x{height}; give a reference of at most "
            f"{LARGEST_REFERENCE_PIXELS // 1_000_000} million pixels"
        )
    return to_tensor(pixels, "cpu")[:3]


def read_mask(path: Path, reference: Tensor) -> Tensor:
    """Read where the picture may change, ``[H, W]`` in 0..1: white may, black stays.

    Raises:
        UnreadableMedia: If it cannot be read.
        PlanError: If its size is not the reference's, or nothing in it is white.
    """
    mask = to_tensor(read_image(path), "cpu")[:3].mean(0)
    if mask.shape != reference.shape[1:]:
        raise PlanError(
            f"the mask {path} is {mask.shape[1]}x{mask.shape[0]} and the reference is "
            f"{reference.shape[2]}x{reference.shape[1]}; give a mask of the reference's size"
        )
    if float(mask.max()) < _LEAST_WHITE:
        raise PlanError(
            f"the mask {path} is black everywhere, so nothing may move; paint white what may"
        )
    return mask


def check_frame(path: Path, reader: Reader, frame: int, option: str) -> None:
    """Check that a video has a frame.

    Raises:
        PlanError: If it has not.
    """
    count = reader.info.frame_count
    if not 0 <= frame < count:
        raise PlanError(
            f"{path} has frames 0 to {count - 1}, so {option} {frame} is impossible; "
            "give one of those"
        )


def check_moving(path: Path, reader: Reader) -> None:
    """Check that a driving has more than one frame.

    Raises:
        PlanError: If it has not.
    """
    if reader.info.frame_count < 2:
        raise PlanError(
            f"{path} is a single picture, so it has no motion to give; the picture that shall move "
            "comes first, the driving video second"
        )


def choose_anchor(
    reader: Reader,
    reference: Tensor,
    anchor: Anchor,
    meter: ProgressMeter,
    cancel: CancelToken | None = None,
) -> tuple[int, Tensor]:
    """Return the number and picture of the driving frame that stands as the reference does.

    Args:
        reader: The driving video.
        reference: ``[3, H, W]``.
        anchor: A frame number, or ``best`` to look for the frame most like the reference.
        meter: Is told of every frame looked at.
        cancel: Stops the search.

    Raises:
        PlanError: If there is no such frame.
    """
    if anchor != "best":
        check_frame(reader.info.path, reader, anchor, "--anchor")
        return anchor, frame_tensor(reader, anchor)
    candidates = anchor_candidates(reader.info.frame_count)
    best, best_likeness = 0, -2.0
    for frame in reader.frames():
        if cancel:
            cancel.check()
        meter.advance()
        if frame.index in candidates:
            found = likeness(reference, to_tensor(frame.rgb(), "cpu")[:3])
            if found > best_likeness:
                best, best_likeness = frame.index, found
    return best, frame_tensor(reader, best)


def anchor_candidates(count: int) -> range:
    """Return the numbers of the frames among which the one most like the reference is sought."""
    return range(0, count, max(1, count // _ANCHOR_CANDIDATES))


def adapted_model(
    model: Retargeter,
    reader: Reader,
    anchor: Tensor,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Retargeter:
    """Return the model adapted to a video, if it can learn the ways of one; else the model.

    Args:
        model: The retargeting model.
        reader: The driving video.
        anchor: Its anchor frame, ``[3, h, w]``.
        progress: Called with `Progress` events of the stage ``adapt``.
        cancel: Stops the reading.
    """
    if not isinstance(model, AdaptingRetargeter):
        return model
    count = reader.info.frame_count
    meter = ProgressMeter("adapt", len(_learned_numbers(count)), progress)

    def picture(number: int) -> Tensor:
        if cancel:
            cancel.check()
        frame = frame_tensor(reader, number)
        meter.advance()
        return frame

    return adapted_to(model, count, picture, anchor)


def adapted_to(
    model: Retargeter, count: int, picture: Callable[[int], Tensor], anchor: Tensor
) -> Retargeter:
    """Return the model adapted to a clip, if it can learn the ways of one; else the model.

    Args:
        model: The retargeting model.
        count: Number of the clip's frames.
        picture: Returns a frame by its number, ``[3, h, w]``.
        anchor: The clip's anchor frame, likewise.
    """
    if not isinstance(model, AdaptingRetargeter):
        return model
    frames = [_learned(picture(number)) for number in _learned_numbers(count)]
    return model.adapted(torch.stack(frames), _learned(anchor))


def _learned_numbers(count: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, count - 1, LEARNED_FRAMES).tolist()})


def _learned(frame: Tensor) -> Tensor:
    """Return a frame no larger than `_LEARNED_SIDE_PX`, so that dozens fit into memory."""
    shrink = min(1.0, _LEARNED_SIDE_PX / max(frame.shape[1:]))
    height, width = (max(1, round(side * shrink)) for side in frame.shape[1:])
    return resize(frame, (height, width)) if shrink < 1 else frame


def frame_tensor(reader: Reader, frame: int) -> Tensor:
    """Return a frame as ``[3, H, W]`` in 0..1."""
    return to_tensor(reader.frame(frame).rgb(), "cpu")[:3]


def jpeg_of(picture: Tensor) -> bytes:
    """Return a small JPEG of a picture ``[3, H, W]``, enough to align another picture with it."""
    shrink = min(1.0, _JPEG_SIDE_PX / max(picture.shape[1:]))
    size = tuple(max(8, round(side * shrink)) for side in picture.shape[1:])
    pixels = to_pixels(resize(picture, (size[0], size[1])), deep=False)
    _, encoded = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return encoded.tobytes()


def picture_of(jpeg: bytes) -> Tensor | None:
    """Return the picture ``[3, H, W]`` of a JPEG; None if there is none or it is damaged."""
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if decoded is None:
        return None
    return to_tensor(np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8), "cpu")


class DrivingTokens:
    """Tokens of a driving video, encoded as they are asked for, a few frames ahead.

    Args:
        reader: The driving video.
        retargeting: What encodes; frames do not depend on each other, so threads share it.
        identity: What decides the tokens.
        threads: Frames encoded at the same time; as many as there are cores, up to four, when None.
    """

    def __init__(
        self,
        reader: Reader,
        retargeting: Retargeting,
        identity: str,
        threads: int | None = None,
    ) -> None:
        self._reader = reader
        self._retargeting = retargeting
        self._threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
        self.count = reader.info.frame_count
        self.identity = identity

    def tokens(self, start: int, stop: int) -> Generator[Tensor]:
        """Yield the tokens of the frames ``start`` to ``stop``."""
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="imf-tokens") as pool:
            try:
                for frame in self._reader.frames(start, stop):
                    waiting.append(pool.submit(self._encoded, frame.rgb()))
                    # Decoded frames wait in memory, so only few are read ahead.
                    if len(waiting) > self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _encoded(self, pixels: Pixels) -> Tensor:
        return self._retargeting.tokens(to_tensor(pixels, "cpu")[None, :3])[0]


class TrackTokens:
    """Tokens of a track in memory."""

    def __init__(self, track: TokenTrack) -> None:
        self._track = track
        self.header: TrackHeader = track
        self.count = len(track.tokens)

    @property
    def identity(self) -> str:
        """What decides the tokens: a digest of them."""
        numbers = self._track.tokens.detach().cpu().contiguous().numpy()
        return hashlib.sha256(numbers.tobytes()).hexdigest()

    def tokens(self, start: int, stop: int) -> Iterator[Tensor]:
        """Yield the tokens of the frames ``start`` to ``stop``."""
        yield from torch.unbind(self._track.tokens[start:stop])
