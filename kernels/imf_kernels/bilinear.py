"""Where a bilinear tap falls: the one piece of arithmetic that warping and splatting share.

Convention:
    Pixel units, channel 0 = x (right), channel 1 = y (down), pixel centres at integers. The flow is
    split into whole pixels and a fraction BEFORE it is added to the pixel's own position: the split
    is exact, so a 4K frame loses no more precision than an 8x8 one.
"""

import torch

PADDINGS = ("border", "zeros")
"""What a position outside the picture reads: the nearest edge pixel, or nothing."""


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision that values of `dtype` are accumulated in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _split(flow: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole pixels (int64, at most `size` + 1 either way) and the fraction in [0, 1)."""
    whole = flow.detach().floor()
    return whole.clamp(-size - 1, size + 1).long(), flow - whole


def taps(flow: torch.Tensor, padding: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each displaced pixel, and their bilinear weights.

    Args:
        flow: Displacements, ``[B, 2, H, W]``, float32 or float64.
        padding: ``"zeros"`` gives weight 0 to taps outside the picture, ``"border"`` moves the
            position to the nearest point of the picture first.

    Returns:
        Indices into the flattened batch of pixels (``[B * H * W, 4]``, int64, always valid) and
        weights (same shape, differentiable in `flow`). A displacement that is not finite points
        nowhere: its four weights are 0 in either padding.
    """
    B, _, H, W = flow.shape
    finite = torch.isfinite(flow).all(1)
    flow = torch.where(finite[:, None], flow, 0.0)
    x0, ax = _split(flow[:, 0], W)
    y0, ay = _split(flow[:, 1], H)
    x0 = x0 + torch.arange(W, device=flow.device)
    y0 = y0 + torch.arange(H, device=flow.device)[:, None]
    if padding == "border":
        ax = torch.where((x0 >= 0) & (x0 < W - 1), ax, 0.0)
        ay = torch.where((y0 >= 0) & (y0 < H - 1), ay, 0.0)
        x0, y0 = x0.clamp(0, W - 1), y0.clamp(0, H - 1)
    x_weight = [_inside(1 - ax, x0, W), _inside(ax, x0 + 1, W)]
    y_weight = [_inside(1 - ay, y0, H), _inside(ay, y0 + 1, H)]
    x_index = [x0.clamp(0, W - 1), (x0 + 1).clamp(0, W - 1)]
    rows = torch.arange(B, device=flow.device)[:, None, None] * H
    y_index = [(rows + y0.clamp(0, H - 1)) * W, (rows + (y0 + 1).clamp(0, H - 1)) * W]
    index = torch.stack([y + x for y in y_index for x in x_index], -1)
    weight = torch.stack([y * x for y in y_weight for x in x_weight], -1)
    weight = torch.where(finite[..., None], weight, 0.0)
    return index.view(-1, 4), weight.view(-1, 4)


def _inside(weight: torch.Tensor, position: torch.Tensor, size: int) -> torch.Tensor:
    return torch.where((position >= 0) & (position < size), weight, 0.0)


def to_rows(image: torch.Tensor) -> torch.Tensor:
    """``[B, C, H, W]`` as one row of channels per pixel, ``[B * H * W, C]``, contiguous."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1]).contiguous()


def from_rows(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Rows of channels as ``[B, C, H, W]`` in the memory format and dtype of `like`."""
    B, _, H, W = like.shape
    image = rows.view(B, H, W, rows.shape[1]).permute(0, 3, 1, 2).to(like.dtype)
    return image.contiguous(memory_format=layout(like))


def layout(image: torch.Tensor) -> torch.memory_format:
    """Channels-last for an image stored that way and no other, else contiguous."""
    last = image.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not image.is_contiguous() else torch.contiguous_format
