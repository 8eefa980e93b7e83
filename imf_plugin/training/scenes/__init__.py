"""Rendered scenes: frames at any time, with exact flow and visibility between two times.

A `Scene` is plain data (layers with texture, outline and motion in closed form). `demo_scene` and
`random_scene` make some; `render`, `true_flow` and `true_visibility` show them. NumPy and OpenCV
only.
"""

from imf_plugin.training.scenes.demo import DEMO_FRAME_RATE, DEMO_SECONDS, demo_scene
from imf_plugin.training.scenes.paths import Curve, Pose
from imf_plugin.training.scenes.random_scenes import accelerating_scene, random_scene
from imf_plugin.training.scenes.render import render, true_flow, true_visibility
from imf_plugin.training.scenes.scene import Layer, Scene
from imf_plugin.training.scenes.shapes import Blob, Box, Capsule, Ellipse, Everywhere, Ridge
from imf_plugin.training.scenes.textures import TEXTURE_KINDS, Texture, paint

__all__ = [
    "DEMO_FRAME_RATE",
    "DEMO_SECONDS",
    "TEXTURE_KINDS",
    "Blob",
    "Box",
    "Capsule",
    "Curve",
    "Ellipse",
    "Everywhere",
    "Layer",
    "Pose",
    "Ridge",
    "Scene",
    "Texture",
    "accelerating_scene",
    "demo_scene",
    "paint",
    "random_scene",
    "render",
    "true_flow",
    "true_visibility",
]
