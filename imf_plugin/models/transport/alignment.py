"""Where a point of the driving anchor lies in the reference picture.

Three ways, from the surest to the most modest: matched features where both show the same thing;
faces where both show one; and otherwise the driving frame laid centred into the picture.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

type Grey = NDArray[np.uint8]
type Matrix = NDArray[np.float64]

LEAST_MATCHES = 16
"""Fewer agreeing feature matches are taken for chance."""
LEAST_AGREEMENT = 0.35
"""Share of the matches that must agree on one similarity."""
LOOKED_AT_PX = 768
"""Larger pictures are reduced to this side before they are compared."""
SOFTNESS = {"same": 0.0, "features": 0.0, "faces": 1.5, "centred": 0.8}
"""By how many control points motion is blurred for each kind of alignment: where anchor and
reference show different things, the details of one outline only dent the other."""
_RATIO = 0.75
_COPY_ASPECT, _COPY_MEAN, _COPY_MOST = 0.02, 2.5, 14
"""By how much a copy's aspect, its pixels on average and all but 1 % of them may differ."""
_LARGEST_ZOOM = 6.0


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A similarity from driving pixels to reference pixels."""

    matrix: Matrix
    """``[2, 3]``: rotation and zoom, and shift."""
    kind: str
    """``same``, ``features``, ``faces`` or ``centred``."""

    @property
    def softness(self) -> float:
        """Control points by which a token's motion is to be blurred, see `SOFTNESS`."""
        return SOFTNESS[self.kind]

    @property
    def inverse(self) -> Matrix:
        """The similarity from reference pixels to driving pixels."""
        return np.asarray(cv2.invertAffineTransform(self.matrix), np.float64)


def align(driving: Grey, reference: Grey) -> Alignment:
    """Find where the driving anchor lies in the reference, both ``[H, W]`` grey pictures."""
    if np.array_equal(driving, reference):
        return Alignment(matrix=np.eye(2, 3), kind="same")
    if _is_copy(driving, reference):
        # A JPEG of it, say: matched features would be off by parts of a pixel.
        matrix = _zooming(driving.shape, reference.shape)[:2]
        return Alignment(matrix=matrix, kind="same")
    small_driving, small_reference = _reduced(driving), _reduced(reference)
    found = _by_features(small_driving, small_reference) or _by_faces(
        small_driving, small_reference
    )
    if found is None:
        return centred(driving.shape, reference.shape)
    zoom_in = _zooming(driving.shape, small_driving.shape)
    zoom_out = _zooming(small_reference.shape, reference.shape)
    matrix = zoom_out @ np.vstack([found.matrix, [0, 0, 1]]) @ zoom_in
    return Alignment(matrix=np.asarray(matrix[:2], np.float64), kind=found.kind)


def _is_copy(driving: Grey, reference: Grey) -> bool:
    """Return whether one picture is the other in another size or another encoding."""
    height, width = (min(one, two) for one, two in zip(driving.shape, reference.shape, strict=True))
    if abs(driving.shape[0] * reference.shape[1] / (driving.shape[1] * reference.shape[0]) - 1) > (
        _COPY_ASPECT
    ):
        return False
    one, two = (
        cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        for grey in (driving, reference)
    )
    difference = np.asarray(cv2.absdiff(one, two))
    return float(difference.mean()) < _COPY_MEAN and float(np.percentile(difference, 99)) < (
        _COPY_MOST
    )


def centred(driving: tuple[int, ...], reference: tuple[int, ...]) -> Alignment:
    """Lay a driving frame of ``(height, width)`` into a reference of that, as large as fits."""
    zoom = min(reference[0] / driving[0], reference[1] / driving[1])
    shift_x = (reference[1] - 1 - zoom * (driving[1] - 1)) / 2
    shift_y = (reference[0] - 1 - zoom * (driving[0] - 1)) / 2
    matrix = np.array([[zoom, 0, shift_x], [0, zoom, shift_y]], np.float64)
    return Alignment(matrix=matrix, kind="centred")


def _reduced(grey: Grey) -> Grey:
    """Return a picture whose longer side is at most `LOOKED_AT_PX`."""
    shrink = LOOKED_AT_PX / max(grey.shape)
    if shrink >= 1:
        return grey
    size = max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _zooming(before: tuple[int, ...], after: tuple[int, ...]) -> Matrix:
    """Return the ``[3, 3]`` matrix from pixels of one size of a picture to those of another."""
    zoom_x, zoom_y = after[1] / before[1], after[0] / before[0]
    return np.array([[zoom_x, 0, (zoom_x - 1) / 2], [0, zoom_y, (zoom_y - 1) / 2], [0, 0, 1.0]])


def _by_features(driving: Grey, reference: Grey) -> Alignment | None:
    detector = cv2.SIFT.create(1500)
    points0, words0 = detector.detectAndCompute(driving, None)
    points1, words1 = detector.detectAndCompute(reference, None)
    if words0 is None or words1 is None or min(len(words0), len(words1)) < LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher().knnMatch(words0, words1, k=2)
    good = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    if len(good) < LEAST_MATCHES:
        return None
    here = np.array([points0[match.queryIdx].pt for match in good], np.float32)
    there = np.array([points1[match.trainIdx].pt for match in good], np.float32)
    threshold_px = 0.01 * max(reference.shape)
    # The same draw every time: a render must not depend on what ran before it.
    cv2.setRNGSeed(1)
    matrix, agree = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=threshold_px)
    if matrix is None or agree.sum() < max(LEAST_MATCHES, LEAST_AGREEMENT * len(good)):
        return None
    zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    fitting = min(reference.shape[0] / driving.shape[0], reference.shape[1] / driving.shape[1])
    if not 1 / _LARGEST_ZOOM < zoom / fitting < _LARGEST_ZOOM:
        return None
    return Alignment(matrix=np.asarray(matrix, np.float64), kind="features")


def _by_faces(driving: Grey, reference: Grey) -> Alignment | None:
    face0, face1 = largest_face(driving), largest_face(reference)
    if face0 is None or face1 is None:
        return None
    zoom = face1[2] / face0[2]
    shift = face1[:2] - zoom * face0[:2]
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float64)
    return Alignment(matrix=matrix, kind="faces")


def largest_face(grey: Grey) -> NDArray[np.float64] | None:
    """Return centre x, centre y and side of the largest frontal face, or None."""
    # The cascade that OpenCV's wheel carries; nothing is downloaded.
    path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    if not path.exists():
        return None
    finder = cv2.CascadeClassifier(str(path))
    least = max(24, min(grey.shape) // 8)
    found = finder.detectMultiScale(grey, 1.1, 6, minSize=(least, least))
    if len(found) == 0:
        return None
    x, y, width, height = max(found, key=lambda box: box[2] * box[3])
    return np.array([x + (width - 1) / 2, y + (height - 1) / 2, width], np.float64)
