"""What the neighbours of a pair say: how its motion bends, and how theirs goes on into it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.bending import NeighbourFlow, find_bend
from imf_plugin.models.flow.carrying import into_the_pair
from imf_plugin.motion.flow import FlowArray
from imf_plugin.training.cache import CachedClip

type Picture = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stands around the keyframes of a sample in time."""

    earlier: Picture | None
    """The keyframe before, ``[H, W, 3]``, if there is one."""
    later: Picture | None
    """The keyframe after, likewise."""
    aside: FlowArray
    """How far everything is from where even motion would have it, ``[H, W, 2]``."""
    carried: FlowArray
    """The motions of the pairs before and after, going on at the timestep, ``[H, W, 4]``."""

    def changed(
        self, picture: Callable[[Picture], Picture], flow: Callable[[FlowArray], FlowArray]
    ) -> "Surroundings":
        """Return the same with every picture and every flow changed."""
        return Surroundings(
            earlier=None if self.earlier is None else picture(self.earlier),
            later=None if self.later is None else picture(self.later),
            aside=flow(self.aside),
            carried=flow(self.carried),
        )

    def pictured(self, picture: Callable[[Picture], Picture]) -> "Surroundings":
        """Return the same with every picture changed."""
        return self.changed(picture, lambda flow: flow)

    def reversed_in_time(self) -> "Surroundings":
        """Return the same played backwards."""
        carried = -np.concatenate([self.carried[..., 2:], self.carried[..., :2]], axis=-1)
        return replace(self, earlier=self.later, later=self.earlier, carried=carried)


def surroundings_of(
    clip: CachedClip,
    pair_index: int,
    timestep: float,
    place: tuple[slice, slice],
    known: tuple[bool, bool] = (True, True),
) -> Surroundings | None:
    """Return what the neighbours of a pair say, None where there are none.

    Args:
        clip: The clip.
        pair_index: Which of its pairs.
        timestep: In 0..1.
        place: Rows and columns of the piece that is wanted.
        known: Whether the pair before it may be known, and the one after it.
    """
    if clip.neighbours is None:
        return None
    stored = np.asarray(clip.neighbours[pair_index], np.float32)
    earlier, later = (
        NeighbourFlow(flow=flow) if may and np.isfinite(flow[0, 0, 0]) else None
        for flow, may in zip(stored, known, strict=True)
    )
    if earlier is None and later is None:
        return None
    half = np.asarray(clip.flows[pair_index], np.float32)
    own = _grown(half)
    bend = find_bend(own, earlier and _changed(earlier, _grown), later and _changed(later, _grown))
    carried = into_the_pair(
        timestep,
        earlier and _changed(earlier, _shrunk),
        later and _changed(later, _shrunk),
        _shrunk(half),
    )
    aside = np.zeros_like(own) if bend is None else bend.at(timestep, own.shape[1::-1])
    pair = clip.pairs[pair_index]

    def picture(number: int) -> Picture:
        return clip.frames[number, *place].astype(np.float32) / np.float32(255)

    return Surroundings(
        earlier=picture(pair.first - pair.gap) if earlier else None,
        later=picture(pair.first + 2 * pair.gap) if later else None,
        aside=aside[place],
        carried=np.concatenate([_grown(2 * flow) for flow in carried], axis=-1)[place],
    )


def _grown(half: FlowArray) -> FlowArray:
    """Return a flow of half the size, whose values are full-size pixels, at full size."""
    size = (2 * half.shape[1], 2 * half.shape[0])
    return np.asarray(cv2.resize(half, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _shrunk(half: FlowArray) -> FlowArray:
    """Return a flow of half the size in the pixels of that."""
    return half / np.float32(2)


def _changed(neighbour: NeighbourFlow, change: Callable[[FlowArray], FlowArray]) -> NeighbourFlow:
    return replace(neighbour, flow=change(neighbour.flow))
