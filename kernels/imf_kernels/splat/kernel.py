"""Forward splatting in Triton: atomic sums in float32, a row of channels per target pixel.

Softmax takes a first pass that finds the largest metric landing on each pixel, so that no exponent
is ever above 0. The backward pass only gathers: no atomics, the same bits on every run.
"""

import torch
import triton
import triton.language as tl

from imf_kernels.bilinear import layout
from imf_kernels.kernel import axis_taps, load_flow, on_device
from imf_kernels.splat.cpu import Splatted


@triton.jit
def landing(
    flow, metric, pixel, batch, H, W, f_b, f_c, f_h, f_w, m_b, m_h, m_w, SOFTMAX: tl.constexpr
):
    """Targets of the pixels' taps, weights and slopes per axis, metric, and who lands at all."""
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    y64, x64 = y.to(tl.int64), x.to(tl.int64)
    dx, dy, known = load_flow(flow + batch * f_b + y64 * f_h + x64 * f_w, inside, f_c)
    level = tl.zeros_like(dx)
    if SOFTMAX:
        at = metric + batch * m_b + y64 * m_h + x64 * m_w
        level = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        known = known & (tl.abs(level) < float("inf"))
        level = tl.where(known, level, 0.0)
    x0, x1, wx0, wx1, sx0, sx1 = axis_taps(dx, known, x, W, True)
    y0, y1, wy0, wy1, sy0, sy1 = axis_taps(dy, known, y, H, True)
    first = batch * H * W
    upper, lower = first + y0.to(tl.int64) * W, first + y1.to(tl.int64) * W
    targets = (upper + x0, upper + x1, lower + x0, lower + x1)
    return targets, (wx0, wx1, wy0, wy1), (sx0, sx1, sy0, sy1), level, known


@triton.jit
def splat_top_kernel(
    flow, metric, top, H, W, f_b, f_c, f_h, f_w, m_b, m_h, m_w, BLOCK_P: tl.constexpr
):
    """The largest metric that lands on each pixel."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    targets, weights, _, level, known = landing(
        flow, metric, pixel, batch, H, W, f_b, f_c, f_h, f_w, m_b, m_h, m_w, True
    )
    wx0, wx1, wy0, wy1 = weights
    t00, t01, t10, t11 = targets
    tl.atomic_max(top + t00, level, known & (wy0 * wx0 > 0), "relaxed")
    tl.atomic_max(top + t01, level, known & (wy0 * wx1 > 0), "relaxed")
    tl.atomic_max(top + t10, level, known & (wy1 * wx0 > 0), "relaxed")
    tl.atomic_max(top + t11, level, known & (wy1 * wx1 > 0), "relaxed")


@triton.jit
def splat_tap(
    value,
    c,
    ok,
    out,
    landed,
    norm,
    top,
    target,
    weight,
    level,
    known,
    C,
    first_block,
    SOFTMAX: tl.constexpr,
):
    """Add one tap of every pixel of the block: channels `c`, and the weights once."""
    share = weight
    if SOFTMAX:
        excess = tl.load(top + target, mask=known, other=0.0)
        share = weight * tl.exp(tl.minimum(level - excess, 0.0))
    lands = known & (weight > 0)
    at = out + (target * C)[:, None] + c[None, :]
    tl.atomic_add(at, value * share[:, None], ok & lands[:, None], "relaxed")
    tl.atomic_add(landed + target, weight, lands & first_block, "relaxed")
    if SOFTMAX:
        tl.atomic_add(norm + target, share, lands & first_block, "relaxed")


@triton.jit
def splat_fwd_kernel(
    source, flow, metric, top, out, landed, norm, C, H, W,
    s_b, s_c, s_h, s_w, f_b, f_c, f_h, f_w, m_b, m_h, m_w,
    SOFTMAX: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Sum of everything that lands, as rows of channels, and the weights."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    targets, weights, _, level, known = landing(
        flow, metric, pixel, batch, H, W, f_b, f_c, f_h, f_w, m_b, m_h, m_w, SOFTMAX
    )
    wx0, wx1, wy0, wy1 = weights
    t00, t01, t10, t11 = targets
    y, x = (pixel // W).to(tl.int64), (pixel % W).to(tl.int64)
    at_source = source + batch * s_b + y * s_h + x * s_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        ok = known[:, None] & (c < C)[None, :]
        at = at_source[:, None] + c.to(tl.int64)[None, :] * s_c
        value = tl.load(at, mask=ok, other=0.0).to(tl.float32)
        once = first == 0
        splat_tap(
            value, c, ok, out, landed, norm, top, t00, wy0 * wx0, level, known, C, once, SOFTMAX
        )
        splat_tap(
            value, c, ok, out, landed, norm, top, t01, wy0 * wx1, level, known, C, once, SOFTMAX
        )
        splat_tap(
            value, c, ok, out, landed, norm, top, t10, wy1 * wx0, level, known, C, once, SOFTMAX
        )
        splat_tap(
            value, c, ok, out, landed, norm, top, t11, wy1 * wx1, level, known, C, once, SOFTMAX
        )


@triton.jit
def splat_finish_kernel(
    total, norm, out, C, H, W, o_b, o_c, o_h, o_w,
    DIVIDE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Divide, and bring rows of channels into the dtype and memory format asked for."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    row = batch * H * W + pixel
    factor = tl.full((BLOCK_P,), 1.0, tl.float32)
    if DIVIDE:
        below = tl.load(norm + row, mask=inside, other=0.0)
        factor = tl.where(below > 0, 1.0 / tl.where(below > 0, below, 1.0), 0.0)
    y, x = (pixel // W).to(tl.int64), (pixel % W).to(tl.int64)
    at_out = out + batch * o_b + y * o_h + x * o_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        ok = inside[:, None] & (c < C)[None, :]
        value = tl.load(total + (row * C)[:, None] + c[None, :], mask=ok, other=0.0)
        tl.store(at_out[:, None] + c.to(tl.int64)[None, :] * o_c, value * factor[:, None], mask=ok)


@triton.jit
def splat_bwd_kernel(
    gradient, by_weight, offset, norm, top, source, flow, metric, to_source, to_flow, to_metric,
    C, H, W,
    g_c, g_p, s_b, s_c, s_h, s_w, f_b, f_c, f_h, f_w, m_b, m_h, m_w, o_b, o_c, o_h, o_w,
    DIVIDE: tl.constexpr, SOFTMAX: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Gradients to source, flow and metric; `gradient` is rows of channels, ``[B * H * W, C]``."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    targets, weights, slopes, level, known = landing(
        flow, metric, pixel, batch, H, W, f_b, f_c, f_h, f_w, m_b, m_h, m_w, SOFTMAX
    )
    y, x = (pixel // W).to(tl.int64), (pixel % W).to(tl.int64)
    at_source = source + batch * s_b + y * s_h + x * s_w
    at_out = to_source + batch * o_b + y * o_h + x * o_w
    by_x = tl.zeros((BLOCK_P,), tl.float32)
    by_y = tl.zeros((BLOCK_P,), tl.float32)
    by_metric = tl.zeros((BLOCK_P,), tl.float32)
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        ok = inside[:, None] & (c < C)[None, :]
        at = c.to(tl.int64)[None, :]
        value = tl.load(at_source[:, None] + at * s_c, mask=ok, other=0.0).to(tl.float32)
        total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
        for tap in tl.static_range(4):
            target = targets[tap]
            wx, wy = weights[tap % 2], weights[2 + tap // 2]
            sx, sy = slopes[tap % 2], slopes[2 + tap // 2]
            factor = tl.full((BLOCK_P,), 1.0, tl.float32)
            if SOFTMAX:
                excess = tl.load(top + target, mask=known, other=0.0)
                factor = tl.exp(tl.minimum(level - excess, 0.0))
            scale = factor
            if DIVIDE:
                below = tl.load(norm + target, mask=known, other=0.0)
                scale = tl.where(below > 0, factor / tl.where(below > 0, below, 1.0), 0.0)
            seen = ok & known[:, None]
            g = tl.load(gradient + (target * g_p)[:, None] + at * g_c, mask=seen, other=0.0)
            g = g.to(tl.float32) * scale[:, None]
            total += g * (wx * wy)[:, None]
            part = tl.sum(g * value, 1)
            if DIVIDE and first == 0:
                part -= factor * tl.load(offset + target, mask=known, other=0.0)
            by_metric += wx * wy * part
            if first == 0:
                part += tl.load(by_weight + target, mask=known, other=0.0).to(tl.float32)
            by_x += sx * wy * part
            by_y += wx * sy * part
        tl.store(at_out[:, None] + at * o_c, total, mask=ok)
    at_flow = to_flow + batch * 2 * H * W + pixel
    tl.store(at_flow, by_x, mask=inside)
    tl.store(at_flow + H * W, by_y, mask=inside)
    if SOFTMAX:
        tl.store(to_metric + batch * H * W + pixel, by_metric, mask=inside)


def forward(
    source: torch.Tensor, flow: torch.Tensor, metric: torch.Tensor | None, mode: str
) -> Splatted:
    """Launch the forward kernels."""
    B, C, H, W = source.shape
    rows = {"device": source.device, "dtype": torch.float32}
    total, landed = torch.zeros(B * H * W, C, **rows), torch.zeros(B * H * W, **rows)
    softmax = mode == "softmax"
    norm = torch.zeros(B * H * W if softmax else 0, **rows)
    top = torch.full((B * H * W if softmax else 0,), -torch.inf, **rows)
    out = torch.empty_like(source, memory_format=layout(source))
    if B * H * W:
        with on_device(source):
            grid, sizes = _launch(source)
            strides, pixels = _metric_strides(metric), sizes["BLOCK_P"]
            if softmax:
                splat_top_kernel[grid](
                    flow, metric, top, H, W, *flow.stride(), *strides, BLOCK_P=pixels
                )
            splat_fwd_kernel[grid](
                source, flow, metric, top, total, landed, norm, C, H, W,
                *source.stride(), *flow.stride(), *strides, SOFTMAX=softmax, **sizes,
            )  # fmt: skip
            below = norm if softmax else landed
            splat_finish_kernel[grid](
                total, below, out, C, H, W, *out.stride(), DIVIDE=mode != "sum", **sizes
            )
    if mode == "average":
        norm = landed.clone()
    return Splatted(out, landed.view(B, 1, H, W).to(source.dtype, copy=True), norm, top)


def backward(
    gradients: tuple[torch.Tensor, torch.Tensor],
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    kept: Splatted,
    mode: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Launch the backward kernel."""
    B, C, H, W = source.shape
    gradient = gradients[0].permute(0, 2, 3, 1).reshape(B * H * W, C).contiguous()
    # A gradient may be one number spread over the frame by strides of 0; the kernel steps by 1.
    by_weight = gradients[1].reshape(-1).float().contiguous()
    to_source = torch.empty_like(source, memory_format=layout(source))
    to_flow = torch.empty_like(flow, memory_format=torch.contiguous_format)
    to_metric = source.new_empty(0, dtype=torch.float32)
    if metric is not None:
        to_metric = torch.empty_like(metric, memory_format=torch.contiguous_format)
    if B * H * W == 0:
        return to_source, to_flow, to_metric
    offset = kept.norm
    if mode != "sum":
        dots = (gradients[0].float() * kept.out.float()).sum(1).reshape(-1)
        offset = torch.where(kept.norm > 0, dots / kept.norm, 0.0)
    with on_device(source):
        grid, sizes = _launch(source)
        splat_bwd_kernel[grid](
            gradient, by_weight, offset, kept.norm, kept.top, source, flow, metric,
            to_source, to_flow, to_metric, C, H, W, 1, C,
            *source.stride(), *flow.stride(), *_metric_strides(metric), *to_source.stride(),
            DIVIDE=mode != "sum", SOFTMAX=mode == "softmax", **sizes,
        )  # fmt: skip
    return to_source, to_flow, to_metric


def _metric_strides(metric: torch.Tensor | None) -> tuple[int, int, int]:
    if metric is None:
        return 0, 0, 0
    batch, _, row, column = metric.stride()
    return batch, row, column


def _launch(source: torch.Tensor) -> tuple[tuple[int, int], dict[str, int]]:
    B, C, H, W = source.shape
    block_c = min(32, triton.next_power_of_2(max(1, C)))
    block_p = 512 // block_c
    return (triton.cdiv(H * W, block_p), B), {"BLOCK_P": block_p, "BLOCK_C": block_c}
