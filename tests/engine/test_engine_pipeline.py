"""The streaming pipeline, on a reader, a model and a sink that keep accounts."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.engine.keyframes import KeyframeSource
from imf_plugin.engine.parts import Part, split_parts
from imf_plugin.engine.pipeline import run_pipeline
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.engine.progress import CancelToken
from imf_plugin.engine.tiles import TiledInterpolator
from imf_plugin.errors import Cancelled, EncoderFailed
from imf_plugin.media.color import rgb_to_picture
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.media.read import Frame
from imf_plugin.models.base import (
    Context,
    KeyframeState,
    ModelDescriptor,
    Timestep,
    as_batch,
    check_timesteps,
)
from imf_plugin.timeline.plan import OnCut, PlannedFrame, make_frames
from imf_plugin.timeline.timemap import SourceTiming, slow_motion

RATE = Fraction(25)
STEP = 8  # frame n is a flat grey of n * STEP


class GreyReader:
    """Frame n is grey n * STEP; counts what was decoded."""

    def __init__(self, count: int) -> None:
        times = tuple(n / RATE for n in range(count))
        self.info = MediaInfo(
            path=Path("grey"),
            kind="video",
            width=16,
            height=16,
            frame_times=times,
            durations=(1 / RATE,) * count,
            frame_rate=RATE,
            is_constant_rate=True,
            pixel_format="rgb24",
            bit_depth=8,
            has_alpha=False,
            color=ColorTags(),
            sample_aspect_ratio=Fraction(1),
            rotation=0,
            interlaced=False,
        )
        self.warnings: list[str] = []
        self.decoded: Counter[int] = Counter()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        for index in range(start, self.info.frame_count if stop is None else stop):
            yield self.frame(index)

    def entry_before(self, index: int) -> int:
        return index

    def frame(self, index: int) -> Frame:
        self.decoded[index] += 1
        grey = np.full((16, 16, 3), index * STEP, dtype=np.uint8)
        picture = rgb_to_picture(grey, "rgb24")
        return Frame(index=index, time=self.info.frame_times[index], picture=picture)

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Mixer:
    """Mixes the keyframes linearly; counts encodings and pairs."""

    descriptor = ModelDescriptor(
        name="mixer",
        summary="for tests",
        source="none",
        parameters=0,
        minimum_size_px=1,
        tile_overlap_px=8,
        bytes_per_pixel=1,
    )

    def __init__(self) -> None:
        self.encoded = 0
        self.calls: list[int] = []

    def encode(self, frames: Tensor) -> KeyframeState:
        self.encoded += 1
        batch, batched = as_batch(frames)
        return KeyframeState(frames=batch, features=None, batched=batched, size_bytes=0)

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        assert isinstance(before, KeyframeState)
        assert isinstance(after, KeyframeState)
        self.calls.append(len(timesteps))
        steps = check_timesteps(timesteps)
        return torch.stack([torch.lerp(before.frames[0], after.frames[0], s) for s in steps])


class Ledger:
    """A sink that notes the grey of every frame and the parts that were committed."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.greys: list[int] = []
        self.events: list[str] = []
        self._fail_at = fail_at

    def begin(self, part: Part) -> None:
        self.events.append(f"begin {part.number}")

    def write_source(self, frame: Frame) -> None:
        self._note(int(frame.rgb()[0, 0, 0]))

    def write_pixels(self, pixels: Pixels) -> None:
        self._note(int(pixels[0, 0, 0]))

    def commit(self, part: Part) -> None:
        self.events.append(f"commit {part.number}")

    def abort(self) -> None:
        self.events.append("abort")

    def _note(self, grey: int) -> None:
        if len(self.greys) == self._fail_at:
            raise EncoderFailed("the disk is full")
        self.greys.append(grey)


def planned(
    count: int, factor: int, cuts: tuple[int, ...] = (), on_cut: OnCut = OnCut.HOLD
) -> tuple[PlannedFrame, ...]:
    times = tuple(n / RATE for n in range(count))
    source = SourceTiming(frame_times=times, duration=count / RATE)
    moments = slow_motion(source, Fraction(factor), RATE)
    return make_frames(source, moments, cuts=cuts, on_cut=on_cut)


def run(
    frames: Sequence[PlannedFrame], count: int, part_frames: int = 7
) -> tuple[Ledger, Mixer, GreyReader]:
    ledger, mixer, reader = Ledger(), Mixer(), GreyReader(count)
    parts = split_parts(frames, part_frames)
    run_pipeline(parts, reader, TiledInterpolator(mixer, 16), ledger)
    return ledger, mixer, reader


def test_every_output_frame_arrives_in_order() -> None:
    ledger, _, _ = run(planned(6, 4), 6)
    expected = [min(n * STEP // 4, 5 * STEP) for n in range(24)]
    assert ledger.greys == expected


def test_parts_are_begun_and_committed_one_after_another() -> None:
    ledger, _, _ = run(planned(3, 4), 3, part_frames=5)
    assert ledger.events == [f"{event} {n}" for n in range(3) for event in ("begin", "commit")]


def test_each_keyframe_is_decoded_and_encoded_once() -> None:
    _, mixer, reader = run(planned(10, 4), 10, part_frames=1000)
    assert set(reader.decoded.values()) == {1}
    assert mixer.encoded == 10


def test_all_timesteps_of_a_pair_go_to_the_model_together() -> None:
    _, mixer, _ = run(planned(5, 4), 5, part_frames=1000)
    assert mixer.calls == [3, 3, 3, 3]


def test_a_blend_crosses_the_cut() -> None:
    ledger, mixer, _ = run(planned(3, 2, cuts=(1,), on_cut=OnCut.BLEND), 3)
    assert ledger.greys[:3] == [0, STEP // 2, STEP]
    assert mixer.calls == [1]


def test_playing_backwards_gives_the_same_frames_reversed() -> None:
    forward, _, _ = run(planned(8, 1)[:8], 8)
    frames = planned(8, 1)[:8][::-1]
    backward, _, _ = run(frames, 8)
    assert backward.greys == forward.greys[::-1]


def test_a_failing_encoder_stops_everything_and_its_error_comes_out() -> None:
    reader, ledger = GreyReader(30), Ledger(fail_at=5)
    before = threading.active_count()
    with pytest.raises(EncoderFailed, match="disk is full"):
        run_pipeline(split_parts(planned(30, 4), 7), reader, TiledInterpolator(Mixer(), 16), ledger)
    assert ledger.events[-1] == "abort"
    assert threading.active_count() == before


def test_a_failing_reader_stops_everything() -> None:
    class Broken(GreyReader):
        def frame(self, index: int) -> Frame:
            if index == 3:
                raise OSError("the disk went away")
            return super().frame(index)

    ledger = Ledger()
    with pytest.raises(OSError, match="went away"):
        run_pipeline(
            split_parts(planned(9, 2), 100), Broken(9), TiledInterpolator(Mixer(), 16), ledger
        )
    assert ledger.events[-1] == "abort"


def test_cancelling_stops_within_the_queues() -> None:
    token, ledger = CancelToken(), Ledger()
    seen = 0

    def on_frame() -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            token.cancel()

    with pytest.raises(Cancelled, match="run the same command again"):
        run_pipeline(
            split_parts(planned(30, 4), 7),
            GreyReader(30),
            TiledInterpolator(Mixer(), 16),
            ledger,
            on_frame=on_frame,
            cancel=token,
        )
    assert len(ledger.greys) < 40
    assert ledger.events[-1] == "abort"


def test_keyframes_come_in_any_order_with_little_decoding() -> None:
    reader = GreyReader(31)
    source = KeyframeSource(reader)
    for index in [*range(31), *range(30, -1, -1), 7, 29, 8]:
        assert source.get(index).index == index
    assert sum(reader.decoded.values()) < 3 * 31 + 30


@pytest.mark.parametrize(
    "values", [np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16)]
)
def test_pixels_survive_the_way_through_a_tensor(values: Pixels) -> None:
    pixels = values[: values.size // 12 * 12].reshape(-1, 4, 3)
    tensor = to_tensor(pixels, "cpu")
    assert 0.0 <= float(tensor.min()) <= float(tensor.max()) <= 1.0
    assert np.array_equal(to_pixels(tensor, deep=values.dtype == np.uint16), pixels)


def test_pixels_are_clipped_not_wrapped() -> None:
    beyond = torch.tensor([-0.3, -1e-3, 0.5, 1.2]).reshape(1, 1, 4).expand(3, 1, 4)
    assert to_pixels(beyond, deep=False)[0, :, 0].tolist() == [0, 0, 128, 255]
    assert to_pixels(beyond, deep=True)[0, :, 0].tolist() == [0, 0, 32768, 65535]
