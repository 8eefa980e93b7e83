"""Measures retargeting on articulated figures, where everything is known; makes pictures of it.

    python tools/measure_retargeting.py [--models transport,imf-figures] [--pictures docs/images]

Two parts. *Between figures*: one figure drives another of different looks and the same build, both
begin in one pose; the truth is the other figure, rendered in the driving's pose. *Left out*: of a
figure's motion three of four frames are left out, their tokens are found on curves between the
ones that stayed, and the pictures are compared with the truth, beside interpolating pixels.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.bench.metrics import psnr
from imf_plugin.engine.pixels import to_pixels, to_tensor
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.models.flow.estimation import estimate_middle
from imf_plugin.models.registry import load_interpolator
from imf_plugin.models.retargeting import PosingRetargeter
from imf_plugin.motion.token_curves import TOKEN_CURVES, tokens_at
from imf_plugin.training.retarget_figures import CONTROLS, Figure, draw_controls
from imf_plugin.training.retarget_models import named_retargeter
from imf_plugin.training.scenes.render import front_layers

SIDE_PX = 256
PAIRS = 6
POSES = 5
LEFT_OUT_FRAMES = 17
KEPT_EVERY = 4
SPREAD = 0.6

type Picture = NDArray[np.uint8]


def main() -> None:
    """Print the measurements, and write the pictures if they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="transport")
    parser.add_argument("--pictures", type=Path, help="write pictures here, and measure nothing")
    args = parser.parse_args()
    models = {name: named_retargeter(name) for name in args.models.split(",")}
    if args.pictures:
        for name, model in models.items():
            _write_sheet(args.pictures / f"retarget-{name}.jpg", model)
        return
    _print_means("between figures: PSNR dB to the truth; joints off by px", _between(models))
    _print_means(f"left out, one of {KEPT_EVERY} kept: PSNR dB to the truth", _left_out(models))


def _between(models: dict[str, Any]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for pair in range(PAIRS):
        random = np.random.default_rng([11, pair])
        driving, other = (
            Figure(looks=2 * pair + k, proportions=pair, side_px=SIDE_PX) for k in (0, 1)
        )
        start = draw_controls(random, SPREAD)
        first, reference = driving.picture(start), other.picture(start)
        pair_of = _tensor(reference), _tensor(first)
        mask = _mask(other, start)
        workers = {name: Retargeting(model, *pair_of) for name, model in models.items()}
        workers |= {
            f"{name} with a mask": Retargeting(model, *pair_of, mask=mask)
            for name, model in models.items()
            if isinstance(model, PosingRetargeter)
        }
        for _ in range(POSES):
            pose = draw_controls(random, SPREAD)
            truth = other.picture(pose)
            joints = other.joints(pose)
            moved = np.linalg.norm(joints - other.joints(start), axis=1)
            found["copying the reference"].append(psnr(reference, truth))
            found["copying the reference, joints"].append(float(moved.mean()))
            for name, worker in workers.items():
                made = _made(worker, driving.picture(pose))
                found[name].append(psnr(made, truth))
                found[f"{name}, joints"].append(_joint_error(truth, made, joints))
    return found


def _mask(figure: Figure, pose: NDArray[np.float64]) -> Tensor:
    """Return where the figure stands, ``[H, W]``."""
    return torch.from_numpy(front_layers(figure.scene(pose, pose), 0.0) > 0).float()


def _left_out(models: dict[str, Any]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    flow = load_interpolator("flow")
    for number in range(PAIRS):
        random = np.random.default_rng([12, number])
        figure = Figure(looks=number, proportions=number, side_px=SIDE_PX)
        swings = [(draw_controls(random, SPREAD), draw_controls(random, SPREAD)) for _ in range(2)]
        pictures = [figure.picture(_swinging(swings, t / 16)) for t in range(LEFT_OUT_FRAMES)]
        kept = list(range(0, LEFT_OUT_FRAMES, KEPT_EVERY))
        lost = [t for t in range(LEFT_OUT_FRAMES) if t not in kept]
        for name, model in models.items():
            worker = Retargeting(model, _tensor(pictures[0]), _tensor(pictures[0]))
            every = torch.cat([worker.tokens(_tensor(p)[None]) for p in pictures])
            sets = {"all tokens": every} | {
                curve: tokens_at(
                    every[kept], [t / KEPT_EVERY for t in range(LEFT_OUT_FRAMES)], curve
                )
                for curve in TOKEN_CURVES
            }
            for what, tokens in sets.items():
                for t in lost:
                    made = to_pixels(worker.render(tokens[t : t + 1])[0], deep=False)
                    found[f"{name}, {what}"].append(psnr(made, pictures[t]))
        for t in lost:
            before = t // KEPT_EVERY * KEPT_EVERY
            pair = _tensor(pictures[before]), _tensor(pictures[before + KEPT_EVERY])
            between = flow.interpolate(*pair, [(t - before) / KEPT_EVERY])[0]
            found["pixels interpolated by flow"].append(
                psnr(to_pixels(between, deep=False), pictures[t])
            )
    return found


def _swinging(swings: list[tuple[Any, Any]], time: float) -> NDArray[np.float64]:
    """Return controls that swing smoothly, once and twice in the whole time."""
    (low, high), (low2, high2) = swings
    once, twice = 0.5 - 0.5 * np.cos(2 * np.pi * time), 0.5 - 0.5 * np.cos(4 * np.pi * time)
    return np.asarray((low + once * (high - low)) / 2 + (low2 + twice * (high2 - low2)) / 2)


def _joint_error(truth: Picture, made: Picture, joints: NDArray[np.float64]) -> float:
    """Return how far the joints of the made picture are from the true ones, by optical flow."""
    greys = [np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (truth, made)]
    flow = estimate_middle(*greys)
    x, y = np.clip(np.rint(joints).astype(int), 0, SIDE_PX - 1).T
    return float(np.hypot(*flow[y, x].T).mean())


def _made(worker: Retargeting, frame: Picture) -> Picture:
    made = to_pixels(worker.render(worker.tokens(_tensor(frame)[None]))[0], deep=False)
    return np.asarray(made, np.uint8)


def _tensor(picture: Picture) -> Tensor:
    return to_tensor(picture, "cpu")


def _print_means(title: str, found: dict[str, list[float]]) -> None:
    print(title)
    for name, values in found.items():
        print(f"  {name:34} {np.mean(values):7.2f}   (worst {_worst(name, values):.2f})")


def _worst(name: str, values: list[float]) -> float:
    return max(values) if name.endswith("joints") else min(values)


def _write_sheet(path: Path, model: Any) -> None:
    """Paint driving poses above; below two references: without a mask, with one, and the truth."""
    random = np.random.default_rng(5)
    start = draw_controls(random, 0.3)
    poses = [start, *(draw_controls(random, SPREAD) for _ in range(4))]
    driving = Figure(looks=0, proportions=0, side_px=SIDE_PX)
    rows = [np.hstack([driving.picture(pose) for pose in poses])]
    for looks in (1, 3):
        other = Figure(looks=looks, proportions=0, side_px=SIDE_PX)
        pair = _tensor(other.picture(start)), _tensor(driving.picture(start))
        masks = (None, _mask(other, start)) if isinstance(model, PosingRetargeter) else (None,)
        for mask in masks:
            worker = Retargeting(model, *pair, mask=mask)
            rows.append(np.hstack([_made(worker, driving.picture(pose)) for pose in poses]))
        rows.append(np.hstack([other.picture(pose) for pose in poses]))
    sheet = np.vstack([np.pad(row, ((0, 6), (0, 0), (0, 0)), constant_values=255) for row in rows])
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"wrote {path}; {len(CONTROLS)} controls differ between the columns")


if __name__ == "__main__":
    main()
