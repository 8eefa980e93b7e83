"""What is timed: each operation beside its rivals, with the bytes it cannot avoid to move."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from imf_kernels import align, splat, warp, warp_blend
from kernels.benchmarks import rivals
from kernels.benchmarks.timing import Work


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operation at one size."""

    name: str
    operation: str
    works: dict[str, Work]
    """Ours first."""
    moved_bytes: int
    """Inputs read once plus outputs written once."""


Make = Callable[[torch.device], Case]


def _smooth_flow(H: int, W: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    coarse = torch.randn(1, 2, 9, 16, device=device) * 12
    return torch.nn.functional.interpolate(coarse, (H, W), mode="bilinear").to(dtype)


def _bytes(*tensors: torch.Tensor) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def _frame(device: torch.device) -> tuple[int, int, torch.dtype]:
    return (2160, 3840, torch.float16) if device.type == "cuda" else (540, 960, torch.float32)


def blend(device: torch.device) -> Case:
    """Fused warp and blend of two frames."""
    H, W, dtype = _frame(device)
    frames = [torch.rand(1, 3, H, W, device=device, dtype=dtype) for _ in range(2)]
    flows = [_smooth_flow(H, W, device, dtype) for _ in range(2)]
    inputs = (*frames, *flows, torch.rand(1, 1, H, W, device=device, dtype=dtype))
    return Case(
        name=f"warp_blend {H}x{W}x3 {dtype}",
        operation="warp",
        works={
            "imf_kernels": lambda: warp_blend(*inputs),
            "two grid_sample": lambda: rivals.warp_blend(*inputs),
        },
        moved_bytes=_bytes(*inputs, frames[0]),
    )


def warp_features(device: torch.device, C: int = 32, last: bool = True) -> Case:
    """A feature map warped."""
    H, W = (1080, 1920) if device.type == "cuda" else (270, 480)
    source = torch.randn(1, C, H, W, device=device)
    if last:
        source = source.to(memory_format=torch.channels_last)
    flow = _smooth_flow(H, W, device, torch.float32)
    return Case(
        name=f"warp {H}x{W}x{C} {'channels-last' if last else 'planes'}",
        operation="warp",
        works={
            "imf_kernels": lambda: warp(source, flow),
            "grid_sample": lambda: rivals.warp(source, flow),
        },
        moved_bytes=_bytes(source, source, flow),
    )


def splat_features(device: torch.device, C: int = 32) -> Case:
    """A feature map splatted."""
    H, W = (1080, 1920) if device.type == "cuda" else (270, 480)
    source = torch.randn(1, C, H, W, device=device)
    flow = _smooth_flow(H, W, device, torch.float32)
    return Case(
        name=f"splat {H}x{W}x{C} sum",
        operation="splat",
        works={
            "imf_kernels": lambda: splat(source, flow),
            "index_add_": lambda: rivals.splat(source, flow),
        },
        moved_bytes=_bytes(source, source, flow, flow[:, :1]),
    )


def _attention(device: torch.device, stride: int) -> tuple[tuple[int, int], list[torch.Tensor]]:
    H, W = (1088, 1920) if device.type == "cuda" else (544, 960)
    grid = (H // stride, W // stride)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    N = grid[0] * grid[1]
    parts = [torch.randn(1, 1, N, size, device=device, dtype=dtype) for size in (64, 64, 96)]
    y, x = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    xy = torch.stack([x, y], -1).view(-1, 2).float() * stride
    return grid, [*parts, xy.to(device)]


def align_global(device: torch.device) -> Case:
    """Every query against every key."""
    _, (query, key, value, xy) = _attention(device, 16)
    return Case(
        name=f"align {len(xy)} queries, head 64, values 96",
        operation="align",
        works={
            "imf_kernels": lambda: align(query, key, value, xy, xy),
            "SDPA, values only": lambda: rivals.align_values(query, key, value),
            "SDPA with positions": lambda: rivals.align(query, key, value, xy),
        },
        moved_bytes=_bytes(query, key, value, value, xy),
    )


def align_window(device: torch.device) -> Case:
    """Every query against 81 keys around it."""
    grid, (query, key, value, xy) = _attention(device, 8)
    return Case(
        name=f"align {len(xy)} queries, window 4, head 64, values 96",
        operation="align",
        works={
            "imf_kernels": lambda: align(query, key, value, xy, xy, 4, key_grid=grid),
            "unfold": lambda: rivals.align_windowed(query, key, value, xy, 4, grid),
        },
        moved_bytes=_bytes(query, key, value, value, xy),
    )


CASES: tuple[Make, ...] = (
    blend,
    warp_features,
    lambda device: warp_features(device, last=False),
    splat_features,
    lambda device: splat_features(device, C=3),
    align_global,
    align_window,
)
