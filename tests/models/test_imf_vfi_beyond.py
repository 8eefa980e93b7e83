"""What keyframes beyond a pair say about motion carried on into it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.beyond import OTHER_KEYFRAME, Beyond
from imf_plugin.models.imf_vfi.blend import CARRIED_SHARE
from imf_plugin.models.imf_vfi.config import CARRIED, LITE
from imf_plugin.models.imf_vfi.enlargement import sided
from imf_plugin.models.imf_vfi.layers import warp_cubic
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork

HEIGHT, WIDTH = 64, 96
INNER = (..., slice(16, -16), slice(24, -24))


def plane() -> Tensor:
    coarse = torch.rand(1, 3, 16, 40, generator=torch.Generator().manual_seed(4))
    return torch.nn.functional.interpolate(coarse, (HEIGHT, 240), mode="bicubic").clamp(0, 1)


@torch.no_grad()
def frame(time: float, speed: float = 4.0) -> Tensor:
    """A plane that moves ``speed`` pixels to the right per pair."""
    shift = torch.zeros(1, 2, HEIGHT, 240)
    shift[:, 0] = 72 - speed * time
    return warp_cubic(plane(), shift)[..., :WIDTH].contiguous()


def even(speed: float = 4.0) -> Tensor:
    motion = torch.zeros(1, 2, HEIGHT, WIDTH)
    motion[:, 0] = speed
    return motion


@torch.no_grad()
def brought_to(timestep: float, speed: float = 4.0) -> tuple[Tensor, Tensor]:
    """Both keyframes under an even motion, right or wrong."""
    before = warp_cubic(frame(0), -timestep * even(speed))
    return before, warp_cubic(frame(1), (1 - timestep) * even(speed))


@pytest.mark.parametrize("distances", [(1.0, 1.0), (2.0, 0.5)])
@pytest.mark.parametrize("timestep", [0.25, 0.5])
def test_under_the_right_motion_the_keyframes_beyond_show_the_same(
    timestep: float, distances: tuple[float, float]
) -> None:
    beyond = Beyond(
        earlier=frame(-distances[0]),
        later=frame(1 + distances[1]),
        distances=torch.tensor([distances]),
    )
    time = torch.tensor([timestep])
    for speed, near in ((4.0, 0.01), (7.0, None)):
        seen = brought_to(timestep, speed)
        found = beyond.differences(seen, (even(speed), even(speed)), time)
        size = max(float(difference[INNER].abs().mean()) for difference in found)
        assert size < near if near else size > 0.03


def test_the_other_keyframe_stands_in_for_one_that_is_missing() -> None:
    time = torch.tensor([0.25])
    seen = brought_to(0.25)
    beyond = Beyond.nothing(frame(0), frame(1))
    assert beyond.distances.tolist() == [[OTHER_KEYFRAME, OTHER_KEYFRAME]]
    before, after = beyond.differences(seen, (even(), even()), time)
    torch.testing.assert_close(before[INNER], (seen[0] - seen[1])[INNER], atol=0.01, rtol=0)
    torch.testing.assert_close(after[INNER], (seen[1] - seen[0])[INNER], atol=0.01, rtol=0)


def test_what_stands_still_is_told_from_what_is_alike_by_chance() -> None:
    """Stripes 4 px apart that move 4 px look still to two keyframes, not to those beyond."""
    columns = torch.arange(WIDTH, dtype=torch.float32)

    def stripes(shift: float) -> Tensor:
        wave = 0.5 + 0.4 * torch.sin((columns - shift) * torch.pi / 2)
        picture = wave.expand(1, 3, HEIGHT, WIDTH).clone()
        picture[..., :16, :] = 0.7
        return picture

    beyond = Beyond(earlier=stripes(-2), later=stripes(6), distances=torch.tensor([[0.5, 0.5]]))
    own, around = beyond.changes(stripes(0), stripes(4))[0]
    assert own.max() < 1e-5
    assert around[:16].max() == 0
    assert around[16:].mean() > 0.3
    alone = Beyond.nothing(stripes(0), stripes(4)).changes(stripes(0), stripes(4))[0]
    torch.testing.assert_close(alone[0], alone[1])


def test_untrained_a_carried_motion_counts_a_tenth_of_the_pairs_own() -> None:
    torch.manual_seed(0)
    network = ImfVfiNetwork(LITE).eval()
    own = LITE.opinions - CARRIED
    motion = torch.cat([even().repeat(1, own, 1, 1), even(5), even(5)], 1)
    with torch.no_grad():
        found = network(frame(0), frame(1), torch.tensor([0.5]), motion)
    weights = found.weights[INNER].mean((0, 2, 3))
    expected = CARRIED_SHARE * weights[:2]
    torch.testing.assert_close(weights[-2:], expected, rtol=0.1, atol=0)


def test_carried_motion_does_not_bend() -> None:
    torch.manual_seed(0)
    network = ImfVfiNetwork(LITE).eval()
    motion = even().repeat(1, LITE.opinions, 1, 1)
    bend = torch.ones(1, 2, HEIGHT, WIDTH)
    with torch.no_grad():
        before, after = network.encode_both(frame(0), frame(1))
        found = network.decode(before, after, torch.tensor([0.5]), motion, bend)
    own, carried = found.all_flows[1], found.all_flows[-1]
    torch.testing.assert_close(own, carried - 1)


def test_a_network_says_whether_it_is_handed_carried_motion() -> None:
    with pytest.raises(ValueError, match="carried"):
        replace(LITE, carried=1)
    with pytest.raises(ValueError, match="carried"):
        replace(LITE, opinions=2)


def test_a_known_side_raises_only_the_pairs_own_motions() -> None:
    weights = torch.full((1, 10, 1, 1), 1 / 10)
    found = sided(weights, torch.full((1, 1, 1, 1), 6.0), CARRIED)[0, :, 0, 0]
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))
    assert found[[1, 5, 7]].min() > 0.3
    assert found[[0, 2, 3, 4, 6, 8, 9]].max() < 0.01
