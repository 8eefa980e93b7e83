"""Between a clip's own format and the RGB or gray planes that models work on.

Integer RGB and gray, and single floats, are read as they are. YUV and half floats are converted by
VapourSynth's resizer: only the matrix changes, never transfer or primaries, and floats are
never clamped.
"""

import numpy as np
import vapoursynth as vs
from torch import Tensor

from imf_hosts.vs.clips import Colour
from imf_plugin.engine.pixels import Plane, planes_to_tensor, tensor_to_planes


class WorkingFormat:
    """Converts one clip's frames to tensors and made tensors back to its format.

    Args:
        clip: The clip, tagged.
        colour: How its values are to be read.
    """

    def __init__(self, clip: vs.VideoNode, colour: Colour) -> None:
        self._own = clip.format
        self._colour = colour
        self.clip = clip if self._is_readable() else self._to_floats(clip)
        """The clip in the format that `tensor` reads and `frame` writes."""
        self._highest = _highest(self.clip.format)

    def _is_readable(self) -> bool:
        is_yuv = self._own.color_family == vs.YUV
        is_half = self._own.sample_type == vs.FLOAT and self._own.bits_per_sample == 16
        return not (is_yuv or is_half)

    def _to_floats(self, clip: vs.VideoNode) -> vs.VideoNode:
        if self._own.color_family == vs.GRAY:
            return clip.resize.Bicubic(format=vs.GRAYS)
        if self._own.color_family == vs.RGB:
            return clip.resize.Bicubic(format=vs.RGBS)
        return clip.resize.Bicubic(
            format=vs.RGBS, matrix_in=self._colour.matrix, range_in=self._colour.range
        )

    def back(self, made: vs.VideoNode) -> vs.VideoNode:
        """Convert frames that were made in the working format to the clip's own."""
        if self._is_readable():
            return made
        if self._own.color_family != vs.YUV:
            return made.resize.Bicubic(format=self._own.id)
        place = self._colour.chroma_location
        return made.resize.Bicubic(
            format=self._own.id,
            matrix=self._colour.matrix,
            range=self._colour.range,
            **({} if place is None else {"chromaloc": place}),
        )

    def tensor(self, frame: vs.VideoFrame, device: str) -> Tensor:
        """Return a frame of `clip` as ``[3, H, W]``; gray fills all three channels."""
        planes = planes_of(frame)
        return planes_to_tensor(planes * (3 // len(planes)), device, highest=self._highest)

    def frame(self, picture: Tensor, like: vs.VideoFrame) -> vs.VideoFrame:
        """Return a made picture ``[3, H, W]`` as a frame with the properties of ``like``."""
        made = like.copy()
        if made.format.num_planes == 1:
            picture = picture.mean(dim=0, keepdim=True)
        tensor_to_planes(picture, planes_of(made), highest=self._highest)
        return made


def share_of(mask: vs.VideoFrame) -> Tensor:
    """Return a gray frame as shares ``[1, H, W]``, 1 where it is white."""
    shares = planes_to_tensor(planes_of(mask), "cpu", highest=_highest(mask.format))
    return shares.clamp(0, 1)


def planes_of(frame: vs.VideoFrame) -> list[Plane]:
    """Return the planes of a frame as arrays ``[H, W]`` that share its memory."""
    return [np.asarray(frame[number]) for number in range(frame.format.num_planes)]


def _highest(format_: vs.VideoFormat) -> int | None:
    if format_.sample_type == vs.FLOAT:
        return None
    return int((1 << format_.bits_per_sample) - 1)
