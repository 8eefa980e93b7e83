import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from imf_plugin.training.checkpoint import load_checkpoint
from imf_plugin.training.retarget_puppet import PuppetRecipe
from imf_plugin.training.run_state import RunState, Schedule

SCHEDULE = Schedule(
    total_steps=40, learning_rate=1e-2, final_learning_rate=1e-4, warmup_steps=8, ema_decay=0.9
)
STILL = replace(SCHEDULE, learning_rate=0.0, final_learning_rate=0.0)


def fresh(schedule: Schedule = SCHEDULE) -> RunState:
    torch.manual_seed(3)
    return RunState(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), schedule)


def loss_of(state: RunState) -> Tensor:
    """Of a batch that the step decides."""
    random = torch.Generator().manual_seed(state.step)
    loss: Tensor = state.network(torch.randn(5, 4, generator=random)).square().mean()
    return loss


@given(step=st.integers(0, 7))
def test_the_rate_warms_up_along_a_line(step: int) -> None:
    assert SCHEDULE.rate(step) == pytest.approx(1e-2 * (step + 1) / 8)


def test_the_rate_falls_along_a_cosine_to_its_end_and_stays_there() -> None:
    plain = replace(SCHEDULE, warmup_steps=0)
    assert plain.rate(0) == pytest.approx(1e-2)
    assert plain.rate(10) == pytest.approx(1e-4 + 9.9e-3 * (1 + math.sqrt(0.5)) / 2)
    assert SCHEDULE.rate(20) == plain.rate(20) == pytest.approx((1e-2 + 1e-4) / 2)
    assert SCHEDULE.rate(40) == SCHEDULE.rate(400) == pytest.approx(1e-4)


@given(step=st.integers(0, 300))
def test_figures_are_learnt_at_a_rate_that_falls_while_it_warms(step: int) -> None:
    recipe = PuppetRecipe(total_steps=200)
    swing = (1 + math.cos(math.pi * min(1.0, step / 200))) / 2
    expected = 1e-3 * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * swing)
    assert recipe.rate(step) == pytest.approx(expected, rel=1e-12)


def test_every_step_is_taken_at_its_rate() -> None:
    state = fresh()
    for step in range(12):
        state.learn(loss_of(state))
        assert [group["lr"] for group in state.optimiser.param_groups] == [SCHEDULE.rate(step)]


def test_the_average_of_constant_weights_is_these_weights() -> None:
    state = fresh(STILL)
    for _ in range(20):
        state.learn(loss_of(state))
    for name, value in state.network.state_dict().items():
        assert torch.equal(state.ema[name], value)


def test_the_average_nears_weights_as_fast_as_its_decay_says() -> None:
    state = fresh(STILL)
    for parameter in state.network.parameters():
        nn.init.ones_(parameter)
    for value in state.ema.values():
        value.zero_()
    for _ in range(100):
        state.learn(loss_of(state))
    left = math.prod(min(0.9, (1 + step) / (10 + step)) for step in range(1, 101))
    for value in state.ema.values():
        torch.testing.assert_close(value, torch.full_like(value, 1 - left))


def test_a_saved_state_goes_on_with_the_very_same_step(tmp_path: Path) -> None:
    state = fresh()
    for _ in range(3):
        state.learn(loss_of(state))
    state.trained_seconds = 12.5
    state.save(tmp_path / "last", {"batch_size": 5}, {"own.value": torch.arange(3)})
    other = fresh()
    assert other.resume(tmp_path / "last")["batch_size"] == 5
    assert (other.step, other.trained_seconds) == (3, 12.5)
    for each in (state, other):
        each.learn(loss_of(each))
        each.save(tmp_path / f"next{each is other}", {})
    tensors, again = (load_checkpoint(tmp_path / f"next{flag}")[0] for flag in (False, True))
    assert {name.split(".")[0] for name in tensors} == {"network", "ema", "adam"}
    assert tensors.keys() == again.keys()
    for name, value in tensors.items():
        assert torch.equal(again[name], value), name
    assert torch.equal(load_checkpoint(tmp_path / "last")[0]["own.value"], torch.arange(3))


@pytest.mark.filterwarnings("ignore:.*no-op")  # nothing can be copied to this device
def test_what_is_taken_up_goes_to_the_network_s_device(tmp_path: Path) -> None:
    state = fresh()
    state.learn(loss_of(state))
    state.save(tmp_path / "last", {})
    elsewhere = RunState(nn.Sequential(*state.network.children()).to("meta"), SCHEDULE)
    elsewhere.resume(tmp_path / "last")
    assert {value.device.type for value in elsewhere.ema.values()} == {"meta"}


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_no_weights_but_counts(factor: float) -> None:
    state = fresh()
    state.learn(loss_of(state))
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    state.learn(factor * loss_of(state))
    assert state.step == 2
    for name, value in state.network.state_dict().items():
        assert torch.equal(value, before[name])
    state.learn(loss_of(state))
    assert all(torch.isfinite(value).all() for value in state.network.state_dict().values())
    assert not torch.equal(state.network.state_dict()["0.weight"], before["0.weight"])
