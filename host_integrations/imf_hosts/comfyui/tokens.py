"""Token tracks in nodes: made from images, stretched, mixed, smoothed and played."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor

from imf_plugin.errors import PlanError
from imf_plugin.models.retargeting import AdaptedRetargeter, PosingRetargeter, Retargeter
from imf_plugin.motion.tracks import TokenTrack

LINEAR, SLERP, CUBIC = "linear", "slerp", "cubic"
_CURVES: dict[str, Literal["linear", "spherical", "cubic"]]
_CURVES = {LINEAR: "linear", SLERP: "spherical", CUBIC: "cubic"}

type OnFrame = Callable[[int, Tensor | None], None]


def encode_images(
    model: Retargeter,
    frames: Callable[[int], Tensor],
    count: int,
    *,
    anchor: int,
    rate: Fraction,
    on_frame: OnFrame,
    encoder: Any = None,
) -> TokenTrack:
    """Return the motion of driving frames.

    Args:
        model: The retargeting model.
        frames: Returns a frame by its number, ``[3, h, w]``.
        count: Number of frames.
        anchor: Number of the frame that counts as the reference's pose.
        rate: Frames per second.
        on_frame: Called after each frame.
        encoder: A `Retargeting` for a certain reference; without one the anchor stands for it.
    """
    from imf_plugin.engine.retarget_sources import jpeg_of
    from imf_plugin.engine.retargeting import Retargeting

    picture = frames(anchor)
    moving = encoder or Retargeting(model, picture, picture)
    tokens = []
    for number in range(count):
        tokens.append(moving.tokens(frames(number)[None])[0].cpu())
        on_frame(number + 1, None)
    return TokenTrack(
        tokens=torch.stack(tokens),
        anchor_token=tokens[anchor],
        rate=rate,
        model=model.descriptor.name,
        revision=model.descriptor.revision,
        source="images",
        notes={"size": f"{picture.shape[2]}x{picture.shape[1]}", "anchor": str(anchor)},
        anchor_jpeg=jpeg_of(picture) if isinstance(model, PosingRetargeter) else b"",
        directions=model.directions if isinstance(model, AdaptedRetargeter) else b"",
    )


def retime_track(track: TokenTrack, positions: Sequence[float], method: str) -> TokenTrack:
    """Return the tokens at positions between frames; beyond the ends the last ones hold.

    Args:
        track: The tokens.
        positions: Frame numbers, 2.5 is halfway between frames 2 and 3.
        method: ``linear``, ``slerp`` (along the sphere) or ``cubic`` (smooth through all).
    """
    if not positions:
        raise PlanError("the time map is empty; connect one, or give a factor")
    return replace(track, tokens=_tokens_at(track.tokens, positions, method))


def even_positions(count: int, factor: float) -> list[float]:
    """Return the positions that make a track ``factor`` times longer, ends included."""
    if not factor > 0:
        raise PlanError(f"the factor must be above 0, not {factor}")
    length = int((count - 1) * Fraction(factor).limit_denominator(1000)) + 1
    return [min(number / factor, count - 1.0) for number in range(length)]


def mix_tracks(first: TokenTrack, second: TokenTrack, share: float, method: str) -> TokenTrack:
    """Return the motion between two motions; the shorter one is stretched to the longer one.

    Raises:
        PlanError: If the two belong to different models.
    """
    if first.model != second.model or first.tokens.shape[1:] != second.tokens.shape[1:]:
        raise PlanError(
            f"tokens of {first.model!r} and {second.model!r} cannot be mixed: encode both with "
            "the same model"
        )
    if first.directions != second.directions:
        raise PlanError(
            f"{first.model!r} had learned the ways of two different clips before it made these "
            "tokens, so their numbers mean different things: encode both with Encode Tokens (IMF)"
        )
    length = max(len(first.tokens), len(second.tokens))
    one, two = (_stretched(track.tokens, length) for track in (first, second))
    mixed = torch.stack([_between(a, b, share, method) for a, b in zip(one, two, strict=True)])
    anchor = _between(first.anchor_token, second.anchor_token, share, method)
    return replace(first, tokens=mixed, anchor_token=anchor)


def edit_track(
    track: TokenTrack,
    *,
    strength: float,
    smoothing: int,
    loop: bool,
    mirror: bool,
    offset: TokenTrack | None = None,
) -> TokenTrack:
    """Return a track with more, less, calmer or other motion.

    Args:
        track: The tokens.
        strength: Multiplies the motion away from the anchor.
        smoothing: Radius in frames over which jitter is averaged.
        loop: Whether the end is led back to the beginning.
        mirror: Whether the motion is played there and back.
        offset: Another track, whose motion away from its anchor is added.
    """
    from imf_plugin.motion.token_curves import smooth_tokens

    motion = smooth_tokens(track.tokens - track.anchor_token, smoothing) * strength
    if offset is not None:
        if offset.tokens.shape[1:] != track.tokens.shape[1:] or offset.model != track.model:
            raise PlanError(
                f"the offset holds tokens of {offset.model!r}, but these are of {track.model!r}: "
                "encode both with the same model"
            )
        motion = motion + _stretched(offset.tokens - offset.anchor_token, len(motion))
    if loop and len(motion) > 1:
        gap = motion[0] - motion[-1]
        shares = torch.linspace(0, 1, len(motion)).reshape(-1, *(1,) * gap.ndim)
        motion = motion + shares * gap
    if mirror:
        motion = torch.cat([motion, motion.flip(0)[1:]])
    return replace(track, tokens=motion + track.anchor_token)


def _stretched(tokens: Tensor, length: int) -> Tensor:
    if len(tokens) == length:
        return tokens
    step = (len(tokens) - 1) / max(1, length - 1)
    return _tokens_at(tokens, [number * step for number in range(length)], LINEAR)


def _tokens_at(tokens: Tensor, positions: Sequence[float], method: str) -> Tensor:
    from imf_plugin.motion.token_curves import tokens_at

    return tokens_at(tokens, positions, _CURVES[method])


def _between(first: Tensor, second: Tensor, share: float, method: str) -> Tensor:
    return _tokens_at(torch.stack([first, second]), [share], method)[0]


def describe(track: Any) -> str:
    """Return a line about a track."""
    return (
        f"{len(track.tokens)} frames at {float(track.rate):g} fps, "
        f"{track.numbers_per_frame} numbers each, model {track.model}"
    )
