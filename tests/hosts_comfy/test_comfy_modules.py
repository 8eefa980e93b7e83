from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imf_hosts.comfyui.modules import ForeignInterpolator, InterpolationModule, as_interpolator
from imf_plugin.models.registry import load_interpolator


def _never(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


class Fading(nn.Module):
    """A model of ComfyUI's kind: cross-fades, wants sides that divide by 32."""

    pad_align = 32

    def __init__(self, most_at_once: int = 99) -> None:
        super().__init__()
        self.most_at_once = most_at_once
        self.sizes: list[int] = []

    def memory_used_forward(self, shape: Any, dtype: torch.dtype) -> int:
        return int(300 * shape[1] * shape[2] * dtype.itemsize)

    def extract_features(self, frames: Tensor) -> Tensor:
        assert frames.shape[-1] % 32 == frames.shape[-2] % 32 == 0
        return frames.mean()

    def forward(
        self, first: Tensor, second: Tensor, timestep: Tensor, cache: dict[str, Tensor]
    ) -> Tensor:
        if len(first) > self.most_at_once:
            raise torch.OutOfMemoryError("too many")
        assert torch.equal(cache["img0"], first[:1].mean())
        self.sizes.append(len(first))
        return first * (1 - timestep) + second * timestep


def test_a_model_of_comfyui_s_kind_makes_frames_for_us() -> None:
    first, second = torch.rand(4, 20, 50), torch.rand(4, 20, 50)
    model = as_interpolator(Fading(), torch.float32, is_out_of_memory=_never)
    made = model.interpolate(model.encode(first), model.encode(second), [0, 0.25, 1])
    assert torch.equal(made[0], first)
    assert torch.equal(made[2], second)
    assert torch.allclose(made[1], torch.lerp(first, second, 0.25), atol=1e-6)
    assert model.descriptor.bytes_per_pixel == 1200


def test_a_want_of_memory_halves_the_batch_and_is_remembered() -> None:
    module = Fading(most_at_once=2)
    model = ForeignInterpolator(module, torch.float32, is_out_of_memory=_never)
    made = model.interpolate(
        torch.rand(3, 32, 32), torch.rand(3, 32, 32), [n / 8 for n in range(9)]
    )
    assert len(made) == 9
    assert module.sizes == [1, 1, 1, 1, 1, 1, 1]


def test_a_want_of_memory_for_a_single_frame_is_passed_on_for_tiling() -> None:
    model = ForeignInterpolator(Fading(most_at_once=0), torch.float32, is_out_of_memory=_never)
    with pytest.raises(torch.OutOfMemoryError):
        model.interpolate(torch.rand(3, 32, 32), torch.rand(3, 32, 32), [0.5])


def test_what_makes_no_frames_is_refused() -> None:
    with pytest.raises(TypeError, match="Load IMF Model"):
        as_interpolator(nn.Linear(1, 1), torch.float32, is_out_of_memory=_never)


def test_our_model_answers_as_comfyui_s_node_asks() -> None:
    flow = load_interpolator("flow")
    module = InterpolationModule(flow)
    pictures = torch.rand(2, 3, 24, 40)
    first, second = pictures[:1], pictures[1:]
    cache = {"img0": module.extract_features(first), "img1": module.extract_features(second)}
    expected = flow.interpolate(pictures[0], pictures[1], [0.25, 0.5, 0.75])
    several = module.forward_multi_timestep(first, second, [0.25, 0.5, 0.75], cache=cache)
    assert torch.equal(several, expected)
    times = torch.tensor([0.25, 0.5, 0.75]).reshape(3, 1, 1, 1).expand(3, 1, 24, 40)
    single = module(
        first.expand(3, -1, -1, -1), second.expand(3, -1, -1, -1), timestep=times, cache=cache
    )
    assert torch.equal(single, expected)
    per_pixel = flow.descriptor.bytes_per_pixel
    assert module.memory_used_forward((1, 24, 40, 3), torch.float32) == per_pixel * 24 * 40


def test_without_features_each_item_of_a_batch_has_its_own_pair() -> None:
    module = InterpolationModule(load_interpolator("flow"))
    first, second = torch.rand(2, 3, 24, 40), torch.rand(2, 3, 24, 40)
    times = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 24, 40)
    made = module(first, second, timestep=times)
    assert torch.equal(made, torch.stack([first[0], second[1]]))


def test_a_retargeter_is_made_when_it_is_first_asked_for() -> None:
    asked: list[int] = []

    def make() -> Any:
        asked.append(1)
        return "retargeter"

    module = InterpolationModule(load_interpolator("flow"), retargeter=make)
    assert not asked
    found: list[Any] = [module.retargeter, module.retargeter]
    assert found == ["retargeter", "retargeter"]
    assert asked == [1]
