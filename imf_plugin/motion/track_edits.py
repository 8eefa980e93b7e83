"""Arithmetic on token tracks: each function returns a new track.

All of it works on the motion, that is on how far tokens are from the anchor's token, so an edited
track plays on any reference that the original plays on.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import torch

from imf_plugin.errors import ModelError, PlanError
from imf_plugin.motion.token_curves import TokenCurve, smooth_tokens, tokens_at
from imf_plugin.motion.tracks import TokenTrack

LONGEST_TRACK = 5_000_000
"""Frames that an edit may make, as many as a render."""
LARGEST_AMOUNT = 100.0
_JPEG_QUALITY = 90
"""Of a picture that is encoded a second time."""


def resample_track(
    track: TokenTrack,
    positions: Sequence[float],
    *,
    rate: Fraction | None = None,
    curve: TokenCurve = "linear",
) -> TokenTrack:
    """Return the track at positions between its frames, shown at ``rate`` (its own when None)."""
    tokens = tokens_at(track.tokens, positions, curve)
    return replace(track, tokens=tokens, rate=rate or track.rate)


def smooth_track(track: TokenTrack, radius_frames: int) -> TokenTrack:
    """Calm a track over ``radius_frames`` to either side."""
    if radius_frames < 0:
        raise PlanError(f"smoothing takes 0 or more frames, not {radius_frames}")
    return replace(track, tokens=smooth_tokens(track.tokens, radius_frames))


def scale_track(track: TokenTrack, strength: float) -> TokenTrack:
    """Multiply the motion: 0 holds still, 2 doubles it, -1 turns it round.

    Raises:
        PlanError: If the strength is no number within reason.
    """
    _check_amount("strength", strength)
    motion = track.tokens - track.anchor_token
    return replace(track, tokens=track.anchor_token + strength * motion)


def blend_tracks(first: TokenTrack, second: TokenTrack, share: float) -> TokenTrack:
    """Mix the motions of two tracks, ``share`` of the second.

    The second is read at the first's times, and holds where it ends earlier.

    Raises:
        ModelError: If they belong to different models.
        PlanError: If the share lies outside 0..1.
    """
    _check_same_model(first, second)
    if not 0 <= share <= 1:
        raise PlanError(f"the share of the second track must be from 0 to 1, not {share}")
    step = float(second.rate / first.rate)
    beside = tokens_at(second.tokens, [number * step for number in range(len(first.tokens))])
    return replace(
        first,
        tokens=torch.lerp(first.tokens, beside, share),
        anchor_token=torch.lerp(first.anchor_token, second.anchor_token, share),
    )


def offset_track(
    track: TokenTrack, pose_of: TokenTrack, frame: int, amount: float = 1.0
) -> TokenTrack:
    """Add a pose to all frames: the motion that another track (or this one) shows at a frame.

    Raises:
        ModelError: If they belong to different models.
        PlanError: If there is no such frame, or the amount is no number within reason.
    """
    _check_same_model(track, pose_of)
    _check_amount("amount of a pose", amount)
    count = len(pose_of.tokens)
    if not 0 <= frame < count:
        raise PlanError(
            f"the track has frames 0 to {count - 1}, so a pose at {frame} is impossible; "
            "give one of those"
        )
    pose = pose_of.tokens[frame] - pose_of.anchor_token
    return replace(track, tokens=track.tokens + amount * pose)


def loop_track(track: TokenTrack, times: int, overlap_frames: int = 0) -> TokenTrack:
    """Play a track several times; over ``overlap_frames`` each end fades into the next start.

    Raises:
        PlanError: If that makes no sense for this track.
    """
    count = len(track.tokens)
    if times < 1 or not 0 <= overlap_frames <= count // 2:
        raise PlanError(
            f"a track of {count} frames can be looped once or more with an overlap of "
            f"0 to {count // 2} frames, not {times} times with {overlap_frames}"
        )
    if count * times > LONGEST_TRACK:
        raise PlanError(
            f"this would make {count * times:,} frames, above the {LONGEST_TRACK:,} a track may "
            "have; loop it fewer times"
        )
    whole = track.tokens
    for _ in range(times - 1):
        whole = _joined(whole, track.tokens, overlap_frames)
    return replace(track, tokens=whole)


def reverse_track(track: TokenTrack) -> TokenTrack:
    """Play a track backwards."""
    return replace(track, tokens=track.tokens.flip(0))


def there_and_back(track: TokenTrack) -> TokenTrack:
    """Play a track forwards and then backwards, turning at its last frame."""
    return replace(track, tokens=torch.cat([track.tokens, track.tokens.flip(0)[1:]]))


def mirror_track(track: TokenTrack) -> TokenTrack:
    """Swap left and right.

    Raises:
        ModelError: If the tokens are no field over the picture, so that nobody knows what their
            mirror image is.
    """
    tokens = track.tokens
    if tokens.ndim != 4 or tokens.shape[1] != 2:
        raise ModelError(
            f"tokens of {track.model} have no left and right; mirror the driving video and "
            "encode it again"
        )
    turn = torch.tensor([-1.0, 1.0])[:, None, None]
    return replace(
        track,
        tokens=tokens.flip(-1) * turn,
        anchor_token=track.anchor_token.flip(-1) * turn,
        anchor_jpeg=_mirrored(track.anchor_jpeg),
    )


def _mirrored(jpeg: bytes) -> bytes:
    """Return the mirror image of a JPEG; what is none stays as it is."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if pixels is None:
        return jpeg
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.flip(pixels, 1), quality)[1].tobytes()


def _joined(first: torch.Tensor, second: torch.Tensor, overlap_frames: int) -> torch.Tensor:
    if overlap_frames == 0:
        return torch.cat([first, second])
    shares = (torch.arange(overlap_frames) + 1) / (overlap_frames + 1)
    shares = (shares * shares * (3 - 2 * shares)).reshape(-1, *(1,) * (first.ndim - 1))
    seam = torch.lerp(first[-overlap_frames:], second[:overlap_frames], shares)
    return torch.cat([first[:-overlap_frames], seam, second[overlap_frames:]])


def _check_amount(what: str, value: float) -> None:
    # Not within: NaN is in no interval.
    if not -LARGEST_AMOUNT <= value <= LARGEST_AMOUNT:
        raise PlanError(
            f"the {what} must be from {-LARGEST_AMOUNT:g} to {LARGEST_AMOUNT:g}, not {value}"
        )


def _check_same_model(first: TokenTrack, second: TokenTrack) -> None:
    ours, theirs = (first.model, first.revision), (second.model, second.revision)
    if ours != theirs or first.anchor_token.shape != second.anchor_token.shape:
        raise ModelError(
            f"one track was made by {first.model} (revision {first.revision}) and the other by "
            f"{second.model} (revision {second.revision}); encode both with one model"
        )
