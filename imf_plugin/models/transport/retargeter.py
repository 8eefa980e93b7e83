"""Carries dense motion over: the retargeter without weights.

The motion of a driving frame, seen from that frame back to the anchor, is kept on a coarse grid:
that is its token. An alignment of the anchor with the reference picture says where each grid point
lies there; the reference is looked up where the motion came from. A token of zeros is the anchor,
and gives the reference back unchanged.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.flow.estimation import estimate_middle
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.transport.alignment import Alignment, Grey, align, centred
from imf_plugin.motion.flow import FlowArray, flow_at, pixel_grid, sample

GRID = 64
"""Cells of a token along each side of the driving frame."""

WORKING_SIDE_PX = 512
"""Motion is measured on driving frames reduced to this longer side."""

_MAP_STEP_PX = 4
"""The lookup positions are computed on a grid this coarse, and enlarged."""

DESCRIPTOR = ModelDescriptor(
    name="transport",
    summary="Dense motion carried over as it is; no weights, works on anything.",
    source="DIS optical flow between driving frame and anchor, similarity alignment",
    parameters=0,
    minimum_size_px=8,
    tile_overlap_px=0,
    bytes_per_pixel=96,
    devices=("cpu",),
)


@dataclass(frozen=True, kw_only=True)
class _Reference:
    planes: NDArray[np.float32]
    """``[3, H, W]``."""
    alignment: Alignment
    """From driving pixels to reference pixels."""
    driving_size: tuple[int, int]
    """Width and height of the driving frame that the alignment is for."""


class TransportRetargeter:
    """Fulfils `imf_plugin.models.retargeting.Retargeter` without weights."""

    descriptor = DESCRIPTOR
    token_shape: tuple[int, ...] = (2, GRID, GRID)
    size_px: int | None = None

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Align the picture ``[3, H, W]`` with the anchor ``[3, h, w]``, if there is one.

        Raises:
            ValueError: If a shape is another one.
            TypeError: If the pictures are not floating point.
        """
        planes = _planes(check_picture(image, "a reference"))
        if anchor is None:
            size = planes.shape[2], planes.shape[1]
            found = centred(planes.shape[1:], planes.shape[1:])
        else:
            driving = _planes(check_picture(anchor, "an anchor"))
            size = driving.shape[2], driving.shape[1]
            found = align(_grey(driving), _grey(planes))
        features = _Reference(planes=planes, alignment=found, driving_size=size)
        return ReferenceState(image=image, features=features, note=f"aligned by {found.kind}")

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return the motion of frames ``[T, 3, h, w]`` from the anchor, ``[T, 2, GRID, GRID]``.

        Channel 0 is x, channel 1 is y: where the content of a cell was in the anchor, minus where
        it is, in shares of the frame's width and height.

        Raises:
            ValueError: If there is no anchor, or its shape differs.
        """
        if anchor is None:
            raise ValueError("transport measures motion from an anchor frame, got anchor = None")
        start = _working_grey(_planes(check_picture(anchor, "an anchor")))
        tokens = np.empty((len(frames), *self.token_shape), np.float32)
        for token, frame in zip(tokens, frames, strict=True):
            token[...] = _token(start, _planes(check_picture(frame, "a frame")))
        return torch.from_numpy(tokens)

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return no motion."""
        return torch.zeros(self.token_shape)

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, 2, GRID, GRID]`` on the reference; returns ``[T, 3, H, W]``."""
        if tokens.shape[1:] != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, *{self.token_shape}], got {tuple(tokens.shape) = }"
            )
        state: _Reference = reference.features
        made = np.empty((len(tokens), *state.planes.shape), np.float32)
        for picture, token in zip(made, tokens.numpy(), strict=True):
            _warp(state, token, picture)
        return torch.from_numpy(made)


def _planes(picture: Tensor) -> NDArray[np.float32]:
    return picture.detach().to("cpu", torch.float32).contiguous().numpy()


def _grey(planes: NDArray[np.float32]) -> Grey:
    luma = 0.299 * planes[0] + 0.587 * planes[1] + 0.114 * planes[2]
    return np.asarray(np.rint(np.clip(luma, 0, 1) * np.float32(255)), np.uint8)


def _working_grey(planes: NDArray[np.float32]) -> Grey:
    grey = _grey(planes)
    shrink = WORKING_SIDE_PX / max(grey.shape)
    if shrink >= 1:
        return grey
    size = round(grey.shape[1] * shrink), round(grey.shape[0] * shrink)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _token(start: Grey, frame: NDArray[np.float32]) -> NDArray[np.float32]:
    grey = _working_grey(frame)
    if grey.shape != start.shape:
        # Absolute motion is measured from the reference itself, which may have another size.
        size = start.shape[1], start.shape[0]
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    back = -flow_at(estimate_middle(start, grey), 1.0, iterations=4)
    shares = back / np.array([grey.shape[1], grey.shape[0]], np.float32)
    cells = cv2.resize(shares.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32).transpose(2, 0, 1)


def _warp(state: _Reference, token: NDArray[np.float32], made: NDArray[np.float32]) -> None:
    if not token.any():
        made[...] = state.planes
        return
    height, width = state.planes.shape[1:]
    displacement = _displacement(state, token, (height, width))
    positions = displacement + pixel_grid(height, width)
    for channel, plane in enumerate(state.planes):
        looked_up = sample(plane, positions, interpolation=cv2.INTER_CUBIC)
        # Bicubic lookup may go beyond the extremes of the picture.
        np.clip(looked_up, plane.min(), plane.max(), out=made[channel])


def _displacement(
    state: _Reference, token: NDArray[np.float32], size: tuple[int, int]
) -> FlowArray:
    """Return where each reference pixel is looked up, minus where it is, ``[H, W, 2]`` pixels."""
    height, width = size
    coarse = max(2, height // _MAP_STEP_PX), max(2, width // _MAP_STEP_PX)
    # Centres of the coarse cells, in reference pixels.
    nodes = pixel_grid(*coarse)
    nodes = (nodes + 0.5) * np.array([width / coarse[1], height / coarse[0]], np.float32) - 0.5
    inverse = state.alignment.inverse.astype(np.float32)
    in_driving = nodes @ inverse[:, :2].T + inverse[:, 2]
    driving = np.array(state.driving_size, np.float32)
    in_token = (in_driving + 0.5) * (GRID / driving) - 0.5
    # OpenCV looks up at float32 positions of the field's own cells.
    field = np.ascontiguousarray(token.transpose(1, 2, 0)) * driving
    found = sample(field.astype(np.float32), in_token.astype(np.float32))
    linear = state.alignment.matrix[:, :2].astype(np.float32)
    moved = np.asarray(found @ linear.T, np.float32)
    enlarged = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)
