"""Carries dense motion over: the retargeter without weights.

The motion of a driving frame, seen from that frame back to the anchor, is kept as the control
points of a smooth spline: that is its token. An alignment of the anchor with the reference picture
says where each point of the driving frame lies there; the reference is looked up where the motion
came from. A token of zeros is the anchor, and gives the reference back unchanged.

What a motion uncovers was never seen; there the spline runs on smoothly, so the surroundings
stretch over it. Measured on clips that is better than inpainting (`docs/design/transport.md`).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_kernels import warp
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.transport.alignment import Alignment, Grey, Matrix, align, centred
from imf_plugin.models.transport.motion import motion_spline, working_size
from imf_plugin.models.transport.spline import SAMPLES_PER_CELL, expand
from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

POINTS = 32
"""Control points of a token along each side of the driving frame."""

FOREIGN_REACH = 0.25
"""How far beyond the driving frame its motion dies away where anchor and reference show different
things, in shares of the frame."""

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
    devices=("cpu", "cuda"),
    revision="2",
    details={
        "token": f"{2 * POINTS * POINTS} numbers: {POINTS} x {POINTS} control points, x and y",
        "training data": "none, nothing is trained",
        "scores": "self-reenactment at 256 px: 32.12 dB against 19.24 of a copy on 9 clips, 30.43 "
        "against 20.51 on 81",
    },
)


@dataclass(frozen=True, kw_only=True)
class _Reference:
    planes: NDArray[np.float32]
    """``[3, H, W]``."""
    source: Alignment
    """From driving pixels to the reference pixels that are looked up."""
    place: Alignment
    """From driving pixels to the reference pixels that are painted; differs from ``source`` when
    the reference is laid as the anchor stands."""
    driving_size: tuple[int, int]
    """Width and height of the driving frame that the alignments are for."""


class TransportRetargeter:
    """Fulfils `imf_plugin.models.retargeting.Retargeter` without weights.

    Motion is measured with OpenCV on the CPU, wherever the frames are. The lookup is bicubic on a
    CPU; for a reference on a GPU it is done there by `imf_kernels.warp`, bilinear.
    """

    descriptor = DESCRIPTOR
    token_shape: tuple[int, ...] = (2, POINTS, POINTS)
    size_px: int | None = None

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Align the picture ``[3, H, W]`` with the anchor ``[3, h, w]``, if there is one.

        Raises:
            ValueError: If a shape is another one.
            TypeError: If the pictures are not floating point.
        """
        found, size = _aligned(image, anchor)
        return _state(image, found, found, size)

    def encode_posed_reference(self, image: Tensor, anchor: Tensor) -> ReferenceState:
        """Align as `encode_reference` does, and lay the picture as the anchor stands.

        What the two show at one place is painted where the driving frame, laid centred over the
        picture, has it.
        """
        found, size = _aligned(image, anchor)
        return _state(image, found, centred(size[::-1], tuple(image.shape[1:])), size)

    def with_picture(self, reference: ReferenceState, picture: Tensor) -> ReferenceState:
        """Return the same alignment for another picture ``[3, H, W]`` of the reference's size."""
        if picture.shape != reference.image.shape:
            raise ValueError(
                f"expected a picture of {tuple(reference.image.shape) = }, "
                f"got {tuple(picture.shape) = }"
            )
        features = replace(reference.features, planes=_planes(picture))
        return replace(reference, image=picture, features=features)

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return the motion of frames ``[T, 3, h, w]`` from the anchor, ``[T, *token_shape]``.

        Channel 0 is x, channel 1 is y: where what a point shows was in the anchor, minus where it
        is, in shares of the frame's width and height.

        Raises:
            ValueError: If there is no anchor, or it is of another size than the frames.
        """
        if anchor is None:
            raise ValueError("transport measures motion from an anchor frame, got anchor = None")
        if frames.shape[1:] != anchor.shape:
            raise ValueError(
                "the frames must have the anchor's size, "
                f"got {tuple(frames.shape) = } and {tuple(anchor.shape) = }"
            )
        start = _working_grey(_planes(check_picture(anchor, "an anchor")))
        side_px = np.array([start.shape[1], start.shape[0]], np.float32)
        tokens = np.empty((len(frames), *self.token_shape), np.float32)
        for token, frame in zip(tokens, frames, strict=True):
            spline = motion_spline(start, _working_grey(_planes(frame)), POINTS)
            token[...] = (spline / side_px).transpose(2, 0, 1)
        return torch.from_numpy(tokens)

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return no motion."""
        return torch.zeros(self.token_shape)

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, *token_shape]`` on the reference; returns ``[T, 3, H, W]``.

        Raises:
            ValueError: If the tokens have another shape.
        """
        if tokens.shape[1:] != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, *{self.token_shape}], got {tuple(tokens.shape) = }"
            )
        state: _Reference = reference.features
        image = reference.image
        made = torch.empty((len(tokens), *image.shape), dtype=image.dtype, device=image.device)
        for picture, token in zip(made, tokens.detach().float().cpu().numpy(), strict=True):
            _play(state, image, token, picture)
        return made


def _aligned(image: Tensor, anchor: Tensor | None) -> tuple[Alignment, tuple[int, int]]:
    """Return the alignment from driving to reference, and the driving frame's width and height."""
    planes = _planes(check_picture(image, "a reference"))
    if anchor is None:
        # What the tokens were made from is not known, so it is taken for something else.
        height, width = planes.shape[1:]
        return centred((height, width), (height, width)), (width, height)
    driving = _planes(check_picture(anchor, "an anchor"))
    return align(_grey(driving), _grey(planes)), (driving.shape[2], driving.shape[1])


def _state(
    image: Tensor, source: Alignment, place: Alignment, driving_size: tuple[int, int]
) -> ReferenceState:
    features = _Reference(
        planes=_planes(image), source=source, place=place, driving_size=driving_size
    )
    return ReferenceState(
        image=image,
        features=features,
        note=f"aligned by {source.kind}",
        driving_box=_box(place, driving_size),
    )


def _box(place: Alignment, driving_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the edges of the driving frame in reference pixels, upright if it is turned."""
    right, bottom = driving_size[0] - 0.5, driving_size[1] - 0.5
    corners = np.array([[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]], np.float32)
    placed = _moved(place.matrix, corners) + np.float32(0.5)
    (left, top), (right, bottom) = placed.min(0).tolist(), placed.max(0).tolist()
    return left, top, right, bottom


def _planes(picture: Tensor) -> NDArray[np.float32]:
    return picture.detach().to("cpu", torch.float32).contiguous().numpy()


def _grey(planes: NDArray[np.float32]) -> Grey:
    luma = 0.299 * planes[0] + 0.587 * planes[1] + 0.114 * planes[2]
    return np.asarray(np.rint(np.clip(luma, 0, 1) * np.float32(255)), np.uint8)


def _working_grey(planes: NDArray[np.float32]) -> Grey:
    grey = _grey(planes)
    height, width = working_size(*grey.shape)
    if (height, width) == grey.shape:
        return grey
    how = cv2.INTER_AREA if height * width < grey.size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (width, height), interpolation=how), np.uint8)


def _play(state: _Reference, image: Tensor, token: NDArray[np.float32], picture: Tensor) -> None:
    """Write the reference as one token moves it into ``picture``."""
    is_still = not token.any() and state.source is state.place
    if is_still:
        picture.copy_(image)
        return
    displacement = _displacement(state, token)
    if image.is_cuda:
        flow = torch.from_numpy(displacement.transpose(2, 0, 1)[None]).to(image)
        picture.copy_(warp(image[None], flow, padding="border")[0])
        return
    positions = displacement + pixel_grid(*displacement.shape[:2])
    for channel, plane in zip(picture, state.planes, strict=True):
        looked_up = sample(plane, positions, interpolation=cv2.INTER_CUBIC)
        # Bicubic lookup may go beyond the extremes of the picture.
        channel.copy_(torch.from_numpy(np.clip(looked_up, plane.min(), plane.max())))


def _displacement(state: _Reference, token: NDArray[np.float32]) -> FlowArray:
    """Return where each reference pixel is looked up, minus where it is, ``[H, W, 2]`` pixels."""
    height, width = state.planes.shape[1:]
    coarse = max(2, height // _MAP_STEP_PX), max(2, width // _MAP_STEP_PX)
    # Centres of the coarse cells, in reference pixels.
    nodes = pixel_grid(*coarse)
    nodes = (nodes + 0.5) * np.array([width / coarse[1], height / coarse[0]], np.float32) - 0.5
    in_driving = _moved(state.place.inverse, nodes)
    side_px = np.array(state.driving_size, np.float32)
    moved = _looked_up(token.transpose(1, 2, 0), in_driving, side_px, state.source.softness)
    found = in_driving + moved
    coarse_map = _moved(state.source.matrix, found) - nodes
    enlarged = cv2.resize(coarse_map, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def _looked_up(
    spline: NDArray[np.float32], places: FlowArray, side_px: NDArray[np.float32], softness: float
) -> FlowArray:
    """Return a token's motion at places of the driving frame, all in its pixels."""
    samples = POINTS * SAMPLES_PER_CELL
    if softness:
        soft = cv2.GaussianBlur(spline, (0, 0), softness, borderType=cv2.BORDER_REPLICATE)
        spline = np.asarray(soft, np.float32)
    field = expand(spline * side_px, (samples, samples))
    shares = (places + 0.5) / side_px
    motion = sample(field, np.asarray(shares * samples - 0.5, np.float32))
    if softness:
        beyond = np.abs(shares - 0.5).max(axis=-1, keepdims=True) - 0.5
        nearness = 1 - np.clip(beyond / FOREIGN_REACH, 0, 1)
        motion = motion * (nearness * nearness * (3 - 2 * nearness))
    return np.asarray(motion, np.float32)


def _moved(matrix: Matrix, points: FlowArray) -> FlowArray:
    """Return points ``[..., 2]`` taken through a similarity ``[2, 3]``."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)
