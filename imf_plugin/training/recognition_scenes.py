"""Rendered scenes in which things move far, for training the recognition of motion.

``python -m imf_plugin.training.recognition_scenes --cache CACHE --count 2000``. Half of them are
painted with frames of the film clips in the cache that `prepare` wrote. Layout of one, beside the
clips, a NumPy archive::

    far/00000.npz  frames   uint8   [3, H, W, 3]       both pictures and the truth between, RGB
                   middle   float16 [H/2, W/2, 2]      true middle flow, pixels
                   opinions float16 [n, H/2, W/2, 2]   what the dense search says
                   layers   float16 [k, H/4, W/4, 2]   motions of surfaces found by landmarks
                   forward  float16 [H/8, W/8, 2]      true flow 0->1 of pixels (4, 4), (4, 12) ...
                   backward float16 [H/8, W/8, 2]      true flow 1->0, likewise
                   seen_forward, seen_backward bool    whether the other picture shows it
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.estimation import estimate_middle
from imf_plugin.models.flow.layers import layer_motions, least_mismatch
from imf_plugin.models.flow.opinions import other_opinions
from imf_plugin.motion.flow import FlowArray
from imf_plugin.training.cache import pictures_of, read_cache
from imf_plugin.training.scenes import Scene, random_scene, render, true_flow, true_visibility

log = logging.getLogger(__name__)

SIZE = (640, 360)
FIRST_SEED = 3_000_000
"""Seeds below are those of tests and measurements."""

FAR_PX = 35
FAR_SHARE = 0.04
"""Scenes of which a smaller share moves that far are drawn again..."""

CALM_SHARE = 0.2
"""... but for this share."""

PAINTED_SHARE = 0.55
"""How many are painted with film frames."""

LEAST_DIFFICULTY = 0.5
STRETCHES = (1.0, 1.0, 1.0, 1.4)
"""How far apart the pictures are in time, as often as drawn."""


def prepare_far_scenes(cache: Path, count: int) -> None:
    """Write scenes until there are ``count``; those that are there stay.

    Raises:
        MediaError: If the cache has no clips.
    """
    films = pictures_of(read_cache(cache))
    (cache / "far").mkdir(exist_ok=True)
    for number in range(count):
        path = cache / "far" / f"{number:05d}.npz"
        if not path.exists():
            log.info("scene %d of %d", number, count)
            arrays = _drawn(*_far_scene(number, films))
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, **arrays)  # type: ignore[arg-type]
            partial.replace(path)


def _far_scene(number: int, films: Sequence[str]) -> tuple[Scene, float, float]:
    """Return a scene and the times of its two pictures."""
    random = np.random.default_rng([FIRST_SEED, number])
    stretch = float(random.choice(STRETCHES))
    may_be_calm = random.random() < CALM_SHARE
    painted = random.random() < PAINTED_SHARE
    times = 0.5 - stretch / 2, 0.5 + stretch / 2
    while True:
        scene = random_scene(
            int(random.integers(FIRST_SEED, 2**31)),
            SIZE,
            float(random.uniform(LEAST_DIFFICULTY, 1)),
            acceleration=0.0,
            pictures=films if painted else (),
        )
        try:
            length = np.hypot(*np.moveaxis(true_flow(scene, *times), -1, 0))
        except ValueError:
            # Something shrank to nothing in the stretched time.
            continue
        if may_be_calm or float((length >= FAR_PX).mean()) >= FAR_SHARE:
            return scene, *times


def _drawn(scene: Scene, start: float, end: float) -> dict[str, np.ndarray]:
    frames = np.stack(
        [
            np.rint(render(scene, time, shutter_samples=4) * 255).astype(np.uint8)
            for time in (start, 0.5, end)
        ]
    )
    grey0, grey1 = (
        np.asarray(cv2.cvtColor(frames[number], cv2.COLOR_RGB2GRAY), np.uint8) for number in (0, 2)
    )
    flows = [estimate_middle(grey0, grey1), *other_opinions(grey0, grey1)]
    layers = layer_motions(grey0, grey1, least_mismatch(grey0, grey1, flows))
    middle = true_flow(scene, 0.5, end) - true_flow(scene, 0.5, start)
    return {
        "frames": frames,
        "middle": middle[1::2, 1::2].astype(np.float16),
        "opinions": _shrunk(flows, 2),
        "layers": _shrunk(layers, 4),
        "forward": true_flow(scene, start, end)[4::8, 4::8].astype(np.float16),
        "backward": true_flow(scene, end, start)[4::8, 4::8].astype(np.float16),
        "seen_forward": true_visibility(scene, start, end)[4::8, 4::8],
        "seen_backward": true_visibility(scene, end, start)[4::8, 4::8],
    }


def _shrunk(flows: list[FlowArray], factor: int) -> NDArray[np.float16]:
    """Return flows on a coarser grid, ``[n, H / factor, W / factor, 2]``, in full-size pixels."""
    size = (SIZE[0] // factor, SIZE[1] // factor)
    small = [cv2.resize(flow, size, interpolation=cv2.INTER_AREA) for flow in flows]
    stacked = np.stack(small) if small else np.zeros((0, size[1], size[0], 2))
    return stacked.astype(np.float16)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="written by training.prepare")
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    prepare_far_scenes(arguments.cache, arguments.count)


if __name__ == "__main__":
    main()
