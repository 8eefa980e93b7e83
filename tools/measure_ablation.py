"""Measure what each part of `imf-vfi-lite` contributes, by taking it away from the trained network.

    python tools/measure_ablation.py ../shared/data/dev/clips --frames 2

Every second frame of each clip is left out and some of those are made again, spread over the clip.
Nothing is trained again without the part, so a row says what the network as it ships loses, which
is more than a network would lose that never had it.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imf_plugin.engine.pixels import to_tensor
from imf_plugin.media.read import open_media
from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.flow.context import Around
from imf_plugin.models.imf_vfi.interpolator import ImfVfiInterpolator
from imf_plugin.models.imf_vfi.loading import load
from imf_plugin.models.imf_vfi.recogniser import Opinions
from imf_plugin.models.imf_vfi.tokens import Tokens
from imf_plugin.models.registry import load_interpolator


class _Mute(nn.Module):
    """A part whose word is 0."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *given: Any) -> Any:
        found = self.part(*given)
        if isinstance(found, Tokens):
            return replace(
                found, grid=torch.zeros_like(found.grid), whole=torch.zeros_like(found.whole)
            )
        return tuple(torch.zeros_like(one) for one in found)


def without_tokens(model: ImfVfiInterpolator) -> None:
    model.network.token_encoder = _Mute(model.network.token_encoder)  # type: ignore[assignment,arg-type]


def without_implicit(model: ImfVfiInterpolator) -> None:
    model.network.implicit = _Mute(model.network.implicit)  # type: ignore[assignment,arg-type]


def without_corrections(*levels: int) -> Callable[[ImfVfiInterpolator], None]:
    """Levels are counted from the coarsest, 0 to 3."""

    def change(model: ImfVfiInterpolator) -> None:
        for level in levels:
            head: Any = model.network.decoder.levels[level].head
            head.weight.data[:4], head.bias.data[:4] = 0, 0

    return change


def without_choice(model: ImfVfiInterpolator) -> None:
    head: Any = model.network.decoder.levels[-1].head
    head.weight.data[4:], head.bias.data[4:] = 0, 0


def with_opinions(*kept: int) -> Callable[[ImfVfiInterpolator], None]:
    def change(model: ImfVfiInterpolator) -> None:
        every = model._opinions._find

        def some(before: Any, after: Any) -> list[Opinions]:
            chosen = [kept[min(place, len(kept) - 1)] for place in range(3)]
            return [
                replace(item, flows=[item.flows[number] for number in chosen])
                for item in every(before, after)
            ]

        model._opinions._find = some

    return change


def without_recognition(model: ImfVfiInterpolator) -> None:
    model.recogniser = None


def without_carried(model: ImfVfiInterpolator) -> None:
    look = model._look_around
    model._look_around = lambda *given: [  # type: ignore[method-assign]
        Around(bend=item.bend) for item in look(*given)
    ]


def without_standing(model: ImfVfiInterpolator) -> None:
    model._standing = lambda *given: None  # type: ignore[method-assign]


def nothing(model: ImfVfiInterpolator) -> None:
    pass


ROWS: dict[str, Callable[[ImfVfiInterpolator], None]] = {
    "as it ships": nothing,
    "no recognition": without_recognition,
    "no motion carried on from the neighbouring pairs": without_carried,
    "nothing stands still": without_standing,
    "tokens silent": without_tokens,
    "implicit decoder silent": without_implicit,
    "no corrections at stride 2": without_corrections(3),
    "none at strides 2 and 4": without_corrections(2, 3),
    "no corrections of the motion at all": without_corrections(0, 1, 2, 3),
    "no choice among the candidates": without_choice,
    "the first opinion alone": with_opinions(0),
    "the first two opinions": with_opinions(0, 1),
}


def frames_of(path: Path, count: int) -> list[list[Tensor]]:
    """Return ``count`` runs of (earlier, before, truth, after, later)."""
    with open_media(path) as reader:
        frames = [frame.rgb() for frame in reader.frames()]
    middles = [number for number in range(3, len(frames) - 3) if number % 2]
    chosen = np.linspace(0, len(middles) - 1, count).astype(int)
    return [
        [to_tensor(frames[middles[place] + step], "cpu") for step in (-3, -1, 0, 1, 3)]
        for place in dict.fromkeys(chosen)
    ]


def psnr(made: Tensor, truth: Tensor) -> float:
    error = ((made.clamp(0, 1) * 255).round() / 255 - truth).square().mean().item()
    return float(10 * np.log10(1 / max(error, 1e-7)))


def score(model: Any, runs: list[list[Tensor]], *, context: bool) -> float:
    scores = []
    for earlier, before, truth, after, later in runs:
        around = Context(earlier=Neighbour(keyframe=earlier), later=Neighbour(keyframe=later))
        made = model.interpolate(before, after, [0.5], context=around if context else None)
        scores.append(psnr(made[0], truth))
    return float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--frames", type=int, default=2)
    arguments = parser.parse_args()
    clips = [frames_of(path, arguments.frames) for path in sorted(arguments.clips.glob("*.mp4"))]

    def row(name: str, model: Any, *, context: bool = True) -> None:
        mean = np.mean([score(model, runs, context=context) for runs in clips])
        print(f"{name:40} {mean:8.3f}", flush=True)

    row("flow, 2 keyframes", load_interpolator("flow"), context=False)
    row("flow, 4 keyframes", load_interpolator("flow"))
    row("2 keyframes", load("imf-vfi-lite", "cpu", "fp32"), context=False)
    for name, change in ROWS.items():
        model = load("imf-vfi-lite", "cpu", "fp32")
        change(model)
        row(name, model)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
