"""What stands still over a sample stays the same in every frame."""

import numpy as np
import pytest

from imf_plugin.motion.flow import FlowArray
from imf_plugin.training.augment import Sample
from imf_plugin.training.overlays import overlaid
from imf_plugin.training.surroundings import Surroundings

SIZE = 96


def moving(channels: int, pixels: float = 8) -> FlowArray:
    flow = np.zeros((SIZE, SIZE, channels), np.float32)
    flow[..., ::2] = pixels
    return flow


@pytest.fixture
def sample() -> Sample:
    """Five frames of noise that have nothing in common, under even motion."""
    random = np.random.default_rng(8)
    frames = [random.uniform(0.2, 0.8, (SIZE, SIZE, 3)).astype(np.float32) for _ in range(5)]
    return Sample(
        frame0=frames[1],
        frame1=frames[3],
        target=frames[2],
        timestep=0.5,
        middle_flow=moving(6),
        true_flows=moving(4),
        around=Surroundings(
            earlier=frames[0], later=frames[4], aside=moving(2, 1), carried=moving(4)
        ),
    )


@pytest.mark.parametrize("seed", range(12))
def test_every_frame_has_the_same_over_it(sample: Sample, seed: int) -> None:
    found = overlaid(sample, np.random.default_rng(seed))
    assert found.around is not None
    assert found.around.earlier is not None
    assert found.around.later is not None
    assert sample.around is not None
    assert sample.around.earlier is not None
    assert sample.around.later is not None
    pairs = [
        (sample.frame0, found.frame0),
        (sample.frame1, found.frame1),
        (sample.target, found.target),
        (sample.around.earlier, found.around.earlier),
        (sample.around.later, found.around.later),
    ]
    changed = [np.abs(before - after).max(-1) > 1e-6 for before, after in pairs]
    for mask in changed[1:]:
        # But for places whose colour was the overlay's own.
        assert (mask != changed[0]).mean() < 0.001
    # Ink makes frames alike: what is left of their difference is what shows through.
    if changed[0].any():
        apart = np.abs(found.frame0 - found.frame1)[changed[0]].mean()
        assert apart < 0.9 * np.abs(sample.frame0 - sample.frame1)[changed[0]].mean()
    assert all(frame.min() >= 0 and frame.max() <= 1 for _, frame in pairs)


def test_flow_is_slower_there_and_unknown_to_the_truth(sample: Sample) -> None:
    slower = 0
    for seed in range(12):
        found = overlaid(sample, np.random.default_rng(seed))
        assert found.around is not None
        drawn = np.abs(found.frame0 - sample.frame0).max(-1) > 1e-6
        for flows in (found.middle_flow, found.around.carried, found.around.aside):
            assert (flows[..., ::2] >= 0).all()
            assert (flows[..., 1::2] == 0).all()
        slower += int((found.middle_flow[..., 0] < 7).any())
        assert np.isnan(found.true_flows[drawn]).all()
        far = np.isfinite(found.true_flows).all(-1)
        np.testing.assert_array_equal(found.true_flows[far], sample.true_flows[far])
    assert slower >= 4


def test_a_sample_without_surroundings_may_be_written_on(sample: Sample) -> None:
    alone = Sample(**{**vars(sample), "around": None})
    found = overlaid(alone, np.random.default_rng(1))
    assert found.around is None
    assert (found.frame0 != alone.frame0).any()
