"""Convolutions and resampling that the parts of the network share."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

CORRELATION_CHANNELS = 16
"""Features are projected to this many channels before they are compared."""


class ConvUnit(nn.Module):
    """A 3x3 convolution (1x1 on request) and a leaky ReLU.

    A PReLU's gradient took 8 % of a training step on a CPU and its slopes hardly moved from 0.2.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.act = nn.LeakyReLU(0.2, inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, 0.2)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return ``[B, outputs, H / stride, W / stride]``."""
        out: Tensor = self.act(self.conv(features))
        return out


class JoinUnit(ConvUnit):
    """A 1x1 convolution of several feature maps side by side, and a leaky ReLU.

    On a CPU each map is multiplied by its columns of the weights and the products are added up:
    putting more than a hundred channels side by side first took longer than all else in a level.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel=1)

    def forward(  # type: ignore[override]
        self, before: list[Tensor], below: Tensor | None, after: list[Tensor]
    ) -> Tensor:
        """Return ``[B, outputs, H, W]``.

        Args:
            before: Maps ``[B, *, H, W]``.
            below: A map ``[B, *, H/2, W/2]`` that stands between them and is to be doubled.
            after: More maps like the first ones.
        """
        middle = [] if below is None else [below]
        if before[0].device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(torch.cat([*before, *map(doubled, middle), *after], dim=1))
        B, _, height, width = before[0].shape
        parts = [*before, *middle, *after]
        columns = torch.split(self.conv.weight[:, :, 0, 0], [p.shape[1] for p in parts], dim=1)
        assert self.conv.bias is not None
        total = torch.addmm(self.conv.bias, _rows(before[0]), columns[0].T)
        for part, column in zip(parts[1:], columns[1:], strict=True):
            if part is not below:
                total = total.addmm_(_rows(part), column.T)
        plane = total.view(B, height, width, -1).permute(0, 3, 1, 2)
        if below is not None:
            # Doubling is linear too: a quarter of the products, and fewer channels to double.
            product = _rows(below) @ columns[len(before)].T
            small = product.view(B, *below.shape[2:], -1).permute(0, 3, 1, 2)
            plane = plane + doubled(small)
        out: Tensor = self.act(plane)
        return out


def _rows(plane: Tensor) -> Tensor:
    return plane.permute(0, 2, 3, 1).reshape(-1, plane.shape[1])


class ResidualStack(nn.Module):
    """Convolutions of one width, added to what came in."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.units = nn.Sequential(*(ConvUnit(channels, channels) for _ in range(depth)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = features + self.units(features)
        return out


def zero_head(inputs: int, outputs: int, *, kernel: int = 3) -> nn.Conv2d:
    """Return a convolution that gives 0 until it is trained."""
    head = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return head


def doubled(features: Tensor) -> Tensor:
    """Return features at twice the height and width, bilinear."""
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


def halved(planes: Tensor) -> Tensor:
    """Return the means of 2x2 pixels; on a CPU five to ten times as fast as `avg_pool2d`."""
    rows = planes[..., 0::2, :] + planes[..., 1::2, :]
    return (rows[..., 0::2] + rows[..., 1::2]) / 4


def doubled_rows(features: Tensor, top: int, rows: int) -> Tensor:
    """Return some rows of `doubled`, from an even one on; the whole of it is large."""
    first, last = max(0, top // 2 - 1), (top + rows) // 2 + 1
    grown = doubled(features[:, :, first:last])
    return grown[:, :, top - 2 * first :][:, :, :rows]


def pooled_flows(flow: Tensor, levels: int) -> list[Tensor]:
    """Return a flow for pictures 2, 4, 8 ... times smaller, each in that picture's pixels."""
    flows = []
    for _ in range(levels):
        flow = halved(flow) / 2
        flows.append(flow)
    return flows


def divergence(motion: Tensor) -> Tensor:
    """Return how much a motion spreads: above 0 where something comes into sight, ``[B,1,H,W]``."""
    padded = F.pad(motion, (1, 1, 1, 1), mode="replicate")
    along_x = padded[:, :1, 1:-1, 2:] - padded[:, :1, 1:-1, :-2]
    along_y = padded[:, 1:, 2:, 1:-1] - padded[:, 1:, :-2, 1:-1]
    return (along_x + along_y).clamp(-4, 4)


def per_item(values: Tensor, like: Tensor) -> Tensor:
    """Return one number per batch item, ``[B]``, as a constant plane ``[B, 1, H, W]``."""
    return values.to(like.dtype).view(-1, 1, 1, 1).expand(-1, 1, *like.shape[2:])


def warp_cubic(pictures: Tensor, flow: Tensor, top: int = 0) -> Tensor:
    """Look pictures up at their pixels plus ``flow``, bicubic, borders repeated.

    For the frames themselves, which bilinear lookup would soften; features use `imf_kernels.warp`.

    Args:
        pictures: ``[B, C, H, W]``.
        flow: ``[B, 2, h, W]``, pixels, x then y, for all rows or some.
        top: The row that the flow begins at.
    """
    if pictures.device.type == "cpu" and not torch.is_grad_enabled():
        return _warped_by_opencv(pictures, flow, top)
    height, width = pictures.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(top, top + flow.shape[2], device=flow.device, dtype=flow.dtype)[:, None]
    # Positions with align_corners=False, which has no division by zero for a single pixel.
    grid = torch.stack(
        [(2 * (flow[:, 0] + x) + 1) / width - 1, (2 * (flow[:, 1] + y) + 1) / height - 1], dim=-1
    )
    return F.grid_sample(
        pictures,
        grid.to(pictures.dtype),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


def _warped_by_opencv(pictures: Tensor, flow: Tensor, top: int) -> Tensor:
    """The same to 1/32 px, in half the time."""
    rows, width = flow.shape[2:]
    made = np.empty((*pictures.shape[:2], rows, width), np.float32)
    columns = np.arange(width, dtype=np.float32)
    down = np.arange(top, top + rows, dtype=np.float32)[:, None]
    for picture, motion, target in zip(pictures, flow, made, strict=True):
        # Plane by plane: with x and y side by side the positions took a third of the whole time.
        x, y = motion.float().numpy()
        x, y = x + columns, y + down
        for plane, into in zip(picture.float().numpy(), target, strict=True):
            into[...] = cv2.remap(plane, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(made).to(pictures.dtype)


class LocalCorrelation(nn.Module):
    """Compares two feature maps with one another shifted by up to some cells either way."""

    def __init__(self, inputs: int, radius: int) -> None:
        super().__init__()
        self.radius = radius
        self.key = nn.Conv2d(inputs, CORRELATION_CHANNELS, 1)

    @property
    def outputs(self) -> int:
        """Number of shifts compared."""
        return int((2 * self.radius + 1) ** 2)

    def forward(self, features0: Tensor, features1: Tensor) -> Tensor:
        """Return the cosine of each place of the first map with its surroundings in the second.

        Returns:
            ``[B, (2 radius + 1)^2, H, W]``, shifts in rows from the upper left.
        """
        height, width = features0.shape[2:]
        # Plane by plane, in which order sums over channels are fastest.
        key0, key1 = (
            F.normalize(self.key(features), dim=1).contiguous()
            for features in (features0, features1)
        )
        around = F.pad(key1, (self.radius,) * 4)
        shifts = range(2 * self.radius + 1)
        return torch.stack(
            [
                (key0 * around[:, :, dy : dy + height, dx : dx + width]).sum(1)
                for dy in shifts
                for dx in shifts
            ],
            dim=1,
        )
