"""Token tracks in few bytes: rounded, predicted from the frame before, and packed.

Tokens that are fields over the picture are turned into spatial frequencies first, since fields
are smooth. Each group of numbers (a channel of a field, or one number of a vector) is rounded to
steps of its own range divided by ``2 ** bits``; what is left after taking the frame before away
is packed with LZMA. Rounding is the only loss: packed tokens are exactly `rounded` ones.
"""

import lzma
import struct
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

type Numbers = NDArray[np.float32]

LEAST_BITS, MOST_BITS = 4, 16
DEFAULT_BITS = 8
FIELD_BITS = 10
"""Fields: frequencies are rounded, of which the strongest are much larger than the rest."""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6 | lzma.PRESET_EXTREME, "pb": 0, "lc": 1}]


class DamagedTokens(ValueError):
    """Packed tokens that cannot be unpacked."""


def default_bits(token_shape: tuple[int, ...]) -> int:
    """Return the bits that suit tokens of a shape."""
    return FIELD_BITS if len(token_shape) == 3 else DEFAULT_BITS


def pack_tokens(tokens: Tensor, bits: int) -> bytes:
    """Pack tokens ``[T, *token_shape]``.

    Raises:
        ValueError: If the bits are not 4 to 16, or a token is not finite.
    """
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise ValueError(f"tokens are packed with 4 to 16 bits, got {bits = }")
    if not torch.isfinite(tokens).all():
        raise ValueError("tokens to be packed must be finite")
    numbers = _frequencies(tokens.detach().cpu().float().numpy())
    low = numbers.min(axis=(0, 2)).astype(np.float32)
    spread = numbers.max(axis=(0, 2)).astype(np.float32) - low
    step = np.maximum(spread / np.float32(2**bits - 1), np.float32(1e-12)).astype(np.float32)
    # Multiples of the step, so that zero, which means no motion in some models, stays zero.
    first = np.rint(low / step).astype(np.int64)
    whole = (np.rint(numbers / step[:, None]) - first[:, None]).astype(np.int32)
    changes = np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1]))
    # Small changes of either sign become small numbers; each number's history lies together.
    folded = ((changes << 1) ^ (changes >> 31)).astype(np.uint32).reshape(len(changes), -1).T
    planes = np.stack([folded & 255, (folded >> 8) & 255, folded >> 16]).astype(np.uint8)
    packed = lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=_FILTERS)
    return b"".join((struct.pack("<I", len(first)), first.tobytes(), step.tobytes(), packed))


def unpack_tokens(packed: bytes, count: int, token_shape: tuple[int, ...]) -> Tensor:
    """Return the tokens ``[count, *token_shape]`` that were packed.

    Raises:
        DamagedTokens: If the bytes are not such tokens.
    """
    try:
        (groups,) = struct.unpack_from("<I", packed)
        first = np.frombuffer(packed, np.int64, groups, 4)
        step = np.frombuffer(packed, np.float32, groups, 4 + 8 * groups)
        raw = lzma.decompress(packed[4 + 12 * groups :], lzma.FORMAT_RAW, filters=_FILTERS)
        planes = np.frombuffer(raw, np.uint8).reshape(3, -1, count).astype(np.uint32)
        folded = (planes[0] | planes[1] << 8 | planes[2] << 16).T.reshape(count, groups, -1)
        changes = (folded >> 1).astype(np.int32) ^ -(folded & 1).astype(np.int32)
        whole = np.cumsum(changes, axis=0, dtype=np.int64) + first[:, None]
        numbers = whole * step[:, None].astype(np.float64)
        return torch.from_numpy(_values(numbers.astype(np.float32), token_shape))
    except (lzma.LZMAError, struct.error, ValueError) as error:
        raise DamagedTokens(str(error)) from None


def rounded(tokens: Tensor, bits: int) -> Tensor:
    """Return tokens as they are after packing."""
    shape = tuple(tokens.shape[1:])
    return unpack_tokens(pack_tokens(tokens, bits), len(tokens), shape)


def _frequencies(tokens: Numbers) -> Numbers:
    """Return ``[T, groups, numbers]``: fields as frequencies, vectors as they are."""
    if tokens.ndim != 4:
        return tokens.reshape(len(tokens), -1, 1)
    rows, columns = (_cosines(side) for side in tokens.shape[2:])
    turned = np.einsum("ia,tcab,jb->tcij", rows, tokens, columns, optimize=True)
    return np.asarray(turned.reshape(*tokens.shape[:2], -1), np.float32)


def _values(numbers: Numbers, token_shape: tuple[int, ...]) -> Numbers:
    if len(token_shape) != 3:
        return numbers.reshape(len(numbers), *token_shape)
    rows, columns = (_cosines(side) for side in token_shape[1:])
    fields = numbers.reshape(len(numbers), *token_shape)
    turned = np.einsum("ia,tcij,jb->tcab", rows, fields, columns, optimize=True)
    return np.ascontiguousarray(turned, np.float32)


@lru_cache(maxsize=8)
def _cosines(side: int) -> Numbers:
    """Return the orthonormal DCT matrix, ``[frequency, place]``."""
    place, frequency = np.arange(side), np.arange(side)[:, None]
    matrix = np.cos(np.pi * (place + 0.5) * frequency / side) * np.sqrt(2 / side)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, np.float32)
