"""Directions of one clip: the few ways in which its subject moves and changes its looks.

A clip's dense motion from an anchor frame, measured at some frames, is spanned by few fields, and
what motion does not explain (a mouth that opens, a shadow) by few pictures. A token is then one
number for each, fitted to a frame by damped Gauss-Newton steps until the anchor, moved and
changed, looks like it. Units are such that a number's spread over the clip is about 1.

Convention:
    Motion fields are splines of ``models.transport`` in shares of the frame, from the frame back to
    the anchor; changes of looks are added after moving, in the frame's coordinates.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.imf.compact import displaced
from imf_plugin.models.transport.motion import motion_spline
from imf_plugin.models.transport.spline import basis
from imf_plugin.motion.token_codec import DamagedTokens, pack_tokens, unpack_tokens

POINTS = 32
"""Control points along each side, as many as a token of ``transport`` has."""

WORKING_SIDE_PX = 256
"""Tokens are fitted on pictures reduced to this longer side, directions of looks kept at half."""

MOTIONS, LOOKS = 24, 8
"""Directions of either kind."""

SCALES = (2, 2, 1, 1)
"""How many times smaller the pictures of each step are."""

DAMPING = 1e-6
"""Mean square by which a unit must change the picture to be worth it."""

_MOTION_BITS, _LOOKS_BITS = 11, 8
_SOFT = 0.1
_HEAD = "<4H"


@dataclass(frozen=True, kw_only=True)
class Directions:
    """What the numbers of a token mean."""

    motion: Tensor
    """``[M, 2, POINTS, POINTS]``: x and y in shares of the frame, by a unit."""
    looks: Tensor
    """``[L, 3, h, w]``: what is added to the picture by a unit; of any size."""

    @property
    def count(self) -> int:
        """Numbers of a token."""
        return len(self.motion) + len(self.looks)

    def splines(self, tokens: Tensor) -> Tensor:
        """Return the motion of tokens ``[T, M + L]``, ``[T, 2, POINTS, POINTS]``."""
        return torch.einsum("tm,mcij->tcij", tokens[:, : len(self.motion)], self.motion)

    def changes(self, tokens: Tensor) -> Tensor:
        """Return what tokens ``[T, M + L]`` add to the picture, ``[T, 3, h, w]``."""
        return torch.einsum("tl,lcij->tcij", tokens[:, len(self.motion) :], self.looks)

    def packed(self) -> bytes:
        """Return them in few bytes, rounded; `unpacked` gives the rounded ones."""
        head = struct.pack(
            _HEAD, len(self.motion), len(self.looks), *map(int, self.looks.shape[2:])
        )
        motion = pack_tokens(self.motion, _MOTION_BITS)
        return head + struct.pack("<I", len(motion)) + motion + pack_tokens(self.looks, _LOOKS_BITS)

    @classmethod
    def unpacked(cls, packed: bytes) -> "Directions":
        """Return the directions that `packed` made.

        Raises:
            DamagedTokens: If the bytes are not such directions.
        """
        try:
            motions, looks, height, width = struct.unpack_from(_HEAD, packed)
            start = struct.calcsize(_HEAD)
            (size,) = struct.unpack_from("<I", packed, start)
        except struct.error as error:
            raise DamagedTokens(str(error)) from None
        start += 4
        return cls(
            motion=unpack_tokens(packed[start : start + size], motions, (2, POINTS, POINTS)),
            looks=unpack_tokens(packed[start + size :], looks, (3, height, width)),
        )


@torch.no_grad()
def learn_directions(
    anchor: Tensor, frames: Tensor, motions: int = MOTIONS, looks: int = LOOKS
) -> Directions:
    """Return the directions in which frames ``[T, 3, h, w]`` differ from their anchor.

    Args:
        anchor: ``[3, h, w]``.
        frames: Some dozens of the clip, spread over it; as many as there are at least, the rest of
            the directions is zero.
        motions: Directions of motion.
        looks: Directions of looks.
    """
    anchor, frames = _working(anchor[None]), _working(frames)
    splines = torch.stack([measured_spline(anchor, frame[None]) for frame in frames])
    motion = main_directions(splines, motions)
    height, width = anchor.shape[2:]
    half = max(1, height // 2), max(1, width // 2)
    bare = Directions(motion=motion, looks=anchor.new_zeros(0, 3, *half))
    rest = []
    for frame, spline in zip(frames, splines, strict=True):
        token = _steps(bare, anchor, frame[None], _projected(bare, spline), (2,))
        left = frame[None] - _shown(bare, anchor, token)
        rest.append(F.interpolate(left, half, mode="area")[0])
    return Directions(motion=motion, looks=main_directions(torch.stack(rest), looks))


@torch.no_grad()
def fitted_token(directions: Directions, anchor: Tensor, frame: Tensor) -> Tensor:
    """Return the token ``[M + L]`` that makes an anchor look like a frame, both ``[3, h, w]``."""
    anchor, frame = _working(anchor[None]), _working(frame[None])
    start = _projected(directions, measured_spline(anchor, frame))
    found = _steps(directions, anchor, frame, start, SCALES)
    candidates = (found, start, torch.zeros_like(start))
    errors = [
        float((_shown(directions, anchor, token) - frame).square().mean()) for token in candidates
    ]
    return candidates[errors.index(min(errors))]


def measured_spline(anchor: Tensor, frame: Tensor) -> Tensor:
    """Return the classical motion between ``[1, 3, h, w]``, ``[2, POINTS, POINTS]`` in shares."""
    before, after = _grey(anchor), _grey(frame)
    spline = motion_spline(before, after, POINTS)
    side_px = np.array([before.shape[1], before.shape[0]], np.float32)
    return torch.from_numpy(np.ascontiguousarray((spline / side_px).transpose(2, 0, 1)))


def main_directions(rows: Tensor, count: int) -> Tensor:
    """Return the main directions of rows ``[T, ...]`` around zero, in units of their spread."""
    flat = rows.flatten(1)
    kept = min(count, len(flat))
    # By the small matrix of products: there are far fewer rows than numbers in a row.
    vectors = torch.linalg.eigh(flat.double() @ flat.double().T).eigenvectors
    main = vectors.flip(1)[:, :kept].T.float() @ flat
    scaled = main / len(flat) ** 0.5
    directions = torch.cat([scaled, scaled.new_zeros(count - kept, flat.shape[1])])
    return directions.reshape(count, *rows.shape[1:])


def mirrored(splines: Tensor) -> Tensor:
    """Return the motion ``[T, 2, POINTS, POINTS]`` seen in a mirror."""
    return splines.flip(3) * splines.new_tensor([-1, 1])[:, None, None]


def _projected(directions: Directions, spline: Tensor) -> Tensor:
    """Return the token whose motion is nearest a spline, looks unchanged."""
    rows = directions.motion.flatten(1)
    energy = rows.square().sum(1)
    numbers = rows @ spline.flatten() / energy.clamp_min(1e-12)
    return torch.cat([numbers, numbers.new_zeros(len(directions.looks))])


def _steps(
    directions: Directions, anchor: Tensor, frame: Tensor, token: Tensor, scales: tuple[int, ...]
) -> Tensor:
    """Return a token after Gauss-Newton steps towards a frame."""
    moves = len(directions.motion)
    for scale in scales:
        small, wanted = (_shrunk(picture, scale) for picture in (anchor, frame))
        flows, looks = _planes(directions, small)
        moved = displaced(
            small, torch.einsum("m,mcyx->cyx", token[:moves], flows)[None], mode="bicubic"
        )
        changed = torch.einsum("l,lcyx->cyx", token[moves:], looks)
        rest = (wanted - moved - changed).flatten()
        slope_x, slope_y = _slopes(moved)
        rows = torch.cat([(slope_x * flows[:, :1] + slope_y * flows[:, 1:]).flatten(1),
                          looks.flatten(1)])  # fmt: skip
        # Large differences are mostly what no direction explains: they count less.
        weighted = rows * (1 / (1 + (rest / _SOFT).square()) / rest.numel())
        matrix = weighted @ rows.T + DAMPING * torch.eye(len(rows))
        token = token + torch.linalg.solve(matrix, weighted @ rest)
    return token


def _shown(directions: Directions, anchor: Tensor, token: Tensor) -> Tensor:
    flows, looks = _planes(directions, anchor)
    moves = len(directions.motion)
    moved = displaced(
        anchor, torch.einsum("m,mcyx->cyx", token[:moves], flows)[None], mode="bicubic"
    )
    return moved + torch.einsum("l,lcyx->cyx", token[moves:], looks)


def _planes(directions: Directions, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the directions at a picture's size: flows in its pixels, and looks."""
    return _expanded(directions.motion, directions.looks, *picture.shape[2:])


@lru_cache(maxsize=4)
def _expanded(motion: Tensor, looks: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.from_numpy(basis(side, POINTS)) for side in (height, width))
    flows = torch.einsum("yi,mcij,xj->mcyx", rows, motion, columns)
    flows = flows * flows.new_tensor([width, height])[:, None, None]
    if not len(looks):
        return flows, looks.new_zeros(0, 3, height, width)
    shown = F.interpolate(looks, (height, width), mode="bilinear", align_corners=False)
    return flows, shown


def _working(pictures: Tensor) -> Tensor:
    """Return pictures ``[T, 3, h, w]`` in float32, the longer side at most `WORKING_SIDE_PX`."""
    pictures = pictures.detach().to("cpu", torch.float32)
    height, width = pictures.shape[2:]
    factor = min(1.0, WORKING_SIDE_PX / max(height, width))
    # Even sides, so that the half-sized pictures of the first steps lie on the same pixels.
    size = tuple(max(32, round(side * factor / 2) * 2) for side in (height, width))
    if size == (height, width):
        return pictures
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    planes = [
        np.asarray(cv2.resize(p.permute(1, 2, 0).numpy(), size[::-1], interpolation=how))
        for p in pictures
    ]
    return torch.from_numpy(np.stack(planes)).permute(0, 3, 1, 2).contiguous()


def _shrunk(picture: Tensor, scale: int) -> Tensor:
    return picture if scale == 1 else F.avg_pool2d(picture, scale)


def _grey(picture: Tensor) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    red, green, blue = picture[0].numpy()
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.asarray(np.rint(np.clip(luma, 0, 1) * np.float32(255)), np.uint8)


def _slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the change of a picture along x and y, by a pixel."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return along_x, along_y
