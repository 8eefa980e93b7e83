"""Backward warping in Triton: one program per run of pixels, all channels, flow read once."""

import torch
import triton
import triton.language as tl

from imf_kernels.bilinear import layout
from imf_kernels.kernel import axis_taps, channel_block, load_flow, on_device


@triton.jit
def sample(source, c, C, s_c, s_h, s_w, x0, x1, y0, y1, w00, w01, w10, w11, inside):
    """Bilinear sum of the four taps, channels `c`: ``[BLOCK_P, BLOCK_C]``."""
    at = source + c.to(tl.int64)[None, :] * s_c
    ok = inside[:, None] & (c < C)[None, :]
    upper, lower = y0.to(tl.int64) * s_h, y1.to(tl.int64) * s_h
    left, right = x0.to(tl.int64) * s_w, x1.to(tl.int64) * s_w
    v00 = tl.load(at + (upper + left)[:, None], mask=ok, other=0.0).to(tl.float32)
    v01 = tl.load(at + (upper + right)[:, None], mask=ok, other=0.0).to(tl.float32)
    v10 = tl.load(at + (lower + left)[:, None], mask=ok, other=0.0).to(tl.float32)
    v11 = tl.load(at + (lower + right)[:, None], mask=ok, other=0.0).to(tl.float32)
    return v00 * w00[:, None] + v01 * w01[:, None] + v10 * w10[:, None] + v11 * w11[:, None]


@triton.jit
def warp_fwd_kernel(
    source, flow, out, C, H, W,
    s_b, s_c, s_h, s_w, f_b, f_c, f_h, f_w, o_b, o_c, o_h, o_w,
    ZEROS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """One source, one flow."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    at_flow = flow + batch * f_b + y.to(tl.int64) * f_h + x.to(tl.int64) * f_w
    dx, dy, known = load_flow(at_flow, inside, f_c)
    x0, x1, wx0, wx1, _, _ = axis_taps(dx, known, x, W, ZEROS)
    y0, y1, wy0, wy1, _, _ = axis_taps(dy, known, y, H, ZEROS)
    at_out = out + batch * o_b + y.to(tl.int64) * o_h + x.to(tl.int64) * o_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        total = sample(
            source + batch * s_b, c, C, s_c, s_h, s_w, x0, x1, y0, y1,
            wy0 * wx0, wy0 * wx1, wy1 * wx0, wy1 * wx1, known,
        )  # fmt: skip
        at = at_out[:, None] + c.to(tl.int64)[None, :] * o_c
        tl.store(at, total, mask=inside[:, None] & (c < C)[None, :])


@triton.jit
def warp_blend_fwd_kernel(
    source0, source1, flow0, flow1, mask, out, C, H, W,
    s_b, s_c, s_h, s_w, r_b, r_c, r_h, r_w, f_b, f_c, f_h, f_w, g_b, g_c, g_h, g_w,
    m_b, m_h, m_w, o_b, o_c, o_h, o_w,
    ZEROS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Two sources by two flows, blended by a mask: every input is read once."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    y64, x64 = y.to(tl.int64), x.to(tl.int64)
    dx, dy, known = load_flow(flow0 + batch * f_b + y64 * f_h + x64 * f_w, inside, f_c)
    ex, ey, found = load_flow(flow1 + batch * g_b + y64 * g_h + x64 * g_w, inside, g_c)
    share = tl.load(mask + batch * m_b + y64 * m_h + x64 * m_w, mask=inside, other=0.0)
    share = share.to(tl.float32)
    x0, x1, wx0, wx1, _, _ = axis_taps(dx, known, x, W, ZEROS)
    y0, y1, wy0, wy1, _, _ = axis_taps(dy, known, y, H, ZEROS)
    u0, u1, wu0, wu1, _, _ = axis_taps(ex, found, x, W, ZEROS)
    v0, v1, wv0, wv1, _, _ = axis_taps(ey, found, y, H, ZEROS)
    wx0, wx1 = wx0 * share, wx1 * share
    wu0, wu1 = wu0 * (1.0 - share), wu1 * (1.0 - share)
    at_out = out + batch * o_b + y64 * o_h + x64 * o_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        total = sample(
            source0 + batch * s_b, c, C, s_c, s_h, s_w, x0, x1, y0, y1,
            wy0 * wx0, wy0 * wx1, wy1 * wx0, wy1 * wx1, known,
        )  # fmt: skip
        total += sample(
            source1 + batch * r_b, c, C, r_c, r_h, r_w, u0, u1, v0, v1,
            wv0 * wu0, wv0 * wu1, wv1 * wu0, wv1 * wu1, found,
        )  # fmt: skip
        at = at_out[:, None] + c.to(tl.int64)[None, :] * o_c
        tl.store(at, total, mask=inside[:, None] & (c < C)[None, :])


@triton.jit
def warp_bwd_flow_kernel(
    gradient, source, flow, out, C, H, W,
    g_b, g_c, g_h, g_w, s_b, s_c, s_h, s_w, f_b, f_c, f_h, f_w,
    ZEROS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Gradient to the flow: only gathers, the same bits on every run."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    y64, x64 = y.to(tl.int64), x.to(tl.int64)
    dx, dy, known = load_flow(flow + batch * f_b + y64 * f_h + x64 * f_w, inside, f_c)
    x0, x1, wx0, wx1, sx0, sx1 = axis_taps(dx, known, x, W, ZEROS)
    y0, y1, wy0, wy1, sy0, sy1 = axis_taps(dy, known, y, H, ZEROS)
    by_x = tl.zeros((BLOCK_P,), tl.float32)
    by_y = tl.zeros((BLOCK_P,), tl.float32)
    at_gradient = gradient + batch * g_b + y64 * g_h + x64 * g_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        ok = inside[:, None] & (c < C)[None, :]
        at = at_gradient[:, None] + c.to(tl.int64)[None, :] * g_c
        g = tl.load(at, mask=ok, other=0.0).to(tl.float32)
        along_x = sample(
            source + batch * s_b, c, C, s_c, s_h, s_w, x0, x1, y0, y1,
            wy0 * sx0, wy0 * sx1, wy1 * sx0, wy1 * sx1, known,
        )  # fmt: skip
        along_y = sample(
            source + batch * s_b, c, C, s_c, s_h, s_w, x0, x1, y0, y1,
            sy0 * wx0, sy0 * wx1, sy1 * wx0, sy1 * wx1, known,
        )  # fmt: skip
        by_x += tl.sum(g * along_x, 1)
        by_y += tl.sum(g * along_y, 1)
    at_out = out + batch * 2 * H * W + pixel
    tl.store(at_out, by_x, mask=inside)
    tl.store(at_out + H * W, by_y, mask=inside)


@triton.jit
def warp_bwd_source_kernel(
    gradient, flow, out, C, H, W,
    g_b, g_c, g_h, g_w, f_b, f_c, f_h, f_w, o_b, o_c, o_h, o_w,
    ZEROS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Gradient to the source: atomic sums in float32."""
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    batch = tl.program_id(1).to(tl.int64)
    inside = pixel < H * W
    y, x = pixel // W, pixel % W
    y64, x64 = y.to(tl.int64), x.to(tl.int64)
    dx, dy, known = load_flow(flow + batch * f_b + y64 * f_h + x64 * f_w, inside, f_c)
    x0, x1, wx0, wx1, _, _ = axis_taps(dx, known, x, W, ZEROS)
    y0, y1, wy0, wy1, _, _ = axis_taps(dy, known, y, H, ZEROS)
    upper, lower = y0.to(tl.int64) * o_h, y1.to(tl.int64) * o_h
    left, right = x0.to(tl.int64) * o_w, x1.to(tl.int64) * o_w
    at_gradient = gradient + batch * g_b + y64 * g_h + x64 * g_w
    for first in range(0, C, BLOCK_C):
        c = first + tl.arange(0, BLOCK_C)
        ok = known[:, None] & (c < C)[None, :]
        g = tl.load(at_gradient[:, None] + c.to(tl.int64)[None, :] * g_c, mask=ok, other=0.0)
        g = g.to(tl.float32)
        at = out + batch * o_b + c.to(tl.int64)[None, :] * o_c
        tl.atomic_add(at + (upper + left)[:, None], g * (wy0 * wx0)[:, None], ok, "relaxed")
        tl.atomic_add(at + (upper + right)[:, None], g * (wy0 * wx1)[:, None], ok, "relaxed")
        tl.atomic_add(at + (lower + left)[:, None], g * (wy1 * wx0)[:, None], ok, "relaxed")
        tl.atomic_add(at + (lower + right)[:, None], g * (wy1 * wx1)[:, None], ok, "relaxed")


def forward(source: torch.Tensor, flow: torch.Tensor, padding: str) -> torch.Tensor:
    """Launch `warp_fwd_kernel`."""
    out = torch.empty_like(source, memory_format=layout(source))
    if out.numel():
        with on_device(source):
            grid, sizes = _launch(source)
            warp_fwd_kernel[grid](
                source, flow, out, *source.shape[1:],
                *source.stride(), *flow.stride(), *out.stride(), ZEROS=padding == "zeros", **sizes,
            )  # fmt: skip
    return out


def blend(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
    padding: str,
) -> torch.Tensor:
    """Launch `warp_blend_fwd_kernel`."""
    out = torch.empty_like(source0, memory_format=layout(source0))
    if out.numel():
        with on_device(source0):
            grid, sizes = _launch(source0)
            m_b, _, m_h, m_w = mask.stride()
            warp_blend_fwd_kernel[grid](
                source0, source1, flow0, flow1, mask, out, *source0.shape[1:],
                *source0.stride(), *source1.stride(), *flow0.stride(), *flow1.stride(),
                m_b, m_h, m_w, *out.stride(), ZEROS=padding == "zeros", **sizes,
            )  # fmt: skip
    return out


def backward(
    gradient: torch.Tensor, source: torch.Tensor, flow: torch.Tensor, padding: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Launch both backward kernels; the source's adds up in float32, in no fixed order."""
    form = layout(source)
    to_source = torch.zeros_like(source, dtype=torch.float32, memory_format=form)
    to_flow = torch.empty_like(flow, memory_format=torch.contiguous_format)
    if not source.numel():
        return to_source.to(source.dtype), to_flow.zero_()
    zeros = padding == "zeros"
    with on_device(source):
        grid, sizes = _launch(source)
        warp_bwd_flow_kernel[grid](
            gradient, source, flow, to_flow, *source.shape[1:],
            *gradient.stride(), *source.stride(), *flow.stride(), ZEROS=zeros, **sizes,
        )  # fmt: skip
        warp_bwd_source_kernel[grid](
            gradient, flow, to_source, *source.shape[1:],
            *gradient.stride(), *flow.stride(), *to_source.stride(), ZEROS=zeros, **sizes,
        )  # fmt: skip
    return to_source.to(source.dtype), to_flow


def _launch(source: torch.Tensor) -> tuple[tuple[int, int], dict[str, int]]:
    B, C, H, W = source.shape
    block_c = channel_block(C, source.stride(1))
    block_p = 256 if block_c == 1 else 512 // block_c
    return (triton.cdiv(H * W, block_p), B), {"BLOCK_P": block_p, "BLOCK_C": block_c}
