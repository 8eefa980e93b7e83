"""Warping, splatting and implicit motion alignment, in PyTorch and in Triton."""
