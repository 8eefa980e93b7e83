"""Three of four frames left out: tokens interpolated in several ways, and pixels by `flow`.

Tokens are played on the first frame, or (``kept frames``) on the kept frames to either side, which
`flow` has too, or (``learned``, for figures) on a figure learned from all kept frames.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.imf.puppet import composed
from imf_plugin.models.imf.puppet_learning import LearningOptions, learned_figure
from imf_plugin.models.imf.puppet_retargeter import PuppetRetargeter
from imf_plugin.models.latent_motion.retargeter import LatentMotionRetargeter
from imf_plugin.models.registry import load_interpolator
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.motion.token_curves import tokens_at
from imf_plugin.training.retarget_figures import CONTROLS, Figure, draw_controls
from imf_plugin.training.retarget_reports.figures import SIDE_PX, UNSEEN, as_tensor
from imf_plugin.training.retarget_reports.reenactment import clips_in, squares

STEP = 4
"""One of so many frames is kept."""
LENGTH = 25
FIGURES = 6
LEAST_TRUST = 0.02
"""Of a pixel that a kept frame hides, so that one hidden in both has a colour too."""

type Curve = Callable[[Tensor, int], Tensor]
"""From kept tokens ``[K, D]`` and the step to all tokens ``[(K - 1) * step + 1, D]``."""


def report(model: Retargeter, paths: Sequence[Path]) -> Iterator[str]:
    """Yield the PSNR of left-out frames for each curve and for `flow`: figures, then clips."""
    learns = ["learned"] if isinstance(model, PuppetRetargeter) else []
    names = [
        "all tokens",
        *curves_of(model),
        "kept, true",
        "kept frames",
        *learns,
        "flow of 2",
        "flow of 4",
    ]
    yield f"{'PSNR dB of left-out frames':36s}" + "".join(f"{name:>12s}" for name in names)
    rows = []
    for number in range(FIGURES):
        rows.append(left_out(model, figure_clip(number)))
        yield _line(f"figure {number}", rows[-1])
    yield _line("mean of figures", np.mean(rows, axis=0).tolist())
    rows = []
    for path in clips_in(paths):
        clip = squares(path, 10_000, SIDE_PX)[:LENGTH]
        if len(clip) > STEP:
            rows.append(left_out(model, clip[: (len(clip) - 1) // STEP * STEP + 1]))
            yield _line(path.stem[:35], rows[-1])
    if rows:
        yield _line("mean of clips", np.mean(rows, axis=0).tolist())


def figure_clip(number: int) -> Tensor:
    """Return an unseen figure whose controls swing smoothly, ``[LENGTH, 3, S, S]``."""
    random = np.random.default_rng([13, number])
    figure = Figure(looks=UNSEEN + number, proportions=UNSEEN + number, side_px=SIDE_PX)
    start, end = draw_controls(random, 0.8), draw_controls(random, 0.8)
    phases = random.uniform(0, 0.2, len(CONTROLS))
    pictures = []
    for index in range(LENGTH):
        turn = 2 * np.pi * (index / LENGTH + phases)
        share = (1 - np.cos(turn)) / 2
        pictures.append(as_tensor(figure.picture(start + share * (end - start))))
    return torch.stack(pictures)


def left_out(model: Retargeter, clip: Tensor) -> list[float]:
    """Return the PSNR of the left-out frames, column by column."""
    state = model.encode_reference(clip[0], clip[0])
    every = model.encode_tokens(clip, clip[0])
    missing = [index for index in range(len(clip)) if index % STEP]
    truth = clip[missing]
    scores = [psnr_db(model.render(state, every[missing]), truth)]
    for curve in curves_of(model).values():
        scores.append(psnr_db(model.render(state, curve(every[::STEP], STEP)[missing]), truth))
    kept = clip[::STEP]
    scores.append(psnr_db(between_kept(model, kept, every=clip), truth))
    scores.append(psnr_db(between_kept(model, kept), truth))
    if isinstance(model, PuppetRetargeter):
        scores.append(psnr_db(between_learned(model, kept), truth))
    return [*scores, *(psnr_db(between_pixels(kept, context=c), truth) for c in (False, True))]


def between_kept(model: Retargeter, kept: Tensor, *, every: Tensor | None = None) -> Tensor:
    """Return the left-out frames, played on the kept frames themselves.

    From either kept frame beside them: all kept frames become tokens counted from it, a curve goes
    through these, and the two pictures are mixed by time and, where a model says so, by what was
    seen. The curve is a spline for figures, whose tokens are exact; fields are measured and noisy,
    which a spline passes on, so theirs is `cubic`. With ``every`` frame at hand the tokens are
    those of the left-out frames themselves: the most that any curve could give.
    """
    made = []
    curve = spline if isinstance(model, PuppetRetargeter) else cubic
    for first in range(len(kept) - 1):
        pictures, weights = [], []
        after = torch.arange(1, STEP) / STEP
        for source, weight in ((first, 1 - after), (first + 1, after)):
            state = model.encode_reference(kept[source], kept[source])
            own = model.reference_token(state)
            between = slice(STEP * first + 1, STEP * first + STEP)
            if every is None:
                wanted = curve(model.encode_tokens(kept, kept[source]), STEP)[between]
            else:
                wanted = model.encode_tokens(every[between], kept[source])
            still = model.encode_tokens(kept[source : source + 1], kept[source])[0]
            wanted = own + wanted - still
            if isinstance(model, PuppetRetargeter):
                picture, seen = model.render_trusted(state, wanted)
            else:
                picture = model.render(state, wanted)
                seen = torch.ones_like(picture[:, :1])
            pictures.append(picture)
            weights.append(weight[:, None, None, None] * (seen + LEAST_TRUST))
        total = weights[0] + weights[1]
        made.append((pictures[0] * weights[0] + pictures[1] * weights[1]) / total)
    return torch.cat(made)


def between_learned(model: PuppetRetargeter, kept: Tensor) -> Tensor:
    """Return the left-out frames of a figure that is learned from the kept ones."""
    figure, tokens = learned_figure(model, kept, LearningOptions())
    missing = [index for index in range((len(kept) - 1) * STEP + 1) if index % STEP]
    return composed(figure, spline(tokens, STEP)[missing])[0]


def between_pixels(kept: Tensor, *, context: bool) -> Tensor:
    """Return the left-out frames by `flow`, from two kept frames or from four."""
    flow = load_interpolator("flow")
    made = []
    for first in range(len(kept) - 1):
        before, after = (
            Neighbour(keyframe=kept[n]) if context and 0 <= n < len(kept) else None
            for n in (first - 1, first + 2)
        )
        around = Context(earlier=before, later=after)
        times = [step / STEP for step in range(1, STEP)]
        made.append(flow.interpolate(kept[first], kept[first + 1], times, context=around))
    return torch.cat(made)


def linear(kept: Tensor, step: int) -> Tensor:
    """Return tokens on straight lines between the kept ones."""
    place = torch.arange((len(kept) - 1) * step + 1) / step
    first = place.floor().long().clamp(max=len(kept) - 2)
    share = _column(place - first, kept)
    return kept[first] * (1 - share) + kept[first + 1] * share


def spherical(kept: Tensor, step: int) -> Tensor:
    """Return tokens on arcs around the mean of the kept ones, lengths on lines."""
    if kept.ndim > 2:
        return spherical(kept.flatten(1), step).reshape(-1, *kept.shape[1:])
    centre = kept.mean(0)
    around = kept - centre
    length = around.norm(dim=1, keepdim=True).clamp_min(1e-9)
    unit = around / length
    place = torch.arange((len(kept) - 1) * step + 1) / step
    first = place.floor().long().clamp(max=len(kept) - 2)
    share = (place - first)[:, None]
    angle = (unit[first] * unit[first + 1]).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin().clamp_min(1e-6)
    arc = ((1 - share) * angle).sin() / sine * unit[first]
    arc = arc + (share * angle).sin() / sine * unit[first + 1]
    straight = unit[first] * (1 - share) + unit[first + 1] * share
    direction = torch.where(angle < 1e-3, straight, arc)
    reach = length[first] * (1 - share) + length[first + 1] * share
    found: Tensor = centre + direction * reach
    return found


def cubic(kept: Tensor, step: int) -> Tensor:
    """Return tokens on Catmull-Rom curves through the kept ones."""
    padded = torch.cat([2 * kept[:1] - kept[1:2], kept, 2 * kept[-1:] - kept[-2:-1]])
    place = torch.arange((len(kept) - 1) * step + 1) / step
    first = place.floor().long().clamp(max=len(kept) - 2)
    t = _column(place - first, kept)
    p0, p1, p2, p3 = (padded[first + index] for index in range(4))
    slope1, slope2 = (p2 - p0) / 2, (p3 - p1) / 2
    return (
        p1 * (2 * t**3 - 3 * t**2 + 1)
        + slope1 * (t**3 - 2 * t**2 + t)
        + p2 * (3 * t**2 - 2 * t**3)
        + slope2 * (t**3 - t**2)
    )


def spline(kept: Tensor, step: int) -> Tensor:
    """Return tokens on a cubic spline through all kept ones."""
    return tokens_at(kept, [index / step for index in range((len(kept) - 1) * step + 1)], "spline")


def _column(values: Tensor, tokens: Tensor) -> Tensor:
    """Return one value for each frame, shaped to multiply tokens ``[T, *token_shape]``."""
    return values.reshape(-1, *[1] * (tokens.ndim - 1))


CURVES: dict[str, Curve] = {
    "linear": linear,
    "spherical": spherical,
    "cubic": cubic,
    "spline": spline,
}


def curves_of(model: Retargeter) -> dict[str, Curve]:
    """Return the curves, and a model's own network over time where it has one."""
    if not isinstance(model, LatentMotionRetargeter):
        return CURVES

    def temporal(kept: Tensor, step: int) -> Tensor:
        known = torch.zeros((len(kept) - 1) * step + 1)
        known[::step] = 1
        matrix = torch.zeros(len(known), kept.shape[1])
        matrix[::step] = kept
        return model.fill(matrix, known)

    return {**CURVES, "temporal": temporal}


def psnr_db(found: Tensor, truth: Tensor) -> float:
    """Return the mean over the pictures of the PSNR of 8-bit values."""
    difference = (found.clamp(0, 1) * 255).round() - (truth * 255).round()
    mean_square = difference.square().mean((1, 2, 3)).clamp_min(1e-3)
    return float((10 * torch.log10(255**2 / mean_square)).mean())


def _line(name: str, scores: Sequence[float]) -> str:
    return f"{name:36s}" + "".join(f"{score:12.2f}" for score in scores)
