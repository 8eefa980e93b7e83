"""Recognised motion made sharp: at stride 2, with what hides what decided on the pixels.

What `recognition` says is said at stride 4: an edge is off by some pixels, and motion by a fraction
of a cell. Here every place at stride 2 chooses anew among the motions of its surroundings, is
corrected by comparing features around where each motion leads (the local look-up of RAFT: Teed and
Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020), and asks which
of the two pictures shows it: a place of a picture that several motions claim belongs to the one
under which the pictures agree.

Convention:
    A motion is a middle flow (`imf_plugin.models.flow.estimation`) as ``[B, 2, h, w]``, in pixels
    of the pictures given, whatever the stride of the grid.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_kernels import splat, warp
from imf_plugin.models.imf_vfi.layers import ConvUnit, ResidualStack, doubled, halved, zero_head
from imf_plugin.models.imf_vfi.recognition import (
    EVIDENCE,
    Recognised,
    compared_around,
    length_of,
    seen_halfway,
)

WIDTHS = (32, 48, 64, 64)
"""Channels at strides 2, 4, 8 and 16."""

DESCRIPTOR = 16
"""Length of what is compared at stride 2."""

REACHES = (4, 8)
"""Cells of stride 2 between a place and those of its surroundings whose motion it may take."""

LOOK_AROUND = 2
"""Cells of stride 2, of half the motion, that a correction looks around."""

STEPS = 2
"""Corrections, one after another, in training."""

MOST_CORRECTION_PX = 4.0
"""In one step."""

CLAIM_SHARPNESS = 20.0
"""Of the claims to a place: how a difference of colours, 0..1, counts against one."""

OWN_MOTION = 5.0
"""Logarithm of how much likelier a place's own motion is before anything is learnt."""

_CHOICES = 2 + 8 * len(REACHES)
_FIRST = 3 * _CHOICES + 9
_STEP = WIDTHS[0] + (2 * LOOK_AROUND + 1) ** 2 + 8
_CONTEXT = EVIDENCE + 4


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What recognition says, to be refined; all at stride 4."""

    motion: Tensor
    """``[B, 2, H/4, W/4]``."""
    rival: Tensor
    """The second likeliest motion, likewise."""
    side: Tensor
    """See `Recognised.side`, ``[B, 1, H/4, W/4]``."""
    found: Tensor
    """How far the motion is not the dense search's, ``[B, 1, H/4, W/4]``."""
    evidence: Tensor
    """What speaks for and against the motion, ``[B, EVIDENCE, H/4, W/4]``."""


@dataclass(frozen=True, kw_only=True)
class Refined:
    """Motion and who shows it, at stride 2."""

    motions: list[Tensor]
    """As chosen, then after each correction, ``[B, 2, H/2, W/2]``; the last counts."""
    sides: list[Tensor]
    """Likewise, see `Recognised.side`, ``[B, 1, H/2, W/2]``."""
    candidates: Tensor
    """What was chosen from, ``[B, N, 2, H/2, W/2]``."""
    shares: Tensor
    """How likely each is, ``[B, N, 1, H/2, W/2]``."""


class RefinementNetwork(nn.Module):
    """Refines what was recognised."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = WIDTHS
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            ConvUnit(12, 24),
            ConvUnit(24, 24),
            nn.Conv2d(24, DESCRIPTOR, 1),
        )
        self.first = ConvUnit(_FIRST, half)
        self.context = ConvUnit(_CONTEXT, quarter, kernel=1)
        self.down4 = ConvUnit(half, quarter, stride=2)
        self.stack4 = ResidualStack(quarter, 2)
        self.down8 = ConvUnit(quarter, eighth, stride=2)
        self.stack8 = ResidualStack(eighth, 2)
        self.down16 = ConvUnit(eighth, sixteenth, stride=2)
        self.stack16 = ResidualStack(sixteenth, 2)
        self.up8 = nn.Conv2d(sixteenth, eighth, 1)
        self.joined8 = ResidualStack(eighth, 2)
        self.up4 = nn.Conv2d(eighth, quarter, 1)
        self.joined4 = ResidualStack(quarter, 2)
        self.up2 = nn.Conv2d(quarter, half, 1)
        self.joined2 = ResidualStack(half, 2)
        self.choice = zero_head(half, _CHOICES)
        self.step = nn.Sequential(ConvUnit(_STEP, half), ResidualStack(half, 2))
        self.correction = zero_head(half, 3)

    def forward(self, first: Tensor, second: Tensor, draft: Draft, steps: int = STEPS) -> Refined:
        """Refine a draft.

        Args:
            first: The first pictures, ``[B, 3, H, W]``, 0..1; sides are multiples of 16.
            second: The second ones.
            draft: What was recognised between them.
            steps: How often it is corrected.
        """
        colours = halved(first), halved(second)
        described0, described1 = (
            F.normalize(self.encoder(2 * picture - 1).float(), dim=1) for picture in (first, second)
        )
        candidates = _candidates(doubled(draft.motion), doubled(draft.rival))
        evidence = _evidence(*colours, candidates)
        seen = self._looked_over(evidence, draft)
        logits = self.choice(seen)
        logits = torch.cat([logits[:, :1] + OWN_MOTION, logits[:, 1:]], 1)
        shares = logits.softmax(1)[:, :, None]
        motion, side = (candidates * shares).sum(1), doubled(draft.side)
        motions, sides = [motion], [side]
        for _ in range(steps):
            motion, side = motion.detach(), side.detach()
            around = compared_around(described0, described1, motion / 2, LOOK_AROUND)
            facts = torch.cat([seen, around, _agreement_of(*colours, motion), side / 8], 1)
            said = self.correction(self.step(facts))
            motion = motion + MOST_CORRECTION_PX * torch.tanh(said[:, :2])
            side = side + said[:, 2:]
            motions.append(motion)
            sides.append(side)
        return Refined(motions=motions, sides=sides, candidates=candidates, shares=shares)

    def _looked_over(self, evidence: Tensor, draft: Draft) -> Tensor:
        """Return features of every place and what is around it, ``[B, *, H/2, W/2]``."""
        context = torch.cat([draft.evidence, draft.motion / 64, draft.side / 8, draft.found], 1)
        half = self.first(evidence)
        quarter = self.stack4(self.down4(half) + self.context(context))
        eighth = self.stack8(self.down8(quarter))
        above = self.stack16(self.down16(eighth))
        eighth = self.joined8(eighth + doubled(self.up8(above)))
        quarter = self.joined4(quarter + doubled(self.up4(eighth)))
        seen: Tensor = self.joined2(half + doubled(self.up2(quarter)))
        return seen


def drafted(found: Recognised, dense: int) -> Draft:
    """Return what is to be refined of what was recognised.

    Args:
        found: Of one pair.
        dense: How many of its candidates are the dense search's.
    """
    best = found.mixture.argmax(0, keepdim=True)
    others = found.mixture.scatter(0, best, -1.0)
    second = others.argmax(0, keepdim=True).expand(-1, 2, -1, -1)
    return Draft(
        motion=found.motion,
        rival=found.candidates.gather(0, second),
        side=found.side,
        found=found.mixture[dense:].sum(0, keepdim=True),
        evidence=found.evidence,
    )


def _candidates(motion: Tensor, rival: Tensor) -> Tensor:
    """Return the motions of each place's surroundings, ``[B, N, 2, h, w]``, its own first."""
    reach = max(REACHES)
    height, width = motion.shape[2:]
    around = F.pad(motion, (reach,) * 4, mode="replicate")
    shifted = [
        around[:, :, reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        for far in REACHES
        for dy in (-far, 0, far)
        for dx in (-far, 0, far)
        if dy or dx
    ]
    return torch.stack([motion, rival, *shifted], 1)


def _evidence(first: Tensor, second: Tensor, candidates: Tensor) -> Tensor:
    """Return what speaks for and against each candidate, ``[B, 3 N + 9, h, w]``.

    How the colours differ under it, here and around; how far it is from the place's own; and
    under that one the colours themselves and who claims the place in either picture.
    """
    B, N, _, height, width = candidates.shape
    flat = candidates.flatten(0, 1)
    many0, many1 = (
        picture[:, None].expand(-1, N, -1, -1, -1).flatten(0, 1) for picture in (first, second)
    )
    seen0, seen1 = seen_halfway(many0, many1, flat / 2)
    difference = (seen0 - seen1).abs().mean(1, keepdim=True)
    around = F.avg_pool2d(difference, 5, 1, 2, count_include_pad=False)
    planes = [plane.view(B, N, height, width) for plane in (difference, around)]
    apart = length_of(flat - candidates[:, :1].expand(-1, N, -1, -1, -1).flatten(0, 1))
    own0, own1 = (seen.view(B, N, 3, height, width)[:, 0] for seen in (seen0, seen1))
    facts = _agreement_of(first, second, candidates[:, 0])
    return torch.cat(
        [
            10 * planes[0],
            10 * planes[1],
            (apart.view(B, N, height, width) / 16).clamp(max=4),
            own0 - 0.5,
            own1 - 0.5,
            facts[:, 4:],
        ],
        1,
    )


def _agreement_of(first: Tensor, second: Tensor, motion: Tensor) -> Tensor:
    """Return how pictures at stride 2 agree under one motion, ``[B, 7, h, w]``.

    The difference of each colour, whether it leads outside of one of them, and how far the place
    is alone in claiming what it shows of the first and of the second.
    """
    cells = motion / 2
    seen0, seen1 = seen_halfway(first, second, cells, "border")
    difference = (seen0 - seen1).abs()
    around = F.avg_pool2d(difference.mean(1, keepdim=True), 3, 1, 1, count_include_pad=False)
    claim = torch.exp(-CLAIM_SHARPNESS * around)
    inside, alone = [], []
    for way in (-cells / 2, cells / 2):
        way = way.contiguous()
        claims, _ = splat(claim, way, mode="sum")
        there = warp(torch.cat([claims, torch.ones_like(claims)], 1), way, "zeros")
        inside.append(there[:, 1:])
        alone.append(claim / (there[:, :1] + 0.1))
    return torch.cat([10 * difference, inside[1] - inside[0], *alone, alone[1] - alone[0]], 1)
