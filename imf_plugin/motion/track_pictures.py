"""Pictures of token tracks: how far from the anchor over time, and which numbers move.

Above, a line shows the length of the motion; below, each row is one number of the token over
time, red above the anchor's and blue below. Tokens of many numbers are shown by the combinations
that move most (principal components).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.tracks import TokenTrack

type Picture = NDArray[np.uint8]

MOST_ROWS = 32
WIDTH_PX = 960
_MARGIN_PX = 12
_LINE_HEIGHT_PX = 140
_ROW_HEIGHT_PX = 10
_TEXT_HEIGHT_PX = 28
_INK = (40, 40, 40)
_PAPER = 255


def track_picture(track: TokenTrack) -> Picture:
    """Paint a track, ``[H, W, 3]`` 8-bit RGB."""
    rows, explained = track_rows(track)
    lengths = np.sqrt(np.square(_motion(track)).mean(axis=1))
    height = 4 * _MARGIN_PX + 2 * _TEXT_HEIGHT_PX + _LINE_HEIGHT_PX + len(rows) * _ROW_HEIGHT_PX
    picture = np.full((height, WIDTH_PX, 3), _PAPER, np.uint8)
    title = (
        f"{track.source or 'track'}: {len(track.tokens)} frames at {float(track.rate):.3f}/s, "
        f"{track.numbers_per_frame} numbers each, {track.model} {track.revision}"
    )
    _write(picture, title, _MARGIN_PX + 16)
    top = _MARGIN_PX + _TEXT_HEIGHT_PX
    _draw_line(picture[top : top + _LINE_HEIGHT_PX, _MARGIN_PX:-_MARGIN_PX], lengths)
    top += _LINE_HEIGHT_PX + _MARGIN_PX
    what = (
        f"the {len(rows)} numbers of the token"
        if explained is None
        else f"the {len(rows)} strongest movements, {explained:.0%} of the motion"
    )
    _write(picture, f"above: length of the motion; below: {what}", top + 16)
    top += _TEXT_HEIGHT_PX
    picture[top : top + len(rows) * _ROW_HEIGHT_PX, _MARGIN_PX:-_MARGIN_PX] = _heat(rows)
    return picture


def track_rows(track: TokenTrack) -> tuple[NDArray[np.float32], float | None]:
    """Return what is shown as rows, ``[rows, T]``, and how much of the motion that explains.

    The share is None when the rows are the numbers themselves.
    """
    motion = _motion(track)
    if motion.shape[1] <= MOST_ROWS:
        return motion.T, None
    # The Gram matrix is small where there are few frames or few numbers; either way it is exact.
    left, strength, _ = np.linalg.svd(_thinned(motion), full_matrices=False)
    count = min(MOST_ROWS, len(strength))
    energy = np.square(strength)
    share = float(energy[:count].sum() / max(float(energy.sum()), 1e-30))
    rows = (left[:, :count] * strength[:count]).T
    return np.asarray(rows, np.float32), share


def _motion(track: TokenTrack) -> NDArray[np.float32]:
    motion = (
        (track.tokens - track.anchor_token).detach().cpu().float().reshape(len(track.tokens), -1)
    )
    return np.asarray(motion.numpy(), np.float32)


def _thinned(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most as many frames as the picture has columns."""
    step = max(1, len(motion) // WIDTH_PX)
    return motion[::step]


def _draw_line(area: Picture, values: NDArray[np.float32]) -> None:
    height, width = area.shape[:2]
    highest = max(float(values.max()), 1e-12)
    across = np.linspace(0, width - 1, len(values)) if len(values) > 1 else np.array([0.0])
    down = (height - 1) * (1 - values / highest)
    points = np.rint(np.stack([across, down], axis=1)).astype(np.int32)
    canvas = np.ascontiguousarray(area)
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), (210, 210, 210))
    cv2.polylines(canvas, [points.reshape(-1, 1, 2)], False, (180, 60, 40), 2, cv2.LINE_AA)
    cv2.putText(
        canvas, f"{highest:.3g}", (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA
    )
    area[...] = canvas


def _heat(rows: NDArray[np.float32]) -> Picture:
    # By the root, so that weak rows show next to strong ones.
    shares = np.sign(rows) * np.sqrt(np.abs(rows) / max(float(np.abs(rows).max()), 1e-12))
    red = np.where(shares < 0, 1 + shares, 1.0)
    blue = np.where(shares > 0, 1 - shares, 1.0)
    colours = np.stack([red, np.minimum(red, blue), blue], axis=-1)
    size = WIDTH_PX - 2 * _MARGIN_PX, len(rows) * _ROW_HEIGHT_PX
    pixels = np.rint(255 * colours).astype(np.uint8)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _write(picture: Picture, text: str, baseline: int) -> None:
    plain = text.encode("ascii", "replace").decode()
    place = (_MARGIN_PX, baseline)
    cv2.putText(picture, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
