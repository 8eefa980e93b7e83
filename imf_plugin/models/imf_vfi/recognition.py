"""Motion that a dense search has lost, recognised by a network however far it went.

Two pictures are described by a pyramid of features (strides 4, 8 and 16). Every place of one is
compared with every place of the other at stride 8, in both directions (after GMFlow; Xu et al.,
"GMFlow: Learning Optical Flow via Global Matching", CVPR 2022, without its transformer); what
matches is splatted to the moment halfway. There it stands beside the opinions of the dense search,
and the network decides place by place, by how well the features agree under each, whom to believe,
and corrects it at strides 8 and 4.

Convention:
    A motion is a middle flow (`imf_plugin.models.flow.estimation`) as ``[B, 2, H, W]``, in pixels
    of the pictures given, whatever the stride of the grid.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_kernels import splat, warp
from imf_plugin.models.imf_vfi.layers import ConvUnit, ResidualStack, doubled, halved, zero_head

SIDE_MULTIPLE = 16
"""Heights and widths must be multiples of this."""

WIDTHS = (32, 64, 96)
"""Channels of the features at strides 4, 8 and 16."""

DESCRIPTOR = 64
"""Length of what places are recognised by."""

FINE_DESCRIPTOR = 24
"""Length of what is compared at stride 4."""

NOVELTY = 0.5
"""How much more, for each cell that it differs from the dense motion, a match counts where several
land on one place: what the dense search has lost moves in front of what it has not."""

MOST_NOVELTY = 6.0

COARSE_REACH, FINE_REACH = 2, 1
"""Cells, of half the motion, that a correction looks around."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a picture is recognised by."""

    eighth: Tensor
    """Unit vectors at stride 8, ``[B, DESCRIPTOR, H/8, W/8]``."""
    quarter: Tensor
    """Unit vectors at stride 4, ``[B, FINE_DESCRIPTOR, H/4, W/4]``."""
    colours: Tensor
    """The picture itself at stride 4, ``[B, 3, H/4, W/4]``."""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What was found between two pictures."""

    motion: Tensor
    """``[B, 2, H/4, W/4]``"""
    trust: Tensor
    """In the motion, then in each opinion of the dense search; adds up to 1,
    ``[B, 1 + n, H/4, W/4]``."""
    blend: Tensor
    """How much of the second picture shows halfway, before the sigmoid, ``[B, 1, H/4, W/4]``."""
    coarse_motions: tuple[Tensor, ...]
    """On the way to it, ``[B, 2, H/8, W/8]`` each."""
    similarity: Tensor
    """Of every place of the first with every place of the second, for the losses,
    ``[B, HW/64, HW/64]``."""


class RecognitionNetwork(nn.Module):
    """Recognises motion of any length between two pictures."""

    def __init__(self, opinions: int) -> None:
        super().__init__()
        self.opinions = opinions
        quarter, eighth, sixteenth = WIDTHS
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4), ConvUnit(48, quarter), ConvUnit(quarter, quarter)
        )
        self.down8 = ConvUnit(quarter, eighth, stride=2)
        self.stack8 = ResidualStack(eighth, 2)
        self.down16 = ConvUnit(eighth, sixteenth, stride=2)
        self.stack16 = nn.Sequential(ResidualStack(sixteenth, 2), ResidualStack(sixteenth, 2))
        self.up8 = nn.Conv2d(sixteenth, eighth, 1)
        self.joined8 = ResidualStack(eighth, 2)
        self.descriptor = nn.Conv2d(eighth, DESCRIPTOR, 1)
        self.fine_descriptor = nn.Conv2d(quarter, FINE_DESCRIPTOR, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        """Logarithm of the factor on similarities."""
        candidates = 2 + opinions
        seen = 2 * DESCRIPTOR
        self.view8 = nn.Conv2d(seen, eighth, 1)
        self.first8 = ConvUnit(3 * candidates + 2 + 2 * eighth, eighth)
        self.choosing8 = nn.Sequential(ResidualStack(eighth, 2), ResidualStack(eighth, 2))
        self.choice8 = zero_head(eighth, candidates)
        around = (2 * COARSE_REACH + 1) ** 2
        self.again8 = nn.Sequential(ConvUnit(eighth + around + 2, eighth), ResidualStack(eighth, 2))
        self.correction8 = zero_head(eighth, 2)
        around = (2 * FINE_REACH + 1) ** 2
        wide = 48
        self.below4 = nn.Conv2d(eighth, wide, 1)
        self.first4 = ConvUnit(4 * (1 + opinions) + around + 2 * FINE_DESCRIPTOR + wide, wide)
        self.choosing4 = nn.Sequential(ResidualStack(wide, 2), ResidualStack(wide, 2))
        self.head4 = zero_head(wide, 1 + opinions + 2 + 1)

    def describe(self, pictures: Tensor) -> Described:
        """Describe pictures ``[B, 3, H, W]``, 0..1, whose sides are multiples of 16."""
        quarter = self.stem(2 * pictures - 1)
        eighth = self.stack8(self.down8(quarter))
        above = self.up8(self.stack16(self.down16(eighth)))
        eighth = self.joined8(eighth + doubled(above))
        return Described(
            eighth=F.normalize(self.descriptor(eighth).float(), dim=1),
            quarter=F.normalize(self.fine_descriptor(quarter).float(), dim=1),
            colours=halved(halved(pictures)),
        )

    def forward(self, first: Described, second: Described, opinions: Tensor) -> Recognised:
        """Find the motion between two pictures.

        Args:
            first: The first picture.
            second: The second.
            opinions: Motions that a dense search found, ``[B, 2 n, H/4, W/4]``.
        """
        similarity = self._similarity(first.eighth, second.eighth)
        dense8 = halved(opinions)
        with torch.no_grad():
            landed, weights = landed_halfway(similarity, dense8[:, :2])
        candidates = [*landed, *torch.split(dense8, 2, 1)]
        motion8, coarse, state = self._decided_at_8(first, second, candidates, weights)
        return self._decided_at_4(
            first, second, motion8, state, opinions, (coarse, motion8), similarity
        )

    def _similarity(self, first: Tensor, second: Tensor) -> Tensor:
        rows = first.flatten(2).transpose(1, 2)
        return self.sharpness.exp() * rows @ second.flatten(2)

    def _decided_at_8(
        self, first: Described, second: Described, candidates: list[Tensor], weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        views = []
        planes = []
        for motion in candidates:
            seen0, seen1 = seen_halfway(first.eighth, second.eighth, motion / 8)
            planes += [motion / 64, (seen0 * seen1).sum(1, keepdim=True)]
            views.append((seen0, seen1))
        # The pictures as they would look if what was recognised, or the first opinion, were right.
        looks = [self.view8(torch.cat(views[number], 1)) for number in (0, 2)]
        state = self.choosing8(self.first8(torch.cat([*planes, weights, *looks], 1)))
        shares = self.choice8(state).softmax(1)
        coarse = _mixed(candidates, shares)
        around = _compared_around(first.eighth, second.eighth, coarse.detach() / 8, COARSE_REACH)
        state = self.again8(torch.cat([state, around, coarse / 64], 1))
        return coarse + 8 * self.correction8(state), coarse, state

    def _decided_at_4(
        self,
        first: Described,
        second: Described,
        motion8: Tensor,
        state: Tensor,
        opinions: Tensor,
        coarse: tuple[Tensor, ...],
        similarity: Tensor,
    ) -> Recognised:
        motion = doubled(motion8)
        planes = []
        # What is looked up at a motion says how good it is, not how to change it.
        for candidate in (motion.detach(), *torch.split(opinions, 2, 1)):
            seen0, seen1 = seen_halfway(first.quarter, second.quarter, candidate / 4)
            look0, look1 = seen_halfway(first.colours, second.colours, candidate / 4)
            difference = (look0 - look1).abs().mean(1, keepdim=True)
            planes += [candidate / 64, (seen0 * seen1).sum(1, keepdim=True), difference]
        here = motion.detach() / 4
        around = _compared_around(first.quarter, second.quarter, here, FINE_REACH)
        planes += [around, *seen_halfway(first.quarter, second.quarter, here)]
        planes.append(doubled(self.below4(state)))
        found = self.head4(self.choosing4(self.first4(torch.cat(planes, 1))))
        trust, correction, blend = torch.split(found, [1 + self.opinions, 2, 1], 1)
        return Recognised(
            motion=motion + 4 * correction,
            trust=trust.softmax(1),
            blend=blend,
            coarse_motions=coarse,
            similarity=similarity,
        )


def landed_halfway(similarity: Tensor, dense: Tensor) -> tuple[list[Tensor], Tensor]:
    """Carry what every place matches best to the moment halfway.

    Args:
        similarity: ``[B, N, N]``.
        dense: A motion to prefer others to, ``[B, 2, h, w]`` with ``h * w == N``, pixels.

    Returns:
        The motions that landed from the first and from the second picture, ``[B, 2, h, w]``
        pixels, and how surely, ``[B, 2, h, w]``.
    """
    height, width = dense.shape[2:]
    both = similarity.softmax(2) * similarity.softmax(1)
    landed, weights = [], []
    for chances, sign in ((both, 1.0), (both.transpose(1, 2), -1.0)):
        matched, sure = _best_places(chances, height, width)
        novelty = (8 * matched - sign * dense).norm(dim=1, keepdim=True) / 8
        importance = torch.log(sure + 1e-4) + NOVELTY * novelty.clamp(max=MOST_NOVELTY)
        values = torch.cat([matched, sure], 1)
        carried, weight = splat(values, matched / 2, importance, "softmax")
        missing = weight < 0.1
        motion = torch.where(missing, dense, sign * 8 * carried[:, :2])
        landed.append(motion)
        weights.append(torch.where(missing, 0.0, carried[:, 2:]))
    return landed, torch.cat(weights, 1)


def _best_places(chances: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the way to the likeliest place and its neighbours, in cells, and their chances."""
    B = chances.shape[0]
    best = chances.argmax(2)
    offsets = torch.arange(-1, 2, device=chances.device)
    rows = (best // width)[..., None] + offsets.repeat_interleave(3)
    columns = (best % width)[..., None] + offsets.repeat(3)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    near = chances.gather(2, places) * inside
    sure = near.sum(2)
    shares = near / sure.clamp_min(1e-12)[..., None]
    x = (shares * columns).sum(2).view(B, 1, height, width)
    y = (shares * rows).sum(2).view(B, 1, height, width)
    here_y, here_x = torch.meshgrid(
        torch.arange(height, device=x.device, dtype=x.dtype),
        torch.arange(width, device=x.device, dtype=x.dtype),
        indexing="ij",
    )
    return torch.cat([x - here_x, y - here_y], 1), sure.clamp(0, 1).view(B, 1, height, width)


def seen_halfway(first: Tensor, second: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Return two feature maps brought together along a motion in their cells."""
    half = motion / 2
    return warp(first, -half, "zeros"), warp(second, half, "zeros")


def _compared_around(first: Tensor, second: Tensor, motion: Tensor, reach: int) -> Tensor:
    """Return how well features agree if half the motion were some cells longer either way."""
    seen0, seen1 = (
        F.pad(seen, (reach,) * 4).contiguous() for seen in seen_halfway(first, second, motion)
    )
    height, width = first.shape[2:]
    side = 2 * reach

    def shifted(seen: Tensor, dy: int, dx: int) -> Tensor:
        return seen[:, :, dy : dy + height, dx : dx + width]

    return torch.stack(
        [
            (shifted(seen0, side - dy, side - dx) * shifted(seen1, dy, dx)).sum(1)
            for dy in range(side + 1)
            for dx in range(side + 1)
        ],
        1,
    )


def _mixed(motions: list[Tensor], shares: Tensor) -> Tensor:
    total = motions[0] * shares[:, :1]
    for number, motion in enumerate(motions[1:], 1):
        total = total + motion * shares[:, number : number + 1]
    return total
