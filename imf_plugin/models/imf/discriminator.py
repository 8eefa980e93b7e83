"""A patch discriminator at two scales, for the adversarial part of the paper's loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf.layers import conv

WIDTHS = (64, 128, 256, 512)


class PatchDiscriminator(nn.Module):
    """Says of overlapping patches how real they look, at full and half size."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.scales = nn.ModuleList([_judge(widths) for _ in range(2)])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return scores ``[B, 1, h, w]`` at full and half size; above 0 is real."""
        return [
            scale(picture)
            for scale, picture in zip(
                self.scales, (pictures, F.avg_pool2d(pictures, 2)), strict=True
            )
        ]


def _judge(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for width in widths:
        layers += [nn.utils.parametrizations.spectral_norm(conv(inputs, width, 3, stride=2))]
        layers += [nn.LeakyReLU(0.2)]
        inputs = width
    return nn.Sequential(*layers, conv(inputs, 1))


def hinge_judge_loss(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """Return what the discriminator minimises."""
    total = real[0].new_zeros(())
    for true, false in zip(real, made, strict=True):
        total = total + F.relu(1 - true).mean() + F.relu(1 + false).mean()
    return total / len(real)


def hinge_maker_loss(made: list[Tensor]) -> Tensor:
    """Return what the generator minimises."""
    total = made[0].new_zeros(())
    for score in made:
        total = total - score.mean()
    return total / len(made)
