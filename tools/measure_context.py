"""Measure what four keyframes tell that two do not, on rendered scenes whose motion is not even.

    python tools/measure_context.py --models flow,auto --scenes 8

Renders random scenes that speed up, slow down and turn, gives each model the keyframes at times
0 and 1, with and without those at -1 and 2, and prints the PSNR of the frames at 1/4, 1/2 and 3/4
against the truth. The last rows are scenes that move evenly, where context should cost nothing.
"""

import argparse

import numpy as np
import torch
from torch import Tensor

from imf_plugin.engine.pixels import to_tensor
from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.registry import load_interpolator, resolve_name
from imf_plugin.training.scenes import Scene, random_scene, render

SIZE = (480, 270)
TIMESTEPS = (0.25, 0.5, 0.75)
ACCELERATIONS = (1.0, 0.5, 0.0)
STEP = 0.25
"""Time between keyframes, in units of the scene's own: it is 0 to 1 long."""


def picture(scene: Scene, time: float) -> Tensor:
    rendered = render(scene, 0.25 + STEP * time)
    return to_tensor(np.rint(rendered * 255).astype(np.uint8), "cpu")


def psnr(made: Tensor, truth: Tensor) -> float:
    error = ((made.clamp(0, 1) * 255).round() - truth * 255).square().mean().item()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="flow")
    parser.add_argument("--scenes", type=int, default=8)
    arguments = parser.parse_args()
    names = list(dict.fromkeys(resolve_name(name) for name in arguments.models.split(",")))
    models = {name: load_interpolator(name) for name in names}
    columns = [f"{name}@{count}" for name in names for count in (2, 4)]
    print(f"{'acceleration':>12} " + " ".join(f"{name:>16}" for name in columns))
    for acceleration in ACCELERATIONS:
        rows = []
        for seed in range(arguments.scenes):
            scene = random_scene(seed, SIZE, 1.0, acceleration=acceleration)
            earlier, before, after, later = (picture(scene, time) for time in (-1, 0, 1, 2))
            truths = [picture(scene, time) for time in TIMESTEPS]
            context = Context(earlier=Neighbour(keyframe=earlier), later=Neighbour(keyframe=later))
            row = []
            for model in models.values():
                for given in (None, context):
                    made = model.interpolate(before, after, TIMESTEPS, context=given)
                    row.append(np.mean([psnr(*pair) for pair in zip(made, truths, strict=True)]))
            rows.append(row)
        means = np.mean(rows, axis=0)
        print(f"{acceleration:12.2f} " + " ".join(f"{value:16.2f}" for value in means), flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
