"""Measure how much fine detail made frames keep, beside how close they are to the truth.

    python tools/measure_sharpness.py ../shared/data/dev/clips --models flow,auto --peers --frames 3

Prints, as means over the clips: PSNR; *detail*, the fine contrast of the made frame over that of
the true one where things move (1 is as sharp, below is softer); *texture*, how far that contrast is
off place by place (what `imf-vfi-sharp` is trained on); and the gradient magnitude similarity
deviation, a measure of visible distortion that nothing here is trained on (GMSD; Xue et al.,
"Gradient Magnitude Similarity Deviation", IEEE TIP 2014; 0 is best).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from imf_plugin.bench.items import Interval, find_items
from imf_plugin.bench.methods import Blending, ModelMethod, PairMethod
from imf_plugin.bench.metrics import psnr
from imf_plugin.bench.rife import Rife, rife_is_installed
from imf_plugin.models.registry import load_interpolator, resolve_name
from imf_plugin.training.losses import texture

type Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

MOVING_LEVEL = 12.0
"""A place moves where the keyframes differ by more, in 8-bit levels."""

GMSD_CONSTANT = 170.0
"""Of the paper, for 8-bit levels."""


def luma(picture: Picture) -> np.ndarray:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def contrast(grey: np.ndarray) -> np.ndarray:
    band = grey - cv2.blur(grey, (3, 3))
    return np.sqrt(cv2.blur(band * band, (9, 9)))


def detail(made: Picture, truth: Picture, interval: Interval) -> float:
    moving = cv2.blur(np.abs(luma(interval.after) - luma(interval.before)), (9, 9)) > MOVING_LEVEL
    if not moving.any():
        moving[:] = True
    return float(contrast(luma(made))[moving].mean() / contrast(luma(truth))[moving].mean())


def texture_error(made: Picture, truth: Picture) -> float:
    planes = [torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (made, truth)]
    return 1000 * float(texture(*planes))


def gmsd(made: Picture, truth: Picture) -> float:
    magnitudes = []
    for picture in (made, truth):
        half = cv2.blur(luma(picture), (2, 2))[::2, ::2]
        kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
        gradients = [cv2.filter2D(half, cv2.CV_32F, k) for k in (kernel, kernel.T)]
        magnitudes.append(np.hypot(*gradients))
    first, second = magnitudes
    similarity = (2 * first * second + GMSD_CONSTANT) / (first**2 + second**2 + GMSD_CONSTANT)
    return float(similarity.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--models", default="flow,auto")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--frames", type=int, default=3)
    arguments = parser.parse_args()
    names = list(dict.fromkeys(resolve_name(name) for name in arguments.models.split(",")))
    methods: list[PairMethod] = [
        ModelMethod(load_interpolator(name), name=name, device="cpu") for name in names
    ]
    if arguments.peers:
        methods += [Rife("cpu")] if rife_is_installed() else []
        methods.append(Blending())
    rows: dict[str, list[np.ndarray]] = {method.info.name: [] for method in methods}
    for item in find_items(arguments.clips, frames=None, stride=2).items:
        chosen = set(np.linspace(1, item.interval_count - 2, arguments.frames).astype(int))
        found: dict[str, list[list[float]]] = {name: [] for name in rows}
        for interval in item.intervals():
            if interval.index not in chosen:
                continue
            truth = interval.truths[0]
            for method in methods:
                made = method.make(interval).pictures[0]
                found[method.info.name].append(
                    [
                        psnr(made, truth),
                        detail(made, truth, interval),
                        texture_error(made, truth),
                        gmsd(made, truth),
                    ]
                )
        for name, figures in found.items():
            rows[name].append(np.mean(figures, axis=0))
    print(f"{'':16} {'PSNR':>8} {'detail':>8} {'texture':>8} {'GMSD':>8}")
    for name, means in rows.items():
        db, sharp, off, deviation = np.mean(means, axis=0)
        print(f"{name:16} {db:8.2f} {sharp:8.3f} {off:8.2f} {deviation:8.4f}")


if __name__ == "__main__":
    main()
