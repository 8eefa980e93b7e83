"""The sizes of the network, as data: the small one for CPUs and the full one for GPUs."""

from dataclasses import asdict, dataclass
from typing import Any

STRIDES = (2, 4, 8, 16)
"""Strides of the feature pyramid, finest first; frames are padded to a multiple of the last."""

CARRIED = 2
"""Motions carried on from neighbouring pairs: the one before, the one after."""


@dataclass(frozen=True, kw_only=True)
class ImfVfiConfig:
    """Everything that decides the shapes of the weights; saved beside them."""

    name: str
    pyramid: tuple[int, int, int, int]
    """Feature channels at `STRIDES`."""
    widths: tuple[int, int, int, int]
    """Channels of the decoder's state at `STRIDES`."""
    depths: tuple[int, int, int, int]
    """Convolutions of each decoder level at `STRIDES`."""
    correlation_radii: tuple[int, int, int, int]
    """Reach of the comparison of the warped features at `STRIDES`, in cells; 0 leaves it out."""
    token_dim: int
    """Length of a motion token."""
    implicit_width: int
    """Hidden channels of the implicit decoder."""
    matching: str
    """Where the coarse motion comes from: ``classical`` flow, or ``attention`` (`align`)."""
    opinions: int = 1
    """How many motions between the keyframes it is handed; the first is the one it corrects."""
    carried: int = 0
    """How many of those, the last ones, are motions of the pairs before and after, which go on as
    they were and do not bend: `CARRIED`, or 0 for a network that is not handed them."""
    use_tokens: bool = True
    """Off for an ablation."""
    use_implicit: bool = True
    """Off for an ablation."""

    def __post_init__(self) -> None:
        if self.matching not in ("classical", "attention"):
            raise ValueError(f"matching is classical or attention, got {self.matching = }")
        if self.opinions < 1 or (self.matching == "attention" and self.opinions > 1):
            raise ValueError(f"attention gives one opinion, got {self.opinions = }")
        if self.carried not in (0, CARRIED) or self.carried >= self.opinions:
            raise ValueError(f"carried is 0, or 2 of the opinions, got {self.carried = }")

    @property
    def candidates(self) -> int:
        """How many pictures the frame is blended from.

        Both keyframes as they are and as each motion of the pair warps them, and each of the two as
        the motion beyond it does.
        """
        return 2 + 2 * (self.opinions - self.carried) + self.carried

    @property
    def decodes_implicitly(self) -> bool:
        """Whether there is an implicit decoder, which needs tokens to decode."""
        return self.use_tokens and self.use_implicit

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ImfVfiConfig":
        """Return the configuration that `to_dict` described."""
        tuples: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
        }
        return cls(**tuples)


LITE = ImfVfiConfig(
    name="imf-vfi-lite",
    pyramid=(20, 32, 56, 80),
    widths=(32, 48, 72, 96),
    depths=(2, 3, 3, 3),
    correlation_radii=(0, 2, 3, 3),
    token_dim=32,
    implicit_width=64,
    matching="classical",
    opinions=5,
    carried=CARRIED,
)

FULL = ImfVfiConfig(
    name="imf-vfi",
    pyramid=(40, 72, 128, 192),
    widths=(64, 112, 192, 288),
    depths=(3, 4, 4, 4),
    correlation_radii=(0, 3, 4, 4),
    token_dim=64,
    implicit_width=128,
    matching="attention",
)

CONFIGS = {config.name: config for config in (LITE, FULL)}
