"""The network `imf-vfi`: keyframes to states once, then any moments between two of them.

The structure, per the issue it was built for: a pyramid and motion tokens per keyframe; matching
per pair; tokens interpolated to the moment, decoded implicitly and refined from coarse to fine per
moment; a blend of the warped keyframes and a painted residual.

Every head starts at zero, so that the untrained network gives exactly what the motion it is handed
gives (for the small model: the `flow` model's frame), and training can only start from there.

Convention:
    Frames ``[B, 3, H, W]`` RGB 0..1; flows in pixels, x then y; ``flow_t0`` leads from the moment
    to the first keyframe, where the content is fetched.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf_vfi.beyond import Beyond
from imf_plugin.models.imf_vfi.blend import (
    Stillness,
    Warped,
    blended,
    candidates_of,
    doubt_of,
    flow_distrust,
    untrained_weights,
    weighted,
)
from imf_plugin.models.imf_vfi.config import STRIDES, ImfVfiConfig
from imf_plugin.models.imf_vfi.decoder import DISAGREEMENT_SCALE, FLOW_SCALE, Decoder
from imf_plugin.models.imf_vfi.implicit import ImplicitDecoder
from imf_plugin.models.imf_vfi.layers import doubled, halved, pooled_flows, warp_cubic
from imf_plugin.models.imf_vfi.matching import Matcher, PairMotion, motion_at
from imf_plugin.models.imf_vfi.pyramid import Pyramid
from imf_plugin.models.imf_vfi.tokens import TokenEncoder, Tokens, interpolate_tokens


@dataclass(frozen=True, kw_only=True)
class FrameState:
    """What the network keeps of a batch of keyframes."""

    frames: Tensor
    """``[B, 3, H, W]``, padded to a multiple of 16."""
    pyramid: list[Tensor]
    tokens: Tokens | None

    def repeated(self, times: int) -> "FrameState":
        """Return every item ``times`` times in a row, for as many moments."""

        def grown(tensor: Tensor) -> Tensor:
            return tensor if times == 1 else tensor.repeat_interleave(times, 0)

        tokens = self.tokens and Tokens(
            grid=grown(self.tokens.grid),
            confidence=grown(self.tokens.confidence),
            whole=grown(self.tokens.whole),
        )
        return FrameState(
            frames=grown(self.frames), pyramid=[grown(p) for p in self.pyramid], tokens=tokens
        )

    def part(self, items: slice) -> "FrameState":
        """Return some items of the batch."""
        tokens = self.tokens and Tokens(
            grid=self.tokens.grid[items],
            confidence=self.tokens.confidence[items],
            whole=self.tokens.whole[items],
        )
        return FrameState(
            frames=self.frames[items], pyramid=[p[items] for p in self.pyramid], tokens=tokens
        )


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A batch of moments."""

    frames: Tensor
    """``[B, 3, H, W]``, not clamped."""
    flows: Tensor
    """To both keyframes, ``[B, 4, H, W]``."""
    weights: Tensor
    """Of the candidates, see `untrained_weights`, ``[B, candidates, H, W]``, sum 1."""
    all_flows: list[Tensor]
    """To both keyframes by every opinion, the first one corrected, ``[B, 4, H, W]`` each."""
    coarse_flows: list[Tensor]
    """The flows as they stood after each coarser level, coarsest first, in full-size pixels; only
    while gradients are kept."""

    def float(self) -> "Decoded":
        """Return the same in full precision."""
        return Decoded(
            frames=self.frames.float(),
            flows=self.flows.float(),
            weights=self.weights.float(),
            all_flows=[flows.float() for flows in self.all_flows],
            coarse_flows=[flows.float() for flows in self.coarse_flows],
        )


@torch.no_grad()
def untrained_frames(
    frame0: Tensor,
    frame1: Tensor,
    timesteps: Tensor,
    motion: Tensor,
    bend: Tensor | None = None,
    carried: int = 0,
) -> Tensor:
    """Return what an untrained network gives: the frames that the motions alone explain."""
    still = Stillness.of(frame0, frame1)
    opinions = [
        _warped(frame0, frame1, flows, still)
        for flows in flows_to_keyframes(motion, bend, timesteps, carried)
    ]
    size = (frame0.shape[2], frame0.shape[3])
    weights = untrained_weights(opinions, timesteps, size, carried=carried)
    return weighted(candidates_of(frame0, frame1, opinions, carried), weights)


def _warped(frame0: Tensor, frame1: Tensor, flows: Tensor, still: Stillness) -> Warped:
    warped0, warped1 = warp_cubic(frame0, flows[:, :2]), warp_cubic(frame1, flows[:, 2:])
    with torch.no_grad():
        distrust = flow_distrust(still, warped0, warped1)
    return Warped(frame0=warped0, frame1=warped1, flows=flows, distrust=distrust)


def flows_at(motion: Tensor, timesteps: Tensor) -> Tensor:
    """Return the flows from the moment to both keyframes, ``[B, 4, H, W]``."""
    time = timesteps.to(motion.dtype).view(-1, 1, 1, 1)
    return torch.cat([-time * motion, (1 - time) * motion], 1)


def flows_to_keyframes(
    motion: Tensor, bend: Tensor | None, timesteps: Tensor, carried: int = 0
) -> list[Tensor]:
    """Return each opinion's flows from the moment to both keyframes, ``[B, 4, H, W]``.

    Args:
        motion: ``[B, 2 * opinions, H, W]``, see `ImfVfiNetwork.decode`.
        bend: ``[B, 2, H, W]`` or None.
        timesteps: ``[B]``.
        carried: How many of the opinions, the last ones, do not bend.
    """
    flows = [flows_at(one, timesteps) for one in torch.split(motion, 2, dim=1)]
    if bend is None:
        return flows
    # Both keyframes are looked up as far to the side, so what agrees under a flow stays the same.
    aside = torch.cat([bend, bend], 1)
    own = len(flows) - carried
    return [one - aside for one in flows[:own]] + flows[own:]


def opinion_hints(first: Tensor, others: list[Warped]) -> Tensor | None:
    """Return what a level should know of further opinions, ``[B, 6 * len(others), H/2, W/2]``.

    Of each: where the keyframes disagree under it, signed by channel and in absolute value, and by
    how much its motion differs from the first one's.

    Args:
        first: The flows of the first opinion, ``[B, 4, H, W]``.
        others: The further opinions.
    """
    if not others:
        return None
    hints = []
    own = first[:, 2:] - first[:, :2]
    for other in others:
        difference = DISAGREEMENT_SCALE * (other.frame0 - other.frame1)
        apart = FLOW_SCALE * (other.flows[:, 2:] - other.flows[:, :2] - own)
        parts = (difference, difference.abs().mean(1, keepdim=True), apart)
        hints += [halved(part) for part in parts]
    return torch.cat(hints, 1)


def _carried_hints(
    others: list[Warped], motion: Tensor, beyond: Beyond, timesteps: Tensor
) -> list[Tensor]:
    """Return what a level should know besides of the two carried motions, which come last."""
    nearer = others[-2].frame0, others[-1].frame1
    differences = beyond.differences(nearer, (motion[:, -4:-2], motion[:, -2:]), timesteps)
    hints = []
    for difference in differences:
        scaled = DISAGREEMENT_SCALE * difference
        hints += [halved(scaled), halved(scaled.abs().mean(1, keepdim=True))]
    return hints


class ImfVfiNetwork(nn.Module):
    """Encodes keyframes and decodes moments between two of them."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        self.config = config
        self.pyramid = Pyramid(config)
        self.token_encoder = TokenEncoder(config) if config.use_tokens else None
        self.implicit = ImplicitDecoder(config) if config.decodes_implicitly else None
        self.matcher = Matcher(config) if config.matching == "attention" else None
        self.decoder = Decoder(config)

    def encode(self, frames: Tensor) -> FrameState:
        """Return the state of frames whose height and width are multiples of 16."""
        if frames.shape[2] % STRIDES[-1] or frames.shape[3] % STRIDES[-1]:
            raise ValueError(f"expected sides that are multiples of 16, got {frames.shape = }")
        features = self.pyramid(frames.contiguous(memory_format=torch.channels_last))
        tokens = self.token_encoder(features[-1]) if self.token_encoder else None
        return FrameState(frames=frames, pyramid=features, tokens=tokens)

    def encode_both(self, frame0: Tensor, frame1: Tensor) -> tuple[FrameState, FrameState]:
        """Return the states of two batches of frames, encoded as one."""
        both = self.encode(torch.cat([frame0, frame1]))
        half = frame0.shape[0]
        return both.part(slice(0, half)), both.part(slice(half, None))

    def match(self, before: FrameState, after: FrameState) -> PairMotion | None:
        """Return the motion between two keyframes, or None for a network that is handed it."""
        if self.matcher is None:
            return None
        found: PairMotion = self.matcher(before.pyramid, after.pyramid)
        return found

    def decode(
        self,
        before: FrameState,
        after: FrameState,
        timesteps: Tensor,
        motion: Tensor,
        bend: Tensor | None = None,
        size: tuple[float, float] | None = None,
        beyond: Beyond | None = None,
    ) -> Decoded:
        """Return the frames at ``timesteps``.

        Args:
            before: The first keyframes, batch ``B``.
            after: The second keyframes.
            timesteps: ``[B]`` in 0..1.
            motion: From the first to the second keyframe, of what stands at each pixel at the
                moment, ``[B, 2 * opinions, H, W]``; a single one stands for all.
            bend: How far what stands at each pixel is from where even motion would have it at the
                moment, ``[B, 2, H, W]`` pixels; even motion when None.
            size: Height and width that the frames have without what they were padded with.
            beyond: The keyframes around the pair, for a network that is handed carried motion;
                none when None.
        """
        opinions = self.config.opinions
        if motion.shape[1] == 2:
            motion = motion.repeat(1, opinions, 1, 1)
        if motion.shape[1] != 2 * opinions:
            raise ValueError(f"expected {opinions} motions, got {motion.shape = }")
        carried = self.config.carried
        start, *further = flows_to_keyframes(motion, bend, timesteps, carried)
        with torch.no_grad():
            still = Stillness.of(before.frames, after.frames)
            others = [_warped(before.frames, after.frames, flows, still) for flows in further]
            hints = opinion_hints(start, others)
            if carried:
                assert hints is not None
                beyond = beyond or Beyond.nothing(before.frames, after.frames)
                changes = beyond.changes(before.frames, after.frames)
                more = _carried_hints(others, motion, beyond, timesteps)
                hints = torch.cat([hints, *more, halved(DISAGREEMENT_SCALE * changes)], 1)
        starts = pooled_flows(start, len(STRIDES))
        small = F.pixel_unshuffle(before.frames, 2), F.pixel_unshuffle(after.frames, 2)
        corrections, said = self._refine(before, after, timesteps, starts, small, hints)
        doubt = doubt_of(*small, start)
        flows = start + doubt * 2 * doubled(corrections[-1])
        warps = [_warped(before.frames, after.frames, flows, still), *others]
        frames, weights = blended(
            (before.frames, after.frames), warps, timesteps, said, doubt, size, carried
        )
        return Decoded(
            frames=frames,
            flows=flows,
            weights=weights,
            all_flows=[warped.flows for warped in warps],
            coarse_flows=_coarse_flows(starts, corrections) if torch.is_grad_enabled() else [],
        )

    def _refine(
        self,
        before: FrameState,
        after: FrameState,
        timesteps: Tensor,
        starts: list[Tensor],
        small: tuple[Tensor, Tensor],
        hints: Tensor | None,
    ) -> tuple[list[Tensor], Tensor]:
        tokens: Tokens | None = None
        implicit: tuple[Tensor, Tensor] | None = None
        if before.tokens is not None and after.tokens is not None:
            coarse = starts[-1]
            flow_t0, flow_t1 = coarse[:, :2].contiguous(), coarse[:, 2:].contiguous()
            tokens = interpolate_tokens(before.tokens, after.tokens, flow_t0, flow_t1, timesteps)
            if self.implicit is not None:
                implicit = self.implicit(tokens, timesteps)
        pictures = torch.cat(small, 1) - 0.5
        found: tuple[list[Tensor], Tensor] = self.decoder(
            before.pyramid,
            after.pyramid,
            pictures,
            starts,
            timesteps,
            None if tokens is None else tokens.grid,
            implicit,
            hints,
        )
        return found

    def forward(
        self,
        frame0: Tensor,
        frame1: Tensor,
        timesteps: Tensor,
        motion: Tensor,
        bend: Tensor | None = None,
        beyond: Beyond | None = None,
    ) -> Decoded:
        """Encode two batches of keyframes and decode one moment of each pair.

        ``motion``, ``bend`` and ``beyond`` are what `decode` takes; a network that matches by
        itself ignores them.
        """
        before, after = self.encode_both(frame0, frame1)
        pair = self.match(before, after)
        if pair is not None:
            motion, bend = motion_at(pair, timesteps), None
        return self.decode(before, after, timesteps, motion, bend, beyond=beyond)


def _coarse_flows(starts: list[Tensor], corrections: list[Tensor]) -> list[Tensor]:
    coarser = list(zip(STRIDES, starts, strict=True))[1:]
    return [
        stride * (start + correction)
        for (stride, start), correction in zip(reversed(coarser), corrections, strict=False)
    ]
