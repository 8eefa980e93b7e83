from fractions import Fraction

import pytest
import torch

from imf_hosts.comfyui import tokens
from imf_plugin.errors import PlanError
from imf_plugin.motion.tracks import TokenTrack


def _track(*values: float, model: str = "transport") -> TokenTrack:
    stacked = torch.tensor(values, dtype=torch.float32).reshape(-1, 1).expand(-1, 2).clone()
    return TokenTrack(
        tokens=stacked, anchor_token=stacked[0], rate=Fraction(24), model=model, revision="1"
    )


def _values(track: TokenTrack) -> list[float]:
    return [round(float(token[0]), 4) for token in track.tokens]


def test_positions_between_tokens_are_interpolated() -> None:
    made = tokens.retime_track(_track(0, 2, 4), [0, 0.5, 1.75, 9], tokens.LINEAR)
    assert _values(made) == [0, 1, 3.5, 4]


def test_an_even_factor_keeps_the_ends() -> None:
    assert tokens.even_positions(3, 2.0) == [0, 0.5, 1, 1.5, 2]


def test_cubic_passes_through_the_tokens_and_continues_straight_lines() -> None:
    made = tokens.retime_track(_track(0, 1, 2, 3), [1, 1.5, 2], tokens.CUBIC)
    assert _values(made) == [1, 1.5, 2]


def test_slerp_keeps_the_strength() -> None:
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    track = TokenTrack(
        tokens=torch.cat([first, second]),
        anchor_token=first[0],
        rate=Fraction(24),
        model="m",
        revision="1",
    )
    middle = tokens.retime_track(track, [0.5], tokens.SLERP).tokens[0]
    assert float(middle.norm()) == pytest.approx(1)


def test_mixing_stretches_the_shorter_motion() -> None:
    mixed = tokens.mix_tracks(_track(0, 4), _track(0, 0, 0, 0, 0), 0.5, tokens.LINEAR)
    assert _values(mixed) == [0, 0.5, 1, 1.5, 2]


def test_tokens_of_different_models_are_not_mixed() -> None:
    with pytest.raises(PlanError, match="cannot be mixed"):
        tokens.mix_tracks(_track(0), _track(0, model="imf"), 0.5, tokens.LINEAR)


def _edited(track: TokenTrack, **options: object) -> list[float]:
    plain = {"strength": 1.0, "smoothing": 0, "loop": False, "mirror": False}
    return _values(tokens.edit_track(track, **{**plain, **options}))  # type: ignore[arg-type]


def test_strength_multiplies_what_is_away_from_the_anchor() -> None:
    assert _edited(_track(1, 2, 4), strength=2.0) == [1, 3, 7]
    assert _edited(_track(1, 2, 4), strength=0.0) == [1, 1, 1]


def test_a_loop_ends_where_it_began() -> None:
    assert _edited(_track(0, 1, 2), loop=True) == [0, 0, 0]


def test_mirroring_plays_there_and_back() -> None:
    assert _edited(_track(0, 1, 2), mirror=True) == [0, 1, 2, 1, 0]


def test_an_offset_adds_another_motion() -> None:
    assert _edited(_track(1, 1, 1), offset=_track(5, 6, 7)) == [1, 2, 3]


def test_smoothing_calms_a_spike() -> None:
    calmed = _edited(_track(0, 0, 9, 0, 0), smoothing=1)
    assert max(calmed) < 9
    assert len(calmed) == 5
