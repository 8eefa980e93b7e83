"""Which part of a driving frame moves which part of a reference of another size or aspect."""

from dataclasses import dataclass

from imf_plugin.engine.crops import Part, centred_part
from imf_plugin.errors import PlanError

SAME_ASPECT = 0.02
"""Aspects that differ by no more than this share are taken for the same."""

LARGEST_PADDED_PIXELS = 128_000_000
"""Padding to the aspect of a very wide driving frame must not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How a driving frame and a reference were laid over each other."""

    driving: tuple[int, int]
    """Width and height of a driving frame."""
    reference: tuple[int, int]
    """Likewise of the reference."""
    used: Part
    """The part of the driving frame whose motion is seen."""
    moved: Part
    """The part of the reference that lies under the driving frame."""
    padded: tuple[int, int] | None = None
    """To what size the reference was padded, so that it has the driving frame's aspect."""

    def __str__(self) -> str:
        """Return one line for people; empty where there was nothing to choose."""
        whole = (_whole(self.driving), _whole(self.reference))
        if (self.used, self.moved) == whole and not self.padded:
            if self.driving == self.reference:
                return ""
            return f"driving {_size(self.driving)}: all of it used, over the whole reference"
        used = "all of it" if self.used == whole[0] else _place(self.used, self.driving)
        text = f"driving {_size(self.driving)}: {used} used, "
        if self.padded:
            return f"{text}the reference {_size(self.reference)} was padded to {_size(self.padded)}"
        if self.moved == whole[1]:
            return f"{text}over the whole reference {_size(self.reference)}"
        return f"{text}over {_place(self.moved, self.reference)} of {_size(self.reference)}"


def squares(driving: tuple[int, int], reference: tuple[int, int]) -> Framing:
    """Return the largest centred squares of both, for a model that reads squares alone."""
    used, moved = (centred_part(size, (min(size), min(size))) for size in (driving, reference))
    return Framing(driving=driving, reference=reference, used=used, moved=moved)


def equal_heights(driving: tuple[int, int], reference: tuple[int, int]) -> tuple[Framing, Part]:
    """Lay the driving frame over the middle of the reference, as high as it is.

    So nothing is stretched, and what is cut or padded are the sides: heads stay whole.

    Returns:
        The framing, and the part of the reference that is read in place of the whole; it has the
        driving frame's aspect and reaches beyond the reference where that is narrower.

    Raises:
        PlanError: If the reference would have to be padded beyond all measure.
    """
    ratio = driving[0] * reference[1] / (driving[1] * reference[0])
    if abs(ratio - 1) <= SAME_ASPECT:
        used, moved = _whole(driving), _whole(reference)
        return Framing(driving=driving, reference=reference, used=used, moved=moved), moved
    laid = centred_part(reference, (max(1, round(reference[0] * ratio)), reference[1]))
    if ratio > 1 and laid.width * laid.height > LARGEST_PADDED_PIXELS:
        raise PlanError(
            f"a driving of {_size(driving)} is too wide for a reference of {_size(reference)}: "
            "crop one of them, or use --model transport"
        )
    if ratio < 1:
        used, moved = _whole(driving), laid
    else:
        width = max(1, round(driving[0] / ratio))
        used, moved = centred_part(driving, (width, driving[1])), _whole(reference)
    framing = Framing(
        driving=driving,
        reference=reference,
        used=used,
        moved=moved,
        padded=laid.size if ratio > 1 else None,
    )
    return framing, laid


def aligned(
    driving: tuple[int, int],
    reference: tuple[int, int],
    box: tuple[float, float, float, float],
) -> Framing:
    """Return what an alignment covers.

    Args:
        driving: Width and height.
        reference: Likewise.
        box: Left, top, right and bottom of the driving frame in reference pixels.
    """
    zooms = (driving[0] / (box[2] - box[0]), driving[1] / (box[3] - box[1]))
    shown = [
        (max(0.0, start), max(max(0.0, start) + 1, min(float(length), end)))
        for start, end, length in zip(box[:2], box[2:], reference, strict=True)
    ]
    used = [
        ((start - first) * zoom, (end - first) * zoom)
        for (start, end), first, zoom in zip(shown, box[:2], zooms, strict=True)
    ]
    return Framing(
        driving=driving,
        reference=reference,
        used=_part(used, driving),
        moved=_part(shown, reference),
    )


def _part(spans: list[tuple[float, float]], size: tuple[int, int]) -> Part:
    """Return a part by its spans along x and y; all of a side where it is nearly all."""
    starts, lengths = [], []
    for (start, end), length in zip(spans, size, strict=True):
        nearly = end - start >= (1 - SAME_ASPECT) * length
        starts.append(0 if nearly else round(start))
        lengths.append(length if nearly else max(1, round(end) - round(start)))
    return Part(left=starts[0], top=starts[1], width=lengths[0], height=lengths[1])


def _whole(size: tuple[int, int]) -> Part:
    return Part(left=0, top=0, width=size[0], height=size[1])


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _place(part: Part, whole: tuple[int, int]) -> str:
    if part == centred_part(whole, part.size):
        return f"middle {_size(part.size)}"
    return str(part)
