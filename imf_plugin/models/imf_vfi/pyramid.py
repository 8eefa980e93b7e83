"""The convolutional pyramid that every keyframe is encoded with, weights shared by all frames."""

import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.layers import ConvUnit


class Pyramid(nn.Module):
    """Features of a frame at the strides of `config.STRIDES`."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        inputs = (12, *config.pyramid[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(
                ConvUnit(before, after, stride=1 if level == 0 else 2), ConvUnit(after, after)
            )
            for level, (before, after) in enumerate(zip(inputs, config.pyramid, strict=True))
        )

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Return the features, finest first.

        Args:
            frames: ``[B, 3, H, W]`` in 0..1, height and width multiples of 16.
        """
        # Two by two pixels as channels: half the resolution without losing any of it.
        features = F.pixel_unshuffle(frames - 0.5, 2)
        found = []
        for level in self.levels:
            features = level(features)
            found.append(features)
        return found
