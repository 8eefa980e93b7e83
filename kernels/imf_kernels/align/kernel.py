"""Implicit motion alignment in Triton: one pass over the keys with a running softmax.

A program holds a block of queries and walks over the keys it may see. Beside the values it sums the
keys' positions, in float32 outside the matrix products: half precision would place a key of a 4K
frame several pixels off. The largest probability needs no sum: it is 1 over the softmax's norm.

Windowed: a block is a square of queries; it walks over the smallest box of the key grid that holds
all their windows and hides the rest, so any prior is handled and a smooth one is fast.
"""

import torch
import triton
import triton.language as tl

from imf_kernels.align.cpu import Aligned, Window
from imf_kernels.kernel import on_device

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def query_block(
    centre,
    c_q,
    c_xy,
    Nq,
    q_rows,
    q_columns,
    radius,
    rows,
    columns,
    WINDOWED: tl.constexpr,
    SIDE: tl.constexpr,
    BLOCK_Q: tl.constexpr,
):
    """Queries of this program, their centres, and the box of keys: left, top, width, how many."""
    block = tl.program_id(0)
    lane = tl.arange(0, BLOCK_Q)
    if WINDOWED:
        across = tl.cdiv(q_columns, SIDE)
        q_y = (block // across) * (BLOCK_Q // SIDE) + lane // SIDE
        q_x = (block % across) * SIDE + lane % SIDE
        query = q_y * q_columns + q_x
        valid = (q_x < q_columns) & (q_y < q_rows)
        at = centre + query.to(tl.int64) * c_q
        # A lane without a query takes part in neither end of the box.
        c_x = tl.load(at, mask=valid, other=0)
        c_y = tl.load(at + c_xy, mask=valid, other=0)
        left = tl.maximum(tl.min(tl.where(valid, c_x, columns)) - radius, 0)
        top = tl.maximum(tl.min(tl.where(valid, c_y, rows)) - radius, 0)
        right = tl.minimum(tl.max(tl.where(valid, c_x, 0)) + radius + 1, columns)
        bottom = tl.minimum(tl.max(tl.where(valid, c_y, 0)) + radius + 1, rows)
        width = right - left
        count = width * (bottom - top)
    else:
        query = block * BLOCK_Q + lane
        valid = query < Nq
        c_x = lane
        c_y = lane
        left = 0
        top = 0
        width = 1
        count = rows * columns
    return query, valid, c_x, c_y, left, top, width, count


@triton.jit
def key_block(
    first,
    c_x,
    c_y,
    left,
    top,
    width,
    count,
    radius,
    columns,
    WINDOWED: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Keys number `first` and on of the box, which of them exist, and which each query sees."""
    lane = first + tl.arange(0, BLOCK_K)
    there = lane < count
    if WINDOWED:
        k_y = top + lane // width
        k_x = left + lane % width
        key = k_y * columns + k_x
        near = tl.abs(k_x[None, :] - c_x[:, None]) <= radius
        near = near & (tl.abs(k_y[None, :] - c_y[:, None]) <= radius)
        seen = near & there[None, :]
    else:
        key = lane
        seen = there[None, :]
    return key, there, seen


@triton.jit
def align_fwd_kernel(
    query, key, value, query_xy, key_xy, centre, values, displacement, confidence, lse, best,
    scale, h, Nq, q_rows, q_columns, radius, rows, columns,
    D: tl.constexpr, DV: tl.constexpr,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d, c_b, c_h, c_q, c_xy,
    WINDOWED: tl.constexpr, KEEP: tl.constexpr, SIDE: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr,
    BLOCK_V: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """Values come in two parts of BLOCK_V and BLOCK_W channels: 96 is 64 and 32, not 128."""
    batch, head = (tl.program_id(1) // h).to(tl.int64), (tl.program_id(1) % h).to(tl.int64)
    number, valid, c_x, c_y, left, top, width, count = query_block(
        centre + batch * c_b + head * c_h, c_q, c_xy, Nq, q_rows, q_columns, radius, rows, columns,
        WINDOWED, SIDE, BLOCK_Q,
    )  # fmt: skip
    d, v, w = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V), BLOCK_V + tl.arange(0, BLOCK_W)
    number64 = number.to(tl.int64)
    at = query + batch * q_b + head * q_h + number64[:, None] * q_n + d[None, :] * q_d
    q = tl.load(at, mask=valid[:, None] & (d < D)[None, :], other=0.0)
    key += batch * k_b + head * k_h
    value += batch * v_b + head * v_h
    highest = tl.full((BLOCK_Q,), -1.0e38, tl.float32)
    norm = tl.zeros((BLOCK_Q,), tl.float32)
    sum_x = tl.zeros((BLOCK_Q,), tl.float32)
    sum_y = tl.zeros((BLOCK_Q,), tl.float32)
    first_best = tl.zeros((BLOCK_Q,), tl.int32)
    sum_v = tl.zeros((BLOCK_Q, BLOCK_V), tl.float32)
    if BLOCK_W > 1:
        sum_w = tl.zeros((BLOCK_Q, BLOCK_W), tl.float32)
    for first in range(0, count, BLOCK_K):
        place, there, seen = key_block(
            first, c_x, c_y, left, top, width, count, radius, columns, WINDOWED, BLOCK_K
        )
        place64 = place.to(tl.int64)
        at_key = key + place64[None, :] * k_n + d[:, None] * k_d
        k = tl.load(at_key, mask=there[None, :] & (d < D)[:, None], other=0.0)
        score = tl.dot(q, k, input_precision=PRECISION) * (scale * LOG2_E)
        score = tl.where(seen, score, -float("inf"))
        if KEEP:
            block_highest, block_best = tl.max(score, 1, return_indices=True)
            better = block_highest > highest
            found = first + block_best
            if WINDOWED:
                found = (top + found // width) * columns + left + found % width
            first_best = tl.where(better, found, first_best)
            now = tl.maximum(highest, block_highest)
        else:
            now = tl.maximum(highest, tl.max(score, 1))
        fade = tl.exp2(highest - now)
        share = tl.exp2(score - now[:, None])
        k_x = tl.load(key_xy + place64 * 2, mask=there, other=0.0).to(tl.float32)
        k_y = tl.load(key_xy + place64 * 2 + 1, mask=there, other=0.0).to(tl.float32)
        norm = norm * fade + tl.sum(share, 1)
        sum_x = sum_x * fade + tl.sum(share * k_x[None, :], 1)
        sum_y = sum_y * fade + tl.sum(share * k_y[None, :], 1)
        rounded = share.to(value.dtype.element_ty)
        at_value = value + place64[:, None] * v_n
        part = there[:, None] & (v < DV)[None, :]
        some = tl.load(at_value + v[None, :] * v_d, mask=part, other=0.0)
        sum_v = tl.dot(rounded, some, sum_v * fade[:, None], input_precision=PRECISION)
        if BLOCK_W > 1:
            part_w = there[:, None] & (w < DV)[None, :]
            rest = tl.load(at_value + w[None, :] * v_d, mask=part_w, other=0.0)
            sum_w = tl.dot(rounded, rest, sum_w * fade[:, None], input_precision=PRECISION)
        highest = now
    # Lanes without a query saw no key: keep their division quiet, nothing of it is stored.
    norm = tl.where(valid, norm, 1.0)
    one = 1.0 / norm
    row = tl.program_id(1).to(tl.int64) * Nq + number64
    own_x = tl.load(query_xy + number64 * 2, mask=valid, other=0.0).to(tl.float32)
    own_y = tl.load(query_xy + number64 * 2 + 1, mask=valid, other=0.0).to(tl.float32)
    tl.store(displacement + row * 2, sum_x * one - own_x, mask=valid)
    tl.store(displacement + row * 2 + 1, sum_y * one - own_y, mask=valid)
    tl.store(confidence + row, one, mask=valid)
    at = values + row[:, None] * DV
    tl.store(at + v[None, :], sum_v * one[:, None], mask=valid[:, None] & (v < DV)[None, :])
    if BLOCK_W > 1:
        tl.store(at + w[None, :], sum_w * one[:, None], mask=valid[:, None] & (w < DV)[None, :])
    if KEEP:
        tl.store(lse + row, highest * LN_2 + tl.log(norm), mask=valid)
        tl.store(best + row, first_best, mask=valid)


@triton.jit
def score_slope(
    q,
    k,
    g,
    v_t,
    by_x,
    by_y,
    sure,
    offset,
    lse,
    best,
    k_x,
    k_y,
    place,
    seen,
    scale,
    PRECISION: tl.constexpr,
):
    """Probabilities, and the gradient of every score; queries down, keys across."""
    score = tl.dot(q, k, input_precision=PRECISION) * scale
    share = tl.where(seen, tl.exp2((score - lse[:, None]) * LOG2_E), 0.0)
    slope = tl.dot(g, v_t, input_precision=PRECISION)
    slope += by_x[:, None] * k_x[None, :] + by_y[:, None] * k_y[None, :]
    slope += tl.where(place[None, :] == best[:, None], sure[:, None], 0.0)
    return share, share * (slope - offset[:, None]) * scale


@triton.jit
def query_facts(gradient_xy, gradient_sure, offset, lse, best, row, valid):
    """What the backward kernels know of each query."""
    by_x = tl.load(gradient_xy + row * 2, mask=valid, other=0.0)
    by_y = tl.load(gradient_xy + row * 2 + 1, mask=valid, other=0.0)
    sure = tl.load(gradient_sure + row, mask=valid, other=0.0)
    less = tl.load(offset + row, mask=valid, other=0.0)
    # A query that is not there must get no share: its norm is infinite.
    norm = tl.load(lse + row, mask=valid, other=float("inf"))
    top = tl.load(best + row, mask=valid, other=-1)
    return by_x, by_y, sure, less, norm, top


@triton.jit
def align_bwd_query_kernel(
    gradient, gradient_xy, gradient_sure, offset, lse, best,
    query, key, value, key_xy, centre, to_query, to_key, to_value,
    scale, h, Nq, Nk, q_rows, q_columns, radius, rows, columns,
    D: tl.constexpr, DV: tl.constexpr,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d, c_b, c_h, c_q, c_xy,
    WINDOWED: tl.constexpr, SIDE: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr,
):  # fmt: skip
    """Gradient to query; windowed, those to key and value too, added up atomically in float32."""
    batch, head = (tl.program_id(1) // h).to(tl.int64), (tl.program_id(1) % h).to(tl.int64)
    number, valid, c_x, c_y, left, top, width, count = query_block(
        centre + batch * c_b + head * c_h, c_q, c_xy, Nq, q_rows, q_columns, radius, rows, columns,
        WINDOWED, SIDE, BLOCK_Q,
    )  # fmt: skip
    d, v = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V)
    number64 = number.to(tl.int64)
    row = tl.program_id(1).to(tl.int64) * Nq + number64
    at = query + batch * q_b + head * q_h + number64[:, None] * q_n + d[None, :] * q_d
    q = tl.load(at, mask=valid[:, None] & (d < D)[None, :], other=0.0)
    at = gradient + row[:, None] * DV + v[None, :]
    g = tl.load(at, mask=valid[:, None] & (v < DV)[None, :], other=0.0)
    by_x, by_y, sure, less, norm, most = query_facts(
        gradient_xy, gradient_sure, offset, lse, best, row, valid
    )
    key += batch * k_b + head * k_h
    value += batch * v_b + head * v_h
    first_key = tl.program_id(1).to(tl.int64) * Nk
    total = tl.zeros((BLOCK_Q, BLOCK_D), tl.float32)
    for first in range(0, count, BLOCK_K):
        place, there, seen = key_block(
            first, c_x, c_y, left, top, width, count, radius, columns, WINDOWED, BLOCK_K
        )
        place64 = place.to(tl.int64)
        at_key = key + place64[None, :] * k_n + d[:, None] * k_d
        k = tl.load(at_key, mask=there[None, :] & (d < D)[:, None], other=0.0)
        at_value = value + place64[None, :] * v_n + v[:, None] * v_d
        v_t = tl.load(at_value, mask=there[None, :] & (v < DV)[:, None], other=0.0)
        k_x = tl.load(key_xy + place64 * 2, mask=there, other=0.0).to(tl.float32)
        k_y = tl.load(key_xy + place64 * 2 + 1, mask=there, other=0.0).to(tl.float32)
        share, slope = score_slope(
            q, k, g, v_t, by_x, by_y, sure, less, norm, most, k_x, k_y, place,
            seen & valid[:, None], scale, PRECISION,
        )  # fmt: skip
        slope = slope.to(q.dtype)
        total = tl.dot(slope, tl.trans(k), total, input_precision=PRECISION)
        if WINDOWED:
            own = (first_key + place64)[:, None]
            by_key = tl.dot(tl.trans(slope), q, input_precision=PRECISION)
            ok_key = there[:, None] & (d < D)[None, :]
            tl.atomic_add(to_key + own * D + d[None, :], by_key, ok_key, "relaxed")
            by_value = tl.dot(tl.trans(share.to(g.dtype)), g, input_precision=PRECISION)
            ok_value = there[:, None] & (v < DV)[None, :]
            tl.atomic_add(to_value + own * DV + v[None, :], by_value, ok_value, "relaxed")
    tl.store(to_query + row[:, None] * D + d[None, :], total, valid[:, None] & (d < D)[None, :])


@triton.jit
def align_bwd_key_kernel(
    gradient, gradient_xy, gradient_sure, offset, lse, best,
    query, key, value, key_xy, to_key, to_value, scale, h, Nq, Nk,
    D: tl.constexpr, DV: tl.constexpr,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d,
    PRECISION: tl.constexpr,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr,
):  # fmt: skip
    """Global form: gradients to a block of keys and values, walking over all queries."""
    batch, head = (tl.program_id(1) // h).to(tl.int64), (tl.program_id(1) % h).to(tl.int64)
    place = tl.program_id(0) * BLOCK_K + tl.arange(0, BLOCK_K)
    there = place < Nk
    place64 = place.to(tl.int64)
    d, v = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V)
    at = key + batch * k_b + head * k_h + place64[None, :] * k_n + d[:, None] * k_d
    k = tl.load(at, mask=there[None, :] & (d < D)[:, None], other=0.0)
    at = value + batch * v_b + head * v_h + place64[None, :] * v_n + v[:, None] * v_d
    v_t = tl.load(at, mask=there[None, :] & (v < DV)[:, None], other=0.0)
    k_x = tl.load(key_xy + place64 * 2, mask=there, other=0.0).to(tl.float32)
    k_y = tl.load(key_xy + place64 * 2 + 1, mask=there, other=0.0).to(tl.float32)
    query += batch * q_b + head * q_h
    by_key = tl.zeros((BLOCK_K, BLOCK_D), tl.float32)
    by_value = tl.zeros((BLOCK_K, BLOCK_V), tl.float32)
    for first in range(0, Nq, BLOCK_Q):
        number = first + tl.arange(0, BLOCK_Q)
        valid = number < Nq
        number64 = number.to(tl.int64)
        row = tl.program_id(1).to(tl.int64) * Nq + number64
        at_query = query + number64[:, None] * q_n + d[None, :] * q_d
        q = tl.load(at_query, mask=valid[:, None] & (d < D)[None, :], other=0.0)
        at_gradient = gradient + row[:, None] * DV + v[None, :]
        g = tl.load(at_gradient, mask=valid[:, None] & (v < DV)[None, :], other=0.0)
        by_x, by_y, sure, less, norm, most = query_facts(
            gradient_xy, gradient_sure, offset, lse, best, row, valid
        )
        share, slope = score_slope(
            q, k, g, v_t, by_x, by_y, sure, less, norm, most, k_x, k_y, place,
            there[None, :] & valid[:, None], scale, PRECISION,
        )  # fmt: skip
        by_value = tl.dot(tl.trans(share.to(g.dtype)), g, by_value, input_precision=PRECISION)
        by_key = tl.dot(tl.trans(slope.to(q.dtype)), q, by_key, input_precision=PRECISION)
    first_key = tl.program_id(1).to(tl.int64) * Nk
    at = (first_key + place64)[:, None]
    tl.store(to_key + at * D + d[None, :], by_key, there[:, None] & (d < D)[None, :])
    tl.store(to_value + at * DV + v[None, :], by_value, there[:, None] & (v < DV)[None, :])


def forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    window: Window | None,
    scale: float,
    keep: bool,
) -> Aligned:
    """Launch `align_fwd_kernel`."""
    if _unsupported(query):
        wide = (query.float(), key.float(), value.float())
        aligned = forward(*wide, query_xy, key_xy, window, scale, keep)
        return aligned._replace(values=aligned.values.to(query.dtype))
    B, h, Nq, D = query.shape
    DV = value.shape[-1]
    exact = {"dtype": torch.float32, "device": query.device}
    values = torch.empty(B, h, Nq, DV, dtype=query.dtype, device=query.device)
    displacement = torch.empty(B, h, Nq, 2, **exact)
    confidence = torch.empty(B, h, Nq, **exact)
    kept = (B, h, Nq) if keep else (0,)
    lse = torch.empty(kept, **exact)
    best = torch.empty(kept, dtype=torch.int32, device=query.device)
    if values.numel() or displacement.numel():
        sizes = forward_sizes(D, DV, query.dtype, window is not None)
        grid, view = _view(query, key, window, sizes["BLOCK_Q"])
        with on_device(query):
            align_fwd_kernel[grid](
                query, key, value, query_xy.contiguous(), key_xy.contiguous(), view.centre,
                values, displacement, confidence, lse, best, scale, h, Nq, *view.numbers, D, DV,
                *query.stride(), *key.stride(), *value.stride(), *view.centre.stride(),
                WINDOWED=window is not None, KEEP=keep, SIDE=view.side, **sizes,
            )  # fmt: skip
    return Aligned(values, displacement, confidence, lse, best)


def backward(
    gradients: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    window: Window | None,
    scale: float,
    kept: Aligned,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Launch the backward kernels."""
    if _unsupported(query):
        wide = (query.float(), key.float(), value.float())
        given = (gradients[0].float(), *gradients[1:])
        found = backward(given, *wide, query_xy, key_xy, window, scale, kept)
        return tuple(part.to(query.dtype) for part in found)
    B, h, Nq, D = query.shape
    Nk, DV = value.shape[2:]
    by_values, by_xy, by_sure = (part.contiguous() for part in gradients)
    offset = (
        (by_values.float() * kept.values.float()).sum(-1)
        + (by_xy * (kept.displacement + query_xy.float())).sum(-1)
        + by_sure * kept.confidence
    )
    gather = query.dtype if window is None else torch.float32
    to_query = torch.empty(B, h, Nq, D, dtype=query.dtype, device=query.device)
    to_key = torch.zeros(B, h, Nk, D, dtype=gather, device=query.device)
    to_value = torch.zeros(B, h, Nk, DV, dtype=gather, device=query.device)
    if B * h * Nq:
        sizes = backward_sizes(D, DV, query.dtype)
        grid, view = _view(query, key, window, sizes["BLOCK_Q"])
        places = key_xy.contiguous()
        facts = (by_values, by_xy, by_sure, offset, kept.lse, kept.best, query, key, value, places)
        strides = (*query.stride(), *key.stride(), *value.stride())
        with on_device(query):
            align_bwd_query_kernel[grid](
                *facts, view.centre, to_query, to_key, to_value,
                scale, h, Nq, Nk, *view.numbers, D, DV, *strides, *view.centre.stride(),
                WINDOWED=window is not None, SIDE=view.side, **sizes,
            )  # fmt: skip
            if window is None:
                align_bwd_key_kernel[triton.cdiv(Nk, sizes["BLOCK_K"]), B * h](
                    *facts, to_key, to_value, scale, h, Nq, Nk, D, DV, *strides, **sizes
                )
    return to_query, to_key.to(key.dtype), to_value.to(value.dtype)


def _unsupported(query: torch.Tensor) -> bool:
    """Triton's interpreter multiplies the bits of bfloat16 matrices as integers."""
    return query.dtype == torch.bfloat16 and not query.is_cuda


def value_parts(DV: int) -> tuple[int, int]:
    """Two powers of two that hold the value channels with little waste; the second may be 1."""
    whole = max(16, triton.next_power_of_2(DV))
    part = whole // 2
    if whole < 64 or part + part // 2 < DV:
        return whole, 1
    return part, max(16, triton.next_power_of_2(DV - part))


def forward_sizes(D: int, DV: int, dtype: torch.dtype, windowed: bool) -> dict[str, object]:
    """Block sizes of the forward kernel that fit in registers on sm_80 and later."""
    block_v, block_w = value_parts(DV)
    wide = dtype == torch.float32
    return {
        "BLOCK_Q": 64 if windowed or wide else 128,
        "BLOCK_K": 32 if windowed or wide else 64,
        "BLOCK_D": max(16, triton.next_power_of_2(D)),
        "BLOCK_V": block_v,
        "BLOCK_W": block_w,
        "PRECISION": "ieee" if wide else "tf32",
        "num_warps": 4 if windowed and not wide else 8,
        "num_stages": 2 if wide else 3,
    }


def backward_sizes(D: int, DV: int, dtype: torch.dtype) -> dict[str, object]:
    """Block sizes of the backward kernels."""
    wide = dtype == torch.float32
    return {
        "BLOCK_Q": 32 if wide else 64,
        "BLOCK_K": 32 if wide else 64,
        "BLOCK_D": max(16, triton.next_power_of_2(D)),
        "BLOCK_V": max(16, triton.next_power_of_2(DV)),
        "PRECISION": "ieee" if wide else "tf32",
        "num_warps": 8,
        "num_stages": 1,
    }


class _View:
    """Grids of queries and keys as the kernels take them."""

    def __init__(self, query: torch.Tensor, key: torch.Tensor, window: Window | None, block: int):
        Nq, Nk = query.shape[2], key.shape[2]
        self.side = 1
        self.centre = query.new_empty((1, 1, 1, 1), dtype=torch.int32)
        q_rows, q_columns, radius, rows, columns = 1, Nq, 0, 1, Nk
        if window is not None:
            self.centre, radius = window.centre, window.radius
            rows, columns = window.rows, window.columns
            same = Nq == Nk
            if same:
                q_rows, q_columns = rows, columns
            self.side = 8 if same else block
        self.numbers = (q_rows, q_columns, radius, rows, columns)
        across = triton.cdiv(q_columns, self.side)
        down = triton.cdiv(q_rows, block // self.side)
        self.blocks = across * down if window is not None else triton.cdiv(Nq, block)


def _view(
    query: torch.Tensor, key: torch.Tensor, window: Window | None, block: object
) -> tuple[tuple[int, int], _View]:
    view = _View(query, key, window, int(block))
    return (view.blocks, query.shape[0] * query.shape[1]), view
