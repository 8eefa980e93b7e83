"""What an interpolation model is: the protocol that every model family fulfils.

Pictures are float tensors ``[3+E, H, W]`` or ``[B, 3+E, H, W]``: RGB in 0..1 in the signal's own
transfer curve, followed by any extra channels (alpha, depth) that ride along on the same motion.
A keyframe is encoded once, however many pairs and timesteps use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

type Timestep = float | Fraction


@dataclass(frozen=True, kw_only=True)
class ModelDescriptor:
    """What a host needs to know about a model without knowing the model."""

    name: str
    """The name users type, such as ``flow``."""
    summary: str
    """One line for lists and tooltips."""
    source: str
    """The paper or method behind it."""
    parameters: int
    """Number of trained parameters; 0 for a method without weights."""
    minimum_size_px: int
    """Smallest width or height that the model accepts."""
    tile_overlap_px: int
    """Context that a tile needs around itself, in pixels."""
    bytes_per_pixel: int
    """Estimate of working memory for one pair, in bytes per pixel of the picture."""
    devices: tuple[str, ...] = ("cpu", "cuda")
    """Device kinds it runs on."""
    tiles: bool = True
    """Whether large pictures may be made tile by tile. A model that looks for motion over the whole
    picture would see less in a tile; it keeps its memory small by itself."""
    context: Literal[2, 4] = 2
    """Keyframes that it makes use of: the pair alone, or the ones before and after it as well."""
    revision: str = "1"
    """Changes whenever the same input gives other pixels, so that old parts are not reused."""
    details: dict[str, str] = field(default_factory=dict)
    """More rows for ``imf models info``: training data, licences, scores, digest."""


@dataclass(frozen=True, kw_only=True)
class KeyframeState:
    """One encoded keyframe; everything in it depends on that frame alone.

    Pair-wise work (flow between two keyframes) is cached by the model, not here.
    """

    frames: Tensor
    """The pictures as given, ``[B, 3+E, H, W]``."""
    features: Any
    """Whatever the model wants to keep; opaque to everyone else."""
    batched: bool
    """Whether the caller gave a batch dimension."""
    size_bytes: int
    """Memory held, for caches with a budget."""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A keyframe beyond one of the two that frames are made between."""

    keyframe: Tensor | KeyframeState
    """The picture, of the pair's shape."""
    distance: float = 1.0
    """How far it is from the nearer keyframe of the pair, in units of the pair's distance."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The keyframes around a pair, where there are any in the same shot."""

    earlier: Neighbour | None = None
    """The one before the first keyframe."""
    later: Neighbour | None = None
    """The one after the second."""


@runtime_checkable
class Interpolator(Protocol):
    """Makes the frames between two keyframes."""

    descriptor: ModelDescriptor

    def encode(self, frames: Tensor) -> KeyframeState:
        """Encode keyframes.

        Args:
            frames: ``[3+E, H, W]`` or ``[B, 3+E, H, W]``, RGB 0..1 and extra channels.
        """
        ...

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        """Return the frames at ``timesteps`` (each in 0..1; 0 is ``before``, 1 is ``after``).

        Args:
            before: The first keyframe, as a picture or encoded.
            after: The second.
            timesteps: When.
            context: The keyframes around the two, so that motion may follow a curve. A model whose
                ``descriptor.context`` is 2 has no use for it.

        Returns:
            ``[T, 3+E, H, W]`` for unbatched keyframes, ``[B, T, 3+E, H, W]`` for batched ones;
            at timesteps 0 and 1 the keyframes themselves, unchanged.
        """
        ...


def as_batch(frames: Tensor) -> tuple[Tensor, bool]:
    """Give ``frames`` a batch dimension and say whether it had one.

    Raises:
        ValueError: If the shape is not ``[C, H, W]`` or ``[B, C, H, W]`` with at least 3 channels,
            or there are no pixels.
        TypeError: If the frames are not floating point.
    """
    if frames.ndim not in (3, 4) or frames.shape[-3] < 3:
        raise ValueError(
            "expected pictures of shape [3+E, H, W] or [B, 3+E, H, W], "
            f"got {tuple(frames.shape) = }"
        )
    if not frames.is_floating_point():
        raise TypeError(f"expected floating-point frames in 0..1, got {frames.dtype = }")
    if frames.numel() == 0:
        raise ValueError(f"expected frames with pixels, got {tuple(frames.shape) = }")
    return (frames, True) if frames.ndim == 4 else (frames.unsqueeze(0), False)


def check_timesteps(timesteps: Sequence[Timestep]) -> list[float]:
    """Return the timesteps as floats.

    Raises:
        ValueError: If there is none, or one lies outside 0..1.
    """
    values = [float(timestep) for timestep in timesteps]
    if not values or any(not 0.0 <= value <= 1.0 for value in values):
        raise ValueError(f"timesteps must be a non-empty sequence in 0..1, got {timesteps = }")
    return values


def encoded_pair(
    model: Interpolator, before: Tensor | KeyframeState, after: Tensor | KeyframeState
) -> tuple[KeyframeState, KeyframeState]:
    """Encode whichever of two keyframes is not encoded yet.

    Raises:
        ValueError: If the two differ in shape.
    """
    before = before if isinstance(before, KeyframeState) else model.encode(before)
    after = after if isinstance(after, KeyframeState) else model.encode(after)
    if before.frames.shape != after.frames.shape or before.batched != after.batched:
        raise ValueError(
            "the two keyframes must agree in shape, "
            f"got {tuple(before.frames.shape) = } and {tuple(after.frames.shape) = }"
        )
    return before, after


def encoded_context(
    model: Interpolator, context: Context | None, pair: KeyframeState
) -> Context | None:
    """Encode whichever keyframes of a context are not encoded yet.

    Raises:
        ValueError: If one differs from the pair in shape, or its distance is not above 0.
    """
    if context is None:
        return None
    return Context(
        earlier=_encoded_neighbour(model, context.earlier, pair),
        later=_encoded_neighbour(model, context.later, pair),
    )


def _encoded_neighbour(
    model: Interpolator, neighbour: Neighbour | None, pair: KeyframeState
) -> Neighbour | None:
    if neighbour is None:
        return None
    if not neighbour.distance > 0:
        raise ValueError(f"the distance of a keyframe must be above 0, got {neighbour.distance = }")
    given = neighbour.keyframe
    state = given if isinstance(given, KeyframeState) else model.encode(given)
    if state.frames.shape != pair.frames.shape:
        raise ValueError(
            "the keyframes of the context must have the pair's shape, "
            f"got {tuple(state.frames.shape) = } and {tuple(pair.frames.shape) = }"
        )
    return Neighbour(keyframe=state, distance=neighbour.distance)
