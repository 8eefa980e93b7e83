"""The retargeting model `latent-motion`: smooth deformations, and tokens that fill their gaps."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.imf.compact import displaced
from imf_plugin.models.imf.measuring import measured_motion
from imf_plugin.models.latent_motion.network import SIDE_PX, LatentMotion, LatentMotionConfig
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.weight_files import fill, read_weight_card, read_weights

WEIGHTS = "latent-motion"
MEASURED_PX = 128
"""Motion is measured on pictures of this side."""

DESCRIPTOR = ModelDescriptor(
    name="latent-motion",
    summary="Smooth deformations from 32 numbers; fills missing frames, makes new motion.",
    source="Latent motion matrix, Krebs et al., 2020, in a small form",
    parameters=0,
    minimum_size_px=16,
    tile_overlap_px=0,
    bytes_per_pixel=64,
    devices=("cpu",),
)


def describe(folder: Path | None = None) -> ModelDescriptor:
    """Return the descriptor with the facts of the weights' card.

    Raises:
        ModelError: If the card is missing.
    """
    card = read_weight_card(WEIGHTS, folder)
    return replace(
        DESCRIPTOR,
        parameters=card.parameters,
        revision=card.sha256[:12],
        details={**card.details, "SHA-256 of the weights": card.sha256},
    )


def load(folder: Path | None = None) -> "LatentMotionRetargeter":
    """Return the model with its trained weights.

    Raises:
        ModelError: If the weights are missing or damaged.
    """
    tensors, card = read_weights(WEIGHTS, folder)
    network = LatentMotion(LatentMotionConfig.from_dict(card.config))
    fill(network, tensors, WEIGHTS)
    return LatentMotionRetargeter(network, describe(folder))


class LatentMotionRetargeter:
    """Fulfils `imf_plugin.models.retargeting.Retargeter`; the token of zeros is no motion."""

    size_px: int | None = None

    def __init__(self, network: LatentMotion, descriptor: ModelDescriptor = DESCRIPTOR) -> None:
        self.network = network.eval()
        self.descriptor = descriptor
        self.token_shape: tuple[int, ...] = (network.config.latent_dim,)

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Shrink a picture ``[3, H, W]``; the anchor is not needed.

        Raises:
            ValueError: If the shape is another one.
            TypeError: If the picture is not floating point.
        """
        return ReferenceState(
            image=image, features=_small(check_picture(image, "a reference"), SIDE_PX)
        )

    @torch.no_grad()
    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return the latent motion of frames ``[T, 3, h, w]`` from the anchor, ``[T, D]``.

        Raises:
            ValueError: If there is no anchor, or a shape is another one.
        """
        if anchor is None:
            raise ValueError("latent-motion measures from an anchor frame, got anchor = None")
        first = _small(check_picture(anchor, "an anchor"), MEASURED_PX)
        tokens = frames.new_zeros((len(frames), *self.token_shape), dtype=torch.float32)
        for token, frame in zip(tokens, frames, strict=True):
            small = _small(check_picture(frame, "a frame"), MEASURED_PX)
            if not torch.equal(small, first):
                token[...] = self._read(first, small)
        return tokens

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return no motion."""
        return torch.zeros(self.token_shape)

    @torch.no_grad()
    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, D]`` on the reference; returns ``[T, 3, H, W]``."""
        if tokens.ndim != 2 or tuple(tokens.shape[1:]) != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, {self.token_shape[0]}], got {tuple(tokens.shape) = }"
            )
        image = reference.image
        made = image.new_empty((len(tokens), *image.shape))
        for picture, token in zip(made, tokens, strict=True):
            if token.any():
                flow = self.displacement(reference, token[None])
                moved = displaced(image[None].to(torch.float32), flow, mode="bicubic")[0]
                picture[...] = moved.clamp(0, 1).to(image.dtype)
            else:
                picture[...] = image
        return made

    @torch.no_grad()
    def displacement(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Return where each pixel is fetched from, minus where it is, ``[T, 2, H, W]`` pixels."""
        height, width = reference.image.shape[1:]
        factors = torch.tensor([width / SIDE_PX, height / SIDE_PX])[:, None, None]
        flows = [
            self.network.flow(reference.features, token[None].to(torch.float32)) * factors
            for token in tokens
        ]
        return F.interpolate(torch.cat(flows), (height, width), mode="bicubic", align_corners=False)

    @torch.no_grad()
    def fill(self, tokens: Tensor, known: Tensor) -> Tensor:
        """Return tokens ``[T, D]`` with those that are not ``known [T]`` made from the others.

        Known tokens are kept as they are.
        """
        _check_matrix(tokens, known)
        found = self.network.temporal(tokens[None].to(torch.float32), known[None])[0]
        return torch.where(known.bool()[:, None], tokens, found.to(tokens.dtype))

    @torch.no_grad()
    def smooth(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[T, D]`` as the network over time would have them."""
        known = torch.ones(len(tokens))
        _check_matrix(tokens, known)
        made: Tensor = self.network.temporal(tokens[None].to(torch.float32), known[None])
        return made[0]

    @torch.no_grad()
    def sample(
        self, frames: int, *, seed: int = 0, step: int = 12, strength: float = 1.0
    ) -> Tensor:
        """Return new motion, ``[frames, D]``: drawn every ``step`` frames, filled between.

        Starts from no motion. The same seed gives the same motion.
        """
        if frames < 1 or step < 1:
            raise ValueError(f"frames and step are 1 or more, got {frames = }, {step = }")
        draw = torch.Generator().manual_seed(seed)
        matrix = torch.zeros(frames, *self.token_shape)
        known = torch.zeros(frames)
        for place in range(0, frames + step, step):
            if place < frames:
                known[place] = 1
                if place:
                    matrix[place] = strength * torch.randn(self.token_shape, generator=draw)
        return self.fill(matrix, known)

    def _read(self, first: Tensor, frame: Tensor) -> Tensor:
        motion = measured_motion(frame, first)
        mean, _ = self.network.encoder(
            F.avg_pool2d(first, 4), F.avg_pool2d(frame, 4), small_motion(motion)
        )
        token: Tensor = mean[0]
        return token


def small_motion(motion: Tensor) -> Tensor:
    """Return motion measured at `MEASURED_PX` (``[B, 3, 64, 64]``) in the network's pixels."""
    known = F.avg_pool2d(motion[:, 2:], 2)
    flow = F.avg_pool2d(motion[:, :2] * motion[:, 2:], 2) / known.clamp_min(0.25)
    return torch.cat([flow * (SIDE_PX / MEASURED_PX), known], 1)


def _small(picture: Tensor, side: int) -> Tensor:
    """Return ``[1, 3, side, side]`` float32."""
    planes = picture.detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()
    if planes.shape[:2] != (side, side):
        shrinks = planes.shape[0] * planes.shape[1] > side * side
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        planes = np.asarray(cv2.resize(planes, (side, side), interpolation=method))
    return torch.from_numpy(np.ascontiguousarray(planes)).permute(2, 0, 1)[None].contiguous()


def _check_matrix(tokens: Tensor, known: Tensor) -> None:
    if tokens.ndim != 2 or known.shape != tokens.shape[:1]:
        raise ValueError(
            "expected tokens [T, D] and known [T], "
            f"got {tuple(tokens.shape) = } and {tuple(known.shape) = }"
        )
