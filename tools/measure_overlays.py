"""Measure what becomes of a logo and a subtitle that stand still over film that moves.

    python tools/measure_overlays.py ../shared/data/dev/clips --models flow,auto --peers --frames 2

Draws both over every frame of each clip, makes every second frame again and prints, as means over
the clips, PSNR within 6 pixels of the lettering and over the whole frame. ``--save FOLDER`` keeps
the pieces round the subtitle, the truth first, to look at.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from imf_plugin.bench.items import Interval, find_items
from imf_plugin.bench.methods import Blending, ModelMethod, PairMethod
from imf_plugin.bench.metrics import psnr
from imf_plugin.bench.rife import Rife, rife_is_installed
from imf_plugin.models.registry import load_interpolator, resolve_name

type Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

SUBTITLE = "Nothing stands as still as text."
LOGO = "IMF 1"
REACH_PX = 6


def lettering(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ink of both, and their dark edge, ``[H, W]`` in 0..1."""
    ink = np.zeros((height, width), np.float32)
    scale, thick = width / 900, max(1, round(width / 500))
    place = round(0.2 * width), round(0.9 * height)
    cv2.putText(ink, SUBTITLE, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1.0, thick, cv2.LINE_AA)
    place = round(0.8 * width), round(0.1 * height)
    cv2.putText(ink, LOGO, place, cv2.FONT_HERSHEY_DUPLEX, scale, 1.0, thick, cv2.LINE_AA)
    edge = cv2.dilate(ink, np.ones((2 * thick + 1, 2 * thick + 1), np.float32))
    return ink[..., None], edge[..., None]


def drawn(picture: Picture, ink: np.ndarray, edge: np.ndarray) -> Picture:
    darkened = picture * (1 - 0.8 * edge)
    return np.rint(darkened + ink * (240 - darkened)).astype(np.uint8)


def overlaid(interval: Interval, ink: np.ndarray, edge: np.ndarray) -> Interval:
    def over(picture: Picture | None) -> Picture | None:
        return None if picture is None else drawn(picture, ink, edge)

    before, after = drawn(interval.before, ink, edge), drawn(interval.after, ink, edge)
    return replace(
        interval,
        before=before,
        after=after,
        truths=tuple(drawn(truth, ink, edge) for truth in interval.truths),
        earlier=over(interval.earlier),
        later=over(interval.later),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--models", default="flow,auto")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--save", type=Path)
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
            height, width = interval.before.shape[:2]
            ink, edge = lettering(height, width)
            shown = overlaid(interval, ink, edge)
            truth = shown.truths[0]
            near = cv2.dilate(edge, np.ones((2 * REACH_PX + 1,) * 2)) > 0
            pieces = [truth]
            for method in methods:
                made = method.make(shown).pictures[0]
                pieces.append(made)
                error = np.square(made[near].astype(np.float64) - truth[near]).mean()
                found[method.info.name].append(
                    [10 * np.log10(255**2 / max(error, 1e-3)), psnr(made, truth)]
                )
            if arguments.save:
                arguments.save.mkdir(parents=True, exist_ok=True)
                rows_of_text = slice(round(0.83 * height), round(0.94 * height))
                columns = slice(round(0.18 * width), round(0.75 * width))
                strip = np.concatenate([piece[rows_of_text, columns] for piece in pieces])
                path = arguments.save / f"{Path(item.name).stem}_{interval.index:04d}.png"
                cv2.imwrite(str(path), strip[..., ::-1])
        for name, figures in found.items():
            rows[name].append(np.mean(figures, axis=0))
    print(f"{'':16} {'lettering':>10} {'whole':>8}")
    for name, means in rows.items():
        near_db, whole_db = np.mean(means, axis=0)
        print(f"{name:16} {near_db:10.2f} {whole_db:8.2f}")


if __name__ == "__main__":
    main()
