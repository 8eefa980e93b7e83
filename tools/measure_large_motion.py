"""Measure interpolation where things move 100 px and more between the keyframes, at 720p.

    python tools/measure_large_motion.py --models flow,auto --peers --scenes 12

Renders random scenes of which a tenth of the area moves that far, makes the frame in the middle,
and prints its PSNR for each model, and for RIFE 4.25 where it is installed, against the truth.
"""

import argparse
from fractions import Fraction

import numpy as np
import torch

from imf_plugin.bench.items import Interval
from imf_plugin.bench.rife import Rife, rife_is_installed
from imf_plugin.engine.pixels import to_tensor
from imf_plugin.models.registry import load_interpolator, resolve_name
from imf_plugin.training.scenes import Scene, random_scene, render, true_flow

SIZE = (1280, 720)
FAR_PX = 100
FAR_SHARE = 0.1


def far_moving_scenes(count: int) -> list[tuple[int, Scene]]:
    found: list[tuple[int, Scene]] = []
    seed = 0
    while len(found) < count:
        scene = random_scene(seed, SIZE, 1.0, acceleration=0.0)
        length = np.hypot(*np.moveaxis(true_flow(scene, 0.0, 1.0), -1, 0))
        if (length >= FAR_PX).mean() >= FAR_SHARE:
            found.append((seed, scene))
        seed += 1
    return found


def psnr(made: np.ndarray, truth: np.ndarray) -> float:
    error = np.mean((made.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="flow")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--scenes", type=int, default=12)
    arguments = parser.parse_args()
    names = list(dict.fromkeys(resolve_name(name) for name in arguments.models.split(",")))
    models = {name: load_interpolator(name) for name in names}
    rife = Rife("cpu") if arguments.peers and rife_is_installed() else None
    columns = [*models, *(["rife-4.25"] if rife else [])]
    print(f"{'scene':>6} " + " ".join(f"{name:>14}" for name in columns))
    rows = []
    for seed, scene in far_moving_scenes(arguments.scenes):
        before, truth, after = (
            np.rint(render(scene, time) * 255).astype(np.uint8) for time in (0.0, 0.5, 1.0)
        )
        pair = [to_tensor(picture, "cpu") for picture in (before, after)]
        row = []
        for model in models.values():
            made = model.interpolate(*pair, [0.5])[0].clamp(0, 1)
            row.append(psnr((made * 255).round().permute(1, 2, 0).numpy(), truth))
        if rife:
            interval = Interval(
                index=0,
                before=before,
                after=after,
                truths=(truth,),
                timesteps=(Fraction(1, 2),),
            )
            row.append(psnr(rife.make(interval).pictures[0], truth))
        rows.append(row)
        print(f"{seed:6} " + " ".join(f"{value:14.2f}" for value in row), flush=True)
    print(f"{'mean':>6} " + " ".join(f"{value:14.2f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
