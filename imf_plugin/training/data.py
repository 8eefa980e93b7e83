"""Training samples by number: the same number gives the same sample, so that runs can resume."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from imf_plugin.models.imf_vfi.beyond import OTHER_KEYFRAME
from imf_plugin.training.augment import AugmentOptions, Sample, augmented, cut_sample
from imf_plugin.training.cache import CachedClip, read_cache
from imf_plugin.training.overlays import overlaid
from imf_plugin.training.teacher import taught

MOTION_RANGE_PX = (0.3, 8.0)
"""Pairs are drawn in proportion to the root of their motion, kept within this range."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What is drawn how often."""

    scene_share: float = 0.12
    """Rendered scenes among the samples."""
    overlay_share: float = 0.1
    """Film samples with a logo or a subtitle over them."""
    teaches_flows: bool = True
    """Whether film samples get flows to learn from, see `teacher`; without them a sample takes
    half the time."""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples as tensors."""

    frame0: Tensor
    """``[B, 3, H, W]``"""
    frame1: Tensor
    target: Tensor
    timesteps: Tensor
    """``[B]``"""
    motion: Tensor
    """``[B, 2 n, H, W]``: the classical flow, further opinions on it, and the two motions carried
    on from the neighbouring pairs."""
    bend: Tensor
    """``[B, 2, H, W]``, see `ImfVfiNetwork.decode`."""
    earlier: Tensor
    """``[B, 3, H, W]``, see `Beyond`."""
    later: Tensor
    distances: Tensor
    """``[B, 2]``"""
    true_flows: Tensor
    """``[B, 4, H, W]``, NaN where unknown."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        moved = {name: value.to(device, non_blocking=True) for name, value in vars(self).items()}
        return Batch(**moved)


class TrainingSamples(Dataset[dict[str, Tensor]]):
    """An endless supply: item ``n`` is drawn with a random generator seeded by ``n``."""

    def __init__(self, cache: Path, options: DataOptions) -> None:
        self.options = options
        clips = [clip for clip in read_cache(cache) if not clip.held_out]
        self.scenes = [clip for clip in clips if clip.is_scene]
        films: dict[str, list[CachedClip]] = {}
        for clip in clips:
            if not clip.is_scene:
                films.setdefault(clip.group, []).append(clip)
        self.groups = list(films.values())

    def sample(self, number: int) -> Sample:
        """Return a sample as pictures."""
        random = np.random.default_rng([self.options.seed, number])
        wants_scene = random.random() < self.options.scene_share
        if self.scenes and (wants_scene or not self.groups):
            clip = self.scenes[int(random.integers(len(self.scenes)))]
        else:
            group = self.groups[int(random.integers(len(self.groups)))]
            clip = group[int(random.integers(len(group)))]
        pair = int(random.choice(len(clip.pairs), p=_pair_chances(clip)))
        sample = cut_sample(clip, pair, random, self.options.augment)
        if self.options.teaches_flows:
            sample = taught(sample)
        if not clip.is_scene and random.random() < self.options.overlay_share:
            sample = overlaid(sample, random)
        return augmented(sample, random, self.options.augment)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Return a sample as tensors, by the names of `Batch`."""
        return as_tensors(self.sample(number))


def _pair_chances(clip: CachedClip) -> NDArray[np.float64]:
    motion = np.array([pair.motion_px for pair in clip.pairs])
    chances = np.sqrt(np.clip(motion, *MOTION_RANGE_PX))
    return np.asarray(chances / chances.sum())


def as_tensors(sample: Sample) -> dict[str, Tensor]:
    """Return a sample as tensors without batch dimension, by the names of `Batch`."""
    earlier = sample.around.earlier if sample.around else None
    later = sample.around.later if sample.around else None
    planes = {
        "earlier": sample.frame1 if earlier is None else earlier,
        "later": sample.frame0 if later is None else later,
        "bend": sample.aside,
        "frame0": sample.frame0,
        "frame1": sample.frame1,
        "target": sample.target,
        "motion": np.concatenate([sample.motion, sample.carried], axis=-1),
        "true_flows": sample.true_flows,
    }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(plane.transpose(2, 0, 1), np.float32))
        for name, plane in planes.items()
    }
    distances = [OTHER_KEYFRAME if frame is None else 1.0 for frame in (earlier, later)]
    numbers = {"timesteps": sample.timestep, "distances": distances}
    return tensors | {name: torch.tensor(of, dtype=torch.float32) for name, of in numbers.items()}


def collate(items: list[dict[str, Tensor]]) -> Batch:
    """Return samples as one batch."""
    return Batch(**{name: torch.stack([item[name] for item in items]) for name in items[0]})
