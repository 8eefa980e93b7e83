"""Logos and subtitles over training samples: what stands still before everything that moves.

Film rarely has them and video often does. Where the ground moves under them, flow takes them along
in part, so the motion of a sample does so too.
"""

from dataclasses import replace

import cv2
import numpy as np

from imf_plugin.motion.flow import FloatArray, FlowArray
from imf_plugin.training.augment import Random, Sample
from imf_plugin.training.surroundings import Picture

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = "ABCDEFGHIKLMNOPRSTUVWabcdefghiklmnoprstuvwxyz0123456789"


def overlaid(sample: Sample, random: Random) -> Sample:
    """Return the sample with something that stands still over it.

    Args:
        sample: Of film; its true flows there become unknown.
        random: Decides what it is, where, and how much of it flow has found to stand still.
    """
    size = sample.frame0.shape[0]
    ink, colour = _lettering(size, random), random.random(3, np.float32)
    shade = cv2.dilate(ink, np.ones((3, 3), np.float32)) if random.random() < 0.5 else ink
    opacity = np.float32(random.uniform(0.5, 1))
    dark = np.float32(random.uniform(0, 1))

    def drawn(picture: Picture) -> Picture:
        edged = picture * (1 - opacity * dark * shade[..., None])
        return np.asarray(edged + opacity * ink[..., None] * (colour - edged), np.float32)

    still = _stillness(ink, random)
    around = sample.around
    return replace(
        sample,
        frame0=drawn(sample.frame0),
        frame1=drawn(sample.frame1),
        target=drawn(sample.target),
        middle_flow=_stilled(sample.middle_flow, still, random),
        true_flows=np.where(shade[..., None] > 0, np.float32(np.nan), sample.true_flows),
        around=around
        and replace(
            around.pictured(drawn),
            aside=around.aside * (1 - still[..., None]),
            carried=_stilled(around.carried, still, random),
        ),
    )


def _lettering(size: int, random: Random) -> FloatArray:
    """Return the ink of some letters or of a mark, ``[size, size]`` in 0..1."""
    ink = np.zeros((size, size), np.float32)
    scale = float(random.uniform(0.4, 1.6))
    place = int(random.integers(-size // 4, size * 3 // 4)), int(random.integers(12, size))
    kind = random.random()
    if kind < 0.8:
        text = "".join(random.choice(list(LETTERS + "  "), int(random.integers(3, 20))))
        font, thickness = int(random.choice(FONTS)), int(random.integers(1, 4))
        cv2.putText(ink, text, place, font, scale, 1.0, thickness, cv2.LINE_AA)
    else:
        radius = int(random.integers(5, size // 6))
        thickness = int(random.choice((cv2.FILLED, 2, 4)))
        cv2.circle(ink, (abs(place[0]), place[1]), radius, 1.0, thickness, cv2.LINE_AA)
    return np.clip(ink, 0, 1)


def _stillness(ink: FloatArray, random: Random) -> FloatArray:
    """Return how far flow has found out that nothing moves there, ``[size, size]`` in 0..1."""
    reach = int(random.integers(3, 15)) | 1
    around = cv2.dilate(ink, np.ones((reach, reach), np.float32))
    smooth = cv2.GaussianBlur(around, (0, 0), reach / 3)
    return np.asarray(smooth * np.float32(random.uniform(0, 1.2)), np.float32).clip(0, 1)


def _stilled(flows: FlowArray, still: FloatArray, random: Random) -> FlowArray:
    """Return flows side by side, each of which stands still there or does not."""
    parts = [
        flow * (1 - np.float32(random.choice((0, 0.5, 1))) * still[..., None])
        for flow in np.split(flows, flows.shape[-1] // 2, axis=-1)
    ]
    return np.concatenate(parts, axis=-1)
