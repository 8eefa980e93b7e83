"""How well a retargeting model plays a clip on the clip's own first frame.

The first frame is reference and anchor, the rest drives; so the truth is the clip itself. Every
model is compared with simply showing the reference all the time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from imf_plugin.bench.methods import Stopwatch
from imf_plugin.bench.metrics import Score, mean_score, score
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.read import open_media
from imf_plugin.models.retargeting import Retargeter

COPY = "copy"
"""The method that shows the reference all the time."""

CLIP_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")

_ROW = "{:44} {:10} {:>8} {:>8} {:>8} {:>8}"


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """How one method did on one clip."""

    clip: str
    """Name of the file."""
    method: str
    """Name of the model, or `COPY`."""
    frames: int
    """Frames compared."""
    score: Score
    """Means over the frames."""
    flicker: float
    """Mean absolute error of the change from one frame to the next, in 8-bit steps."""
    encode_seconds: float = 0.0
    """Mean time for the tokens of a frame."""
    render_seconds: float = 0.0
    """Mean time for a picture from its tokens."""
    cpu_seconds: float = 0.0
    """Mean processor time for both, of all threads."""


@dataclass(kw_only=True)
class _Tally:
    scores: list[Score] = field(default_factory=list)
    flickers: list[float] = field(default_factory=list)
    last: tuple[Pixels, Pixels] | None = None
    encode_seconds: float = 0.0
    render_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, made: Pixels, truth: Pixels) -> None:
        self.scores.append(score(made, truth))
        if self.last:
            self.flickers.append(flicker(*self.last, made, truth))
        self.last = made, truth


def flicker(made0: Pixels, truth0: Pixels, made1: Pixels, truth1: Pixels) -> float:
    """Return how wrongly the picture changed from one frame to the next, in 8-bit steps.

    Pictures are ``[H, W, 3]`` uint8. A steady error, such as one of colour, does not count.
    """
    ours = made1.astype(np.int16) - made0.astype(np.int16)
    theirs = truth1.astype(np.int16) - truth0.astype(np.int16)
    return float(np.abs(ours - theirs).mean())


def find_clips(data: Path) -> list[Path]:
    """Return the videos in a folder, at any depth, or the one that is named.

    Raises:
        UnreadableMedia: If there is none.
    """
    if data.is_file():
        return [data]
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in CLIP_SUFFIXES)
    if not found:
        raise UnreadableMedia(f"{data} holds no videos; give a folder of clips, or one clip")
    return found


def bench_clip(
    path: Path,
    models: Sequence[Retargeter],
    *,
    frames: int | None = None,
    stride: int = 1,
    side_px: int | None = None,
    device: str = "cpu",
    cancel_check: Callable[[], None] | None = None,
) -> list[ClipScore]:
    """Score models, and copying, on one clip.

    Args:
        path: The clip.
        models: What to score.
        frames: At most so many frames after the first; all when None.
        stride: Every so many frames one is compared.
        side_px: The largest centred square is cut out and resized to this side, so that models of
            a fixed size are compared alone and not with a frame around them; None keeps clips
            as they are.
        device: Where the models run, for the clock.
        cancel_check: Called before each frame; may raise.
    """
    pictures = _pictures(path, frames, stride, side_px)
    first = next(pictures)
    reference = _tensor(first)
    workers = [
        (model.descriptor.name, Retargeting(model, reference, reference)) for model in models
    ]
    tallies = {name: _Tally() for name in (COPY, *(name for name, _ in workers))}
    for truth in pictures:
        if cancel_check:
            cancel_check()
        tallies[COPY].add(first, truth)
        for name, worker in workers:
            watch = Stopwatch(device)
            tokens = worker.tokens(_tensor(truth)[None])
            encoding = watch.stop(())
            watch = Stopwatch(device)
            made = worker.render(tokens)[0]
            rendering = watch.stop(())
            tallies[name].encode_seconds += encoding.seconds
            tallies[name].render_seconds += rendering.seconds
            tallies[name].cpu_seconds += encoding.cpu_seconds + rendering.cpu_seconds
            tallies[name].add(to_pixels(made, deep=False), truth)
    return [_clip_score(path, name, tally) for name, tally in tallies.items() if tally.scores]


def format_scores(scores: Sequence[ClipScore]) -> str:
    """Return a table of clip scores and their means, by method."""
    lines = [_ROW.format("clip", "method", "frames", "PSNR dB", "SSIM", "flicker")]
    lines += [_line(one.clip, one.method, one.frames, one.score, one.flicker) for one in scores]
    copies = {one.clip: one.score.psnr_db for one in scores if one.method == COPY}
    for method in dict.fromkeys(one.method for one in scores):
        own = [one for one in scores if one.method == method]
        mean, steadiness = mean_score([one.score for one in own]), np.mean([o.flicker for o in own])
        frames = sum(one.frames for one in own)
        lines.append(_line(f"mean of {len(own)} clips", method, frames, mean, float(steadiness)))
        if method != COPY and copies:
            gains = [one.score.psnr_db - copies[one.clip] for one in own if one.clip in copies]
            lines.append(f"  gain over {COPY}: {np.mean(gains):.2f} dB, least {min(gains):.2f} dB")
            lines.append(_times(own))
    return "\n".join(lines)


def _times(scores: Sequence[ClipScore]) -> str:
    encode, render, cpu = (
        1000 * float(np.mean([getattr(one, f"{what}_seconds") for one in scores]))
        for what in ("encode", "render", "cpu")
    )
    return (
        f"  a frame takes {encode:.1f} ms to encode and {render:.1f} ms to render, "
        f"{cpu:.1f} ms of CPU together"
    )


def _line(clip: str, method: str, frames: int, mean: Score, steadiness: float) -> str:
    figures = f"{mean.psnr_db:.2f}", f"{mean.ssim:.4f}", f"{steadiness:.2f}"
    return _ROW.format(clip[:44], method, frames, *figures)


def _clip_score(path: Path, method: str, tally: _Tally) -> ClipScore:
    return ClipScore(
        clip=path.name,
        method=method,
        frames=len(tally.scores),
        score=mean_score(tally.scores),
        flicker=float(np.mean(tally.flickers)) if tally.flickers else 0.0,
        encode_seconds=tally.encode_seconds / len(tally.scores),
        render_seconds=tally.render_seconds / len(tally.scores),
        cpu_seconds=tally.cpu_seconds / len(tally.scores),
    )


def _pictures(path: Path, frames: int | None, stride: int, side_px: int | None) -> Iterator[Pixels]:
    with open_media(path) as reader:
        count = reader.info.frame_count
        stop = count if frames is None else min(count, frames * stride + 1)
        for frame in reader.frames(0, stop):
            if frame.index % stride:
                continue
            pixels = frame.rgb()[..., :3]
            if pixels.dtype == np.uint16:
                pixels = (pixels >> 8).astype(np.uint8)
            yield pixels if side_px is None else _square(pixels, side_px)


def _square(pixels: Pixels, side_px: int) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    part = np.ascontiguousarray(pixels[top : top + side, left : left + side], np.uint8)
    how = cv2.INTER_AREA if side_px < side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (side_px, side_px), interpolation=how), np.uint8)


def _tensor(pixels: Pixels) -> Tensor:
    return to_tensor(pixels, "cpu")
