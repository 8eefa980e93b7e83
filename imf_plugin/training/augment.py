"""One training sample from a cached pair: a crop, turned, mirrored, reversed, recoloured.

Convention:
    Pictures are float32 ``[H, W, 3]`` in 0..1 while they are worked on; flows ``[H, W, 2]`` pixels.
    Turning a picture turns its flow with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.opinions import opinions_at
from imf_plugin.motion.flow import FlowArray, pixel_grid, sample
from imf_plugin.training.cache import DISAGREEMENT_STRIDE, CachedClip
from imf_plugin.training.surroundings import Picture, Surroundings, surroundings_of

type Random = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class AugmentOptions:
    """How often and how strongly samples are changed."""

    crop_px: int = 112
    """Side of the square crop, a multiple of 16; the motion comes from the whole frame."""
    places: int = 8
    """Crops drawn, of which one is taken."""
    telling_share: float = 0.75
    """How often it is one in which the warped keyframes disagree."""
    shrink_share: float = 0.25
    """How often a larger piece is shrunk to the crop."""
    degrade_share: float = 0.1
    """How often the keyframes are noisy, and how often compressed; the truth stays clean."""
    alone_share: float = 0.15
    """How often the keyframe before a pair is kept back, and how often the one after it."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Two keyframes, the truth between them and the motion to start from."""

    frame0: Picture
    frame1: Picture
    target: Picture
    timestep: float
    middle_flow: FlowArray
    """Classical flow as seen halfway, and further opinions on it, ``[H, W, 2 n]``."""
    true_flows: FlowArray
    """From the target to both keyframes, ``[H, W, 4]``, NaN where unknown."""
    around: Surroundings | None = None
    """The keyframes beyond, if there are any."""

    @property
    def motion(self) -> FlowArray:
        """The classical flow as seen at the timestep, and further opinions, ``[H, W, 2 n]``."""
        even = opinions_at(self.middle_flow, self.timestep)
        if self.around is None:
            return even
        flows = np.split(even, even.shape[-1] // 2, axis=-1)
        bent = pixel_grid(*even.shape[:2]) - self.around.aside
        moved = [sample(np.ascontiguousarray(flow), bent) for flow in flows]
        return np.concatenate(moved, axis=-1)

    @property
    def carried(self) -> FlowArray:
        """The motions of the pairs before and after, going on, ``[H, W, 4]``."""
        if self.around is not None:
            return self.around.carried
        own = opinions_at(np.ascontiguousarray(self.middle_flow[..., :2]), self.timestep)
        return np.concatenate([own, own], axis=-1)

    @property
    def aside(self) -> FlowArray:
        """How far everything is from where even motion would have it, ``[H, W, 2]``."""
        return self.around.aside if self.around else np.zeros_like(self.middle_flow[..., :2])


def cut_sample(
    clip: CachedClip, pair_index: int, random: Random, options: AugmentOptions
) -> Sample:
    """Return a crop of a pair with one of the frames between."""
    pair = clip.pairs[pair_index]
    offset = int(random.integers(1, pair.gap))
    height, width = clip.frames.shape[1:3]
    size = options.crop_px
    largest = min(height, width) // 2 * 2
    if random.random() < options.shrink_share:
        size = min(round(size * float(random.uniform(1.1, 1.6))) // 2 * 2, largest)
    if largest < options.crop_px:
        size = largest
    top, left = _telling_place(clip, pair_index, size, random, options)
    rows, columns = slice(top, top + size), slice(left, left + size)
    half_rows, half_columns = (
        slice(top // 2, (top + size) // 2),
        slice(left // 2, (left + size) // 2),
    )
    unknown = np.full((size, size, 4), np.nan, np.float32)
    if clip.truth is not None:
        found = clip.truth[pair.first + offset, :, rows, columns]
        unknown = np.concatenate([found[0], found[1]], axis=-1).astype(np.float32)
    numbers = (pair.first, pair.first + pair.gap, pair.first + offset)
    known = random.random(2) >= options.alone_share
    frame0, frame1, target = (
        clip.frames[number, rows, columns].astype(np.float32) / np.float32(255)
        for number in numbers
    )
    sample = Sample(
        frame0=frame0,
        frame1=frame1,
        target=target,
        timestep=offset / pair.gap,
        middle_flow=grown_flow(clip.motions(pair_index, half_rows, half_columns), size, size),
        true_flows=unknown,
        around=surroundings_of(
            clip, pair_index, offset / pair.gap, (rows, columns), (bool(known[0]), bool(known[1]))
        ),
    )
    return sample if size == options.crop_px else resized(sample, options.crop_px)


def grown_flow(half: NDArray[np.float16], height: int, width: int) -> FlowArray:
    """Return a cached half-size flow at full size; its values are full-size pixels already."""
    flows = np.split(half.astype(np.float32), half.shape[-1] // 2, axis=-1)
    grown = [cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) for flow in flows]
    return np.concatenate(grown, axis=-1, dtype=np.float32)


def _telling_place(
    clip: CachedClip, pair_index: int, size: int, random: Random, options: AugmentOptions
) -> tuple[int, int]:
    """Return even top and left of a crop, mostly where the warped keyframes disagree.

    Six percent of the area, where they do, hold nearly half of the squared error. Disagreement does
    not look at the truth, so that such a choice teaches nothing wrong.
    """
    height, width = clip.flows.shape[1:3]
    places = [
        (
            2 * int(random.integers(height - size // 2 + 1)),
            2 * int(random.integers(width - size // 2 + 1)),
        )
        for _ in range(options.places)
    ]
    if random.random() >= options.telling_share:
        return places[0]
    summed = clip.disagreement(pair_index)
    telling = np.array([_mean_within(summed, place, size) for place in places]) ** 2
    chances = (telling + 1e-9) / (telling + 1e-9).sum()
    return places[int(random.choice(len(places), p=chances))]


def _mean_within(summed: NDArray[np.float64], place: tuple[int, int], size: int) -> float:
    top, left = (start // DISAGREEMENT_STRIDE for start in place)
    bottom = min((place[0] + size) // DISAGREEMENT_STRIDE, summed.shape[0] - 1)
    right = min((place[1] + size) // DISAGREEMENT_STRIDE, summed.shape[1] - 1)
    total = summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left]
    return float(total / max(1, (bottom - top) * (right - left)))


def resized(sample: Sample, size: int) -> Sample:
    """Return the sample at another size."""
    factor = np.float32(size / sample.frame0.shape[0])
    shrinks = factor < 1

    def picture(of: Picture) -> Picture:
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return np.clip(np.asarray(cv2.resize(of, (size, size), interpolation=method)), 0, 1)

    def flow(of: FlowArray) -> FlowArray:
        planes = [cv2.resize(plane, (size, size)) for plane in np.split(of, of.shape[-1] // 2, -1)]
        return np.concatenate(planes, axis=-1, dtype=np.float32) * factor

    return replace(
        sample,
        frame0=picture(sample.frame0),
        frame1=picture(sample.frame1),
        target=picture(sample.target),
        middle_flow=flow(sample.middle_flow),
        true_flows=flow(sample.true_flows),
        around=sample.around and sample.around.changed(picture, flow),
    )


def turned(sample: Sample, *, mirror_x: bool, mirror_y: bool, transpose: bool) -> Sample:
    """Return the sample mirrored and transposed, flows included."""

    def picture(of: NDArray[np.float32]) -> NDArray[np.float32]:
        of = of[:, ::-1] if mirror_x else of
        of = of[::-1] if mirror_y else of
        return of.transpose(1, 0, 2) if transpose else of

    signs = np.array([-1 if mirror_x else 1, -1 if mirror_y else 1], np.float32)

    def flow(of: FlowArray) -> FlowArray:
        vectors = picture(of).reshape(*picture(of).shape[:2], -1, 2) * signs
        vectors = vectors[..., ::-1] if transpose else vectors
        return vectors.reshape(picture(of).shape)

    return replace(
        sample,
        frame0=picture(sample.frame0),
        frame1=picture(sample.frame1),
        target=picture(sample.target),
        middle_flow=flow(sample.middle_flow),
        true_flows=flow(sample.true_flows),
        around=sample.around and sample.around.changed(picture, flow),
    )


def reversed_in_time(sample: Sample) -> Sample:
    """Return the sample played backwards."""
    return replace(
        sample,
        frame0=sample.frame1,
        frame1=sample.frame0,
        timestep=1 - sample.timestep,
        middle_flow=-sample.middle_flow,
        true_flows=np.concatenate([sample.true_flows[..., 2:], sample.true_flows[..., :2]], -1),
        around=sample.around and sample.around.reversed_in_time(),
    )


def recoloured(sample: Sample, random: Random) -> Sample:
    """Return the sample with another gamma, gain and order of channels, the same in all frames."""
    order = random.permutation(3)
    gamma = float(np.exp(random.uniform(-0.3, 0.3)))
    gain = float(random.uniform(0.8, 1.1))

    def picture(of: Picture) -> Picture:
        return np.clip(np.float32(gain) * np.power(of[..., order], np.float32(gamma)), 0, 1)

    return replace(
        sample,
        frame0=picture(sample.frame0),
        frame1=picture(sample.frame1),
        target=picture(sample.target),
        around=sample.around and sample.around.pictured(picture),
    )


def degraded(sample: Sample, random: Random, share: float) -> Sample:
    """Return the sample with keyframes that are noisy or compressed, each with a probability."""
    if random.random() < share:
        sigma = np.float32(random.uniform(0.5, 3) / 255)
        sample = _with_keyframes(
            sample, lambda frame: frame + sigma * random.standard_normal(frame.shape, np.float32)
        )
    if random.random() < share:
        quality = int(random.integers(60, 96))
        sample = _with_keyframes(sample, lambda frame: _through_jpeg(frame, quality))
    return sample


def _with_keyframes(sample: Sample, change: Callable[[Picture], Picture]) -> Sample:
    return replace(
        sample,
        frame0=change(sample.frame0),
        frame1=change(sample.frame1),
        around=sample.around and sample.around.pictured(change),
    )


def _through_jpeg(picture: Picture, quality: int) -> Picture:
    picture8 = np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
    _, code = cv2.imencode(".jpg", picture8, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return decoded.astype(np.float32) / np.float32(255)


def augmented(sample: Sample, random: Random, options: AugmentOptions) -> Sample:
    """Return the sample changed at random."""
    mirror_x, mirror_y, transpose = random.random(3) < (0.5, 0.25, 0.25)
    sample = turned(
        sample, mirror_x=bool(mirror_x), mirror_y=bool(mirror_y), transpose=bool(transpose)
    )
    if random.random() < 0.5:
        sample = reversed_in_time(sample)
    if random.random() < 0.5:
        sample = recoloured(sample, random)
    return degraded(sample, random, options.degrade_share)
