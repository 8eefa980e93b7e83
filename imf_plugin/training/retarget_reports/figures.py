"""What tokens know of figures with named controls: linear probes, and limbs carried over."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.retargeting import ReferenceState, Retargeter
from imf_plugin.training.retarget_figures import (
    CONTROL_RANGES,
    CONTROLS,
    ControlValues,
    Figure,
    draw_controls,
)

SIDE_PX = 256
UNSEEN = 900_000
"""Seeds of these figures begin here, far from those of training."""
RIDGE = 1e-3
"""Of the linear probe, in units of the tokens' variance."""


@runtime_checkable
class Displaces(Protocol):
    """A retargeter that can say how it moves the reference."""

    def displacement(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Return where each pixel is fetched from, minus where it is, ``[T, 2, H, W]``."""
        ...


def report(model: Retargeter, figures: int, poses: int) -> Iterator[str]:
    """Yield probe scores within and across unseen figures, then how well limbs are carried over."""
    tokens, controls = [], []
    for number in range(figures):
        figure = Figure(looks=UNSEEN + number, proportions=UNSEEN + number, side_px=SIDE_PX)
        token, control = encoded(model, figure, poses, seed=number)
        tokens.append(token)
        controls.append(control)
    yield f"linear probe from token to control, R2, {figures} unseen figures, {poses} poses each"
    yield "".join(f"{name:>12s}" for name in ("", *CONTROLS, "mean"))
    half = poses * 2 // 3
    within = np.mean(
        [
            probe(token[:half], control[:half], token[half:], control[half:])
            for token, control in zip(tokens, controls, strict=True)
        ],
        axis=0,
    )
    yield _line("same figure", within)
    if figures > 1:
        last = max(1, figures // 3)
        seen = np.concatenate(tokens[:-last]), np.concatenate(controls[:-last])
        other = np.concatenate(tokens[-last:]), np.concatenate(controls[-last:])
        yield _line("new figures", probe(*seen, *other))
    if isinstance(model, Displaces):
        yield from limbs(model, figures, poses // 4)


def encoded(
    model: Retargeter, figure: Figure, poses: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return tokens ``[N, D]`` of random poses and their controls; the anchor is the rest pose."""
    random = np.random.default_rng([11, seed])
    controls = np.stack([draw_controls(random) for _ in range(poses)])
    anchor = as_tensor(figure.picture(rest_pose()))
    rows = [model.encode_tokens(as_tensor(figure.picture(pose))[None], anchor) for pose in controls]
    return torch.cat(rows).flatten(1).double().numpy(), controls


def probe(
    tokens: NDArray[np.float64],
    controls: NDArray[np.float64],
    new_tokens: NDArray[np.float64],
    new_controls: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return R2 of each control on new data, of a ridge regression on the first."""
    middle, spread = tokens.mean(0), tokens.std(0) + 1e-9
    rows = (tokens - middle) / spread
    centre = controls.mean(0)
    matrix = rows.T @ rows + RIDGE * len(rows) * np.eye(rows.shape[1])
    weights = np.linalg.solve(matrix, rows.T @ (controls - centre))
    found = (new_tokens - middle) / spread @ weights + centre
    rest = ((found - new_controls) ** 2).sum(0)
    total = ((new_controls - new_controls.mean(0)) ** 2).sum(0)
    return np.asarray(1 - rest / total)


def limbs(model: Displaces, pairs: int, poses: int) -> Iterator[str]:
    """Yield how far ends of limbs land from the truth when another figure drives."""
    assert isinstance(model, Retargeter)
    misses, still = [], []
    for number in range(pairs):
        seed = UNSEEN + 1000 + number
        driver = Figure(looks=seed + 500_000, proportions=seed, side_px=SIDE_PX)
        driven = Figure(looks=seed, proportions=seed, side_px=SIDE_PX)
        random = np.random.default_rng([12, number])
        start = rest_pose()
        reference = as_tensor(driven.picture(start))
        anchor = as_tensor(driver.picture(start))
        state = model.encode_reference(reference, anchor)
        own = model.reference_token(state)
        first = model.encode_tokens(anchor[None], anchor)
        for _ in range(poses):
            pose = draw_controls(random, 0.7)
            token = model.encode_tokens(as_tensor(driver.picture(pose))[None], anchor)
            flow = model.displacement(state, own + token - first)[0]
            there, here = driven.joints(pose), driven.joints(start)
            place = np.clip(np.rint(there).astype(int), 0, SIDE_PX - 1)
            found = there + flow[:, place[:, 1], place[:, 0]].T.double().numpy()
            misses.append(np.hypot(*(found - here).T))
            still.append(np.hypot(*(there - here).T))
    table, unmoved = np.array(misses), np.array(still)
    yield (
        f"limbs driven by a figure of other looks: ends miss by {table.mean():.2f} px on average, "
        f"{np.median(table):.2f} px in the median, {(table <= 3).mean() * 100:.0f} % within 3 px "
        f"of {SIDE_PX} (unmoved: {unmoved.mean():.2f} px); {len(table)} poses"
    )


def rest_pose() -> ControlValues:
    """Return the middle of every control's range."""
    return np.array([(low + high) / 2 for low, high in CONTROL_RANGES.values()])


def as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """Return ``[3, H, W]`` in 0..1."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def _line(name: str, scores: NDArray[np.float64]) -> str:
    cells = "".join(f"{score:12.3f}" for score in (*scores, scores.mean()))
    return f"{name:>12s}{cells}"
