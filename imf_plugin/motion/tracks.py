"""Token tracks: the motion of a video as a few numbers per frame, in a file of its own.

A track holds one token per frame at a constant rate, and says which model it belongs to. The file
is safetensors: tokens as float16, everything else as text in its header.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from imf_plugin.errors import OutputRefused, UnreadableMedia

FORMAT = "imf-tokens"
VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class TokenTrack:
    """The motion of a video."""

    tokens: Tensor
    """``[T, *token_shape]`` float32."""
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

    @property
    def numbers_per_frame(self) -> int:
        """How many numbers a frame's token is."""
        return self.anchor_token.numel()


def save_track(track: TokenTrack, path: Path, *, overwrite: bool = False) -> None:
    """Write a track; the file appears under its name only when it is complete.

    Raises:
        OutputRefused: If the file exists and may not be replaced, or cannot be written.
    """
    if path.exists() and not overwrite:
        raise OutputRefused(f"{path} exists; add --overwrite to replace it")
    about = {
        "format": FORMAT,
        "version": VERSION,
        "rate": str(track.rate),
        "model": track.model,
        "revision": track.revision,
        "source": track.source,
        **{f"note {name}": text for name, text in track.notes.items()},
    }
    tensors = {
        "tokens": track.tokens.detach().to("cpu", torch.float16).contiguous(),
        "anchor": track.anchor_token.detach().to("cpu", torch.float16).contiguous(),
    }
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_file(tensors, temporary, about)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputRefused(f"{path} cannot be written: {error}") from None


def load_track(path: Path) -> TokenTrack:
    """Read a track.

    Raises:
        UnreadableMedia: If the file is missing, damaged, or no token track of this version.
    """
    if not path.is_file():
        raise UnreadableMedia(f"{path} does not exist; give a file made by 'imf tokens encode'")
    try:
        with safe_open(path, framework="pt") as stored:
            about = dict(stored.metadata() or {})
            if about.get("format") != FORMAT:
                raise UnreadableMedia(
                    f"{path} is no token track; give a file made by 'imf tokens encode'"
                )
            if about.get("version") != VERSION:
                raise UnreadableMedia(
                    f"{path} is a token track of version {about.get('version')}, which this "
                    f"imf_plugin (version {VERSION}) cannot read; encode it again"
                )
            tokens, anchor = stored.get_tensor("tokens"), stored.get_tensor("anchor")
        return TokenTrack(
            tokens=tokens.float(),
            anchor_token=anchor.float(),
            rate=Fraction(about["rate"]),
            model=about["model"],
            revision=about["revision"],
            source=about.get("source", ""),
            notes={
                name.removeprefix("note "): text
                for name, text in about.items()
                if name.startswith("note ")
            },
        )
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UnreadableMedia(f"{path} is a damaged token track ({error})") from None
