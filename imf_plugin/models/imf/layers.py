"""Building blocks of the Implicit Motion Function: plain, equalised and style-modulated layers."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Of every leaky ReLU."""


def conv(
    inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """Return a convolution that keeps (or divides by ``stride``) the size."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a matrix product that keeps the size of what goes through, from the start."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    nn.init.zeros_(layer.bias)
    return layer


def activated(features: Tensor) -> Tensor:
    """Return the leaky ReLU; it keeps zero at zero, and so what is not moved unmoved."""
    return F.leaky_relu(features, SLOPE)


def doubled(features: Tensor) -> Tensor:
    """Return features at twice the height and width, bilinear."""
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class EqualConv(nn.Module):
    """A convolution whose weights are scaled as they are used, so that all learn at one rate."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.stride, self.padding = stride, kernel // 2
        self.gain = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``[B, outputs, H / stride, W / stride]``."""
        return F.conv2d(features, self.weight * self.gain, self.bias, self.stride, self.padding)


class EqualLinear(nn.Module):
    """A matrix product, equalised like `EqualConv`."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain = 1 / math.sqrt(inputs)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[..., outputs]``."""
        return F.linear(values, self.weight * self.gain, self.bias)


class StyledConv(nn.Module):
    """A convolution whose input channels a style weights (StyleGAN2), then a leaky ReLU.

    Weights times style and divided by their norm per output channel (demodulation) give the same
    as weighting the input's channels and dividing the output's: one convolution for a whole batch.
    """

    def __init__(self, inputs: int, outputs: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualLinear(style_dim, inputs, bias=1.0)
        self.gain = 1 / math.sqrt(inputs * 9)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Return ``[B, outputs, H, W]`` of features ``[B, inputs, H, W]``, style ``[B, S]``."""
        factors = self.style(style)
        weight = self.weight * self.gain
        energy = weight.square().sum((2, 3))
        norm = torch.rsqrt(factors.square() @ energy.T + 1e-8)
        out = F.conv2d(features * factors[:, :, None, None], weight, padding=1)
        out = out * norm[:, :, None, None] + self.bias[:, None, None]
        return activated(out) * math.sqrt(2)


def soft_norm(values: Tensor) -> Tensor:
    """Return values over their root mean square, where that is large; small ones are kept small.

    A layer norm would blow the smallest motion up to a large one.
    """
    return values * torch.rsqrt(1 + values.square().mean(-1, keepdim=True))


def positions(side: int, span_px: float) -> Tensor:
    """Return the pixel centres (x, y) of a square grid over a square picture, ``[side^2, 2]``."""
    step = span_px / side
    centres = (torch.arange(side) + 0.5) * step - 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def sinusoids(side: int, channels: int) -> Tensor:
    """Return sines and cosines of both coordinates in octaves, ``[side^2, channels]``."""
    place = positions(side, 1.0) + 0.5 / side
    octaves = 2.0 ** torch.arange(math.ceil(channels / 4))
    angles = math.pi * place[:, :, None] * octaves.clamp_max(side)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return waves[:, :channels]
