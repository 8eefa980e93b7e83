"""Render plans as JSON: one output frame a line, readable, editable, checked line by line."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from imf_plugin.errors import PlanError
from imf_plugin.timeline.located_json import LocatedList, load_located, read_text
from imf_plugin.timeline.plan import Beyond, Decision, PlannedFrame, PlanSource, RenderPlan
from imf_plugin.timeline.rational import to_fraction
from imf_plugin.timeline.timemap import AudioSpan

FORMAT = "imf-plan"
VERSION = 1
_FRAME_MEMBERS = (
    *("time", "before", "after", "timestep", "decision"),
    *("reason", "earlier", "later"),
)


def plan_to_json(plan: RenderPlan) -> str:
    """Write a plan as text; `plan_from_json` reads the same plan back."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "source": {
            "path": plan.source.path,
            "frame_count": plan.source.frame_count,
            "frame_rate": str(plan.source.frame_rate),
            "duration": str(plan.source.duration),
            "sha256": plan.source.sha256,
        },
        "request": plan.request,
        "frame_rate": None if plan.frame_rate is None else str(plan.frame_rate),
        "duration": str(plan.duration),
        "audio": [
            [str(span.source_start), str(span.source_end), str(span.output_duration)]
            for span in plan.audio
        ],
        "cuts": list(plan.cuts),
        "duplicates": list(plan.duplicates),
        "warnings": list(plan.warnings),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    frames = ",\n".join("  " + _frame_to_json(frame) for frame in plan.frames)
    return "{\n" + "\n".join(lines) + '\n "frames": [\n' + frames + "\n ]\n}\n"


def _frame_to_json(frame: PlannedFrame) -> str:
    beyond = {"earlier": frame.earlier, "later": frame.later}
    return json.dumps(
        {
            "time": str(frame.time),
            "before": frame.before,
            "after": frame.after,
            "timestep": str(frame.timestep),
            "decision": frame.decision.value,
            "reason": frame.reason,
            **{
                name: [one.keyframe, str(one.distance)]
                for name, one in beyond.items()
                if one is not None
            },
        }
    )


def plan_from_json(text: str, file: str) -> RenderPlan:
    """Read a plan.

    Args:
        text: The content of a plan file.
        file: How errors call the file.

    Raises:
        PlanError: If anything in it makes no sense, naming the line where it can.
    """
    data = load_located(text, file, "frames")
    if data.get("format") != FORMAT:
        raise PlanError(f'{file} is not a render plan: its "format" is not "{FORMAT}"')
    if data.get("version") != VERSION:
        raise PlanError(
            f"{file} is a plan of version {data.get('version')!r}; "
            f"this program reads version {VERSION}: make the plan again with 'imf plan'"
        )
    try:
        source = _source(data["source"], file)
        plan = RenderPlan(
            source=source,
            request={str(key): str(value) for key, value in data["request"].items()},
            frame_rate=_optional_number(data["frame_rate"], f'{file}: "frame_rate"'),
            duration=to_fraction(data["duration"], f'{file}: "duration"'),
            audio=tuple(_audio_span(raw, file) for raw in data["audio"]),
            cuts=tuple(int(number) for number in data["cuts"]),
            duplicates=tuple(int(number) for number in data["duplicates"]),
            warnings=tuple(str(warning) for warning in data.get("warnings", [])),
            frames=_frames(data["frames"], file, source.frame_count),
        )
    except KeyError as error:
        raise PlanError(f"{file}: the plan lacks {error.args[0]!r}") from None
    except (AttributeError, TypeError, ValueError):
        raise PlanError(
            f"{file}: a member of the plan has the wrong type; compare it with a fresh 'imf plan'"
        ) from None
    if plan.duration <= plan.frames[-1].time:
        raise PlanError(
            f'{file}: "duration" is {plan.duration}, but the last frame starts at '
            f"{plan.frames[-1].time}; the duration must be later"
        )
    return plan


def read_plan(path: Path) -> RenderPlan:
    """Read a plan file.

    Raises:
        PlanError: If it cannot be read, or anything in it makes no sense.
    """
    return plan_from_json(read_text(path, "the plan"), str(path))


def _optional_number(value: Any, what: str) -> Fraction | None:
    return None if value is None else to_fraction(value, what)


def _source(raw: dict[str, Any], file: str) -> PlanSource:
    return PlanSource(
        path=str(raw["path"]),
        frame_count=int(raw["frame_count"]),
        frame_rate=to_fraction(raw["frame_rate"], f"{file}: the source's frame rate"),
        duration=to_fraction(raw["duration"], f"{file}: the source's duration"),
        sha256=str(raw["sha256"]),
    )


def _audio_span(raw: Any, file: str) -> AudioSpan:
    start, end, duration = (to_fraction(value, f"{file}: an audio time") for value in raw)
    return AudioSpan(source_start=start, source_end=end, output_duration=duration)


def _frames(raw: Any, file: str, frame_count: int) -> tuple[PlannedFrame, ...]:
    if not isinstance(raw, LocatedList) or not raw:
        raise PlanError(f'{file}: "frames" must be a list with at least one frame')
    frames: list[PlannedFrame] = []
    for element, line in zip(raw, raw.lines, strict=True):
        place = f"{file}, line {line}"
        frame = _frame(element, place, frame_count)
        earliest = frames[-1].time if frames else None
        if earliest is None and frame.time != 0:
            raise PlanError(f'{place}: the first frame\'s "time" must be 0, not {frame.time}')
        if earliest is not None and frame.time <= earliest:
            raise PlanError(
                f'{place}: "time" is {frame.time}, which is not after the frame before ({earliest})'
            )
        frames.append(frame)
    return tuple(frames)


def _frame(raw: Any, place: str, frame_count: int) -> PlannedFrame:
    if not isinstance(raw, dict):
        raise PlanError(f"{place}: a frame must be an object, not {raw!r}")
    for name in _FRAME_MEMBERS[:5]:
        if name not in raw:
            raise PlanError(f'{place}: the frame lacks "{name}"')
    for name in raw:
        if name not in _FRAME_MEMBERS:
            raise PlanError(f"{place}: unknown member {name!r}")
    frame = PlannedFrame(
        time=to_fraction(raw["time"], f'{place}: "time"'),
        before=_frame_number(raw, "before", place, frame_count),
        after=_frame_number(raw, "after", place, frame_count),
        timestep=to_fraction(raw["timestep"], f'{place}: "timestep"'),
        decision=_decision(raw["decision"], place),
        reason=str(raw.get("reason", "edited by hand")),
        earlier=_beyond(raw, "earlier", place, frame_count),
        later=_beyond(raw, "later", place, frame_count),
    )
    _check_frame(frame, place)
    return frame


def _decision(value: Any, place: str) -> Decision:
    try:
        return Decision(value)
    except ValueError:
        known = ", ".join(decision.value for decision in Decision)
        raise PlanError(f'{place}: "decision" must be one of {known}, not {value!r}') from None


def _frame_number(raw: dict[str, Any], name: str, place: str, frame_count: int) -> int:
    value = raw[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < frame_count:
        raise PlanError(
            f'{place}: "{name}" must be a frame number from 0 to {frame_count - 1}, not {value!r}'
        )
    return value


def _beyond(raw: dict[str, Any], name: str, place: str, frame_count: int) -> Beyond | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise PlanError(
            f'{place}: "{name}" must be a frame number and a distance, like [7, "1"], not {value!r}'
        )
    keyframe = _frame_number({name: value[0]}, name, place, frame_count)
    distance = to_fraction(value[1], f'{place}: the distance in "{name}"')
    if distance <= 0:
        raise PlanError(f'{place}: the distance in "{name}" must be above 0, not {distance}')
    return Beyond(keyframe=keyframe, distance=distance)


def _check_frame(frame: PlannedFrame, place: str) -> None:
    if not 0 <= frame.timestep <= 1:
        raise PlanError(f'{place}: "timestep" must lie in 0..1, not {frame.timestep}')
    single = frame.decision in (Decision.REAL, Decision.HOLD)
    if single and (frame.before != frame.after or frame.timestep != 0):
        raise PlanError(
            f'{place}: a {frame.decision} frame shows one source frame, so "before" and '
            '"after" must be equal and "timestep" 0'
        )
    if not single and frame.before == frame.after:
        raise PlanError(
            f"{place}: a frame to {frame.decision} needs two different keyframes, "
            f"but both are {frame.before}"
        )
    if frame.decision is not Decision.INTERPOLATE and (frame.earlier or frame.later):
        raise PlanError(
            f'{place}: only a frame to interpolate has keyframes "earlier" and "later", '
            f"not one to {frame.decision}"
        )
