"""The latent motion model: a conditional VAE of motion, and a network over time.

Krebs et al., *Learning a generative motion model from image sequences based on a latent motion
matrix*, 2020 (arXiv 2011.01741). A sequence's motion is a matrix with one latent vector for each
frame, of the pair (first frame, that frame). A conditional VAE decodes each vector into a
deformation of the first frame; a temporal convolutional network over the matrix makes it smooth and
fills in rows that are missing, which training teaches it by leaving rows out.

Deviations, with reasons: the encoder is handed the classical motion of the pair besides the
pictures (so that training takes minutes on one core); deformations are 2-D; the temporal network
works on the latent matrix at decoding as well as in training, when it is asked to; latents start
out as the velocities of a grid of 4x4 points, and the temporal network as straight lines between
known rows, so that little training goes a long way.

Convention:
    Pictures ``[B, 3, 32, 32]`` RGB 0..1. Flows ``[B, 2, 32, 32]`` are backward (where to fetch in
    the first frame), x then y, in pixels of this size.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE_PX = 32
"""Side of the pictures that motion is read from, and of the flows."""

SQUARINGS = 6
"""The velocity is followed for 2^6 small steps by doubling the path so often."""

GRID = 4
"""Points along each side of the coarse velocity grid that a latent's numbers start out as."""

GRID_DAMPING = 0.1
"""Keeps grid points still about which nothing is known, in pixels that know."""


@dataclass(frozen=True, kw_only=True)
class LatentMotionConfig:
    """Everything that decides the shapes of the weights; saved beside them."""

    name: str = "latent-motion"
    latent_dim: int = 32
    width: int = 48
    temporal_width: int = 64
    dilations: tuple[int, ...] = (1, 2, 4, 8)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "LatentMotionConfig":
        """Return the configuration that `to_dict` described."""
        return cls(**{**content, "dilations": tuple(content["dilations"])})


class PairEncoder(nn.Module):
    """Reads the latent distribution of a pair's motion."""

    def __init__(self, config: LatentMotionConfig) -> None:
        super().__init__()
        width = config.width
        self.trunk = nn.Sequential(
            nn.Conv2d(9, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.mean = nn.Linear(2 * width * (SIDE_PX // 8) ** 2, config.latent_dim)
        self.log_variance = nn.Linear(2 * width * (SIDE_PX // 8) ** 2, config.latent_dim)
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, -6.0)
        self.register_buffer("basis", grid_basis(), persistent=False)

    def forward(self, first: Tensor, frames: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances ``[B, D]``.

        Args:
            first: ``[B, 3, 32, 32]``.
            frames: ``[B, 3, 32, 32]``.
            motion: Flow from frame to first in pixels and where it is known, ``[B, 3, 32, 32]``.
        """
        scaled = motion * motion.new_tensor([0.5, 0.5, 1.0])[:, None, None]
        seen = self.trunk(torch.cat([2 * first - 1, 2 * frames - 1, scaled], 1))
        grid = nearest_grid(motion, self.get_buffer("basis"))
        mean = self.mean(seen) + F.pad(grid, (0, self.mean.out_features - grid.shape[1]))
        return mean, self.log_variance(seen).clamp(-8, 4)


class MotionDecoder(nn.Module):
    """Turns latent vectors into stationary velocities, given the first frame."""

    def __init__(self, config: LatentMotionConfig) -> None:
        super().__init__()
        width = config.width
        self.first16 = nn.Conv2d(12, width, 3, padding=1)
        self.first8 = nn.Conv2d(width, width, 3, 2, 1)
        self.start = nn.Linear(config.latent_dim, width * 16)
        self.at4 = nn.Conv2d(width, width, 3, padding=1)
        self.at8 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.at16 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.velocity = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(self.velocity.weight)
        self.whole = nn.Linear(config.latent_dim, 2 * GRID**2, bias=False)
        nn.init.eye_(self.whole.weight)

    def forward(self, first: Tensor, latents: Tensor) -> Tensor:
        """Return velocities ``[B * K, 2, 16, 16]`` in pixels for latents ``[B * K, D]``.

        The latent of zeros has no velocity, whatever the first frame ``[B, 3, 32, 32]``.
        """
        times = len(latents) // len(first)
        seen16 = F.leaky_relu(self.first16(F.pixel_unshuffle(2 * first - 1, 2)), 0.2)
        seen8 = F.leaky_relu(self.first8(seen16), 0.2)
        none = latents.new_zeros(len(first), latents.shape[1])
        still = self._velocity(none, seen16, seen8)
        seen16, seen8, still = (part.repeat_interleave(times, 0) for part in (seen16, seen8, still))
        grid = self.whole(latents).reshape(-1, 2, GRID, GRID)
        coarse = F.interpolate(grid, (16, 16), mode="bilinear", align_corners=False)
        return coarse + self._velocity(latents, seen16, seen8) - still

    def _velocity(self, latents: Tensor, seen16: Tensor, seen8: Tensor) -> Tensor:
        x = F.leaky_relu(self.start(latents), 0.2).reshape(len(latents), -1, 4, 4)
        x = F.leaky_relu(self.at4(x), 0.2)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.leaky_relu(self.at8(torch.cat([x, seen8], 1)), 0.2)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.leaky_relu(self.at16(torch.cat([x, seen16], 1)), 0.2)
        out: Tensor = 2 * self.velocity(x)
        return out


class TemporalNetwork(nn.Module):
    """Dilated convolutions along time, which smooth the matrix and fill its gaps."""

    def __init__(self, config: LatentMotionConfig) -> None:
        super().__init__()
        width = config.temporal_width
        self.enter = nn.Conv1d(config.latent_dim + 1, width, 3, padding=1, padding_mode="replicate")
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(width, width, 3, padding=step, dilation=step, padding_mode="replicate")
                for step in config.dilations
            ]
        )
        self.leave = nn.Conv1d(width, config.latent_dim, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, matrix: Tensor, known: Tensor) -> Tensor:
        """Return the matrix filled and smoothed, ``[B, T, D]``.

        Args:
            matrix: ``[B, T, D]``; rows that are not known are not read.
            known: ``[B, T]`` of 0 and 1.
        """
        mask = known[..., None].to(matrix.dtype)
        start = between(matrix, known)
        x = F.gelu(self.enter(torch.cat([start, mask], 2).transpose(1, 2)))
        for layer in self.layers:
            x = x + F.gelu(layer(x))
        out: Tensor = start + self.leave(x).transpose(1, 2)
        return out


class LatentMotion(nn.Module):
    """Pair encoder, decoder and the network over time."""

    def __init__(self, config: LatentMotionConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = PairEncoder(config)
        self.decoder = MotionDecoder(config)
        self.temporal = TemporalNetwork(config)

    def flow(self, first: Tensor, latents: Tensor) -> Tensor:
        """Return the deformations of first frames, ``[B * K, 2, 32, 32]``."""
        return followed(self.decoder(first, latents))


def followed(velocity: Tensor) -> Tensor:
    """Return where following a stationary velocity for one unit of time leads, as a flow.

    Scaling and squaring: a 64th of the velocity is a small, invertible step; a path put behind
    itself is twice as long, and still invertible. The grid is doubled first, so that the result is
    smooth.
    """
    fine = F.interpolate(velocity, (SIDE_PX, SIDE_PX), mode="bicubic", align_corners=False)
    # A light blur: bicubic enlargement overshoots at steps.
    fine = F.avg_pool2d(F.pad(fine, (1, 1, 1, 1), mode="replicate"), 3, 1)
    path: Tensor = fine / 2**SQUARINGS
    for _ in range(SQUARINGS):
        path = path + looked_up(path, path)
    return path


def grid_basis() -> Tensor:
    """Return what each point of the coarse grid gives to a flow, ``[GRID^2, 32^2]``."""
    points = torch.eye(GRID**2).reshape(GRID**2, 1, GRID, GRID)
    coarse = F.interpolate(points, (16, 16), mode="bilinear", align_corners=False)
    fine = F.interpolate(coarse, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
    return fine.flatten(1)


def nearest_grid(motion: Tensor, basis: Tensor) -> Tensor:
    """Return the grid points that come nearest a motion where it is known, ``[B, 2 * GRID^2]``.

    Args:
        motion: Flow in pixels and how much of it is known, ``[B, 3, 32, 32]``.
        basis: `grid_basis`.
    """
    weight = motion[:, 2:].flatten(2)
    weighted = basis * weight
    matrix = weighted @ basis.T + GRID_DAMPING * torch.eye(len(basis))
    right = weighted @ motion[:, :2].flatten(2).transpose(1, 2)
    points: Tensor = torch.linalg.solve(matrix, right)
    return points.transpose(1, 2).flatten(1)


def looked_up(planes: Tensor, flow: Tensor) -> Tensor:
    """Return ``planes`` at their pixels plus ``flow``, bilinear, borders repeated."""
    height, width = planes.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    grid = torch.stack(
        [(2 * (flow[:, 0] + x) + 1) / width - 1, (2 * (flow[:, 1] + y) + 1) / height - 1], dim=-1
    )
    return F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)


def between(matrix: Tensor, known: Tensor) -> Tensor:
    """Return the matrix with unknown rows on straight lines between the known ones.

    Before the first and after the last known row theirs are repeated; rows of a matrix without any
    known one are zeros.
    """
    count = matrix.shape[1]
    places = torch.arange(count, device=matrix.device)
    sure = known.bool()
    before = torch.where(sure, places, -1).cummax(1).values
    after = torch.where(sure, places, count).flip(1).cummin(1).values.flip(1)
    first = torch.where(before < 0, after, before)
    last = torch.where(after >= count, before, after)
    nothing = ~sure.any(1)[:, None, None]
    first, last = first.clamp(0, count - 1), last.clamp(0, count - 1)
    share = (places - first) / (last - first).clamp_min(1)
    rows0, rows1 = (matrix.gather(1, index[..., None].expand_as(matrix)) for index in (first, last))
    filled = rows0 + share.clamp(0, 1)[..., None].to(matrix.dtype) * (rows1 - rows0)
    return filled.masked_fill(nothing, 0.0)
