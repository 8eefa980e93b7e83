"""The planner of everything that follows a map of positions: factors, rates and curves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import SceneMode
from imf_hosts.vs.errors import fault
from imf_hosts.vs.output import Mode, OutputFrame, Sample
from imf_hosts.vs.scenes import NEXT, PREVIOUS, Properties, SceneCuts
from imf_plugin.timeline.plan import Beyond, keyframe_beyond
from imf_plugin.timeline.sampling import EvenSampling, Place, Sampling, place_at

_LONGEST_LOOK = 16
"""Source frames between two output frames that are searched for cuts, to set properties."""


@dataclass(frozen=True, kw_only=True)
class ConstantDurations:
    """Every output frame lasts as long."""

    duration: Fraction
    """Seconds."""

    def wants(self, number: int) -> list[int]:
        """Return the source frames whose durations are needed: none."""
        return []

    def wants_of(self, indices: Iterable[int]) -> list[int]:
        """Return those of some source frames whose durations `of_source` needs: none."""
        return []

    def of_source(self, index: int, seen: Mapping[Any, Properties]) -> Fraction:
        """Return how long a source frame is shown, in any unit: all are as long."""
        return Fraction(1)

    def of(self, number: int, seen: Mapping[Any, Properties]) -> Fraction:
        """Return the duration of an output frame in seconds."""
        return self.duration


@dataclass(frozen=True, kw_only=True)
class SharedDurations:
    """Output frames divide the durations of a source of variable rate among them."""

    sampling: EvenSampling
    """Which parts of which source frames they are shown over."""
    stretch: Fraction
    """How many times longer everything lasts."""

    def wants(self, number: int) -> list[int]:
        """Return the source frames whose durations are needed."""
        return [index for index, _ in self.sampling.shares(number)]

    def wants_of(self, indices: Iterable[int]) -> list[int]:
        """Return those of some source frames whose durations `of_source` needs: all."""
        return list(indices)

    def of_source(self, index: int, seen: Mapping[Any, Properties]) -> Fraction:
        """Return how long a source frame is shown, in seconds."""
        return duration_of(seen["frame", index], index)

    def of(self, number: int, seen: Mapping[Any, Properties]) -> Fraction:
        """Return the duration of an output frame in seconds."""
        parts = self.sampling.shares(number)
        return self.stretch * sum(
            (self.of_source(index, seen) * share for index, share in parts),
            start=Fraction(0),
        )


type Durations = ConstantDurations | SharedDurations


def duration_of(properties: Properties, index: int) -> Fraction:
    """Return how long a source frame is shown, in seconds.

    Raises:
        vs.Error: If it does not say.
    """
    numerator, denominator = properties.get("_DurationNum"), properties.get("_DurationDen")
    if not numerator or not denominator or numerator < 0 or denominator < 0:
        raise fault(
            f"source frame {index} of this clip of variable rate has no duration "
            "(_DurationNum, _DurationDen): use std.AssumeFPS to give the clip a rate"
        )
    return Fraction(numerator, denominator)


@dataclass(frozen=True, kw_only=True)
class SampledPlanner:
    """Decides from positions, cuts and durations; see `imf_hosts.vs.output.Planner`."""

    clip: vs.VideoNode
    """The source."""
    sampling: Sampling
    """Where output frames lie."""
    count: int
    """Number of output frames."""
    durations: Durations
    """How long they last."""
    cuts: SceneCuts | None
    """Where nothing is interpolated; None for nowhere."""
    scene_mode: SceneMode
    """What fills the time before a cut."""
    context: int = 4
    """Keyframes that a new frame is made from, 2 or 4."""
    blur: int = 1
    """Pictures that an output frame is the mean of."""
    tells_position: bool = False
    """Whether frames carry their position as IMFSourceTimeNum and IMFSourceTimeDen."""

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        """Return the frames whose properties tell cuts and durations."""
        around = [index for place in self._places(number) for index in self._around(place)]
        timed = {*self.durations.wants(number), *self.durations.wants_of(around)}
        wanted: dict[Any, vs.VideoNode] = {
            ("frame", index): self.clip[index] for index in sorted(timed)
        }
        if self.cuts:
            for cut in self._looked_at(number):
                for index in (cut - 1, cut):
                    wanted["scene", index] = self.cuts.witness(index)
        return wanted

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        """Decide on output frame ``number``."""
        found = self._cuts_in(number, seen)
        places = self._places(number)
        samples = tuple(self._sample(place, found, seen) for place in places)
        duration = self.durations.of(number, seen)
        properties = {"_DurationNum": duration.numerator, "_DurationDen": duration.denominator}
        if self.cuts:
            properties |= self._scene_properties(number, found & set(self._possible_cuts(number)))
        if self.tells_position:
            position = self.sampling.position(number)
            properties["IMFSourceTimeNum"] = position.numerator
            properties["IMFSourceTimeDen"] = position.denominator
        return OutputFrame(
            samples=samples,
            shows_moment=len(places) == 1 and places[0].is_source_frame,
            properties=properties,
        )

    def _places(self, number: int) -> list[Place]:
        return [self._place(number), *self._blur_places(number)]

    def _place(self, number: int) -> Place:
        return place_at(self.sampling.position(number), self.sampling.source_count)

    def _blur_places(self, number: int) -> list[Place]:
        """Return the further places that the shutter, open for half a frame, passes over."""
        if self.blur == 1 or number + 1 >= self.count:
            return []
        start, stop = (self.sampling.position(n) for n in (number, number + 1))
        step = (stop - start) / (2 * self.blur)
        return [
            place_at(start + step * place, self.sampling.source_count)
            for place in range(1, self.blur if step else 1)
        ]

    def _sample(
        self, place: Place, found: frozenset[int], seen: Mapping[Any, Properties]
    ) -> Sample:
        mode = Mode.SOURCE if place.before == place.after else Mode.INTERPOLATE
        before, after, timestep = place.before, place.after, place.timestep
        if mode is Mode.INTERPOLATE and after in found:
            if self.scene_mode == "blend":
                mode = Mode.BLEND
            else:
                shown = self._side(place)
                mode, before, after, timestep = Mode.SOURCE, shown, shown, Fraction(0)
        made = Sample(mode=mode, before=before, after=after, timestep=timestep)
        if mode is not Mode.INTERPOLATE:
            return made
        earlier, later = before not in found, after + 1 not in found
        return replace(
            made,
            earlier=self._beyond(before - 1, before - 1, before, seen) if earlier else None,
            later=self._beyond(after + 1, after, before, seen) if later else None,
        )

    def _beyond(
        self, index: int, gap: int, own: int, seen: Mapping[Any, Properties]
    ) -> Beyond | None:
        """Return a source frame beyond a pair; what lies between them lasts as ``gap`` does."""
        if self.context == 2 or not 0 <= index < self.sampling.source_count:
            return None
        lasts = [self.durations.of_source(one, seen) for one in (gap, own)]
        return keyframe_beyond(index, *lasts)

    def _around(self, place: Place) -> list[int]:
        """Return the source frames whose durations tell how far a place's four are apart."""
        if self.context == 2 or place.before == place.after:
            return []
        return [
            index
            for index in range(place.before - 1, place.after + 1)
            if 0 <= index < self.sampling.source_count
        ]

    def _side(self, place: Place) -> int:
        """Return which of its two frames stands for a place between two scenes."""
        is_late = self.scene_mode != "hold" and place.timestep >= Fraction(1, 2)
        return place.after if is_late else place.before

    def _scene_properties(self, number: int, found: frozenset[int]) -> dict[str, int]:
        here = self._side(self._place(number))
        return {
            NEXT: int(self._crosses(here, number + 1, found)),
            PREVIOUS: int(self._crosses(here, number - 1, found)),
        }

    def _crosses(self, here: int, neighbour: int, found: frozenset[int]) -> bool:
        if not 0 <= neighbour < self.count:
            return False
        there = self._side(self._place(neighbour))
        return any(min(here, there) < cut <= max(here, there) for cut in found)

    def _cuts_in(self, number: int, seen: Mapping[Any, Properties]) -> frozenset[int]:
        if not self.cuts:
            return frozenset()
        return frozenset(
            cut
            for cut in self._looked_at(number)
            if self.cuts.is_cut(seen["scene", cut - 1], seen["scene", cut])
        )

    def _looked_at(self, number: int) -> list[int]:
        """Return the frames that may begin a scene and matter to an output frame."""
        beyond = {
            index
            for place in self._places(number)
            if self.context == 4 and place.before != place.after
            for index in (place.before, place.after + 1)
            if 0 < index < self.sampling.source_count
        }
        return sorted(beyond.union(self._possible_cuts(number)))

    def _possible_cuts(self, number: int) -> list[int]:
        """Return the frames that may begin a scene between an output frame and its neighbours."""
        own = self._places(number)
        near = [self._place(n) for n in (number - 1, number + 1) if 0 <= n < self.count]
        cuts: set[int] = set()
        for place in own:
            cuts.update(range(place.before + 1, place.after + 1))
        for other in near:
            low = min(own[0].before, other.before)
            high = max(own[0].after, other.after)
            # A jump this far is not looked into: that would fetch all the frames in between.
            if high - low <= _LONGEST_LOOK:
                cuts.update(range(low + 1, high + 1))
        return sorted(cuts)
