"""Quality and speed beside the classic filters: ``python -m imf_hosts.vs.measure CLIPS``.

Every second frame of a clip is taken away and made again from its neighbours, by each method in
the same run. PSNR and SSIM are those of 8-bit luma, averaged over the frames of a clip; the time
is that of the whole filter graph per new frame, less that of handing the frames through, the best
of two passes. All methods read the same frames from memory, with their default treatment of cuts.

Needs vapoursynth-bestsource and vapoursynth-mvutensils.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from imf_hosts.vs import interpolate
from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.ffmpeg import locate_ffmpeg, run_ffmpeg
from imf_plugin.models.registry import resolve_name

type Luma = NDArray[np.uint8]
type Method = Callable[[vs.VideoNode], vs.VideoNode]

MINTERPOLATE = "minterpolate=fps=2:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1"
_EXTENSIONS = (".mp4", ".mkv", ".mov", ".avi", ".webm")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a method does on a clip."""

    psnr_db: float
    """Of luma."""
    ssim: float
    """Of luma."""
    frame_ms: float
    """Milliseconds per new frame."""


def blend(kept: vs.VideoNode) -> vs.VideoNode:
    """Double the frames by averaging neighbours."""
    between = vs.core.std.Merge(kept, kept[1:] + kept[-1])
    return vs.core.std.Interleave([kept, between])


def flow_inter(kept: vs.VideoNode) -> vs.VideoNode:
    """Double the frames with mvutensils' FlowInter."""
    levels = vs.core.mvu.Super(kept, blksize=[16, 16], overlap=[8, 8])
    vectors = vs.core.mvu.AnalyseMany(levels, radius=1)
    between = vs.core.mvu.FlowInter(kept, levels, vectors, time=50)
    return vs.core.std.Interleave([kept, between])


def by_model(name: str) -> Method:
    """Return the method that doubles the frames with a model of ours."""
    return lambda kept: interpolate(kept, 2, model=name)


def in_memory(frames: Sequence[vs.VideoFrame], like: vs.VideoNode) -> vs.VideoNode:
    """Return a clip of frames that are held in memory."""
    blank = vs.core.std.BlankClip(like, length=len(frames), keep=True)

    def hand_over(number: int) -> Callable[..., vs.VideoFrame]:
        return lambda n, f: frames[number]

    return blank.std.FrameEval(lambda n: blank.std.ModifyFrame(blank, hand_over(n)))


def measure(
    path: Path, methods: dict[str, Method], most: int, with_minterpolate: bool
) -> dict[str, Figures]:
    """Measure all methods on a clip.

    Args:
        path: The clip.
        methods: What to measure.
        most: New frames at most.
        with_minterpolate: Whether to run ffmpeg's filter as well.
    """
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)
    clip = clip.resize.Bicubic(format=vs.YUV420P8) if clip.format.id != vs.YUV420P8 else clip
    with clip.get_frame(0) as first:
        if first.props.get("_Matrix", 2) == 2:
            clip = clip.std.SetFrameProps(_Matrix=vs.MATRIX_ST170_M)
    count = min((clip.num_frames - 1) // 2, most)
    if count < 1:
        raise UnreadableMedia(f"{path} has fewer than 3 frames, so none can be left out")
    frames = list(clip[: 2 * count + 1].frames(close=False))
    truths = [luma(frame) for frame in frames[1::2]]
    kept = in_memory(frames[::2], clip)
    results = {}
    handed = min(_timed(vs.core.std.Interleave([kept, kept]), count)[1] for _ in range(2))
    for name, method in methods.items():
        passes = [_timed(method(kept), count) for _ in range(2)]
        seconds = min(spent for _, spent in passes)
        results[name] = _figures(passes[0][0], truths, max(seconds - handed, 0.0))
    if with_minterpolate:
        results["minterpolate"] = _minterpolate(kept, truths)
    return results


def luma(frame: vs.VideoFrame) -> Luma:
    """Return a copy of a frame's luma."""
    return np.array(frame[0], np.uint8)


def _timed(doubled: vs.VideoNode, count: int) -> tuple[list[Luma], float]:
    made = []
    began = time.perf_counter()
    for number, frame in enumerate(doubled.frames(close=True)):
        if number % 2 and number < 2 * count:
            made.append(luma(frame))
    return made, time.perf_counter() - began


def _figures(made: list[Luma], truths: list[Luma], seconds: float) -> Figures:
    pairs = list(zip(made, truths, strict=True))
    return Figures(
        psnr_db=float(np.mean([_psnr(*pair) for pair in pairs])),
        ssim=float(np.mean([_ssim(*pair) for pair in pairs])),
        frame_ms=1000 * seconds / len(pairs),
    )


def _psnr(made: Luma, truth: Luma) -> float:
    error = float(np.mean((made.astype(np.float64) - truth) ** 2))
    return min(100.0, 10 * math.log10(255**2 / error)) if error else 100.0


def _ssim(made: Luma, truth: Luma) -> float:
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            made.astype(np.float32),
            truth.astype(np.float32),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
    )


def _minterpolate(kept: vs.VideoNode, truths: list[Luma]) -> Figures:
    """Run ffmpeg's filter over raw frames; the last is given thrice, as it stops early."""
    size = f"{kept.width}x{kept.height}"
    raw = ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", size, "-framerate", "1"]
    ffmpeg = locate_ffmpeg()
    with tempfile.TemporaryDirectory(prefix="imf-measure-") as folder:
        given, made = Path(folder, "kept.yuv"), Path(folder, "made.yuv")
        with given.open("wb") as file:
            for frame in (kept + kept[-1] + kept[-1]).frames(close=True):
                for plane in frame:
                    file.write(np.asarray(plane).tobytes())
        seconds = {}
        for graph in ("fps=2", MINTERPOLATE):
            target = [*raw[:4], str(made)] if graph == MINTERPOLATE else ["-f", "null", "-"]
            began = time.perf_counter()
            run_ffmpeg(ffmpeg, [*raw, "-i", str(given), "-vf", graph, *target], "run minterpolate")
            seconds[graph] = time.perf_counter() - began
        planes = np.fromfile(made, np.uint8)
    step = kept.width * kept.height + 2 * ((kept.width + 1) // 2) * ((kept.height + 1) // 2)
    shown = planes.reshape(-1, step)[:, : kept.width * kept.height]
    pictures = [row.reshape(kept.height, kept.width) for row in shown[1 : 2 * len(truths) : 2]]
    return _figures(pictures, truths, max(seconds[MINTERPOLATE] - seconds["fps=2"], 0.0))


def table(results: dict[str, dict[str, Figures]]) -> str:
    """Return the figures of all clips as a Markdown table, PSNR-Y / SSIM-Y / ms."""
    names = list(next(iter(results.values())))
    rows = [["clip", *names]]
    for clip, figures in results.items():
        rows.append([clip, *(_cell(figures[name]) for name in names)])
    means = []
    for name in names:
        each = [figures[name] for figures in results.values()]
        means.append(
            Figures(
                psnr_db=float(np.mean([one.psnr_db for one in each])),
                ssim=float(np.mean([one.ssim for one in each])),
                frame_ms=float(np.mean([one.frame_ms for one in each])),
            )
        )
    rows.append(["**mean**", *map(_cell, means)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


def _cell(figures: Figures) -> str:
    return f"{figures.psnr_db:.2f} / {figures.ssim:.3f} / {figures.frame_ms:.0f}"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="imf_hosts.vs.measure", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, help="video files, or folders of them")
    parser.add_argument("--models", default="flow,auto", help="names, separated by commas")
    parser.add_argument("--frames", type=int, default=24, help="new frames a clip, at most")
    parser.add_argument("--no-minterpolate", action="store_true", help="leave ffmpeg's filter out")
    args = parser.parse_args()
    vs.core.num_threads = 2
    models = dict.fromkeys(resolve_name(name) for name in args.models.split(","))
    methods: dict[str, Method] = {"blend": blend, "FlowInter": flow_inter}
    methods |= {name: by_model(name) for name in models}
    results = {}
    for path in _files(args.clips):
        results[path.stem] = measure(path, methods, args.frames, not args.no_minterpolate)
        sys.stderr.write(f"{path.stem} done\n")
    sys.stdout.write(table(results) + "\n")
    return 0


def _files(given: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in given:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file.suffix.lower() in _EXTENSIONS]
    return files


if __name__ == "__main__":
    sys.exit(main())
