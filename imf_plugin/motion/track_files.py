"""Track files, written and read piece by piece: memory does not grow with the tokens' size."""

import hashlib
import lzma
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from imf_plugin.errors import OutputRefused, UnreadableMedia
from imf_plugin.motion.token_codec import DamagedTokens, default_bits, pack_tokens, unpack_tokens
from imf_plugin.motion.tracks import TrackHeader

FORMAT: Final = "imf-tokens"
VERSION: Final = "1"
CHUNK_FRAMES: Final = 512
"""Frames that are packed together."""

_ENCODE = "give a file made by 'imf tokens encode'"


class TrackWriter:
    """Collects tokens, packed, and writes them with their header at the end.

    Args:
        path: The file.
        bits: How finely tokens are rounded, 4 to 16; what suits their kind when None.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputRefused: If the file exists and may not be replaced.
    """

    def __init__(self, path: Path, *, bits: int | None = None, overwrite: bool = False) -> None:
        check_track_output(path, overwrite=overwrite)
        self._path = path
        self._bits = bits
        self._waiting: list[Tensor] = []
        self._chunks: list[bytes] = []
        self.count = 0

    def add(self, token: Tensor) -> None:
        """Take the next frame's token."""
        self._waiting.append(token.detach().cpu().float())
        self.count += 1
        if len(self._waiting) == CHUNK_FRAMES:
            self._pack()

    def close(self, header: TrackHeader) -> None:
        """Write the file; it appears under its name only when it is complete.

        Raises:
            OutputRefused: If it cannot be written.
        """
        self._pack()
        about = {
            "format": FORMAT,
            "version": VERSION,
            "rate": str(header.rate),
            "model": header.model,
            "revision": header.revision,
            "source": header.source,
            "frames": str(self.count),
            "shape": " ".join(map(str, header.token_shape)),
            **{f"note {name}": text for name, text in header.notes.items()},
        }
        anchor = header.anchor_token.detach().cpu().float().numpy().tobytes()
        tensors = {"anchor": _as_array(lzma.compress(anchor, lzma.FORMAT_ALONE))}
        if header.anchor_jpeg:
            tensors["anchor_jpeg"] = _as_array(header.anchor_jpeg)
        if header.directions:
            tensors["directions"] = _as_array(header.directions)
        tensors |= {f"tokens {i:06}": _as_array(chunk) for i, chunk in enumerate(self._chunks)}
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        try:
            # Not by save_file, which writes files that only their owner may read.
            temporary.write_bytes(save(tensors, about))
            temporary.replace(self._path)
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise OutputRefused(f"{self._path} cannot be written: {error}") from None

    def _pack(self) -> None:
        if self._waiting:
            tokens = torch.stack(self._waiting)
            bits = default_bits(tuple(tokens.shape[1:])) if self._bits is None else self._bits
            self._chunks.append(pack_tokens(tokens, bits))
            self._waiting = []


class TrackFile:
    """A track on disk, whose tokens are read as they are asked for.

    Raises:
        UnreadableMedia: If the file is missing, damaged, or no token track of this version.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UnreadableMedia(f"{path} does not exist; {_ENCODE}")
        self._path = path
        try:
            with safe_open(path, framework="numpy") as stored:
                about = dict(stored.metadata() or {})
                self._check_kind(about)
                names = list(stored.keys())
                shape = tuple(int(side) for side in about["shape"].split())
                anchor = lzma.decompress(stored.get_tensor("anchor").tobytes())
                jpeg, directions = (
                    stored.get_tensor(name).tobytes() if name in names else b""
                    for name in ("anchor_jpeg", "directions")
                )
            self.count = int(about["frames"])
            self.header = TrackHeader(
                anchor_token=torch.from_numpy(np.frombuffer(anchor, np.float32).copy()).reshape(
                    shape
                ),
                rate=Fraction(about["rate"]),
                model=about["model"],
                revision=about["revision"],
                source=about.get("source", ""),
                notes={
                    name.removeprefix("note "): text
                    for name, text in about.items()
                    if name.startswith("note ")
                },
                anchor_jpeg=jpeg,
                directions=directions,
            )
        except (SafetensorError, lzma.LZMAError, KeyError, ValueError, OSError) as error:
            raise self._damaged(error) from None
        if self.count < 1 or self.header.rate <= 0:
            raise self._damaged("it has no frames")
        self._held: tuple[int, Tensor] | None = None

    @property
    def identity(self) -> str:
        """What decides the tokens: a digest of the file."""
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def tokens(self, start: int, stop: int) -> Iterator[Tensor]:
        """Yield the tokens of the frames ``start`` to ``stop``, ``[*token_shape]`` each."""
        for frame in range(start, stop):
            chunk = self._chunk(frame // CHUNK_FRAMES)
            yield chunk[frame % CHUNK_FRAMES]

    def _chunk(self, number: int) -> Tensor:
        if self._held is None or self._held[0] != number:
            count = min(CHUNK_FRAMES, self.count - number * CHUNK_FRAMES)
            try:
                with safe_open(self._path, framework="numpy") as stored:
                    packed = stored.get_tensor(f"tokens {number:06}").tobytes()
                self._held = number, unpack_tokens(packed, count, self.header.token_shape)
            except (SafetensorError, DamagedTokens, OSError) as error:
                raise self._damaged(error) from None
        return self._held[1]

    def _check_kind(self, about: dict[str, str]) -> None:
        if about.get("format") != FORMAT:
            raise UnreadableMedia(f"{self._path} is no token track; {_ENCODE}")
        if about.get("version") != VERSION:
            raise UnreadableMedia(
                f"{self._path} is a token track of version {about.get('version')}, which this "
                f"imf_plugin (version {VERSION}) cannot read; encode it again"
            )

    def _damaged(self, why: object) -> UnreadableMedia:
        return UnreadableMedia(f"{self._path} is no token track or is damaged ({why}); {_ENCODE}")


def check_track_output(path: Path, *, overwrite: bool) -> None:
    """Check early that a track may be written.

    Raises:
        OutputRefused: With the reason.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise OutputRefused(f"{path} cannot be written: give a file in a folder that exists")
    if path.exists() and not overwrite:
        raise OutputRefused(f"{path} exists; add --overwrite to replace it")


def _as_array(data: bytes) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    return np.frombuffer(data, np.uint8)
