"""Speed presets: a few keys over a part of a clip, relative to it, so that they fit any clip."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from imf_ui.model.curve import CurveKey, SpeedCurve, identity_curve, ramp_handles
from imf_ui.model.curve_edits import at_speed, reversed_curve, with_hold
from imf_ui.model.timebase import ticks_of
from imf_ui.model.values import BadValue, from_json, to_json


@dataclass(frozen=True, kw_only=True)
class SpeedPoint:
    """A speed at a share of the clip's part."""

    place: Fraction
    """0 where the part begins, 1 where it ends."""
    speed: Fraction
    """1 is normal."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named course of speed."""

    id: str
    name: str
    """As shown."""
    points: tuple[SpeedPoint, ...] = ()
    """Between them the speed changes evenly; equal neighbours keep it."""
    smooth: bool = False
    """Whether the changes begin and end softly."""
    kind: str = "speed"
    """``speed``, ``reverse`` or ``freeze``."""
    freeze: Fraction = Fraction(1)
    """Seconds that a freeze lasts."""


def _points(*pairs: tuple[str, str]) -> tuple[SpeedPoint, ...]:
    return tuple(SpeedPoint(place=Fraction(p), speed=Fraction(s)) for p, s in pairs)


BUILT_IN: tuple[Preset, ...] = (
    Preset(id="slow_half", name="Half speed", points=_points(("0", "1/2"), ("1", "1/2"))),
    Preset(
        id="slow_quarter",
        name="Slow in the middle",
        points=_points(
            ("0", "1"), ("1/4", "1"), ("2/5", "1/4"), ("3/5", "1/4"), ("3/4", "1"), ("1", "1")
        ),
    ),
    Preset(
        id="hit",
        name="Hit",
        points=_points(
            ("0", "2"), ("2/5", "2"), ("1/2", "1/5"), ("3/5", "1/5"), ("7/10", "1"), ("1", "1")
        ),
        smooth=True,
    ),
    Preset(id="ramp_in", name="Slow down", points=_points(("0", "1"), ("1", "1/4"))),
    Preset(id="ramp_out", name="Speed up", points=_points(("0", "1/4"), ("1", "1"))),
    Preset(
        id="ease",
        name="Ease in and out",
        points=_points(("0", "1/4"), ("1/2", "1"), ("1", "1/4")),
        smooth=True,
    ),
    Preset(id="freeze", name="Freeze", kind="freeze"),
    Preset(id="reverse", name="Backwards", kind="reverse"),
)


def preset_named(preset_id: str, own: Iterable[Preset] = ()) -> Preset:
    """Return a preset by its id.

    Raises:
        KeyError: If there is none.
    """
    for preset in (*own, *BUILT_IN):
        if preset.id == preset_id:
            return preset
    raise KeyError(preset_id)


def apply_preset(
    preset: Preset, curve: SpeedCurve, source_duration: int, at: int | None = None
) -> SpeedCurve:
    """Return the curve of a clip with a preset on it.

    Args:
        preset: The preset.
        curve: The clip's curve; a freeze and playing backwards change it, speeds replace it.
        source_duration: Ticks of the clip.
        at: Moment of the result at which a freeze begins; its middle when None.
    """
    if preset.kind == "reverse":
        return reversed_curve(curve)
    if preset.kind == "freeze":
        moment = curve.duration // 2 if at is None else min(max(at, 0), curve.duration - 1)
        return with_hold(curve, moment, ticks_of(preset.freeze))
    speeds = {point.speed for point in preset.points}
    if len(speeds) == 1:
        return at_speed(speeds.pop(), 0, source_duration)
    keys: list[CurveKey] = []
    now = 0
    for point, following in pairwise(preset.points):
        start, end = round(point.place * source_duration), round(following.place * source_duration)
        key = CurveKey(at=now, source=start)
        if point.speed != following.speed:
            handles = ramp_handles(point.speed, following.speed, smooth=preset.smooth)
            key = replace(key, ease="bezier", handles=handles)
        keys.append(key)
        now += max(round(2 * (end - start) / (point.speed + following.speed)), 1)
    keys.append(CurveKey(at=now, source=source_duration))
    return SpeedCurve(keys=tuple(keys))


def preset_of(curve: SpeedCurve, source_duration: int, preset_id: str, name: str) -> Preset:
    """Return a curve as a preset of one's own.

    Raises:
        ValueError: If it freezes or runs backwards, which a preset cannot say.
    """
    if any(later.source <= earlier.source for earlier, later in pairwise(curve.keys)):
        raise ValueError("only curves that run forwards all the time can be kept as a preset")
    points: list[SpeedPoint] = []
    for number, key in enumerate(curve.keys):
        place = Fraction(key.source, source_duration)
        reached = curve.stretch_speeds(number - 1)[1] if number else None
        leaving = curve.key_speed(number)
        if reached is not None and reached != leaving:
            points.append(SpeedPoint(place=place, speed=reached))
        points.append(SpeedPoint(place=place, speed=leaving))
    return Preset(id=preset_id, name=name, points=tuple(points))


def reset_curve(source_duration: int) -> SpeedCurve:
    """Return the curve that shows a clip as it is."""
    return identity_curve(source_duration)


class PresetStore:
    """The user's own presets, one JSON file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "presets.json"

    def load(self) -> tuple[Preset, ...]:
        """Return the presets; a damaged file counts as empty."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            return tuple(from_json(Preset, one) for one in data)
        except (OSError, ValueError, BadValue, TypeError):
            return ()

    def save(self, preset: Preset) -> None:
        """Add a preset, or replace the one of its id."""
        self._write([*(one for one in self.load() if one.id != preset.id), preset])

    def delete(self, preset_id: str) -> None:
        """Remove a preset."""
        self._write([one for one in self.load() if one.id != preset_id])

    def _write(self, presets: list[Preset]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([to_json(one) for one in presets], indent=1)
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._file)
