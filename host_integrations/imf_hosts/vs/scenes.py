"""Scene cuts: from the properties that other filters wrote, else from the change of luma.

A cut is named by the frame that begins the new scene. ``_SceneChangeNext`` of the frame before it
or ``_SceneChangePrev`` of the frame itself tell it; some filters write one of them, some the other.
"""

from collections.abc import Mapping
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import check_share
from imf_hosts.vs.clips import checked
from imf_hosts.vs.errors import fault, reports_as_vs_error

NEXT, PREVIOUS = "_SceneChangeNext", "_SceneChangePrev"

type Properties = Mapping[str, Any]


class SceneCuts:
    """Knows where a clip's scenes begin.

    Args:
        clip: The clip, or one of the same length to look at in its stead.
        threshold: Mean change of luma, 0..1, above which a frame begins a scene when the clip's
            properties do not tell; None to ask properties only.
    """

    def __init__(self, clip: vs.VideoNode, threshold: float | None) -> None:
        self._threshold = threshold
        self._grey = grey(clip)
        following = self._grey
        if clip.num_frames > 1:
            following = self._grey[1:] + self._grey[-1]
        self.witnesses = self._grey
        """A clip whose properties `is_cut` wants."""
        if threshold is not None:
            self.witnesses = self._grey.std.PlaneStats(following, prop="IMFScene")

    def witness(self, index: int) -> vs.VideoNode:
        """Return the frame whose properties `is_cut` wants for a frame, as a clip of one frame."""
        return self.witnesses[index]

    def is_cut(self, before: Properties, here: Properties) -> bool:
        """Say whether a frame begins a scene.

        Args:
            before: Properties of the witness of the frame before.
            here: Properties of the witness of the frame.
        """
        told = [side[name] for side, name in ((before, NEXT), (here, PREVIOUS)) if name in side]
        if told:
            return any(told)
        if self._threshold is None:
            return False
        return bool(before["IMFSceneDiff"] > self._threshold)

    def difference(self, first: int, second: int) -> vs.VideoNode:
        """Return one frame whose property IMFSceneDiff is the change between any two frames."""
        return self._grey[first].std.PlaneStats(self._grey[second], prop="IMFScene")

    def seen_alone(self, index: int) -> vs.VideoNode:
        """Return one frame whose properties tell what `is_cut` wants of the second of a pair.

        Other than `witness`, it never asks for the frame after it.
        """
        return self._grey[index]

    def is_far(self, difference: Properties) -> bool:
        """Say whether two frames, compared by `difference`, are of different scenes."""
        return self._threshold is not None and difference["IMFSceneDiff"] > self._threshold


def grey(clip: vs.VideoNode) -> vs.VideoNode:
    """Return the luma of a clip in 8 bits, with the clip's properties."""
    if clip.format.color_family == vs.RGB:
        return clip.resize.Bicubic(format=vs.GRAY8, matrix=vs.MATRIX_BT709)
    if clip.format.color_family == vs.YUV:
        clip = clip.std.ShufflePlanes(0, vs.GRAY)
    return clip if clip.format.id == vs.GRAY8 else clip.resize.Point(format=vs.GRAY8)


def scene_cuts_for(
    clip: vs.VideoNode, sc_clip: vs.VideoNode | None, threshold: float | None
) -> SceneCuts:
    """Return the cuts of a clip, looked for in ``sc_clip`` where it is given.

    Raises:
        vs.Error: If the two differ in length.
    """
    if sc_clip is None:
        return SceneCuts(clip, threshold)
    sc_clip = checked(sc_clip, "sc_clip", least_frames=1)
    if sc_clip.num_frames != clip.num_frames:
        raise fault(
            f"sc_clip must be as long as the clip, {clip.num_frames} frames, "
            f"not {sc_clip.num_frames}"
        )
    return SceneCuts(sc_clip, threshold)


@reports_as_vs_error
def detect_scenes(clip: vs.VideoNode, threshold: float = 0.15) -> vs.VideoNode:
    """Mark scene cuts: ``_SceneChangePrev`` on the first frame of a scene, Next on the last.

    Properties that the clip has already are kept and completed.

    Args:
        clip: Any clip.
        threshold: Mean change of luma, 0..1, above which a frame begins a scene.

    Raises:
        vs.Error: If an argument is wrong.
    """
    clip = checked(clip, least_frames=1)
    check_share("threshold", threshold)
    cuts = SceneCuts(clip, threshold)
    last = clip.num_frames - 1

    def evaluate(n: int) -> vs.VideoNode:
        around = range(max(n - 1, 0), min(n + 1, last) + 1)

        def mark(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
            own, seen = f[0].copy(), dict(zip(around, f[1:], strict=True))
            own.props[PREVIOUS] = int(number > 0 and cut_at(number, seen))
            own.props[NEXT] = int(number < last and cut_at(number + 1, seen))
            return own

        def cut_at(index: int, seen: dict[int, vs.VideoFrame]) -> bool:
            return cuts.is_cut(seen[index - 1].props, seen[index].props)

        number, here = n, clip[n]
        return here.std.ModifyFrame([here, *(cuts.witness(index) for index in around)], mark)

    return clip.std.FrameEval(evaluate, clip_src=[clip])
