"""Measure how evenly frames follow one another between two keyframes.

    python tools/measure_flicker.py ../shared/data/dev/clips --models flow,auto --peers

Makes the frames at every sixteenth between two keyframes in the middle of each clip and prints, per
model and as means over the clips: the largest step between neighbouring frames over the median one
(a flash or a jerk), the steps next to the keyframes over the median one (how far what is made
differs from what is real), and the mean second difference over the mean first one (flicker).
"""

import argparse
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from imf_plugin.bench.items import Interval
from imf_plugin.bench.rife import Rife, rife_is_installed
from imf_plugin.engine.pixels import to_pixels, to_tensor
from imf_plugin.media.read import open_media
from imf_plugin.models.registry import load_interpolator, resolve_name

type Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
type Maker = Callable[[Picture, Picture], list[Picture]]

STEPS = 16
TIMESTEPS = tuple(Fraction(step, STEPS) for step in range(1, STEPS))


def maker_of(name: str) -> Maker:
    model = load_interpolator(name)

    def make(before: Picture, after: Picture) -> list[Picture]:
        pair = [to_tensor(picture, "cpu") for picture in (before, after)]
        return [to_pixels(frame, deep=False) for frame in model.interpolate(*pair, TIMESTEPS)]

    return make


def rife_maker() -> Maker:
    rife = Rife("cpu")

    def make(before: Picture, after: Picture) -> list[Picture]:
        interval = Interval(
            index=0, before=before, after=after, truths=(before,) * 15, timesteps=TIMESTEPS
        )
        return list(rife.make(interval).pictures)

    return make


def evenness(frames: list[Picture]) -> tuple[float, float, float]:
    levels = np.stack(frames).astype(np.float32)
    first = np.abs(np.diff(levels, axis=0)).mean((1, 2, 3))
    second = np.abs(np.diff(levels, 2, axis=0)).mean((1, 2, 3))
    usual = float(np.median(first[1:-1]))
    return (
        float(first[1:-1].max()) / usual,
        float(first[[0, -1]].mean()) / usual,
        float(second[1:-1].mean() / first[1:-1].mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--models", default="flow,auto")
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    names = dict.fromkeys(resolve_name(name) for name in arguments.models.split(","))
    makers = {name: maker_of(name) for name in names}
    if arguments.peers and rife_is_installed():
        makers["rife-4.25"] = rife_maker()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in makers}
    for path in sorted(arguments.clips.glob("*.mp4")):
        with open_media(str(path)) as media:
            frames = [frame.rgb() for frame in media.frames()]
        before, after = (frames[len(frames) // 2 + place] for place in (0, 2))
        for name, make in makers.items():
            found[name].append(evenness([before, *make(before, after), after]))
        print(path.name, *(f"{name} {found[name][-1][2]:.3f}" for name in makers), flush=True)
    print(f"{'mean':14} {'largest step':>14} {'next to real':>14} {'flicker':>10}")
    for name, rows in found.items():
        largest, beside, flicker = np.mean(rows, axis=0)
        print(f"{name:14} {largest:14.2f} {beside:14.2f} {flicker:10.3f}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
