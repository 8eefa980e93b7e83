"""The description of a scene: layers from back to front, each with texture, outline and motion."""

from dataclasses import dataclass

import numpy as np

from imf_plugin.training.scenes.paths import Affine, Pose
from imf_plugin.training.scenes.shapes import Everywhere, Shape
from imf_plugin.training.scenes.textures import Texture


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One opaque surface that moves rigidly, apart from its zoom."""

    texture: Texture
    shape: Shape
    pose: Pose
    parent: int | None = None
    """Index of the layer that the pose is relative to; a limb hangs from it by its own origin."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Layers, painted from first (back) to last (front), and the camera's shutter."""

    width_px: int
    height_px: int
    layers: tuple[Layer, ...]
    shutter_seconds: float = 0.0
    """How long each frame is exposed, around its time; 0 is perfectly sharp."""

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1 or self.shutter_seconds < 0 or not self.layers:
            raise ValueError(
                "a scene has a size, at least one layer and a shutter of 0 or more, "
                f"got {self.width_px = }, {self.height_px = }, {len(self.layers) = }, "
                f"{self.shutter_seconds = }"
            )
        if not isinstance(self.layers[0].shape, Everywhere):
            raise ValueError(
                f"the first layer must cover everything, got {self.layers[0].shape = }"
            )
        for index in range(len(self.layers)):
            self._ancestors(index)

    def _ancestors(self, index: int) -> list[int]:
        """Return the layer and all that it hangs from, itself first."""
        line = [index]
        while (parent := self.layers[line[-1]].parent) is not None:
            if parent in line or not 0 <= parent < len(self.layers):
                raise ValueError(f"the parents of layer {index} are missing or form a ring: {line}")
            line.append(parent)
        return line

    def matrix(self, index: int, time_seconds: float) -> Affine:
        """Return the matrix from a layer's coordinates to the frame's at a time, ``[3, 3]``."""
        product = np.eye(3)
        for ancestor in self._ancestors(index):
            product = self.layers[ancestor].pose.matrix(time_seconds) @ product
        return product
