"""Forward splatting in plain torch: few channels by `index_add_`, more of them sorted by target."""

from typing import NamedTuple

import torch

from imf_kernels import sampling
from imf_kernels.bilinear import compute_dtype, from_rows, layout, to_rows

SORT_CHANNELS = 6
"""From this many channels on, sorting the taps costs less than scattering them."""


class Splatted(NamedTuple):
    """What the forward pass gives, and what it keeps for the backward pass."""

    out: torch.Tensor
    """``[B, C, H, W]``."""
    weight: torch.Tensor
    """Accumulated bilinear weight, ``[B, 1, H, W]``."""
    norm: torch.Tensor
    """What `out` was divided by, ``[B * H * W]``, in the precision of the sums; empty for sum."""
    top: torch.Tensor
    """Largest metric that landed on each pixel, ``[B * H * W]``; empty unless softmax."""


def forward(
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    mode: str,
    deterministic: bool,
) -> Splatted:
    """As the reference, in dtype and memory format of `source`; not differentiable."""
    B, C, H, W = source.shape
    precise = compute_dtype(source.dtype)
    nothing = source.new_empty(0, dtype=precise)
    if B * H * W == 0:
        out = torch.empty_like(source, memory_format=layout(source))
        kept = nothing if mode == "sum" else nothing.clone()
        return Splatted(out, source.new_empty(B, 1, H, W), kept, nothing.clone())
    image = source.to(precise)
    by_plane = C < SORT_CHANNELS and (source.device.type == "cpu" or not deterministic)
    if by_plane and metric is None:
        return _by_plane(source, image, flow.to(precise), mode)
    index, weight = _all_taps(flow.to(precise))
    share, top = weight, nothing
    if metric is not None:
        weight, share, top = _shares(index, weight, metric.to(precise))
    landing = None if by_plane else sampling.Landing.of(index)
    landed = _total(landing, index, weight)
    norm = nothing.clone()
    if mode != "sum":
        norm = _total(landing, index, share) if mode == "softmax" else landed.clone()
    if landing is not None:
        rows = landing.sum(share, to_rows(image))
        if mode != "sum":
            rows *= _inverse(norm)[:, None]
        out = from_rows(rows, source)
    else:
        planes = _scatter(index, share, image.transpose(0, 1).reshape(C, -1))
        if mode != "sum":
            planes *= _inverse(norm)
        out = planes.view(C, B, H, W).transpose(0, 1).to(source.dtype)
        out = out.contiguous(memory_format=layout(source))
    return Splatted(out, landed.view(B, 1, H, W).to(source.dtype), norm, top)


def backward(
    gradients: tuple[torch.Tensor, torch.Tensor],
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    kept: Splatted,
    mode: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients to source, flow and metric (empty without one), from those of out and weight."""
    precise = compute_dtype(source.dtype)
    B, _, H, W = source.shape
    rows, arriving, offset = to_rows(source.to(precise)), to_rows(gradients[0].to(precise)), None
    if mode != "sum":
        inverse = _inverse(kept.norm)[:, None]
        arriving = arriving * inverse
        offset = (arriving * to_rows(kept.out.to(precise))).sum(1)
    by_weight = gradients[1].to(precise).reshape(-1)
    to_rows_, to_metric = torch.empty_like(rows), source.new_empty(0, dtype=precise)
    level = None if metric is None else metric.to(precise).reshape(-1)
    to_metric = torch.empty_like(level) if level is not None else to_metric
    slopes = [rows.new_empty(2, 0)]
    for taps in sampling.pieces(flow.to(precise), "zeros") if rows.numel() else ():
        weight, product = taps.weight, taps.dot(arriving, rows[taps.pixels])
        if offset is not None:
            product = product - _pick(offset, taps.index)
        share = weight
        if level is not None:
            weight, known, excess = _exponents(taps.index, weight, level[taps.pixels], kept.top)
            product = product * excess * known
            share = weight * excess
            to_metric[taps.pixels] = (weight * product).sum(1)
            product = product + _pick(by_weight, taps.index) * known
        else:
            product = product + _pick(by_weight, taps.index)
        to_rows_[taps.pixels] = taps.gather(arriving, share)
        slopes.append(torch.stack(taps.slope(product)))
    to_flow = torch.cat(slopes, 1).view(2, B, H, W).transpose(0, 1).contiguous().to(flow.dtype)
    if metric is not None:
        to_metric = to_metric.view(B, 1, H, W).to(metric.dtype)
    return from_rows(to_rows_, source), to_flow, to_metric


def _by_plane(source: torch.Tensor, image: torch.Tensor, flow: torch.Tensor, mode: str) -> Splatted:
    """Sum or average of few channels, tap after tap."""
    B, C, H, W = source.shape
    planes = image.transpose(0, 1).reshape(C, -1)
    total, landed = torch.zeros_like(planes), planes.new_zeros(B * H * W)
    for target, weight in sampling.each_tap(flow):
        total.index_add_(1, target, planes * weight)
        landed.index_add_(0, target, weight)
    norm = landed.clone() if mode == "average" else planes.new_empty(0)
    if mode == "average":
        total *= _inverse(norm)
    out = total.view(C, B, H, W).transpose(0, 1).to(source.dtype)
    out = out.contiguous(memory_format=layout(source))
    weight = landed.view(B, 1, H, W).to(source.dtype)
    return Splatted(out, weight, norm, planes.new_empty(0))


def _all_taps(flow: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Target and weight of every tap of a frame, outside weighing 0, ``[B * H * W, 4]`` each."""
    found = list(sampling.pieces(flow, "zeros"))
    return torch.cat([taps.index for taps in found]), torch.cat([taps.weight for taps in found])


def _shares(
    index: torch.Tensor, weight: torch.Tensor, metric: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (0 for unknown metrics), softmax shares, and the top metric of every pixel."""
    level = metric.reshape(-1)
    known = torch.isfinite(level)[:, None]
    weight = torch.where(known, weight, 0.0)
    landing = torch.where(weight > 0, level[:, None], -torch.inf)
    top = level.new_full(level.shape, -torch.inf)
    top.scatter_reduce_(0, index.view(-1).long(), landing.view(-1), "amax")
    weight, _, excess = _exponents(index, weight, level, top)
    return weight, weight * excess, top


def _exponents(
    index: torch.Tensor, weight: torch.Tensor, level: torch.Tensor, top: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights, whether the metric is known, and ``exp(level - top)`` held at 1, ``[n, 4]``."""
    known = torch.isfinite(level)[:, None]
    excess = (torch.where(known, level[:, None], 0.0) - _pick(top, index)).clamp_(max=0).exp_()
    return torch.where(known, weight, 0.0), known, excess


def _pick(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return values.index_select(0, index.reshape(-1)).view(index.shape)


def _total(
    landing: sampling.Landing | None, index: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    if landing is not None:
        return landing.total(weight)
    return weight.new_zeros(len(weight)).index_add_(0, index.view(-1), weight.reshape(-1))


def _scatter(index: torch.Tensor, weight: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(planes)
    # int64 and contiguous: anything else sends index_add_ down a path thirty times slower.
    targets, weights = index.t().long().contiguous(), weight.t().contiguous()
    for target, share in zip(targets, weights, strict=True):
        out.index_add_(1, target, planes * share)
    return out


def _inverse(norm: torch.Tensor) -> torch.Tensor:
    """1 / norm, and 0 where nothing landed."""
    return torch.where(norm > 0, 1 / norm, 0.0)
