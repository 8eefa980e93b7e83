"""The motion of one clip on the picture of another."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import retarget  # noqa: E402


@pytest.fixture(scope="module")
def driving(paint: Callable[..., Any]) -> Any:
    moments: list[float | None] = [0, 0.5, 1, 1.5]
    return paint(vs.YUV420P8, moments=moments, width=96, height=80, rate=Fraction(30))


@pytest.fixture(scope="module")
def reference(paint: Callable[..., Any]) -> Any:
    clip = paint(vs.YUV444P16, count=3, width=128, height=112, rate=Fraction(24))
    return clip.std.SetFrameProps(_SARNum=4, _SARDen=3)


def test_length_and_rate_are_the_drivings_and_the_picture_the_references(
    reference: Any, driving: Any
) -> None:
    made = retarget(reference, driving, model="transport")

    assert (made.num_frames, made.fps) == (driving.num_frames, 30)
    assert (made.width, made.height, made.format.id) == (128, 112, vs.YUV444P16)
    with made.get_frame(2) as frame:
        assert (frame.props["_DurationNum"], frame.props["_DurationDen"]) == (1, 30)
        assert (frame.props["_SARNum"], frame.props["_Matrix"]) == (4, 1)
        assert frame.props["IMFSourceIndex"] == 2


def test_the_picture_moves_as_the_driving_does(reference: Any, driving: Any) -> None:
    made = retarget(reference, driving, model="transport")

    def luma(clip: Any, number: int) -> Any:
        with clip.get_frame(number) as frame:
            return np.asarray(frame[0]).astype(np.float64)[16:-16, 16:-16]

    still = luma(reference, 0)
    changes = [np.abs(luma(made, number) - still).mean() for number in range(4)]
    assert changes[0] < 0.25 * changes[3]
    held = retarget(reference, driving, strength=0, model="transport")
    assert np.abs(luma(held, 3) - still).mean() < 0.1 * changes[3]


@pytest.mark.parametrize("smooth", [0, 2])
def test_retargeted_frames_do_not_depend_on_order(
    smooth: int, reference: Any, driving: Any, samples_of: Any, shuffled: Any
) -> None:
    options: dict[str, Any] = {"smooth": smooth, "model": "transport"}
    ordered = [samples_of(frame) for frame in retarget(reference, driving, **options).frames()]
    assert shuffled(retarget(reference, driving, **options)) == dict(enumerate(ordered))


def test_smoothing_is_the_engines(reference: Any, driving: Any) -> None:
    import torch

    from imf_plugin.engine.retargeting import Retargeting, smooth_tokens
    from imf_plugin.models.registry import load_retargeter

    rgb = [clip.resize.Bicubic(format=vs.RGBS) for clip in (reference, driving)]
    made = retarget(*rgb, smooth=1, model="transport")
    still, *frames = (
        torch.from_numpy(np.stack([np.asarray(plane) for plane in frame]))
        for frame in (rgb[0].get_frame(0), *rgb[1].frames())
    )
    engine = Retargeting(load_retargeter("transport"), still, frames[0])
    tokens = smooth_tokens(torch.stack([engine.tokens(f[None])[0] for f in frames]), 1)
    for number, token in enumerate(tokens):
        wanted = engine.render(token[None])[0].numpy()
        shown = np.stack([np.asarray(plane) for plane in made.get_frame(number)])
        assert np.abs(shown - wanted).max() < 1e-5


def test_only_the_masked_part_moves(reference: Any, driving: Any) -> None:
    mask = vs.core.std.BlankClip(width=128, height=112, format=vs.GRAY8, length=1, color=0)
    with (
        retarget(reference, driving, mask=mask, model="transport").get_frame(3) as frame,
        reference.get_frame(0) as still,
    ):
        for made, own in zip(frame, still, strict=True):
            assert np.abs(np.asarray(made).astype(int) - np.asarray(own)).max() <= 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"frame": 3}, "frame is 3, but the last frame of that clip is 2"),
        ({"anchor": 9}, "anchor is 9, but the last frame of that clip is 3"),
        ({"mode": "both"}, "there is no retargeting mode 'both'"),
        ({"strength": 9}, "the strength must be from 0 to 4, not 9"),
        ({"strength": "much"}, "strength must be a number, not 'much'"),
        ({"smooth": -1}, "smooth must be an integer of at least 0"),
        ({"smooth": 33}, "smooth must be at most 32, not 33"),
        ({"keep_background": "no"}, "keep_background must be True or False"),
        ({"model": "faces"}, "there is no retargeting model named 'faces'"),
        ({"model": 3}, "model must be a name or a loaded retargeting model, not 3"),
        ({"num_streams": 0}, "num_streams must be an integer of at least 1"),
        ({"multi": 0}, "retarget got an unexpected keyword argument 'multi'"),
    ],
)
def test_retarget_refuses(
    options: dict[str, Any], sentence: str, reference: Any, driving: Any
) -> None:
    with pytest.raises(vs.Error) as caught:
        retarget(reference, driving, **options)
    assert str(caught.value).startswith("imf: ")
    assert sentence in str(caught.value)


def test_retarget_refuses_a_wrong_mask(reference: Any, driving: Any) -> None:
    mask = vs.core.std.BlankClip(width=96, height=80, format=vs.GRAY8, length=1)
    with pytest.raises(vs.Error, match=r"imf: mask must be of the reference's size, 128x112"):
        retarget(reference, driving, mask=mask)
