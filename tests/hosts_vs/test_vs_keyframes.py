"""The cache of encoded keyframes."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import feature_stats, interpolate  # noqa: E402
from imf_hosts.vs.keyframes import KeyframeCache  # noqa: E402


@dataclass(frozen=True)
class Value:
    number: int
    size_bytes: int = 10


def giving(number: int, size_bytes: int = 10) -> Callable[[], Value]:
    return lambda: Value(number, size_bytes)


def test_a_value_under_way_is_waited_for_and_computed_once() -> None:
    cache: KeyframeCache[Value] = KeyframeCache(4, 1000)
    begun, go_on, computed = threading.Event(), threading.Event(), []

    def compute() -> Value:
        computed.append(1)
        begun.set()
        assert go_on.wait(5)
        return Value(7)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.get, "a", compute)
        assert begun.wait(5)
        others = [pool.submit(cache.get, "a", compute) for _ in range(3)]
        # Another key must not wait for the one under way.
        assert cache.get("b", lambda: Value(1)).number == 1
        go_on.set()
        assert {future.result(5) for future in (first, *others)} == {Value(7)}
    assert len(computed) == 1
    assert cache.statistics().hits == 3


def test_a_failure_is_forgotten() -> None:
    cache: KeyframeCache[Value] = KeyframeCache(4, 1000)

    def fail() -> Value:
        raise MemoryError("full")

    with pytest.raises(MemoryError):
        cache.get("a", fail)
    assert cache.get("a", lambda: Value(2)) == Value(2)
    assert cache.statistics().computed == 1


def test_the_values_used_last_are_kept() -> None:
    cache: KeyframeCache[Value] = KeyframeCache(3, 1000)
    for number in (0, 1, 2, 0, 3):
        cache.get(number, giving(number))
    for number in (0, 2, 3):
        cache.get(number, giving(-1))
    assert cache.statistics().computed == 4
    assert cache.get(1, giving(-1)).number == -1
    assert cache.statistics().kept == 3


def test_memory_is_bounded_but_a_pair_always_fits() -> None:
    cache: KeyframeCache[Value] = KeyframeCache(8, 100)
    for number in range(6):
        cache.get(number, giving(number, 30))
    assert cache.statistics().kept_bytes == 90
    for number in range(6, 10):
        cache.get(number, giving(number, 500))
    assert cache.statistics().kept == 2


def test_random_seeks_keep_no_more_than_asked_for(paint: Callable[..., Any]) -> None:
    made = interpolate(paint(count=40, width=32, height=32), 2, model="flow", cache_frames=3)
    order = list(range(made.num_frames))
    random.Random(3).shuffle(order)
    for number in order:
        made.get_frame(number).close()
    assert feature_stats(made)["kept"] <= 3


def test_a_dropped_clip_lets_go_of_its_keyframes(paint: Callable[..., Any]) -> None:
    import gc
    import weakref

    from imf_plugin.models.flow.interpolator import FlowInterpolator

    model = FlowInterpolator()
    watched = weakref.ref(model)
    made = interpolate(paint(), 2, model=model)
    made.get_frame(1).close()
    del made, model
    gc.collect()
    assert watched() is None


def test_memory_stays_flat_over_random_seeks(paint: Callable[..., Any]) -> None:
    import psutil

    made = interpolate(paint(count=150, width=128, height=96), 2, model="flow")
    process, random_ = psutil.Process(), random.Random(5)

    def seek() -> float:
        for _ in range(300):
            made.get_frame(random_.randrange(made.num_frames)).close()
        return float(process.memory_info().rss / 2**20)

    vs.core.max_cache_size = 16
    try:
        seek()
        began = seek()
        for _ in range(3):
            ended = seek()
    finally:
        vs.core.max_cache_size = 256
    assert ended - began < 16
    assert feature_stats(made)["kept"] <= 8


@pytest.mark.parametrize("places", [1, 2])
def test_no_more_frames_are_made_at_a_time_than_there_are_streams(
    places: int, paint: Callable[..., Any], frames_of: Any
) -> None:
    import time

    import torch

    from imf_plugin.models.flow.interpolator import FlowInterpolator

    class Watched(FlowInterpolator):
        busy = most = 0
        inference = True

        def interpolate(self, *args: Any, **options: Any) -> Any:
            Watched.busy += 1
            Watched.most = max(Watched.most, Watched.busy)
            Watched.inference &= torch.is_inference_mode_enabled()
            time.sleep(0.02)
            made = super().interpolate(*args, **options)
            Watched.busy -= 1
            return made

    made = interpolate(paint(count=12), 3, model=Watched(), num_streams=places)
    frames_of(made)
    assert Watched.most == places
    assert Watched.inference
