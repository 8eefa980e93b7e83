"""Backward warping in plain torch, the fastest way for each layout.

Channels-last images go through `embedding_bag`, two to five times faster than `grid_sample`. Large
images that are stored plane by plane go through `grid_sample`, which costs them least; its
normalised coordinates are good to about ``W * 6e-8`` pixels, all other paths are exact.
"""

import torch
import torch.nn.functional as F

from imf_kernels import sampling
from imf_kernels.bilinear import compute_dtype, from_rows, layout, to_rows

PLANAR_PIXELS = 1 << 14
"""From this many pixels on, images stored plane by plane are sampled by `grid_sample`."""

ROW_CHANNELS = 8
"""Pixels of fewer channels than this are not worth a row of their own."""


def forward(source: torch.Tensor, flow: torch.Tensor, padding: str) -> torch.Tensor:
    """As the reference, in dtype and memory format of `source`; not differentiable."""
    if source.numel() == 0:
        return torch.empty_like(source, memory_format=layout(source))
    precise = compute_dtype(source.dtype)
    image, shift = source.to(precise), flow.to(precise)
    if _planar(source):
        out = F.grid_sample(image, _grid(shift), padding_mode=padding, align_corners=False)
        known = _known(shift)
        return (out if known is None else out * known).to(source.dtype)
    rows = to_rows(image)
    out = torch.empty_like(rows)
    for taps in sampling.pieces(shift, padding):
        out[taps.pixels] = taps.gather(rows)
    return from_rows(out, source)


def backward(
    gradient: torch.Tensor, source: torch.Tensor, flow: torch.Tensor, padding: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients to source and flow."""
    if source.numel() == 0:
        return torch.zeros_like(source, memory_format=layout(source)), _zeros(flow)
    precise = compute_dtype(source.dtype)
    image, shift, gradient = source.to(precise), flow.to(precise), gradient.to(precise)
    if _planar(source):
        return _planar_backward(gradient, image, shift, padding, source, flow)
    rows, gradients = to_rows(image), to_rows(gradient)
    index, weight, slopes = [], [], []
    for taps in sampling.pieces(shift, padding):
        slopes.append(torch.stack(taps.slope(taps.dot(rows, gradients[taps.pixels]))))
        index.append(taps.index)
        weight.append(taps.weight)
    landing = sampling.Landing.of(torch.cat(index))
    to_source = landing.sum(torch.cat(weight), gradients)
    B, _, H, W = flow.shape
    to_flow = torch.cat(slopes, 1).view(2, B, H, W).transpose(0, 1)
    return from_rows(to_source, source), to_flow.contiguous().to(flow.dtype)


def _zeros(flow: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(flow, memory_format=torch.contiguous_format)


def _planar(source: torch.Tensor) -> bool:
    B, C, H, W = source.shape
    if source.device.type != "cpu":
        return True
    by_plane = layout(source) == torch.contiguous_format or C < ROW_CHANNELS
    return by_plane and B * H * W >= PLANAR_PIXELS


def _grid(flow: torch.Tensor) -> torch.Tensor:
    """Normalised sampling points, ``[B, H, W, 2]``; what is not finite lies far outside."""
    B, _, H, W = flow.shape
    grid = flow.new_empty(B, H, W, 2)
    far = 4.0 * (H + W)
    for axis, size in ((0, W), (1, H)):
        centre = (torch.arange(size, device=flow.device, dtype=flow.dtype) * 2 + 1) / size - 1
        centre = centre if axis == 0 else centre[:, None]
        torch.add(centre, flow[:, axis], alpha=2 / size, out=grid[..., axis])
    return grid if sampling.all_finite(flow) else grid.nan_to_num_(far, far, -far)


def _known(flow: torch.Tensor) -> torch.Tensor | None:
    """1 where the flow is finite, else 0, ``[B, 1, H, W]``; None where all of it is."""
    if sampling.all_finite(flow):
        return None
    return torch.isfinite(flow).all(1, keepdim=True).to(flow.dtype)


def _planar_backward(
    gradient: torch.Tensor,
    image: torch.Tensor,
    shift: torch.Tensor,
    padding: str,
    source: torch.Tensor,
    flow: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    H, W = shift.shape[2:]
    known = _known(shift)
    if known is not None:
        gradient = gradient * known
    mode = {"zeros": 0, "border": 1}[padding]
    to_source, to_grid = torch.ops.aten.grid_sampler_2d_backward(
        gradient.contiguous(), image, _grid(shift), 0, mode, False, [True, True]
    )
    to_flow = torch.stack([to_grid[..., 0] * (2 / W), to_grid[..., 1] * (2 / H)], 1)
    if known is not None:
        to_flow = torch.where(known > 0, to_flow, 0.0)
    return to_source.to(source.dtype).contiguous(memory_format=layout(source)), to_flow.to(
        flow.dtype
    )
