"""Pieces that several Triton kernels share. Importing this module imports Triton."""

import contextlib

import torch
import triton
import triton.language as tl


@triton.jit
def axis_taps(displacement, known, position, size, ZEROS: tl.constexpr):
    """Two taps along one axis: clamped positions, weights, and slopes of the weights.

    The displacement is split into whole pixels and a fraction before the position is added, which
    is exact whatever the frame's size. Weights and slopes are 0 outside (ZEROS) and where `known`
    is false.
    """
    displacement = tl.where(known, displacement, 0.0)
    whole = tl.floor(displacement)
    fraction = displacement - whole
    # Far beyond the frame it makes no difference how far; an int32 must be able to hold it.
    whole = tl.minimum(tl.maximum(whole, -1.0e6), 1.0e6)
    first = position + whole.to(tl.int32)
    last = size - 1
    i0 = tl.minimum(tl.maximum(first, 0), last)
    i1 = tl.minimum(tl.maximum(first + 1, 0), last)
    keep0 = known
    keep1 = known
    if ZEROS:
        keep0 = known & (first == i0)
        keep1 = known & (first + 1 == i1)
    w0 = tl.where(keep0, 1.0 - fraction, 0.0)
    w1 = tl.where(keep1, fraction, 0.0)
    return i0, i1, w0, w1, tl.where(keep0, -1.0, 0.0), tl.where(keep1, 1.0, 0.0)


@triton.jit
def load_flow(flow, inside, stride_c):
    """Both displacements at the given addresses, and whether both are finite."""
    dx = tl.load(flow, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(flow + stride_c, mask=inside, other=0.0).to(tl.float32)
    # NaN compares false: one test for NaN and both infinities.
    known = (tl.abs(dx) < float("inf")) & (tl.abs(dy) < float("inf"))
    return dx, dy, known & inside


def on_device(tensor: torch.Tensor) -> contextlib.AbstractContextManager[object]:
    """Make the tensor's GPU the current one; nothing to do in the interpreter."""
    if tensor.is_cuda:
        return torch.cuda.device(tensor.device)
    return contextlib.nullcontext()


def channel_block(C: int, stride: int) -> int:
    """Channels handled together: one by one where planes lie apart, else up to 32 in a row."""
    return 1 if stride != 1 else min(32, triton.next_power_of_2(C))
