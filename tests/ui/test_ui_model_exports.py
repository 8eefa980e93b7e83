"""The same job for other programs makes the same frames."""

import json
import re
import shlex
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from imf_plugin.cli.main import build_parser
from imf_plugin.cli.options import read_render_options, read_retime
from imf_plugin.models.registry import DEFAULT_MODEL
from imf_plugin.timeline.curve import Curve, TimeKey, parse_curve
from imf_plugin.timeline.plan import make_frames
from imf_plugin.timeline.timemap import SourceTiming, along_curve
from imf_ui.model.curve import identity_curve
from imf_ui.model.document import Clip, CutSettings, Document, Marks, MediaRef, RenderSettings
from imf_ui.model.exporting import USUAL_MODEL, cli_line, comfy_workflow, vapoursynth_script
from imf_ui.model.presets import apply_preset, preset_named
from imf_ui.model.schedule import Schedule, planner_for
from imf_ui.model.timebase import ticks_of

F = Fraction
RATE = F(25)
TIMING = SourceTiming(frame_times=tuple(n / RATE for n in range(50)), duration=F(2))
DURATION = ticks_of(F(2))


def a_clip(preset: str, **members: object) -> Clip:
    curve = apply_preset(preset_named(preset), identity_curve(DURATION), DURATION)
    media = MediaRef(path="/videos/it's here.mp4", rate=RATE, duration=DURATION, frame_count=50)
    return Clip(id="c", name="my clip", media=media, curve=curve, **members)  # type: ignore[arg-type]


def schedule_of(clip: Clip) -> Schedule:
    return Schedule(TIMING, planner_for(TIMING, clip, None), clip.curve, clip.output_rate)


def frames_along(curve: Curve, rate: Fraction = RATE) -> list[tuple[int, int, Fraction]]:
    planned = make_frames(TIMING, along_curve(TIMING, curve, rate))
    return [(frame.before, frame.after, frame.timestep) for frame in planned]


def frames_of(clip: Clip) -> list[tuple[int, int, Fraction]]:
    schedule = schedule_of(clip)
    found = map(schedule.frame, range(schedule.count))
    return [(frame.before, frame.after, frame.timestep) for frame in found]


PRESETS = ["slow_half", "slow_quarter", "hit", "reverse", "freeze"]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_line_renders_the_editors_frames(preset: str, tmp_path: Path) -> None:
    clip = a_clip(preset)
    text = cli_line(Document(clips=(clip,), active="c"), clip)
    here, command = re.fullmatch(r".*<<'CURVE'\n(.*)CURVE\n(.*)\n", text, re.DOTALL).groups()  # type: ignore[union-attr]
    words = shlex.split(command)
    assert words[0] == "imf"
    (tmp_path / "my clip.curve.json").write_text(here, encoding="utf-8")
    words[words.index("my clip.curve.json")] = str(tmp_path / "my clip.curve.json")
    args = build_parser().parse_args(words[1:])
    assert args.input == clip.media.path
    retime = read_retime(args)
    assert retime.curve is not None
    assert retime.curve_rate == RATE
    assert frames_along(retime.curve) == frames_of(clip)


def test_the_command_line_carries_every_setting(tmp_path: Path) -> None:
    clip = a_clip(
        "slow_half",
        cuts=CutSettings(manual=(7, 30), on_cut="blend", dedup=True),
        render=RenderSettings(
            model="flow",
            device="cpu",
            precision="fp32",
            tile="512",
            codec="ffv1",
            crf=3,
            audio="drop",
            output="/out/a.mkv",
        ),
    )
    command = cli_line(Document(clips=(clip,), active="c"), clip).splitlines()[-1]
    words = shlex.split(command)[1:]
    words[words.index("--curve") : words.index("--curve") + 2] = ["--curve", "x"]
    args = build_parser().parse_args(words)
    options = read_render_options(args)
    assert (options.model, options.device, options.tile, options.codec, options.crf) == (
        "flow",
        "cpu",
        "512",
        "ffv1",
        3,
    )
    assert (args.cuts, args.on_cut, args.dedup, args.output) == (
        "7,30",
        "blend",
        True,
        "/out/a.mkv",
    )


def test_a_marked_part_is_exported_alone() -> None:
    clip = a_clip("slow_half", marks=Marks(first=10, last=29))
    text = cli_line(Document(clips=(clip,), active="c"), clip)
    here = text.split("<<'CURVE'\n")[1].split("CURVE\n")[0]
    assert frames_along(parse_curve(here, "x")) == frames_of(clip)[10:30]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_vapoursynth_script_holds_the_editors_curve(preset: str) -> None:
    clip = a_clip(preset, render=RenderSettings(rate=F(60000, 1001), tile="512"))
    script = vapoursynth_script(Document(clips=(clip,), active="c"), clip)
    compile(script, "clip.vpy", "exec")
    text = script.split('"""')[3]
    assert frames_along(parse_curve(text, "x"), F(60000, 1001)) == frames_of(clip)
    assert "fps_num=60000, fps_den=1001" in script
    assert "tile='512'" in script


@pytest.mark.parametrize("preset", PRESETS)
def test_the_comfyui_workflow_holds_the_editors_frames(preset: str) -> None:
    clip = a_clip(preset, cuts=CutSettings(find=False))
    workflow = json.loads(comfy_workflow(Document(clips=(clip,), active="c"), clip))
    ramp = workflow["3"]["inputs"]
    assert ramp["scene_cuts"] == "off"
    pairs = [pair.split(":") for pair in ramp["keyframes"].split(", ")]
    keys = [(Fraction(place.rstrip("s")), Fraction(value)) for place, value in pairs]
    assert all(later[0] > earlier[0] for earlier, later in pairwise(keys))
    curve = Curve(time_keys=tuple(TimeKey(at=at, source=source) for at, source in keys))
    assert frames_along(curve) == frames_of(clip)
    links = [value for node in workflow.values() for value in node["inputs"].values()]
    assert all(link[0] in workflow for link in links if isinstance(link, list))


@pytest.mark.parametrize(
    ("chosen", "automatic", "named"),
    [("flow", "imf-vfi-lite", "flow"), ("auto", "flow", "flow"), ("auto", "", "imf-vfi-lite")],
)
def test_the_comfyui_workflow_names_the_model_that_makes_the_editors_frames(
    chosen: str, automatic: str, named: str
) -> None:
    clip = a_clip("slow_half", render=RenderSettings(model=chosen))
    text = comfy_workflow(Document(clips=(clip,), active="c"), clip, automatic)
    assert json.loads(text)["2"]["inputs"]["model_name"] == f"builtin/{named}"
    assert USUAL_MODEL == DEFAULT_MODEL


def test_a_workflow_that_would_be_too_long_says_so() -> None:
    clip = a_clip("slow_half")
    long = replace(clip, curve=identity_curve(DURATION * 1000), media=clip.media)
    with pytest.raises(ValueError, match="mark a shorter part"):
        comfy_workflow(Document(clips=(long,), active="c"), long)
