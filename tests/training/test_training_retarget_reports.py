"""Reports on retargeting: editing, left-out frames, and models adapted to clips."""

from typing import Any

import pytest
import torch
from torch import Tensor

from imf_plugin.models.imf.editing import TokenEditor
from imf_plugin.models.imf.puppet import composed
from imf_plugin.models.imf.puppet_learning import LearningOptions, learned_figure
from imf_plugin.models.imf.puppet_retargeter import PuppetRetargeter
from imf_plugin.models.transport.retargeter import TransportRetargeter
from imf_plugin.motion.token_curves import tokens_at
from imf_plugin.training.retarget_figures import Figure
from imf_plugin.training.retarget_models import named_retargeter
from imf_plugin.training.retarget_reports import curves, editing, reenactment
from imf_plugin.training.retarget_reports.figures import as_tensor, rest_pose
from imf_plugin.training.retarget_reports.reduced import ReducedTransport


def _round_tracks(figures: int, poses: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return tokens on which a control goes round a circle, so that no straight step fits."""
    random = torch.Generator().manual_seed(seed)
    controls = torch.rand(figures, poses, 2, generator=random)
    angle = 2.5 * controls[..., 0]
    tokens = torch.stack([angle.cos(), angle.sin(), controls[..., 1]], dim=-1)
    return tokens, controls


def test_an_editor_that_is_asked_for_no_change_changes_nothing() -> None:
    tokens, controls = _round_tracks(4, 8, seed=1)
    editor = editing.train_editor(tokens, controls, steps=20)
    assert torch.equal(editor(tokens[0], torch.zeros(8, 2)), tokens[0])


def test_an_editor_learns_bent_ways_that_plain_arithmetic_cannot_go() -> None:
    editor = editing.train_editor(*_round_tracks(8, 16, seed=1), steps=400)
    assert isinstance(editor, TokenEditor)
    tokens, controls = _round_tracks(2, 16, seed=2)
    change = controls[:, 8:] - controls[:, :8]
    edited = editor(tokens[:, :8].flatten(0, 1), change.flatten(0, 1))
    miss = (edited - tokens[:, 8:].flatten(0, 1)).detach().abs().mean()
    unedited = (tokens[:, :8] - tokens[:, 8:]).abs().mean()
    assert float(miss) < 0.15 * float(unedited)


def test_curves_go_through_fields_as_through_rows_of_numbers() -> None:
    fields = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    for curve in (curves.linear, curves.cubic, curves.spherical, curves.spline):
        rows = curve(fields.flatten(1), 4)
        assert torch.allclose(curve(fields, 4).flatten(1), rows, atol=1e-6)
        assert torch.allclose(curve(fields, 4)[::4], fields, atol=1e-5)


@pytest.fixture(scope="module")
def swinging() -> Tensor:
    """Nine frames of a figure that shifts and turns a little."""
    figure = Figure(looks=3, proportions=3, side_px=64)
    pictures = []
    for number in range(9):
        pose = rest_pose()
        pose[0] += 0.01 * number
        pose[2] += 0.02 * number
        pictures.append(as_tensor(figure.picture(pose)))
    return torch.stack(pictures)


def test_left_out_frames_are_played_on_the_kept_ones(swinging: Tensor) -> None:
    kept = swinging[::4]
    made = curves.between_kept(TransportRetargeter(), kept)
    assert made.shape == (6, 3, 64, 64)
    missing = [number for number in range(9) if number % 4]
    held = kept[[number // 4 for number in missing]]
    truth = swinging[missing]
    assert curves.psnr_db(made, truth) > curves.psnr_db(held, truth) + 3


def test_a_figure_learned_from_kept_frames_shows_the_left_out_ones_more_truly(
    swinging: Tensor,
) -> None:
    model = named_retargeter("imf-figures")
    assert isinstance(model, PuppetRetargeter)
    kept, truth = swinging[::2], swinging[1::2]
    read, tokens = learned_figure(model, kept, LearningOptions(steps=0))
    assert torch.equal(read.token, tokens[2])
    learned, better = learned_figure(model, kept, LearningOptions(steps=15))
    assert tokens.shape == better.shape == (5, *model.token_shape)
    assert not better.requires_grad
    places = [0.5, 1.5, 2.5, 3.5]
    scores = [
        curves.psnr_db(composed(figure, tokens_at(found, places, "spline"))[0], truth)
        for figure, found in ((read, tokens), (learned, better))
    ]
    assert scores[1] > scores[0] + 1


def test_a_figure_of_no_frames_is_a_programming_error() -> None:
    model = named_retargeter("imf-figures")
    assert isinstance(model, PuppetRetargeter)
    with pytest.raises(ValueError, match="frames"):
        learned_figure(model, torch.zeros(0, 3, 64, 64), LearningOptions())


class _Listening(TransportRetargeter):
    """Remembers what it was adapted to."""

    learned: Tensor

    def adapted(self, frames: Tensor, anchor: Tensor) -> Any:
        self.learned = frames
        return self

    def with_directions(self, packed: bytes) -> Any:
        return self


@pytest.mark.parametrize(("ending", "sees_scored"), [(":adapted", False), (":retarget", True)])
def test_a_report_adapts_to_scored_frames_only_where_its_name_says_so(
    ending: str, sees_scored: bool
) -> None:
    every = torch.arange(9.0)[:, None, None, None].expand(-1, 3, 8, 8)
    model = _Listening()
    reenactment._adapted(f"imf{ending}", model, every, [0, 4, 8])
    seen = set(model.learned[:, 0, 0, 0].tolist())
    assert (4.0 in seen) == sees_scored
    assert {1.0, 7.0} <= seen


def test_reduced_transport_keeps_as_many_numbers_as_the_learned_models(swinging: Tensor) -> None:
    model = ReducedTransport(None).adapted(swinging[1::2], swinging[0])
    state = model.encode_reference(swinging[0], swinging[0])
    tokens = model.encode_tokens(swinging[2::2], swinging[0])
    assert tokens.shape == (4, 32)
    made = model.render(state, tokens)
    copied = swinging[:1].expand_as(made)
    assert curves.psnr_db(made, swinging[2::2]) > curves.psnr_db(copied, swinging[2::2]) + 2
