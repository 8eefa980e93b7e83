"""Warping, splatting and implicit motion alignment, in PyTorch and in Triton."""

from imf_kernels.align import align
from imf_kernels.splat import splat
from imf_kernels.warp import warp, warp_blend

__all__ = ["align", "splat", "warp", "warp_blend"]
