"""The model imf adapted to one clip: directions of motion and looks, and tokens along them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.imf.adapted import AdaptedImf
from imf_plugin.models.imf.compact import displaced
from imf_plugin.models.imf.directions import Directions, learn_directions
from imf_plugin.models.imf.retargeter import DESCRIPTOR
from imf_plugin.models.retargeting import AdaptedRetargeter, PosingRetargeter
from imf_plugin.models.transport.retargeter import TransportRetargeter

SIDE = 96


def _noise(seed: int, cells: int = 12) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, cells, cells, generator=random)
    return torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 1)[0]


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """A picture that bends in two ways and lightens up in one place, ``[T, 3, S, S]``."""
    picture = _noise(1)
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, SIDE),) * 2, indexing="ij")
    sway = torch.stack([torch.cos(1.5 * y), torch.zeros_like(x)])
    nod = torch.stack([torch.zeros_like(x), torch.cos(1.5 * x)])
    spot = torch.exp(-((x - 0.2) ** 2 + (y - 0.3) ** 2) / 0.08)
    frames = []
    for number in range(13):
        phase = 2 * np.pi * number / 13
        flow = 4 * np.sin(phase) * sway + 3 * np.sin(2 * phase) * nod
        frame = displaced(picture[None], flow[None].float(), mode="bicubic")[0]
        frames.append((frame + 0.15 * (1 - np.cos(phase)) * spot).clamp(0, 1))
    return torch.stack(frames).float()


@pytest.fixture(scope="module")
def adapted(clip: Tensor) -> AdaptedImf:
    """Adapted to every other frame."""
    return AdaptedImf.learned(clip[::2], clip[0], DESCRIPTOR)


def _psnr(found: Tensor, truth: Tensor) -> float:
    return float(10 * torch.log10(1 / (found - truth).square().mean()))


def test_adapted_tokens_play_frames_not_learned_truer_than_transport(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    scores = []
    for model in (adapted, TransportRetargeter()):
        state = model.encode_reference(clip[0], clip[0])
        tokens = model.encode_tokens(clip[1::2], clip[0])
        scores.append(_psnr(model.render(state, tokens), clip[1::2]))
    assert scores[0] > scores[1] + 2


def test_an_adapted_token_is_32_numbers_of_about_unit_size(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    tokens = adapted.encode_tokens(clip, clip[0])
    assert tokens.shape == (13, 32)
    assert float(tokens.abs().max()) < 8
    assert not tokens[0].any()


def test_the_reference_token_gives_the_reference_back_exactly(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    other = _noise(2)
    state = adapted.encode_reference(other, clip[0])
    made = adapted.render(state, adapted.reference_token(state)[None])
    assert torch.equal(made[0], other)


def test_changes_of_looks_are_left_out_on_another_subject(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    other = _noise(2)
    state = adapted.encode_reference(other, clip[0])
    looks_only = adapted.encode_tokens(clip[6:7], clip[0])
    looks_only[:, :24] = 0
    assert torch.equal(adapted.render(state, looks_only)[0], other)
    own = adapted.encode_reference(clip[0], clip[0])
    assert not torch.equal(adapted.render(own, looks_only)[0], clip[0])


def test_directions_are_the_same_after_a_track_carried_them(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    again = AdaptedImf(adapted.directions, DESCRIPTOR)
    assert again.descriptor == adapted.descriptor != DESCRIPTOR
    assert torch.equal(
        again.encode_tokens(clip[3:4], clip[0]), adapted.encode_tokens(clip[3:4], clip[0])
    )


def test_packing_directions_changes_them_little(clip: Tensor) -> None:
    learned = learn_directions(clip[0], clip[1:])
    kept = Directions.unpacked(learned.packed())
    assert torch.allclose(kept.motion, learned.motion, atol=1e-3)
    assert torch.allclose(kept.looks, learned.looks, atol=2e-2)


def test_two_frames_are_enough_to_adapt_to(clip: Tensor) -> None:
    model = AdaptedImf.learned(clip[:2], clip[0], DESCRIPTOR)
    assert torch.isfinite(model.encode_tokens(clip[2:4], clip[0])).all()


def test_damaged_directions_are_refused_in_one_sentence(adapted: AdaptedImf) -> None:
    with pytest.raises(ModelError, match="damaged"):
        AdaptedImf(adapted.directions[:200], DESCRIPTOR)


def test_an_adapted_model_aligns_like_transport_and_names_what_it_learned(
    adapted: AdaptedImf,
) -> None:
    assert isinstance(adapted, PosingRetargeter)
    assert isinstance(adapted, AdaptedRetargeter)


def test_frames_of_another_size_than_the_anchor_are_refused(
    clip: Tensor, adapted: AdaptedImf
) -> None:
    with pytest.raises(ValueError, match="anchor"):
        adapted.encode_tokens(clip[:, :, 1:], clip[0])
