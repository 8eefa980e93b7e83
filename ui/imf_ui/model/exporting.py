"""The same job for other programs: a command line, a VapourSynth script, a ComfyUI workflow.

All three carry the clip's own curve, so they make the same frames; tests compare the schedules.
"""

import json
import shlex
from fractions import Fraction
from pathlib import Path

from imf_plugin.timeline.curve import Curve
from imf_ui.model.curve import SpeedCurve
from imf_ui.model.curve_edits import part_of
from imf_ui.model.document import Clip, Document
from imf_ui.model.timebase import TICKS_PER_SECOND, seconds_of, ticks_of

MOST_KEYFRAMES = 20_000

USUAL_MODEL = "imf-vfi-lite"
"""The engine's default, whose registry would bring PyTorch into the window's process."""


def curve_text(curve: Curve) -> str:
    """Return a curve as a file that ``imf retime --curve`` reads."""
    keys: list[dict[str, object]] = []
    for key in curve.time_keys:
        members: dict[str, object] = {"at": str(key.at), "source": str(key.source)}
        if key.ease != "linear":
            members["ease"] = key.ease
        if key.ease == "bezier":
            x1, y1, x2, y2 = map(str, key.handles)
            members["handles"] = [[x1, y1], [x2, y2]]
        keys.append(members)
    lines = ",\n".join(f"  {json.dumps(key)}" for key in keys)
    return f'{{"kind": "time", "keys": [\n{lines}\n]}}\n'


def exported_curve(clip: Clip) -> SpeedCurve:
    """Return the clip's curve, cut to its marks."""
    marks, rate = clip.marks, clip.output_rate
    if marks.first is None and marks.last is None:
        return clip.curve
    start = ticks_of((marks.first or 0) / rate)
    end = clip.curve.duration if marks.last is None else ticks_of((marks.last + 1) / rate)
    return part_of(clip.curve, start, min(end, clip.curve.duration))


def cli_line(document: Document, clip: Clip) -> str:
    """Return shell commands that render a clip as the editor would."""
    media = Path(clip.media.path)
    curve_file = f"{clip.name}.curve.json"
    render = clip.render
    words = ["imf", "retime", str(media), "--curve", curve_file, "--to", str(clip.output_rate)]
    if clip.cuts.manual is not None:
        words += ["--cuts", ",".join(map(str, clip.cuts.manual)) or "off"]
    elif not clip.cuts.find:
        words += ["--cuts", "off"]
    if clip.cuts.on_cut != "hold":
        words += ["--on-cut", clip.cuts.on_cut]
    if clip.cuts.dedup:
        words.append("--dedup")
    for option, value, default in (
        ("--model", render.model, "auto"),
        ("--device", render.device, "auto"),
        ("--precision", render.precision, "auto"),
        ("--tile", render.tile, "auto"),
        ("--codec", render.codec, None),
        ("--crf", render.crf, None),
        ("--audio", render.audio, None),
    ):
        if value != default:
            words += [option, str(value)]
    words += ["-o", render.output or str(media.with_name(f"{clip.name}_retimed.mp4"))]
    text = curve_text(exported_curve(clip).engine_curve())
    return f"cat > {shlex.quote(curve_file)} <<'CURVE'\n{text}CURVE\n{shlex.join(words)}\n"


def vapoursynth_script(document: Document, clip: Clip) -> str:
    """Return a ``.vpy`` script that shows a clip as the editor would."""
    rate, render = clip.output_rate, clip.render
    options = "".join(
        f", {name}={value!r}"
        for name, value in (
            ("model", render.model),
            ("device", render.device),
            ("precision", render.precision),
            ("tile", render.tile),
        )
        if value != "auto"
    )
    scenes = "" if clip.cuts.find or clip.cuts.manual else ", sc=False"
    text = curve_text(exported_curve(clip).engine_curve())
    return (
        '"""Made by the IMF editor; needs VapourSynth, bestsource and imf_hosts."""\n\n'
        "import vapoursynth as vs\n"
        "from imf_hosts.vs import retime\n"
        "from imf_plugin.timeline.curve import parse_curve\n\n"
        f'CURVE = parse_curve("""{text}""", "the curve")\n\n'
        f"clip = vs.core.bs.VideoSource({clip.media.path!r})\n"
        f"clip = retime(clip, CURVE, fps_num={rate.numerator}, fps_den={rate.denominator}"
        f"{scenes}{options})\n"
        "clip.set_output()\n"
    )


def comfy_workflow(document: Document, clip: Clip, automatic: str = "") -> str:
    """Return a ComfyUI workflow (API format) that renders a clip as the editor would.

    Args:
        document: Where the clip lies.
        clip: What to render.
        automatic: What the method "Automatic" stands for on this machine, where that is known:
            ComfyUI's loader wants a name.

    Raises:
        ValueError: If the result is too long to be written down frame by frame.
    """
    rate = clip.output_rate
    model = clip.render.model
    if model == "auto":
        model = automatic or USUAL_MODEL
    cuts = clip.cuts.manual
    searches = clip.cuts.find if cuts is None else bool(cuts)
    workflow = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": Path(clip.media.path).name}},
        "2": {
            "class_type": "IMF_LoadModel",
            "inputs": {"model_name": f"builtin/{model}", "precision": clip.render.precision},
        },
        "3": {
            "class_type": "IMF_VideoSpeedRamp",
            "inputs": {
                "model": ["2", 0],
                "video": ["1", 0],
                "preset": "keyframes",
                "keyframes": keyframe_text(exported_curve(clip), rate, clip.media.duration),
                "curve_is": "position",
                "speed": 1.0,
                "output_fps": round(float(rate), 3),
                "audio": "drop" if clip.render.audio == "drop" else "stretch",
                "scene_cuts": "auto" if searches else "off",
                "cuts": ",".join(map(str, cuts or ())),
                "on_cut": clip.cuts.on_cut,
            },
        },
        "4": {
            "class_type": "SaveVideo",
            "inputs": {
                "video": ["3", 0],
                "filename_prefix": f"video/{clip.name}",
                "format": "auto",
                "codec": "auto",
            },
        },
    }
    return json.dumps(workflow, indent=1) + "\n"


def keyframe_text(curve: SpeedCurve, rate: Fraction, source_duration: int) -> str:
    """Return output and source seconds of every output frame, as the ramp nodes read them.

    Raises:
        ValueError: If there are too many.
    """
    stretches = curve.engine_curve().stretches(seconds_of(source_duration))
    count = -(-curve.duration * rate // TICKS_PER_SECOND)
    if count > MOST_KEYFRAMES:
        raise ValueError(
            f"the result has {count:,} frames, and a workflow can hold {MOST_KEYFRAMES:,}: "
            "mark a shorter part"
        )
    pairs = []
    number = 0
    for frame in range(int(count)):
        time = frame / rate
        while number + 1 < len(stretches) and stretches[number + 1].start <= time:
            number += 1
        pairs.append(f"{time}s:{stretches[number].source_time(time)}")
    end = seconds_of(curve.duration)
    pairs.append(f"{end}s:{stretches[-1].source_time(end)}")
    return ", ".join(pairs)
