"""Rendering a scene at any time, with exact flow and visibility between two times.

Flow and visibility follow from the layers' matrices and outlines, not from pixels. Frames are drawn
on a grid twice as fine, with analytic coverage at the edges, and averaged down.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray, pixel_grid
from imf_plugin.training.scenes.paths import Affine
from imf_plugin.training.scenes.scene import Layer, Scene
from imf_plugin.training.scenes.shapes import Field
from imf_plugin.training.scenes.textures import paint

type Frame = NDArray[np.float32]
type Mask = NDArray[np.bool_]

SUPERSAMPLING = 2
SHUTTER_SAMPLES = 8


def render(scene: Scene, time_seconds: float, *, shutter_samples: int = SHUTTER_SAMPLES) -> Frame:
    """Return the frame at a time, float32 ``[H, W, 3]`` RGB in 0..1.

    With a shutter the frame is the mean of sharp frames at the middles of ``shutter_samples`` equal
    parts of the exposure, which is centred on the time.
    """
    if scene.shutter_seconds == 0:
        return _render_sharp(scene, time_seconds)
    total = np.zeros((scene.height_px, scene.width_px, 3), np.float32)
    for part in range(shutter_samples):
        offset = (part + 0.5) / shutter_samples - 0.5
        total += _render_sharp(scene, time_seconds + offset * scene.shutter_seconds)
    return total / np.float32(shutter_samples)


def true_flow(scene: Scene, time0_seconds: float, time1_seconds: float) -> FlowArray:
    """Return where every pixel of the frame at time 0 has gone at time 1, ``[H, W, 2]`` px.

    The point followed is the one at the pixel's centre, on the foremost layer there.
    """
    owner = front_layers(scene, time0_seconds)
    grid = pixel_grid(scene.height_px, scene.width_px)
    flow = np.zeros_like(grid)
    for index in np.unique(owner):
        step = _step(scene, int(index), time0_seconds, time1_seconds)
        mine = owner == index
        flow[mine] = (grid[mine] @ step[:2, :2].T + step[:2, 2]).astype(np.float32)
    return flow


def true_visibility(scene: Scene, time0_seconds: float, time1_seconds: float) -> Mask:
    """Return which points of the frame at time 0 are seen at time 1 too, ``[H, W]``.

    A point is seen when it lies within the frame and no layer in front covers it.
    """
    owner = front_layers(scene, time0_seconds)
    arrived = pixel_grid(scene.height_px, scene.width_px)
    arrived += true_flow(scene, time0_seconds, time1_seconds)
    x, y = arrived[..., 0], arrived[..., 1]
    seen = (x >= 0) & (y >= 0) & (x <= scene.width_px - 1) & (y <= scene.height_px - 1)
    for index, layer in enumerate(scene.layers):
        covers = _distance(layer, scene.matrix(index, time1_seconds), x, y) < 0
        seen &= ~(covers & (owner < index))
    return np.asarray(seen, np.bool_)


def front_layers(scene: Scene, time_seconds: float) -> NDArray[np.int32]:
    """Return the index of the foremost layer at every pixel centre, ``[H, W]``."""
    grid = pixel_grid(scene.height_px, scene.width_px)
    owner = np.zeros(grid.shape[:2], np.int32)
    for index, layer in enumerate(scene.layers):
        matrix = scene.matrix(index, time_seconds)
        owner[_distance(layer, matrix, grid[..., 0], grid[..., 1]) < 0] = index
    return owner


def _step(scene: Scene, index: int, time0_seconds: float, time1_seconds: float) -> Affine:
    """Return the matrix that gives a layer's displacement from frame coordinates at time 0."""
    before = scene.matrix(index, time0_seconds)
    after = scene.matrix(index, time1_seconds)
    return np.asarray(after @ np.linalg.inv(before) - np.eye(3))


def _distance(layer: Layer, matrix: Affine, x: Field, y: Field) -> Field:
    """Return the signed distance to a layer's outline in frame pixels, at frame coordinates."""
    back = np.linalg.inv(matrix).astype(np.float32)
    layer_x = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    layer_y = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    return layer.shape.distance(layer_x, layer_y) * np.float32(_zoom(matrix))


def _zoom(matrix: Affine) -> float:
    return math.hypot(matrix[0, 0], matrix[1, 0])


def _render_sharp(scene: Scene, time_seconds: float) -> Frame:
    height, width = scene.height_px * SUPERSAMPLING, scene.width_px * SUPERSAMPLING
    canvas = np.zeros((height, width, 3), np.float32)
    # Frame coordinates of the fine grid: its pixels share the area of a coarse one evenly.
    shift = (SUPERSAMPLING - 1) / 2
    fine = np.array([[SUPERSAMPLING, 0, shift], [0, SUPERSAMPLING, shift], [0, 0, 1]], np.float64)
    for index, layer in enumerate(scene.layers):
        _draw(canvas, layer, fine @ scene.matrix(index, time_seconds))
    small = cv2.resize(canvas, (scene.width_px, scene.height_px), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 1, out=np.asarray(small, np.float32))


def _draw(canvas: Frame, layer: Layer, matrix: Affine) -> None:
    """Paint a layer over the canvas; the matrix leads from layer to canvas coordinates."""
    left, top, right, bottom = _extent(canvas, layer, matrix)
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    coverage = np.clip(np.float32(0.5) - _distance(layer, matrix, x, y), 0, 1)[..., None]
    picture = paint(layer.texture)
    back = np.linalg.inv(matrix)
    corner = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    centre = np.array([picture.shape[1] - 1, picture.shape[0] - 1]) / 2
    lookup = (back @ corner)[:2]
    lookup[:, 2] += centre
    painted = cv2.warpAffine(
        picture,
        lookup,
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    area = canvas[top:bottom, left:right]
    area += coverage * (painted - area)


def _extent(canvas: Frame, layer: Layer, matrix: Affine) -> tuple[int, int, int, int]:
    """Return the part of the canvas that the layer can touch: left, top, right, bottom."""
    height, width = canvas.shape[:2]
    reach = layer.shape.radius_px * _zoom(matrix) + 2
    if math.isinf(reach):
        return 0, 0, width, height
    x, y = matrix[0, 2], matrix[1, 2]
    return (
        max(0, math.floor(x - reach)),
        max(0, math.floor(y - reach)),
        min(width, math.ceil(x + reach)),
        min(height, math.ceil(y + reach)),
    )
