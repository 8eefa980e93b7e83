"""Turning pictures upright, on their native planes, as the display matrix of a file says."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.filter
from av.sidedata.sidedata import Type

# The eight ways a rectangle can lie, by the signs of (a, b, c, d) of the display matrix, where
# x' = a*x + c*y and y' = b*x + d*y with y pointing down: filters, clockwise degrees, axes swapped.
_ORIENTATIONS: Final[dict[tuple[int, int, int, int], tuple[tuple[tuple[str, str], ...], int]]] = {
    (1, 0, 0, 1): ((), 0),
    (0, 1, -1, 0): ((("transpose", "clock"),), 90),
    (-1, 0, 0, -1): ((("hflip", ""), ("vflip", "")), 180),
    (0, -1, 1, 0): ((("transpose", "cclock"),), 270),
    (-1, 0, 0, 1): ((("hflip", ""),), 0),
    (1, 0, 0, -1): ((("vflip", ""),), 180),
    (0, 1, 1, 0): ((("transpose", "cclock_flip"),), 90),
    (0, -1, -1, 0): ((("transpose", "clock_flip"),), 270),
}


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """What has to be done to a decoded picture to make it upright."""

    filters: tuple[tuple[str, str], ...] = ()
    """Names and arguments of libavfilter filters, in order."""
    degrees: int = 0
    """Clockwise turn, for people; mirroring is in `filters` alone."""
    is_exact: bool = True
    """False where the file asks for an angle that is no multiple of 90 degrees."""

    @property
    def swaps_axes(self) -> bool:
        """Whether width and height change places."""
        return any(name == "transpose" for name, _ in self.filters)


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Read the orientation from the display matrix that came with a decoded picture."""
    data = picture.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    return _from_matrix(a, b, c, d)


def _from_matrix(a: int, b: int, c: int, d: int) -> Orientation:
    largest = max(abs(a), abs(b), abs(c), abs(d))
    if not largest:
        return Orientation()
    # Writers round sines and cosines; anything within half a percent is a right angle.
    key = tuple(
        0 if abs(value) * 200 < largest else (1 if value > 0 else -1) for value in (a, b, c, d)
    )
    found = _ORIENTATIONS.get(key)  # type: ignore[arg-type]
    if found is None:
        return Orientation(is_exact=False)
    filters, degrees = found
    return Orientation(filters=filters, degrees=degrees)


class Uprighter:
    """Turns the pictures of one stream; keeps its filter graph from picture to picture."""

    def __init__(self, orientation: Orientation) -> None:
        self._filters = orientation.filters
        self._graph: av.filter.Graph | None = None
        self._graph_key: tuple[int, int, str, int, int] | None = None

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return the picture upright; timestamps and tags stay as they are."""
        if not self._filters:
            return picture
        graph = self._graph_for(picture)
        graph.push(picture)
        turned = graph.pull()
        if not isinstance(turned, av.VideoFrame):
            raise TypeError(f"the filter graph must give pictures, got {type(turned) = }")
        return turned

    def _graph_for(self, picture: av.VideoFrame) -> av.filter.Graph:
        key = (
            picture.width,
            picture.height,
            picture.format.name,
            picture.colorspace,
            picture.color_range,
        )
        if self._graph is None or key != self._graph_key:
            self._graph, self._graph_key = self._new_graph(picture), key
        return self._graph

    def _new_graph(self, picture: av.VideoFrame) -> av.filter.Graph:
        base = picture.time_base or Fraction(1, 1000)
        graph = av.filter.Graph()
        graph.threads = 1
        last = graph.add(
            "buffer",
            f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}"
            f":time_base={base.numerator}/{base.denominator}"
            f":colorspace={int(picture.colorspace)}:range={int(picture.color_range)}",
        )
        for name, arguments in (*self._filters, ("buffersink", "")):
            node = graph.add(name, arguments or None)
            last.link_to(node)
            last = node
        graph.configure()
        return graph
