"""What the keyframes before and after a pair say about motion that goes on into it.

A motion carried on from before is to be trusted where the keyframe before shows, where that motion
comes from, what the first keyframe of the pair shows. That it is not in the second one then only
says that it was hidden meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imf_kernels import warp

OTHER_KEYFRAME = -1.0
"""The distance at which the pair's other keyframe stands in for one that is missing."""


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """The keyframes before and after a pair."""

    earlier: Tensor
    """``[B, 3, H, W]``; the pair's second keyframe where there is none."""
    later: Tensor
    """Likewise; the pair's first keyframe where there is none."""
    distances: Tensor
    """How far each is from the nearer keyframe of the pair, in units of the pair's distance,
    ``[B, 2]``; `OTHER_KEYFRAME` where there is none."""

    @classmethod
    def nothing(cls, frame0: Tensor, frame1: Tensor) -> "Beyond":
        """Return what stands in for keyframes that are missing."""
        distances = frame0.new_full((frame0.shape[0], 2), OTHER_KEYFRAME)
        return cls(earlier=frame1, later=frame0, distances=distances)

    def repeated(self, times: int) -> "Beyond":
        """Return every item ``times`` times in a row, for as many moments."""
        if times == 1:
            return self
        grown = {name: each.repeat_interleave(times, 0) for name, each in vars(self).items()}
        return Beyond(**grown)

    @torch.no_grad()
    def changes(self, before: Tensor, after: Tensor) -> Tensor:
        """Return how much every pixel changes where it is, ``[B, 2, H, W]``.

        What stands still before a background that moves, a logo or a subtitle, is the same in all
        four keyframes; of two that could be chance.

        Args:
            before: The pair's first keyframe, ``[B, 3, H, W]``.
            after: Its second.

        Returns:
            The mean difference of the pair's two keyframes, and the larger one of those of each and
            the keyframe beyond it.
        """
        pairs = ((before, after), (self.earlier, before), (after, self.later))
        own, came, goes = ((one - two).abs().mean(1, keepdim=True) for one, two in pairs)
        return torch.cat([own, torch.maximum(came, goes)], 1)

    @torch.no_grad()
    def differences(
        self,
        nearer: Sequence[Tensor],
        motions: Sequence[Tensor],
        timesteps: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return how each keyframe beyond differs from the nearer one of the pair.

        Args:
            nearer: The pair's first keyframe as the motion from before brings it to the moment, and
                its second one as the motion from afterwards does, ``[B, 3, H, W]`` each.
            motions: Those motions, pixels per pair, ``[B, 2, H, W]`` each.
            timesteps: ``[B]``.
        """
        far = self.distances.to(timesteps.dtype)
        back = -(timesteps + far[:, 0]).view(-1, 1, 1, 1) * motions[0]
        ahead = (1 - timesteps + far[:, 1]).view(-1, 1, 1, 1) * motions[1]
        before = warp(self.earlier.contiguous(), back.contiguous())
        after = warp(self.later.contiguous(), ahead.contiguous())
        return nearer[0] - before, nearer[1] - after
