"""Making the frames of a plan from pictures in memory, wherever those come from.

The pipeline for files and the hosts' own loops share this: pictures that need the same keyframes
are made together, and each keyframe is encoded once for the pairs on both of its sides.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.engine.tiles import TiledContext, TiledInterpolator, TiledState
from imf_plugin.timeline.plan import Beyond, Decision, PlannedFrame

type PictureOf = Callable[[int], Tensor]

type _Pair = tuple[int, int, Beyond | None, Beyond | None]


def grouped(frames: Sequence[PlannedFrame], longest: int) -> Iterator[list[PlannedFrame]]:
    """Cut a plan into runs of frames that share one or two keyframes.

    Args:
        frames: The plan's frames.
        longest: Most frames in a run.
    """
    group: list[PlannedFrame] = []
    needed: set[int] = set()
    for frame in frames:
        wider = needed | {frame.before, frame.after}
        if group and (len(wider) > 2 or len(group) >= longest):
            yield group
            group, wider = [], {frame.before, frame.after}
        group.append(frame)
        needed = wider
    if group:
        yield group


def frame_for(model: TiledInterpolator, frame: PlannedFrame) -> PlannedFrame:
    """Return a frame without the keyframes that a model has no use for."""
    return frame if model.model.descriptor.context == 4 else frame.without_context()


def _pair_of(frame: PlannedFrame) -> _Pair:
    return frame.before, frame.after, frame.earlier, frame.later


def _is_shown(frame: PlannedFrame) -> bool:
    """Say whether a frame is a keyframe as it is, so that nothing has to be made."""
    return frame.decision in (Decision.REAL, Decision.HOLD)


class PictureMaker:
    """Makes frames, encoding each keyframe once for the pairs on both of its sides.

    Args:
        model: The interpolator.
        picture: Returns a keyframe by its number, ``[3+E, H, W]`` in 0..1 on the model's device.
    """

    def __init__(self, model: TiledInterpolator, picture: PictureOf) -> None:
        self._model = model
        self._picture = picture
        self._tensors: dict[int, Tensor] = {}
        self._states: dict[int, TiledState] = {}

    def make(self, group: Sequence[PlannedFrame]) -> Iterator[tuple[PlannedFrame, Tensor | None]]:
        """Make one run of frames, see `grouped`.

        Returns:
            Each frame with its picture ``[3+E, H, W]``, or with None where the plan shows the
            keyframe ``before`` itself.
        """
        needed = {
            i
            for frame in group
            if not _is_shown(frame)
            for i in frame_for(self._model, frame).keyframes
        }
        # A keyframe that is shown as it is stands between two pairs, which have others in common.
        if needed:
            self._tensors = {i: tensor for i, tensor in self._tensors.items() if i in needed}
            self._states = {i: state for i, state in self._states.items() if i in needed}
        made = self._interpolate_all(group)
        for frame in group:
            if _is_shown(frame):
                yield frame, None
            elif frame.decision is Decision.BLEND:
                yield frame, self._blend(frame)
            else:
                yield frame, made[_pair_of(frame_for(self._model, frame)), frame.timestep]

    def _interpolate_all(
        self, group: Sequence[PlannedFrame]
    ) -> dict[tuple[_Pair, Fraction], Tensor]:
        wanted: dict[_Pair, dict[Fraction, None]] = {}
        for frame in group:
            if frame.decision is Decision.INTERPOLATE:
                pair = _pair_of(frame_for(self._model, frame))
                wanted.setdefault(pair, {})[frame.timestep] = None
        made: dict[tuple[_Pair, Fraction], Tensor] = {}
        for pair, timesteps in wanted.items():
            before, after, earlier, later = pair
            states = self._state(before), self._state(after)
            context = TiledContext(earlier=self._beyond(earlier), later=self._beyond(later))
            result = self._model.interpolate(*states, list(timesteps), context)
            made |= {(pair, step): tensor for step, tensor in zip(timesteps, result, strict=True)}
        return made

    def _beyond(self, beyond: Beyond | None) -> tuple[TiledState, float] | None:
        if beyond is None:
            return None
        return self._state(beyond.keyframe), float(beyond.distance)

    def _blend(self, frame: PlannedFrame) -> Tensor:
        share = float(frame.timestep)
        return self._tensor(frame.before) * (1 - share) + self._tensor(frame.after) * share

    def _tensor(self, index: int) -> Tensor:
        if index not in self._tensors:
            self._tensors[index] = self._picture(index)
        return self._tensors[index]

    def _state(self, index: int) -> TiledState:
        if index not in self._states:
            self._states[index] = self._model.encode(self._tensor(index))
        return self._states[index]


def make_pictures(
    frames: Sequence[PlannedFrame],
    picture: PictureOf,
    model: TiledInterpolator,
    *,
    longest: int = 1,
) -> Iterator[tuple[PlannedFrame, Tensor | None]]:
    """Yield the frames of a plan in order; see `PictureMaker.make`.

    Args:
        frames: The plan's frames.
        picture: Returns a keyframe by its number, ``[3+E, H, W]`` in 0..1 on the model's device.
        model: The interpolator.
        longest: Most frames made before the first of them is yielded.
    """
    maker = PictureMaker(model, picture)
    for group in grouped(frames, longest):
        yield from maker.make(group)


def find_picture_cuts(
    pictures: Iterable[NDArray[np.uint8] | av.VideoFrame], *, threshold: float | None = None
) -> tuple[int, ...]:
    """Return the numbers of the pictures that begin a new shot.

    Args:
        pictures: RGB ``[H, W, 3]``, or pictures as they were decoded.
        threshold: How far a cut must stand out; the engine's default when None.
    """
    from imf_plugin.engine.analysis import DEFAULT_CUT_THRESHOLD, CutDetector, small_picture

    detector = CutDetector(DEFAULT_CUT_THRESHOLD if threshold is None else threshold)
    for picture in pictures:
        if not isinstance(picture, av.VideoFrame):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        detector.push(small_picture(picture))
    return detector.finish()
