import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.base import Interpolator, ModelDescriptor
from imf_plugin.models.flow.interpolator import FlowInterpolator
from imf_plugin.models.imf_vfi.config import FULL, LITE, ImfVfiConfig
from imf_plugin.models.imf_vfi.interpolator import ImfVfiInterpolator
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork, untrained_frames
from imf_plugin.models.imf_vfi.weights import load_network, read_card, save_network
from imf_plugin.training.scenes import demo_scene, render

DESCRIPTOR = ModelDescriptor(
    name="test",
    summary="",
    source="",
    parameters=0,
    minimum_size_px=1,
    tile_overlap_px=0,
    bytes_per_pixel=0,
)


def build(config: ImfVfiConfig = LITE) -> ImfVfiInterpolator:
    torch.manual_seed(0)
    return ImfVfiInterpolator(ImfVfiNetwork(config), DESCRIPTOR)


def demo_frame(time_seconds: float, size: tuple[int, int] = (120, 68)) -> Tensor:
    picture = render(demo_scene(size), time_seconds)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


@pytest.fixture(scope="module")
def keyframes() -> tuple[Tensor, Tensor]:
    return demo_frame(1.0), demo_frame(1.0 + 1 / 24)


def test_it_is_an_interpolator() -> None:
    assert isinstance(build(), Interpolator)


def test_an_untrained_model_of_one_opinion_equals_the_flow_model(
    keyframes: tuple[Tensor, Tensor],
) -> None:
    flow = FlowInterpolator().interpolate(*keyframes, [0.25, 0.5])
    ours = build(replace(LITE, opinions=1, carried=0)).interpolate(*keyframes, [0.25, 0.5])
    # Weights are found at half the size, so it differs where the motion is not to be trusted.
    difference = (flow - ours).abs()
    assert difference.mean() < 2e-3
    assert difference.quantile(0.9) < 4e-3


def test_an_untrained_model_of_three_opinions_averages_their_frames(
    keyframes: tuple[Tensor, Tensor],
) -> None:
    model = build(replace(LITE, opinions=3, carried=0))
    motion = torch.stack([torch.full((48, 64), value) for value in (1.0, 0.0, 3.0, 0.0, 5.0, 0.0)])
    frames = [frame[None, :, :48, :64] for frame in keyframes]
    half = torch.tensor([0.5])
    together = model.network(*frames, half, motion[None]).frames
    alone = [
        untrained_frames(frames[0], frames[1], half, one[None]) for one in torch.split(motion, 2)
    ]
    torch.testing.assert_close(together, torch.stack(alone).mean(0), atol=1e-5, rtol=0)


def test_keyframes_come_back_exactly(keyframes: tuple[Tensor, Tensor]) -> None:
    made = build().interpolate(*keyframes, [0, 0.5, 1])
    assert torch.equal(made[0], keyframes[0])
    assert torch.equal(made[2], keyframes[1])
    assert not torch.equal(made[1], keyframes[0])


def test_batches_and_encoded_keyframes_give_the_same(keyframes: tuple[Tensor, Tensor]) -> None:
    model = build()
    single = model.interpolate(*keyframes, [0.25, 0.75])
    states = [model.encode(frame.unsqueeze(0).repeat(2, 1, 1, 1)) for frame in keyframes]
    batched = model.interpolate(states[0], states[1], [0.25, 0.75])
    assert batched.shape == (2, 2, 3, 68, 120)
    for item in batched:
        torch.testing.assert_close(item, single, atol=1e-5, rtol=0)


def test_the_full_model_runs_on_any_size_and_matches_by_itself() -> None:
    model = build(FULL)
    frames = [demo_frame(time, (50, 37)) for time in (1.0, 1.05)]
    made = model.interpolate(frames[0], frames[1], [0.3, 0.6])
    assert made.shape == (2, 3, 37, 50)
    assert model.encode(frames[0]).features.greys == ()
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


def test_extra_channels_ride_along(keyframes: tuple[Tensor, Tensor]) -> None:
    frames = [torch.cat([frame, frame[1:2]]) for frame in keyframes]
    made = build().interpolate(frames[0], frames[1], [0.5])
    assert made.shape == (1, 4, 68, 120)
    # The network is untrained, so that colours are warped and blended like the copy of green.
    torch.testing.assert_close(made[:, 3], made[:, 1], atol=1e-5, rtol=0)


def test_keyframes_of_different_shape_are_refused(keyframes: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="agree in shape"):
        build().interpolate(keyframes[0], keyframes[1][:, 1:], [0.5])
    with pytest.raises(TypeError, match="floating-point"):
        build().encode(torch.zeros(3, 8, 8, dtype=torch.uint8))


def saved(folder: Path) -> ImfVfiNetwork:
    torch.manual_seed(3)
    network = ImfVfiNetwork(LITE)
    save_network(folder, LITE, dict(network.state_dict()), {"steps": "0"})
    return network


def test_weights_come_back_as_they_were_saved(tmp_path: Path) -> None:
    network = saved(tmp_path)
    loaded, card = load_network("imf-vfi-lite", tmp_path)
    assert card.details == {"steps": "0"}
    assert card.parameters == sum(p.numel() for p in network.parameters())
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name].half().float())
    assert (tmp_path / "imf-vfi-lite.safetensors").stat().st_size < 6e6


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "imf-vfi-lite.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged.*--model flow"):
        load_network("imf-vfi-lite", tmp_path)


def test_missing_or_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing or damaged"):
        read_card("imf-vfi-lite", tmp_path)
    saved(tmp_path)
    (tmp_path / "imf-vfi-lite.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_network("imf-vfi-lite", tmp_path)
    card = tmp_path / "imf-vfi-lite.json"
    card.write_text(json.dumps({"config": 3}))
    with pytest.raises(ModelError, match="missing or damaged"):
        read_card("imf-vfi-lite", tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = ImfVfiNetwork(FULL)
    save_network(tmp_path, LITE, dict(network.state_dict()), {})
    with pytest.raises(ModelError, match="do not fit"):
        load_network("imf-vfi-lite", tmp_path)
