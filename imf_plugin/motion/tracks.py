"""Token tracks: the motion of a video as a few numbers per frame, in memory and in a file.

A track holds one token per frame at a constant rate, and says which model it belongs to. The file
is safetensors: tokens packed in chunks (see `token_codec`), everything else as text in its header.
`track_files` writes and reads tracks of any length without holding all of their tokens.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from imf_plugin.motion.token_codec import default_bits


@dataclass(frozen=True, kw_only=True)
class TrackHeader:
    """All of a track but its tokens."""

    anchor_token: Tensor
    """``[*token_shape]``: the token of the frame that counts as the reference's pose."""
    rate: Fraction
    """Frames per second."""
    model: str
    """Name of the retargeting model that made the tokens."""
    revision: str
    """That model's revision."""
    source: str = ""
    """What was encoded, for people to read."""
    notes: dict[str, str] = field(default_factory=dict)
    """More about it, for people to read."""
    anchor_jpeg: bytes = b""
    """A small picture of the anchor frame, for models that align it with the reference."""
    directions: bytes = b""
    """What the model had learned of the clip before it was encoded; empty for most models."""

    @property
    def numbers_per_frame(self) -> int:
        """How many numbers a frame's token is."""
        return self.anchor_token.numel()

    @property
    def token_shape(self) -> tuple[int, ...]:
        """Shape of one token."""
        return tuple(self.anchor_token.shape)

    @property
    def driving_size(self) -> tuple[int, int] | None:
        """Width and height of the frames that were encoded; None if the track does not say."""
        sides = self.notes.get("size", "").split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            return None
        return int(sides[0]), int(sides[1])


@dataclass(frozen=True, kw_only=True)
class TokenTrack(TrackHeader):
    """The motion of a video."""

    tokens: Tensor
    """``[T, *token_shape]`` float32."""

    def __post_init__(self) -> None:
        """Check that the parts fit each other."""
        if self.tokens.ndim < 2 or len(self.tokens) == 0:
            raise ValueError(f"a track has tokens [T, ...], got {tuple(self.tokens.shape) = }")
        if self.anchor_token.shape != self.tokens.shape[1:]:
            raise ValueError(
                "the anchor's token must have a token's shape, "
                f"got {tuple(self.anchor_token.shape) = } and {tuple(self.tokens.shape) = }"
            )

    @property
    def duration(self) -> Fraction:
        """Seconds."""
        return len(self.tokens) / self.rate


def save_track(
    track: TokenTrack, path: Path | str, *, bits: int | None = None, overwrite: bool = False
) -> None:
    """Write a track; the file appears under its name only when it is complete.

    Args:
        track: What to write.
        path: A ``.safetensors`` file.
        bits: How finely tokens are rounded, 4 to 16; what suits their kind when None.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputRefused: If the file exists and may not be replaced, or cannot be written.
    """
    from imf_plugin.motion.track_files import TrackWriter

    writer = TrackWriter(
        Path(path),
        bits=default_bits(track.token_shape) if bits is None else bits,
        overwrite=overwrite,
    )
    for token in track.tokens:
        writer.add(token)
    writer.close(track)


def load_track(path: Path | str) -> TokenTrack:
    """Read a track.

    Raises:
        UnreadableMedia: If the file is missing, damaged, or no token track of this version.
    """
    from imf_plugin.motion.track_files import TrackFile

    file = TrackFile(Path(path))
    tokens = torch.stack(list(file.tokens(0, file.count)))
    return TokenTrack(tokens=tokens, **vars(file.header))
