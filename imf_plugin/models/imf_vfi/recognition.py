"""Motion that a dense search has lost: recognised, and chosen place by place.

Two pictures are described by features (strides 4, 8 and 16). Every place of one is compared with
every place of the other at stride 8, in both directions (after GMFlow; Xu et al., "GMFlow: Learning
Optical Flow via Global Matching", CVPR 2022, without its transformer), and what matches is splatted
to the moment halfway. There it is one candidate beside the opinions of the dense search and the
motions of surfaces found by landmarks. One small network looks at every candidate in the same way,
however many there are: how well the pictures agree under it here, whether it is the best
explanation of where it comes from and of where it leads, how much of the picture it explains. Its
verdicts are compared, and the motion that wins is corrected by what lies around it. It also says
which of the two pictures shows the place, since what moves far hides and reveals much.

Convention:
    A motion is a middle flow (`imf_plugin.models.flow.estimation`) as ``[B, 2, H, W]``, in pixels
    of the pictures given, whatever the stride of the grid.
"""

import math
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

JUDGE_WIDTHS = (24, 40, 56)
"""Of the network that looks at one candidate, at the same strides."""

DESCRIPTOR = 64
"""Length of what places are recognised by."""

FINE_DESCRIPTOR = 24
"""Length of what is compared at stride 4."""

NOVELTY = 0.5
"""How much more, for each cell that it differs from the dense motion, a match counts where several
land on one place: what the dense search has lost moves in front of what it has not."""

MOST_NOVELTY = 6.0

CORRECTION_REACH = 2
"""Cells of stride 4, of half the motion, that a correction looks around."""

MOST_CORRECTION_PX = 12.0

MIXTURE_SHARPNESS = 2.0

SAME_MOTION_PX = 8.0
"""Motions this far apart are the same to a third: places are recognised to a cell."""

EXPLAINED_LEVEL = 0.04
"""Difference of colours, 0..1, at which a place counts as half explained."""

HIDDEN_WEIGHT = 10.0
AGAINST_WEIGHT = 3.0
INSIDE_WEIGHT = 6.0

_ROWS_AT_ONCE = 512
"""All places with all places are 50 MB for a picture of 640x360; copies are made of parts."""

EVIDENCE = 23
"""Planes that speak for and against a candidate."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a picture is recognised by."""

    eighth: Tensor
    """Unit vectors at stride 8, ``[B, DESCRIPTOR, H/8, W/8]``."""
    quarter: Tensor
    """Unit vectors at stride 4, ``[B, FINE_DESCRIPTOR, H/4, W/4]``."""
    colours: Tensor
    """The picture itself at stride 4, ``[B, 3, H/4, W/4]``."""

    def each(self) -> list["Described"]:
        """Return every picture's own, batch 1."""
        return [
            Described(**{name: planes[number : number + 1] for name, planes in vars(self).items()})
            for number in range(len(self.colours))
        ]


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What was found between two pictures."""

    candidates: Tensor
    """The motions to choose from, ``[C, 2, H/4, W/4]``: those of the dense search, two that were
    recognised, those of the layers."""
    shares: Tensor
    """How likely each is, adds up to 1, ``[C, 1, H/4, W/4]``."""
    mixture: Tensor
    """The same with the likeliest in front: a mean of two motions is nobody's."""
    motion: Tensor
    """What they come to, corrected, ``[1, 2, H/4, W/4]``."""
    side: Tensor
    """Above 0 where the second picture shows the place better, below 0 where the first does: the
    logarithm of their weights' ratio, ``[1, 1, H/4, W/4]``."""
    evidence: Tensor
    """What speaks for and against the likeliest, ``[1, EVIDENCE, H/4, W/4]``."""
    similarity: Tensor
    """Of every place of the first with every place of the second, for training,
    ``[HW/64, HW/64]``."""


class RecognitionNetwork(nn.Module):
    """Recognises motion of any length between two pictures."""

    def __init__(self) -> None:
        super().__init__()
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
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        """Logarithm of the factor on similarities."""
        self.judge = _Judge()
        around = (2 * CORRECTION_REACH + 1) ** 2
        self.correction = nn.Sequential(
            ConvUnit(around + 3, 32), ResidualStack(32, 2), zero_head(32, 2)
        )

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

    def forward(
        self, first: Described, second: Described, opinions: Tensor, layers: Tensor
    ) -> Recognised:
        """Find the motion between two pictures.

        Args:
            first: The first picture, batch 1.
            second: The second.
            opinions: Motions that a dense search found, ``[n, 2, H/4, W/4]``, the best first.
            layers: Motions of surfaces, ``[k, 2, H/4, W/4]``; there may be none.
        """
        rows = first.eighth.flatten(2).transpose(1, 2)
        similarity = self.sharpness.exp() * rows[0] @ second.eighth[0].flatten(1)
        with torch.no_grad():
            matches = best_matches(similarity, (first.eighth.shape[2], first.eighth.shape[3]))
            landed, sure = landed_halfway(matches, halved(opinions[:1]))
            candidates = torch.cat([opinions, doubled(landed), layers])
        kinds = torch.zeros(len(candidates), 3, device=candidates.device)
        dense = len(opinions)
        kinds[:dense, 0], kinds[dense : dense + 2, 1], kinds[dense + 2 :, 2] = 1, 1, 1
        confidence = torch.zeros_like(candidates[:, :1])
        confidence[dense : dense + 2] = doubled(sure)
        evidence, ends = self._evidence(first, second, candidates, kinds, confidence, dense)
        testimony = _testimony(matches, candidates)
        evidence = torch.cat([evidence, testimony], 1)
        said = self.judge(evidence)
        verdicts, sides, heed = torch.split(said, 1, 1)
        shares = verdicts.softmax(0)
        sides = sides + 2 * torch.sigmoid(heed) * _hint_of_side(ends, testimony)
        mixture = (MIXTURE_SHARPNESS * verdicts).softmax(0)
        return Recognised(
            candidates=candidates,
            shares=shares,
            mixture=mixture,
            motion=self._corrected(first, second, candidates, mixture, dense),
            side=(mixture * sides).sum(0, keepdim=True),
            evidence=(mixture * evidence).sum(0, keepdim=True),
            similarity=similarity,
        )

    def _evidence(
        self,
        first: Described,
        second: Described,
        candidates: Tensor,
        kinds: Tensor,
        confidence: Tensor,
        dense: int,
    ) -> tuple[Tensor, list[Tensor]]:
        """Return how well each candidate brings the pictures together.

        Returns:
            All planes, ``[C, 19, H/4, W/4]``, and those among them about where it comes from and
            about where it leads, ``[C, 3, H/4, W/4]`` each: how much worse than another it explains
            that place, how little the dense search does, and whether it is inside the picture.
        """
        count = len(candidates)
        quarters = first.quarter.expand(count, -1, -1, -1), second.quarter.expand(count, -1, -1, -1)
        colours = first.colours.expand(count, -1, -1, -1), second.colours.expand(count, -1, -1, -1)
        eighths = first.eighth.expand(count, -1, -1, -1), second.eighth.expand(count, -1, -1, -1)
        cells = candidates / 4
        difference = _difference(*seen_halfway(*colours, cells))
        fine = _agreement(*seen_halfway(*quarters, cells))
        coarse = doubled(_agreement(*seen_halfway(*eighths, halved(cells) / 2)))
        # Of each place of either picture: how badly each candidate explains where it goes.
        unexplained = [
            _difference(here, warp(there, way, "border"))
            + 0.2 * (1 - _agreement(here_q, warp(there_q, way, "zeros")))
            for here, there, here_q, there_q, way in (
                (colours[0], colours[1], quarters[0], quarters[1], cells),
                (colours[1], colours[0], quarters[1], quarters[0], -cells),
            )
        ]
        ends = []
        for way, badly in zip((-cells / 2, cells / 2), unexplained, strict=True):
            around = F.avg_pool2d(badly, 3, 1, 1, count_include_pad=False)
            lost = around[:dense].amin(0, keepdim=True).expand(count, -1, -1, -1)
            worse = around - _best_of_others(around)
            inside = torch.ones_like(around)
            ends.append(warp(torch.cat([worse, lost, inside], 1), way.contiguous(), "zeros"))
        share = EXPLAINED_LEVEL / (EXPLAINED_LEVEL + unexplained[0] + unexplained[1])
        height, width = candidates.shape[2:]
        facts = torch.cat([kinds, share.mean((1, 2, 3))[:, None]], 1)
        apart = length_of(candidates - candidates[:1]) / 64
        planes = torch.cat(
            [
                10 * difference,
                fine,
                coarse,
                10 * (difference - _best_of_others(difference)),
                fine + _best_of_others(-fine),
                coarse + _best_of_others(-coarse),
                *ends,
                confidence,
                apart,
                length_of(candidates) / 64,
                facts[:, :, None, None].expand(-1, -1, height, width),
            ],
            1,
        )
        return planes, ends

    def _corrected(
        self,
        first: Described,
        second: Described,
        candidates: Tensor,
        shares: Tensor,
        dense: int,
    ) -> Tensor:
        motion = (candidates * shares).sum(0, keepdim=True)
        around = compared_around(
            first.quarter, second.quarter, motion.detach() / 4, CORRECTION_REACH
        )
        found = shares[dense:].sum(0, keepdim=True)
        step = self.correction(torch.cat([around, motion.detach() / 64, found.detach()], 1))
        # The dense search is exact where it is right; what was recognised is so to a cell.
        return motion + found.detach() * MOST_CORRECTION_PX * torch.tanh(step)


class _Judge(nn.Module):
    """Looks at each candidate in the same way, and at what the others have at the same place."""

    def __init__(self) -> None:
        super().__init__()
        quarter, eighth, sixteenth = JUDGE_WIDTHS
        self.first4 = ConvUnit(EVIDENCE, quarter)
        self.down8 = ConvUnit(quarter, eighth, stride=2)
        self.stack8 = ResidualStack(eighth, 2)
        self.down16 = ConvUnit(eighth, sixteenth, stride=2)
        self.stack16 = ResidualStack(sixteenth, 2)
        self.up8 = nn.Conv2d(sixteenth, eighth, 1)
        self.rivals8 = nn.Conv2d(eighth, eighth, 1)
        self.joined8 = ResidualStack(eighth, 2)
        self.up4 = nn.Conv2d(eighth, quarter, 1)
        self.joined4 = ConvUnit(quarter, quarter)
        self.verdict = zero_head(quarter, 3)

    def forward(self, evidence: Tensor) -> Tensor:
        """Return what is said of each candidate, ``[C, 3, H/4, W/4]``.

        The logarithm of its chance, but for a constant; which picture shows it, see
        `Recognised.side`; how far a hint at that is to be heeded.
        """
        quarter = self.first4(evidence)
        eighth = self.stack8(self.down8(quarter))
        eighth = eighth + doubled(self.up8(self.stack16(self.down16(eighth))))
        eighth = self.joined8(eighth + self.rivals8(_best_of_others(-eighth)))
        quarter = self.joined4(quarter + doubled(self.up4(eighth)))
        said: Tensor = self.verdict(quarter)
        return said


def _hint_of_side(ends: list[Tensor], testimony: Tensor) -> Tensor:
    """Return which picture shows each candidate, as far as plain comparison tells.

    Where something else explains better what stands where it comes from, or that was recognised to
    move otherwise, that picture hides it.

    Args:
        ends: See `RecognitionNetwork._evidence`.
        testimony: See `_testimony`.
    """
    (worse0, _, inside0), (worse1, _, inside1) = (torch.split(end, 1, 1) for end in ends)
    against0, _, against1, _ = torch.split(testimony, 1, 1)
    hidden = worse0.clamp_min(0) - worse1.clamp_min(0)
    hint = HIDDEN_WEIGHT * hidden + AGAINST_WEIGHT * (against0 - against1)
    return (hint + INSIDE_WEIGHT * (inside1 - inside0)).detach()


@dataclass(frozen=True, kw_only=True)
class Matches:
    """What every place of a picture matches best in the other, at stride 8."""

    way: Tensor
    """``[1, 2, h, w]`` cells."""
    sure: Tensor
    """Chance of the match, 0..1, ``[1, 1, h, w]``."""


def best_matches(similarity: Tensor, size: tuple[int, int]) -> tuple[Matches, Matches]:
    """Return the matches of the first picture's places, and of the second's.

    Args:
        similarity: ``[N, N]``.
        size: Height and width of the grid, with ``N`` places.
    """
    # Cosines times a factor: no exponential of them overflows, or vanishes that matters.
    chances = (similarity - similarity.max()).exp_()
    rows, columns = chances.sum(1), chances.sum(0)
    return (
        _best_places(chances, rows, columns, size),
        _best_places(chances.T, columns, rows, size),
    )


def landed_halfway(matches: tuple[Matches, Matches], dense: Tensor) -> tuple[Tensor, Tensor]:
    """Carry what every place matches best to the moment halfway.

    Args:
        matches: Of the first picture and of the second.
        dense: A motion to prefer others to, ``[1, 2, h, w]`` pixels.

    Returns:
        The motions that landed from the first and from the second picture, ``[2, 2, h, w]``
        pixels, and how surely, ``[2, 1, h, w]``.
    """
    landed, sureness = [], []
    for match, sign in zip(matches, (1.0, -1.0), strict=True):
        novelty = length_of(8 * match.way - sign * dense) / 8
        importance = torch.log(match.sure + 1e-4) + NOVELTY * novelty.clamp(max=MOST_NOVELTY)
        carried, weight = splat(
            torch.cat([match.way, match.sure], 1), match.way / 2, importance, "softmax"
        )
        missing = weight < 0.1
        landed.append(torch.where(missing, dense, sign * 8 * carried[:, :2]))
        sureness.append(torch.where(missing, 0.0, carried[:, 2:]))
    return torch.cat(landed), torch.cat(sureness)


def _testimony(matches: tuple[Matches, Matches], candidates: Tensor) -> Tensor:
    """Return what was recognised where each candidate comes from and where it leads.

    Returns:
        How surely something that moves otherwise, and something that moves so, stands at its place
        in the first picture, and the same in the second, ``[C, 4, H/4, W/4]``.
    """
    count = len(candidates)
    planes = []
    for match, sign in zip(matches, (-1.0, 1.0), strict=True):
        known = doubled(torch.cat([8 * match.way, match.sure], 1)).expand(count, -1, -1, -1)
        there = warp(known, (sign * candidates / 8).contiguous(), "zeros")
        apart = length_of(there[:, :2] + sign * candidates)
        likeness = torch.exp(-apart / SAME_MOTION_PX)
        planes += [there[:, 2:] * (1 - likeness), there[:, 2:] * likeness]
    return torch.cat(planes, 1)


def _best_places(chances: Tensor, own: Tensor, other: Tensor, size: tuple[int, int]) -> Matches:
    """Return the way to each row's likeliest place and its neighbours, and their chances.

    Likely is what each prefers to all others, and the other way round: the product of both shares.

    Args:
        chances: ``[N, N]``, not normalised.
        own: Their sums over each row, ``[N]``.
        other: Over each column.
        size: Height and width of the grid.
    """
    height, width = size
    offsets = torch.arange(-1, 2, device=chances.device)
    scale = other.clamp_min(1e-30).rsqrt()
    ways, sureness = [], []
    for start in range(0, height * width, _ROWS_AT_ONCE):
        part = chances[start : start + _ROWS_AT_ONCE].contiguous() * scale
        best = part.argmax(1)
        rows = (best // width)[:, None] + offsets.repeat_interleave(3)
        columns = (best % width)[:, None] + offsets.repeat(3)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        near = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
        likely = part.gather(1, near) ** 2 * inside
        here = torch.arange(start, start + len(part), device=chances.device)
        total = likely.sum(1)
        shares = likely / total.clamp_min(1e-30)[:, None]
        x = (shares * columns).sum(1) - here % width
        y = (shares * rows).sum(1) - here // width
        ways.append(torch.stack([x, y]))
        sureness.append(total / own[here].clamp_min(1e-30))
    return Matches(
        way=torch.cat(ways, 1).view(1, 2, height, width),
        sure=torch.cat(sureness).clamp(0, 1).view(1, 1, height, width),
    )


def seen_halfway(
    first: Tensor, second: Tensor, motion: Tensor, padding: str = "zeros"
) -> tuple[Tensor, Tensor]:
    """Return two maps brought together halfway along a motion in their cells."""
    half = (motion / 2).contiguous()
    return warp(first, -half, padding), warp(second, half, padding)


def length_of(motion: Tensor) -> Tensor:
    """Return ``[B, 1, H, W]``; on a CPU a norm over channels would be slower."""
    return torch.hypot(motion[:, :1], motion[:, 1:])


def _difference(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs().mean(1, keepdim=True)


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1, keepdim=True)


def _best_of_others(badness: Tensor) -> Tensor:
    """Return, for each item of the batch, the least that any other has at the same place."""
    if len(badness) == 1:
        return badness
    least, which = badness.min(0, keepdim=True)
    rest = badness.scatter(0, which, math.inf).amin(0, keepdim=True)
    return torch.where(
        torch.arange(len(badness), device=badness.device).view(-1, 1, 1, 1) == which, rest, least
    )


def compared_around(first: Tensor, second: Tensor, motion: Tensor, reach: int) -> Tensor:
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
