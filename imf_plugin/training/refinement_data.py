"""Drafts of motion for training their refinement, drawn by the recognition that is to be refined.

Layout of one, in ``drafts`` beside the clips of the cache, a NumPy archive::

    00000.npz  frames    uint8   [3, 3, H, W]    both pictures and the truth between, RGB
               middle    float16 [2, H/2, W/2]   true middle flow, pixels
               known     float16 [1, H/2, W/2]   how much that counts
               motion, rival, side, found, evidence
                         float16 [*, H/4, W/4]   see `Draft`
"""

import logging
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imf_plugin.errors import MediaError
from imf_plugin.models.imf_vfi.layers import halved
from imf_plugin.models.imf_vfi.recognition import RecognitionNetwork
from imf_plugin.models.imf_vfi.refinement import Draft, drafted
from imf_plugin.training.augment import Random
from imf_plugin.training.recognition_data import (
    RecognitionDataOptions,
    RecognitionSample,
    RecognitionSamples,
)

log = logging.getLogger(__name__)

DRAWN = RecognitionDataOptions(film_share=0.35, whole_share=1.0, seed=1)
"""How pairs are drawn: scenes whole, as recognition looks at them in use."""

DRAFT_PLANES = tuple(field.name for field in fields(Draft))


@dataclass(frozen=True, kw_only=True)
class RefinementDataOptions:
    """How drafts are cut and changed."""

    crop_px: tuple[int, int] = (192, 256)
    """Height and width of crops, multiples of 16."""
    flip_share: float = 0.5
    recolour_share: float = 0.5
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RefinementSample:
    """A draft and the truth; of a batch each has one more axis in front."""

    frames: Tensor
    """First, between, second, ``[3, 3, H, W]``, RGB 0..1."""
    middle: Tensor
    """``[2, H/2, W/2]`` pixels."""
    known: Tensor
    """``[1, H/2, W/2]``."""
    draft: Draft
    """Without its first axis, ``[*, H/4, W/4]``."""


def prepare_drafts(cache: Path, network: RecognitionNetwork, count: int, first: int = 0) -> None:
    """Write drafts ``first`` to ``count``; those that are there stay.

    Raises:
        MediaError: If the cache has no scenes.
    """
    samples = RecognitionSamples(cache, DRAWN)
    (cache / "drafts").mkdir(exist_ok=True)
    for number in range(first, count):
        path = cache / "drafts" / f"{number:05d}.npz"
        if not path.exists():
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, **_drawn(samples[number], network))  # type: ignore[arg-type]
            partial.replace(path)
        if number % 100 == 0:
            log.info("draft %d of %d", number, count)


@torch.inference_mode()
def _drawn(sample: RecognitionSample, network: RecognitionNetwork) -> dict[str, np.ndarray]:
    pair = network.describe(sample.frames[[0, 2]]).each()
    found = network(*pair, halved(sample.opinions), sample.layers)
    draft = vars(drafted(found, len(sample.opinions)))
    return {
        "frames": (sample.frames * 255).round().to(torch.uint8).numpy(),
        "middle": sample.middle[0].to(torch.float16).numpy(),
        "known": sample.known[0].to(torch.float16).numpy(),
        **{name: draft[name][0].to(torch.float16).numpy() for name in DRAFT_PLANES},
    }


class RefinementSamples:
    """An endless supply: item ``n`` is drawn with a random generator seeded by ``n``.

    Raises:
        MediaError: If the cache has no drafts.
    """

    def __init__(self, cache: Path, options: RefinementDataOptions) -> None:
        self.options = options
        self.drafts = sorted((cache / "drafts").glob("[0-9]*[0-9].npz"))
        if not self.drafts:
            raise MediaError(
                f"there are no drafts in {cache / 'drafts'}; write them with "
                f"`python -m imf_plugin.training.refinement --cache {cache} --drafts 4000`"
            )

    def __getitem__(self, number: int) -> RefinementSample:
        """Return sample ``number``."""
        random = np.random.default_rng([self.options.seed, number])
        stored = self._stored(random)
        cut = _cut(stored, self.options.crop_px, random)
        tensors = {name: torch.from_numpy(array.astype(np.float32)) for name, array in cut.items()}
        sample = RefinementSample(
            frames=tensors["frames"] / 255,
            middle=tensors["middle"],
            known=tensors["known"],
            draft=Draft(**{name: tensors[name] for name in DRAFT_PLANES}),
        )
        return _changed(sample, random, self.options)

    def _stored(self, random: Random) -> dict[str, np.ndarray]:
        """Return a draft that is large enough."""
        while True:
            with np.load(self.drafts[int(random.integers(len(self.drafts)))]) as archive:
                frames = archive["frames"]
                sides = zip(frames.shape[2:], self.options.crop_px, strict=True)
                if all(side >= want for side, want in sides):
                    return {"frames": frames, **{k: archive[k] for k in archive if k != "frames"}}


def gathered(samples: list[RefinementSample]) -> RefinementSample:
    """Return samples as one batch."""
    drafts = [vars(sample.draft) for sample in samples]
    return RefinementSample(
        frames=torch.stack([sample.frames for sample in samples]),
        middle=torch.stack([sample.middle for sample in samples]),
        known=torch.stack([sample.known for sample in samples]),
        draft=Draft(**{name: torch.stack([row[name] for row in drafts]) for name in DRAFT_PLANES}),
    )


def _cut(
    stored: dict[str, np.ndarray], wanted: tuple[int, int], random: Random
) -> dict[str, np.ndarray]:
    height, width = stored["frames"].shape[2:]
    top, left = (
        4 * int(random.integers((side - want) // 4 + 1))
        for side, want in zip((height, width), wanted, strict=True)
    )
    cut = {}
    for name, array in stored.items():
        stride = height // array.shape[-2]
        rows = slice(top // stride, (top + wanted[0]) // stride)
        columns = slice(left // stride, (left + wanted[1]) // stride)
        cut[name] = array[..., rows, columns]
    return cut


def _changed(
    sample: RefinementSample, random: Random, options: RefinementDataOptions
) -> RefinementSample:
    """Return the sample mirrored, turned over, recoloured; or not."""
    for axis in (-1, -2):
        if random.random() < options.flip_share:
            sample = _flipped(sample, axis)
    if random.random() < options.recolour_share:
        gamma, gain = math.exp(random.uniform(-0.3, 0.3)), random.uniform(0.75, 1.1)
        order = torch.from_numpy(random.permutation(3))
        sample = replace(sample, frames=(sample.frames[:, order] ** gamma * gain).clamp(0, 1))
    return sample


def _flipped(sample: RefinementSample, axis: int) -> RefinementSample:
    signs = torch.tensor([-1.0, 1.0] if axis == -1 else [1.0, -1.0])[:, None, None]

    def flipped(name: str, planes: Tensor) -> Tensor:
        turned = planes.flip(axis)
        return turned * signs if name in ("motion", "rival") else turned

    return RefinementSample(
        frames=sample.frames.flip(axis),
        middle=sample.middle.flip(axis) * signs,
        known=sample.known.flip(axis),
        draft=Draft(**{name: flipped(name, plane) for name, plane in vars(sample.draft).items()}),
    )
