"""Every wrong argument, and the sentence that it gets, before any frame is asked for."""

from collections.abc import Callable
from typing import Any

import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts import vs as imf  # noqa: E402


def blank(format_: int = vs.RGB24, **options: Any) -> Any:
    return vs.core.std.BlankClip(
        format=format_, **{"width": 64, "height": 48, "length": 5, **options}
    )


def yuv() -> Any:
    return blank(vs.YUV420P8)


def variable() -> Any:
    return blank(fpsnum=0, fpsden=1)


INTERPOLATE: list[tuple[Callable[[], Any], dict[str, Any], str]] = [
    (lambda: None, {}, "clip must be a video clip, not NoneType"),
    (lambda: vs.core.std.BlankAudio(length=9), {}, "clip must be a video clip, not AudioNode"),
    (lambda: blank(varsize=1), {}, "clip must have one size throughout"),
    (lambda: blank(varformat=1), {}, "clip must have one format throughout"),
    (lambda: blank(vs.GRAY32), {}, "clip has 32-bit integers; 8 to 16 bit"),
    (lambda: blank(length=1), {}, "clip must have at least 2 frames, not 1"),
    (yuv, {}, "the clip does not say its YUV matrix (_Matrix is 2): give matrix="),
    (yuv, {"matrix": "rec709"}, "matrix must be one of 709, 470bg, 601"),
    (yuv, {"matrix": 2}, "matrix must be one of"),
    (blank, {"matrix": "709"}, "matrix is for YUV clips, and this one is RGB24: leave it out"),
    (blank, {"range": "tv"}, "range must be one of limited, full or its number, not 'tv'"),
    (lambda: blank().std.SetFieldBased(1), {}, "the clip is interlaced (_FieldBased)"),
    (blank, {"factor": 2.5}, "factor must be an integer, a Fraction or text"),
    (blank, {"factor": True}, "factor must be an integer"),
    (blank, {"factor": "fast"}, "factor must be a number such as 4, 2.5 or 60000/1001, not 'fast'"),
    (blank, {"factor": 0}, "factor must be above 0 and at most 1000, not 0"),
    (blank, {"factor": -2}, "factor must be above 0"),
    (blank, {"factor": 1001}, "factor must be above 0 and at most 1000, not 1001"),
    (blank, {"fps_num": 60}, "fps_num and fps_den must be given together"),
    (blank, {"fps_den": 1001}, "fps_num and fps_den must be given together"),
    (blank, {"fps_num": 59.94, "fps_den": 1}, "fps_num must be an integer of at least 1"),
    (blank, {"fps_num": 60, "fps_den": 0}, "fps_den must be an integer of at least 1, not 0"),
    (blank, {"fps_num": 9999, "fps_den": 1}, "the frame rate 9999 cannot be used"),
    (blank, {"factor": 2, "fps_num": 60, "fps_den": 1}, "give either factor or fps_num"),
    (variable, {"fps_num": 60, "fps_den": 1}, "fps_num and fps_den need a clip of constant"),
    (lambda: blank(length=2**29), {"factor": 8}, "the result would have 4294967296 frames"),
    (blank, {"model": "rife"}, "there is no model named 'rife'; the models here are:"),
    (blank, {"model": 4.25}, "model must be a name or a loaded model, not 4.25"),
    (blank, {"device": "tpu"}, "there is no device named 'tpu'"),
    (blank, {"device": 0}, "device must be a text such as 'auto', not 0"),
    (blank, {"device": "cpu", "precision": "fp16"}, "a CPU is slower in fp16 than in fp32"),
    (blank, {"precision": "int8"}, "there is no precision named 'int8'"),
    (blank, {"tile": 64}, "tile must be 'auto', 'off' or a number of pixels from 128, not 64"),
    (blank, {"tile": "big"}, "tile must be 'auto', 'off' or a number of pixels"),
    (blank, {"sc": "yes"}, "sc must be True or False, not 'yes'"),
    (blank, {"sc_threshold": 15}, "sc_threshold must lie between 0 and 1, not 15"),
    (blank, {"sc_threshold": "low"}, "sc_threshold must be a number from 0 to 1, not 'low'"),
    (blank, {"sc_mode": "morph"}, "sc_mode must be one of hold, nearest, blend, not 'morph'"),
    (blank, {"sc_clip": blank(length=4)}, "sc_clip must be as long as the clip, 5 frames, not 4"),
    (blank, {"sc_clip": 3}, "sc_clip must be a video clip, not int"),
    (blank, {"static_mask": blank()}, "static_mask must be a gray clip, not RGB24"),
    (blank, {"static_mask": blank(vs.GRAY8, width=32)}, "static_mask must be of the clip's size"),
    (blank, {"static_mask": blank(vs.GRAY8, length=3)}, "static_mask must have one frame or as"),
    (blank, {"num_streams": 0}, "num_streams must be an integer of at least 1, not 0"),
    (blank, {"cache_frames": 1}, "cache_frames must be an integer of at least 2, not 1"),
    (blank, {"cache_mb": "much"}, "cache_mb must be an integer of at least 1, not 'much'"),
    (blank, {"context": 3}, "context must be 2 or 4 keyframes, not 3"),
    (blank, {"context": "all"}, "context must be 2 or 4 keyframes, not 'all'"),
    (blank, {"multi": 2}, "unexpected keyword argument 'multi'"),
]

OTHERS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("slow_motion", (None,), {}, "clip must be a video clip"),
    ("slow_motion", (blank(), 1.5), {}, "factor must be an integer"),
    ("slow_motion", (variable(),), {"fps_num": 30, "fps_den": 1}, "need a clip of constant frame"),
    ("slow_motion", (), {}, "missing 1 required positional argument: 'clip'"),
    ("retime", (blank(), []), {}, "curve must be a list of pairs such as"),
    ("retime", (blank(), [1, 2]), {}, "a key of the curve must be a pair (source frame, speed)"),
    ("retime", (blank(), [(0, 0.5)]), {}, "the speed of key (0, 0.5) must be an integer, a Frac"),
    ("retime", (blank(), [(0, -1)]), {}, "the key (0, -1) of the curve must not be negative"),
    ("retime", (blank(), [(0, 0)]), {}, "a speed of the curve must lie between 1/1000 and 1000"),
    ("retime", (blank(), [(3, 1), (2, 1)]), {}, "the keys of the curve must rise: 2 comes after 3"),
    ("retime", (blank(), [(0, 1)]), {"kind": "time"}, "curve must have at least two keys"),
    ("retime", (blank(), [(0, 1)]), {"kind": "size"}, "kind must be speed or time, not 'size'"),
    ("retime", (blank(), [(0, 1)]), {"ease": "bounce"}, "ease must be one of step, linear, smooth"),
    ("retime", (blank(), [(0, 1)]), {"length": 0}, "length must be an integer of at least 1"),
    ("retime", (blank(), [(0, 1)]), {"motion_blur": 65}, "motion_blur must be at most 64, not 65"),
    ("retime", (blank(), "none.json"), {}, "none.json"),
    ("retime", (variable(), [(0, 1)]), {}, "retime needs a clip of constant frame rate"),
    ("retime_map", (blank(), [(0, 1)]), {"length": 6_000_000}, "the map would have 6000000"),
    ("repair_duplicates", (blank(),), {"place": "last"}, "place must be first or centre"),
    ("repair_duplicates", (blank(),), {"threshold": 2}, "threshold must lie between 0 and 1"),
    ("repair_duplicates", (blank(),), {"max_run": 0}, "max_run must be an integer of at least 1"),
    ("repair_duplicates", (blank(),), {"max_run": 99}, "max_run must be at most 16, not 99"),
    ("repair_duplicates", (blank(),), {"only": [5]}, "only has frame 5, but the last one is 4"),
    ("repair_duplicates", (blank(),), {"never": ["1"]}, "a frame of never must be an integer"),
    ("repair_duplicates", (blank(),), {"show": 2}, "show must be True or False"),
    ("replace_frames", (blank(), [9]), {}, "ranges has frame 9, but the last one is 4"),
    ("replace_frames", (blank(), [(3, 2)]), {}, "a range must end after it begins, not (3, 2)"),
    ("replace_frames", (blank(), [1.5]), {}, "a frame of ranges must be an integer"),
    ("replace_frames", (blank(), 3), {}, "ranges must be frame numbers and (first, last) pairs"),
    ("replace_frames", (blank(), "1,0"), {}, "a line of ranges must be FRAME or FRAME,COUNT"),
    ("replace_frames", (blank(), "gone.txt"), {}, "the list of damaged frames gone.txt cannot be"),
    ("replace_frames", (blank(), [(0, 4)]), {}, "ranges covers the whole clip"),
    ("merge", (blank(), blank(length=4), 0.5), {}, "clipb must be like clipa (64x48 RGB24, 5"),
    ("merge", (blank(), blank(), 2), {}, "t must lie between 0 and 1, not 2"),
    ("merge", (blank(), blank(), "half"), {}, "t must be a number from 0 to 1, not 'half'"),
    ("merge", (blank(), blank(), blank(length=4)), {}, "t must be as long as the clips, 5, not 4"),
    ("detect_scenes", (blank(), 2), {}, "threshold must lie between 0 and 1"),
    ("detect_scenes", ("clip",), {}, "clip must be a video clip, not str"),
    ("detect_duplicates", (blank(), -1), {}, "threshold must lie between 0 and 1"),
    ("detect_duplicates", (blank(length=1),), {}, "clip must have at least 2 frames"),
    ("feature_stats", (blank(),), {}, "feature_stats needs a clip just as a function"),
]


@pytest.mark.parametrize(
    ("clip", "options", "sentence"), INTERPOLATE, ids=[row[2][:50] for row in INTERPOLATE]
)
def test_interpolate_refuses(
    clip: Callable[[], Any], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(vs.Error) as caught:
        imf.interpolate(clip(), **options)
    assert str(caught.value).startswith("imf: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("function", "arguments", "options", "sentence"),
    OTHERS,
    ids=[f"{row[0]}: {row[3][:40]}" for row in OTHERS],
)
def test_the_others_refuse(
    function: str, arguments: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(vs.Error) as caught:
        getattr(imf, function)(*arguments, **options)
    assert str(caught.value).startswith("imf: ")
    assert sentence in str(caught.value)


def test_a_variable_rate_without_durations_names_the_frame() -> None:
    clip = blank(fpsnum=0, fpsden=1).std.RemoveFrameProps(["_DurationNum", "_DurationDen"])
    made = imf.interpolate(clip, 2)
    with pytest.raises(vs.Error, match="source frame 1 of this clip of variable rate has no dur"):
        made.get_frame(2)
