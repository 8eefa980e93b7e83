"""Forward splatting: ``source(x, y)`` lands at ``(x + flow_x, y + flow_y)``, bilinear."""

import torch

from imf_kernels import backends, checks
from imf_kernels.splat import ops
from imf_kernels.splat.reference import MODES


def splat(
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None = None,
    mode: str = "sum",
    *,
    deterministic: bool = False,
    backend: str = "auto",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Carry every source pixel along its flow and add up what lands on each target pixel.

    Convention:
        Pixel units, channel 0 = x (right), 1 = y (down), pixel centres at integers.

    Args:
        source: ``[B, C, H, W]``.
        flow: ``[B, 2, H, W]``.
        metric: Importance for ``"softmax"``, ``[B, 1, H, W]``, of any size: larger wins.
        mode: ``"sum"``, ``"average"`` (divided by the weight) or ``"softmax"``.
        deterministic: Same bits on every run, on a GPU at some cost in time.
        backend: ``"auto"``, ``"torch"`` or ``"triton"``.

    Returns:
        The splatted image ``[B, C, H, W]`` (0 where nothing landed) and the accumulated bilinear
        weight ``[B, 1, H, W]``, in every mode: about 1 where one pixel landed, 0 in a hole.
        Source pixels whose flow (or, for softmax, metric) is not finite land nowhere.
    """
    checks.floating(source=source, flow=flow)
    checks.shaped((None, None, None, None), source=source)
    B, _, H, W = source.shape
    checks.shaped((B, 2, H, W), flow=flow)
    checks.choice("mode", mode, MODES)
    if (metric is not None) != (mode == "softmax"):
        raise ValueError(
            f"metric is needed for mode 'softmax' and only there, got {mode = }, "
            f"metric {'missing' if metric is None else 'given'}"
        )
    if metric is not None:
        checks.floating(metric=metric)
        checks.shaped((B, 1, H, W), metric=metric)
        checks.together(source=source, metric=metric)
    checks.together(source=source, flow=flow)
    chosen = backends.resolve(backend, source.device, source.dtype)
    out, weight, _, _ = ops.splat(source, flow, metric, mode, deterministic, chosen)
    return out, weight
