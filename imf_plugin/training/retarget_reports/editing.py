"""Editing tokens by named controls: trains the editor on figures, and says how it disentangles.

An editor sees tokens of one pose and of another of the same figure, and how the controls differ.
It is judged on figures that it has not seen: one control at a time is changed by a quarter of its
range, and a linear probe (fitted on the editor's training figures) reads the controls of the edited
token. *Hit* is how much of the change arrives at the control that was meant, *spill* how much
arrives at the others on average; both in shares of the change that was asked for.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imf_plugin.models.imf.editing import TokenEditor
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.training.retarget_figures import CONTROL_RANGES, CONTROLS, Figure, draw_controls
from imf_plugin.training.retarget_reports.curves import psnr_db
from imf_plugin.training.retarget_reports.figures import RIDGE, UNSEEN, as_tensor, encoded

FIGURES, POSES = 40, 24
UNSEEN_FIGURES = 6
STEPS, BATCH = 1500, 256
CHANGE = 0.25
"""Of a control's range."""
SIDE_PX = 128

type Table = NDArray[np.float64]


def report(model: Retargeter, figures: int = FIGURES, steps: int = STEPS) -> Iterator[str]:
    """Yield what the editor and plain arithmetic on tokens do, control by control."""
    tokens, controls = _tracks(model, range(figures))
    editor = train_editor(tokens, controls, steps)
    weights, middle = _probe(tokens, controls)
    straight = _straight(tokens, controls)
    new_tokens, new_controls = _tracks(model, range(UNSEEN, UNSEEN + UNSEEN_FIGURES))
    flat = new_tokens.flatten(0, 1)
    yield (
        f"editor trained on {figures} figures, {POSES} poses each; judged on {UNSEEN_FIGURES} "
        f"unseen figures, one control changed by {CHANGE:.0%} of its range"
    )
    read = (flat.numpy() - middle) @ weights
    truth = new_controls.flatten(0, 1).numpy()
    rest = ((read + _mean(controls) - truth) ** 2).sum(0)
    scores = 1 - rest / ((truth - truth.mean(0)) ** 2).sum(0)
    yield f"{chr(32):16s}" + "".join(f"{name:>12s}" for name in (*CONTROLS, "mean"))
    yield _line("probe R2", scores)
    for name, edit in (
        ("editor", editor),
        ("arithmetic", _Arithmetic(straight)),
    ):
        hits, spills = [], []
        for index in range(len(CONTROLS)):
            change = torch.zeros(len(flat), len(CONTROLS))
            change[:, index] = CHANGE
            with torch.no_grad():
                arrived = (edit(flat, change) - flat).numpy() @ weights / CHANGE
            hits.append(arrived[:, index].mean())
            spills.append(np.abs(np.delete(arrived, index, axis=1)).mean())
        yield _line(f"{name} hit", np.array(hits))
        yield _line(f"{name} spill", np.array(spills))
    yield from _pictures(model, editor, straight)


class _Arithmetic(nn.Module):
    """Adds the same to every token."""

    def __init__(self, straight: Tensor) -> None:
        super().__init__()
        self.straight = straight

    def forward(self, tokens: Tensor, changes: Tensor) -> Tensor:
        edited: Tensor = tokens + changes @ self.straight
        return edited


def train_editor(tokens: Tensor, controls: Tensor, steps: int) -> TokenEditor:
    """Return an editor trained on tracks.

    Args:
        tokens: Of some figures in some poses each, ``[F, P, D]``.
        controls: In shares of their ranges, ``[F, P, C]``.
        steps: Of training.
    """
    torch.manual_seed(0)
    random = np.random.default_rng(31)
    editor = TokenEditor(tokens.shape[2], controls.shape[2])
    optimiser = torch.optim.AdamW(editor.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    figures, poses = tokens.shape[:2]
    for _ in range(steps):
        figure = torch.from_numpy(random.integers(figures, size=BATCH))
        one, other = (torch.from_numpy(random.integers(poses, size=BATCH)) for _ in range(2))
        change = controls[figure, other] - controls[figure, one]
        miss = editor(tokens[figure, one], change) - tokens[figure, other]
        loss = torch.nn.functional.smooth_l1_loss(miss, torch.zeros_like(miss), beta=0.1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return editor.eval()


def _tracks(model: Retargeter, seeds: range) -> tuple[Tensor, Tensor]:
    """Return tokens ``[F, P, D]`` of figures and their controls in shares of their ranges."""
    tokens, controls = [], []
    for seed in seeds:
        figure = Figure(looks=seed, proportions=seed, side_px=SIDE_PX)
        token, control = encoded(model, figure, POSES, seed=seed)
        tokens.append(torch.from_numpy(token).float())
        controls.append(torch.from_numpy(_shares(control)).float())
    return torch.stack(tokens), torch.stack(controls)


def _shares(controls: Table) -> Table:
    low, high = (np.array(side) for side in zip(*CONTROL_RANGES.values(), strict=True))
    return np.asarray((controls - low) / (high - low))


def _probe(tokens: Tensor, controls: Tensor) -> tuple[Table, Table]:
    """Return the linear map from tokens, taken from their mean, to controls, and that mean."""
    rows, values = tokens.flatten(0, 1).double().numpy(), controls.flatten(0, 1).double().numpy()
    middle = rows.mean(0)
    centred = rows - middle
    matrix = centred.T @ centred + RIDGE * len(rows) * np.diag(centred.var(0) + 1e-12)
    return np.linalg.solve(matrix, centred.T @ (values - values.mean(0))), middle


def _straight(tokens: Tensor, controls: Tensor) -> Tensor:
    """Return by how much a token changes with each control, everywhere alike, ``[C, D]``."""
    rows, values = tokens.flatten(0, 1).double(), controls.flatten(0, 1).double()
    found: Tensor = torch.linalg.lstsq(values - values.mean(0), rows - rows.mean(0)).solution
    return found.float()


def _pictures(model: Retargeter, editor: TokenEditor, straight: Tensor) -> Iterator[str]:
    """Yield the PSNR of pictures of edited tokens against the figure posed so."""
    low, high = (np.array(side) for side in zip(*CONTROL_RANGES.values(), strict=True))
    scores = []
    for number in range(UNSEEN, UNSEEN + UNSEEN_FIGURES):
        figure = Figure(looks=number, proportions=number, side_px=SIDE_PX)
        random = np.random.default_rng([32, number])
        start, end = draw_controls(random, 0.5), draw_controls(random, 0.5)
        picture, truth = as_tensor(figure.picture(start)), as_tensor(figure.picture(end))
        state = model.encode_reference(picture, picture)
        own = model.reference_token(state)[None]
        change = torch.from_numpy((end - start) / (high - low)).float()[None]
        with torch.no_grad():
            edited = (editor(own, change), own + change @ straight)
            made = [model.render(state, token) for token in edited]
        scores.append([psnr_db(one, truth[None]) for one in (picture[None], *made)])
    copied, by_editor, by_sums = np.mean(scores, axis=0)
    yield (
        f"all controls changed at once, pictures against the truth: editor {by_editor:.2f} dB, "
        f"arithmetic {by_sums:.2f} dB, unedited {copied:.2f} dB"
    )


def _mean(controls: Tensor) -> Table:
    return np.asarray(controls.flatten(0, 1).double().mean(0).numpy())


def _line(name: str, scores: Table) -> str:
    cells = "".join(f"{score:12.3f}" for score in (*scores, scores.mean()))
    return f"{name:>16s}{cells}"
