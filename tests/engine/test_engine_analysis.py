"""Cuts and repeated frames."""

import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.engine.analysis import CutDetector, RepeatDetector

type Picture = NDArray[np.uint8]


def shot(seed: int, count: int, speed: int = 3) -> list[Picture]:
    """Return a pan over a smooth random texture."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (12, 40, 3), dtype=np.uint8)
    wide = np.kron(coarse, np.ones((12, 12, 1), dtype=np.uint8))
    return [wide[:, n * speed : n * speed + 256] for n in range(count)]


def cuts_in(frames: list[Picture]) -> tuple[int, ...]:
    detector = CutDetector()
    for frame in frames:
        detector.push(frame)
    return detector.finish()


def repeats_in(frames: list[Picture]) -> tuple[int, ...]:
    detector = RepeatDetector()
    for frame in frames:
        detector.push(frame)
    return detector.finish()


def test_a_cut_between_two_shots_is_found_at_its_first_frame() -> None:
    assert cuts_in(shot(1, 10) + shot(2, 10)) == (10,)


@pytest.mark.parametrize("place", [1, 2, 18, 19])
def test_a_cut_near_either_end_is_found(place: int) -> None:
    assert cuts_in(shot(1, place) + shot(2, 20 - place)) == (place,)


def test_a_fast_pan_is_no_cut() -> None:
    assert cuts_in(shot(3, 20, speed=10)) == ()


def test_several_cuts_are_all_found() -> None:
    assert cuts_in(shot(1, 6) + shot(2, 6) + shot(3, 6)) == (6, 12)


def noisy(frame: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 1.0, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def test_animation_on_twos_is_found_through_encoding_noise() -> None:
    drawings = shot(4, 8)
    frames = [noisy(drawings[n // 2], n) for n in range(16)]
    assert repeats_in(frames) == tuple(range(1, 16, 2))


def test_one_repeat_in_five_is_found() -> None:
    film = shot(5, 17)
    order = [n - n // 5 for n in range(20)]
    expected = tuple(n for n in range(1, 20) if order[n] == order[n - 1])
    assert repeats_in([noisy(film[place], n) for n, place in enumerate(order)]) == expected


def test_slow_motion_of_the_camera_is_not_taken_for_repeats() -> None:
    assert repeats_in(shot(6, 16, speed=1)) == ()


def test_a_small_moving_thing_in_a_still_picture_is_not_a_repeat() -> None:
    still = shot(7, 1)[0]
    frames = []
    for n in range(12):
        frame = still.copy()
        frame[40:52, 10 + 4 * n : 22 + 4 * n] = 255
        frames.append(frame)
    assert repeats_in(frames) == ()
