import dataclasses
from pathlib import Path

import pytest
import torch

from imf_plugin.errors import ModelError
from imf_plugin.models.imf import retargeter
from imf_plugin.models.imf.compact import CompactImf
from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.models.imf.fitting import fit_anchor, fit_token, guessed
from imf_plugin.models.imf.measuring import flow_back, halved_flow
from imf_plugin.models.imf.retargeter import ImfRetargeter
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.models.weight_files import read_weights, write_weights

SMALL = CompactConfig(
    name="imf-compact",
    size_px=64,
    widths=(16, 16, 8, 8),
    encoder_widths=(8, 8, 16, 16),
    style_dim=16,
    heads=2,
)


@pytest.fixture(scope="module")
def model() -> ImfRetargeter:
    torch.manual_seed(0)
    return ImfRetargeter(CompactImf(SMALL))


def scene(shift_px: float, side: int = 64, zoom: float = 1.0) -> torch.Tensor:
    """Smooth waves, moved as a whole."""
    y, x = torch.meshgrid(
        torch.arange(side) * 64.0 / side, torch.arange(side) * 64.0 / side, indexing="ij"
    )
    x, y = (x - 32) / zoom + 32 - shift_px, (y - 32) / zoom + 32
    waves = [
        torch.sin(x / 5 + y / 9),
        torch.cos(x / 7 - y / 6),
        torch.sin(y / 4) * torch.cos(x / 8),
    ]
    return torch.stack(waves) * 0.4 + 0.5


def test_it_fulfils_the_protocol(model: ImfRetargeter) -> None:
    assert isinstance(model, Retargeter)
    assert model.token_shape == (32,)


def test_the_reference_s_token_gives_the_reference_exactly(model: ImfRetargeter) -> None:
    image = torch.rand(3, 50, 90)
    reference = model.encode_reference(image)
    made = model.render(reference, model.reference_token(reference)[None])
    assert torch.equal(made[0], image)


def test_the_anchor_s_token_is_the_reference_token_of_the_same_picture(
    model: ImfRetargeter,
) -> None:
    picture = scene(0)
    tokens = model.encode_tokens(torch.stack([picture, scene(3)]), picture)
    own = model.reference_token(model.encode_reference(picture))
    assert torch.equal(tokens[0], own)
    assert not torch.allclose(tokens[1], own, atol=1e-2)


def test_a_shifted_scene_is_followed_even_untrained(model: ImfRetargeter) -> None:
    anchor, frame = scene(0), scene(4)
    tokens = model.encode_tokens(frame[None], anchor)
    made = model.render(model.encode_reference(anchor), tokens)[0]
    inside = (slice(None), slice(8, -8), slice(8, -8))
    before = (anchor - frame)[inside].square().mean()
    after = (made - frame)[inside].square().mean()
    assert after < 0.02 * before


def test_fitting_comes_nearer_than_measuring(model: ImfRetargeter) -> None:
    picture, frame = scene(0)[None], scene(3, zoom=1.15)[None]
    network = model.network
    anchor = fit_anchor(network, picture)
    assert model.fit is not None
    fitted = fit_token(network, anchor, frame, model.fit)
    assert fitted is not None
    errors = [
        (model.render(model.encode_reference(picture[0]), token)[0] - frame[0]).square().mean()
        for token in (guessed(network, anchor, frame), fitted)
    ]
    assert errors[1] < errors[0]


def test_another_scene_is_not_taken_for_the_anchor_s(model: ImfRetargeter) -> None:
    anchor = fit_anchor(model.network, scene(0)[None])
    other = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    assert model.fit is not None
    assert fit_token(model.network, anchor, other, model.fit) is None
    token = model.encode_tokens(other, scene(0))
    assert torch.equal(token, model.network.tokens(other))


def test_a_frame_s_token_does_not_depend_on_its_neighbours(model: ImfRetargeter) -> None:
    frames = torch.stack([scene(shift) for shift in (1, 2, 3)])
    together = model.encode_tokens(frames, scene(0))
    backwards = model.encode_tokens(frames.flip(0), scene(0)).flip(0)
    assert torch.equal(together, backwards)


def test_a_large_reference_is_moved_at_its_own_size(model: ImfRetargeter) -> None:
    tokens = model.encode_tokens(scene(4)[None], scene(0))
    large = model.encode_reference(scene(0, side=256))
    made = model.render(large, tokens)[0]
    wanted = scene(4, side=256)
    inside = (slice(None), slice(32, -32), slice(32, -32))
    before = (large.image - wanted)[inside].square().mean()
    assert (made - wanted)[inside].square().mean() < 0.03 * before
    flow = model.displacement(large, tokens)
    assert flow.shape == (1, 2, 256, 256)
    assert flow[0, 0, 64:-64, 64:-64].mean() == pytest.approx(-16, abs=1.5)


def test_tokens_of_another_length_are_refused(model: ImfRetargeter) -> None:
    reference = model.encode_reference(scene(0))
    with pytest.raises(ValueError, match="expected tokens of shape"):
        model.render(reference, torch.zeros(2, 7))


def test_weights_come_back_as_they_were_written(model: ImfRetargeter, tmp_path: Path) -> None:
    write_weights(
        tmp_path, "imf-compact", SMALL.to_dict(), model.network.state_dict(), {"data": "none"}
    )
    loaded = retargeter.load(tmp_path)
    assert loaded.descriptor.details["data"] == "none"
    assert loaded.descriptor.parameters == sum(p.numel() for p in model.network.parameters())
    tokens = torch.randn(1, 32, generator=torch.Generator().manual_seed(1))
    pictures = [one.render(one.encode_reference(scene(0)), tokens)[0] for one in (model, loaded)]
    torch.testing.assert_close(*pictures, atol=2e-2, rtol=0.0)


def test_damaged_missing_and_foreign_weights_are_each_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing or damaged"):
        retargeter.describe(tmp_path)
    network = CompactImf(SMALL)
    path = write_weights(tmp_path, "imf-compact", SMALL.to_dict(), network.state_dict(), {})
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\0\0\0\1")
    with pytest.raises(ModelError, match="damaged or not the ones released"):
        read_weights("imf-compact", tmp_path)
    other = dataclasses.replace(SMALL, heads=4, widths=(8, 8, 8, 8))
    write_weights(tmp_path, "imf-compact", other.to_dict(), network.state_dict(), {})
    with pytest.raises(ModelError, match="do not fit this version"):
        retargeter.load(tmp_path)


def test_measured_motion_is_unknown_where_the_way_back_differs() -> None:
    frames = [(scene(shift) * 255).round().byte().permute(1, 2, 0).numpy() for shift in (0, 3)]
    flow = flow_back(frames[1], frames[0])
    middle = flow[16:48, 16:48]
    assert abs(float(middle[..., 0].mean()) + 3) < 0.3
    flow[:4, :4] = float("nan")
    half = halved_flow(flow)
    assert half.shape == (32, 32, 2)
    assert not (half[:2, :2] == half[:2, :2]).any()
