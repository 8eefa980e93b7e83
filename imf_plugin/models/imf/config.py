"""The sizes of the Implicit Motion Function, as data: the paper's and the compact one."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CompactConfig:
    """The compact network: it displaces the reference instead of painting a new picture."""

    name: str = "imf-compact"
    size_px: int = 128
    """Side of the square that pictures are shrunk to before anything else."""
    token_dim: int = 32
    widths: tuple[int, int, int, int] = (96, 96, 64, 32)
    """Channels at 1/16, 1/8, 1/4 and 1/2 of that side."""
    encoder_widths: tuple[int, int, int, int] = (40, 64, 96, 96)
    """Channels of the token encoder at 1/4, 1/8, 1/16 and 1/32."""
    style_dim: int = 96
    heads: int = 4
    blocks: int = 1
    """Transformer blocks after each alignment."""

    def __post_init__(self) -> None:
        if self.size_px % 32 or self.size_px < 32:
            raise ValueError(f"the side must be a multiple of 32, got {self.size_px = }")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "CompactConfig":
        """Return the configuration that `to_dict` described."""
        return cls(**_with_tuples(content))


@dataclass(frozen=True, kw_only=True)
class PaperConfig:
    """The network of the paper and its supplement."""

    name: str = "imf-paper"
    size_px: int = 256
    token_dim: int = 32
    encoder_widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Token encoder: the first convolution, then four residual blocks that halve the size."""
    feature_widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Feature encoder: five residual blocks that halve the size, after a convolution of the first
    width; the four last are aligned."""
    motion_widths: tuple[int, ...] = (512, 512, 512, 256)
    """Token decoder: motion features at the sizes of the aligned features, coarsest first."""
    constant_px: int = 4
    """Side of the token decoder's constant input."""
    heads: int = 8
    blocks: int = 4
    refined_scales: int = 2
    """Scales, from the coarsest, whose alignment transformer blocks refine."""

    def __post_init__(self) -> None:
        if self.size_px % 64:
            raise ValueError(f"the side must be a multiple of 64, got {self.size_px = }")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "PaperConfig":
        """Return the configuration that `to_dict` described."""
        return cls(**_with_tuples(content))


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }


COMPACT = CompactConfig()
PAPER = PaperConfig()
