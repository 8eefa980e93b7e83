"""More frames: what comes back untouched, what is new, and what frames say about themselves."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import feature_stats, interpolate, merge  # noqa: E402

FORMATS = ("YUV420P8", "YUV420P10", "YUV444P16", "RGBS", "RGBH", "GRAY16", "RGB24", "YUV422PH")
FACTORS = (Fraction(2), Fraction(3), Fraction(5, 2))


def psnr(made: Any, wanted: Any) -> float:
    error = np.mean((made.astype(np.float64) - wanted) ** 2)
    return float(-10 * np.log10(error))


@pytest.mark.parametrize("factor", FACTORS, ids=str)
@pytest.mark.parametrize("format_", FORMATS)
def test_source_frames_come_back_untouched_and_the_rest_is_new(
    format_: str, factor: Fraction, paint: Callable[..., Any], shuffled: Any, samples_of: Any
) -> None:
    clip = paint(getattr(vs, format_))
    made = interpolate(clip, factor, model="flow")

    assert made.format.id == clip.format.id
    assert made.num_frames == ceil(clip.num_frames * factor)
    assert Fraction(made.fps_num, made.fps_den) == factor * Fraction(24000, 1001)
    source = [samples_of(frame) for frame in clip.frames()]
    for number, frame in enumerate(made.frames()):
        before, rest = divmod(number * factor.denominator, factor.numerator)
        assert frame.props["IMFSourceIndex"] == before
        if rest == 0:
            assert samples_of(frame) == source[before]
            assert frame.props["IMFInterpolated"] == 0
        elif before + 1 < clip.num_frames:
            assert samples_of(frame) not in source
            assert frame.props["IMFInterpolated"] == 1
            step = Fraction(frame.props["IMFTimeNum"], frame.props["IMFTimeDen"])
            assert step == Fraction(rest, factor.numerator)
        else:
            assert samples_of(frame) == source[-1]


def test_new_frames_show_the_moment_between(paint: Callable[..., Any], truth: Any) -> None:
    made = interpolate(paint(vs.RGBS), 2, model="flow")

    for number in range(1, made.num_frames - 1, 2):
        with made.get_frame(number) as frame:
            shown = np.stack([np.asarray(plane) for plane in frame])
        wanted = truth(number / 2, 64, 48)
        # The border is unknown on the side where the texture comes in.
        assert psnr(shown[:, 8:-8, 8:-8], wanted[:, 8:-8, 8:-8]) > 35


@pytest.mark.parametrize("format_", ["YUV420P8", "RGBH", "GRAY16"])
def test_frames_do_not_depend_on_the_order_of_requests(
    format_: str, paint: Callable[..., Any], samples_of: Any, shuffled: Any
) -> None:
    clip = paint(getattr(vs, format_))
    options: dict[str, Any] = {"model": "flow", "cache_frames": 2}
    ordered = [samples_of(f) for f in interpolate(clip, "5/2", **options).frames(prefetch=1)]

    for seed in (1, 2):
        found = shuffled(interpolate(clip, "5/2", **options), seed)
        assert found == dict(enumerate(ordered))


def test_each_source_frame_is_encoded_once_in_a_forward_pass(
    paint: Callable[..., Any], frames_of: Any
) -> None:
    made = interpolate(paint(count=24), 3, model="flow")
    frames_of(made)

    statistics = feature_stats(made)
    assert statistics["encodes"] == 24
    assert statistics["kept"] <= 8
    assert statistics["kept_bytes"] > 0


def test_out_of_range_colours_pass_through_the_conversion(paint: Callable[..., Any]) -> None:
    colours = [250, 90, 240]
    clip = vs.core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2, color=colours)
    made = interpolate(clip.std.SetFrameProps(_Matrix=1), 2, model="flow")

    with made.get_frame(1) as frame:
        assert frame.props["IMFInterpolated"] == 1
        for plane, value in zip(frame, colours, strict=True):
            assert np.abs(np.asarray(plane).astype(int) - value).max() <= 1


@pytest.mark.parametrize(("matrix", "transfer"), [(9, 16), (14, 16), (9, 18)])
def test_hdr_keeps_transfer_and_primaries(matrix: int, transfer: int) -> None:
    clip = vs.core.std.BlankClip(
        width=64, height=48, format=vs.YUV420P10, length=2, color=[600, 400, 580]
    )
    clip = clip.std.SetFrameProps(
        _Matrix=matrix, _Transfer=transfer, _Primaries=9, MasteringDisplayMaxLuminance=1000.0
    )
    with interpolate(clip, 2, model="flow").get_frame(1) as frame:
        assert frame.props["IMFInterpolated"] == 1
        names = ("_Matrix", "_Transfer", "_Primaries", "MasteringDisplayMaxLuminance")
        assert [frame.props[name] for name in names] == [matrix, transfer, 9, 1000.0]
        assert [int(np.asarray(plane)[20, 20]) for plane in frame] == [600, 400, 580]


def test_full_range_stays_full_range(paint: Callable[..., Any]) -> None:
    clip = vs.core.std.BlankClip(
        width=64, height=48, format=vs.YUV420P8, length=2, color=[250, 120, 130]
    )
    made = interpolate(clip, 2, model="flow", matrix="709", range="full")
    with made.get_frame(1) as frame:
        assert frame.props["_Range"] == vs.RANGE_FULL
        assert frame.props["_Matrix"] == vs.MATRIX_BT709
        assert int(np.asarray(frame[0])[20, 20]) == 250


def test_stale_properties_are_dropped_from_new_frames_only(paint: Callable[..., Any]) -> None:
    clip = paint().std.SetFrameProps(_AbsoluteTime=1.5, _PictType="I", _SARNum=4, _SARDen=3)
    made = list(interpolate(clip, 2, model="flow").frames())

    assert "_AbsoluteTime" in made[0].props
    assert "_AbsoluteTime" not in made[1].props
    assert "_PictType" not in made[1].props
    assert (made[1].props["_SARNum"], made[1].props["_SARDen"]) == (4, 3)


def test_a_masked_spot_is_cross_faded(paint: Callable[..., Any], truth: Any) -> None:
    mask = vs.core.std.BlankClip(width=64, height=48, format=vs.GRAY8, length=1, color=255)
    made = interpolate(paint(vs.RGBS), 2, model="flow", static_mask=mask)

    with made.get_frame(1) as frame:
        shown = np.stack([np.asarray(plane) for plane in frame])
    faded = (truth(0, 64, 48) + truth(1, 64, 48)) / 2
    assert np.abs(shown - faded).max() < 1e-6


def test_a_failing_model_names_the_source_frames(paint: Callable[..., Any]) -> None:
    from imf_plugin.models.flow.interpolator import FlowInterpolator

    class Failing(FlowInterpolator):
        def interpolate(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("out of paint")

    made = interpolate(paint(), 2, model=Failing())
    with pytest.raises(vs.Error, match="imf: making a frame from source frame 1 and 2 failed"):
        made.get_frame(3)
    merged = merge(paint(), paint(), 0.5, model=Failing())
    with pytest.raises(vs.Error, match="imf: making a frame from source frame 3 failed"):
        merged.get_frame(3)
