"""The retargeter of figures: parts cut out of the reference, posed by tokens, painted in order.

It knows rendered figures and nothing else (`training/retarget_puppet.py`); it shows what tokens can
be where a subject's parts are known: each number has a meaning, limbs land where they should, and
curves through tokens are turns.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.imf.puppet import (
    PuppetConfig,
    PuppetNetwork,
    PuppetReference,
    composed,
    cut_out,
)
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.weight_files import fill, read_weights

WEIGHTS = PuppetConfig().name
"""Name of the weights that the package ships."""

PROBE = 0.02
"""How far numbers of a token are moved to measure what they do."""

_SOFT = 0.1


@dataclass(frozen=True, kw_only=True)
class PuppetFit:
    """How tokens are fitted to frames of the anchor's figure."""

    scales: tuple[int, ...] = (2, 2, 1, 1)
    """How many times smaller the pictures of each step are."""
    prior: float = 2e-5
    """Mean square by which the picture must change for a unit to be worth it: the network's
    reading is to be corrected, not replaced."""


class PuppetRetargeter:
    """Fulfils `imf_plugin.models.retargeting.Retargeter` for rendered figures.

    Args:
        network: The network, in float32 on the CPU.
        descriptor: What to tell of it.
        fit: How tokens are corrected where an anchor of the same figure is at hand; None takes
            what the network reads.
    """

    size_px: int | None = None

    def __init__(
        self, network: PuppetNetwork, descriptor: ModelDescriptor, fit: PuppetFit | None = None
    ) -> None:
        self.network = network.eval()
        self.descriptor = descriptor
        self.fit = fit
        self.token_shape: tuple[int, ...] = (network.config.token_dim,)
        self._anchor: tuple[Tensor, PuppetReference] | None = None

    @torch.no_grad()
    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Cut a figure ``[3, H, W]`` into its parts; the anchor is not needed."""
        picture = check_picture(image, "a reference").detach().to("cpu", torch.float32)
        tokens, scores = self.network(self._small(picture))
        return ReferenceState(image=image, features=cut_out(picture, tokens[0], scores[0]))

    @torch.no_grad()
    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return the poses of figures ``[T, 3, h, w]``, ``[T, D]``."""
        small = torch.cat([self._small(frame) for frame in frames])
        tokens: Tensor = torch.cat([self.network(rows)[0] for rows in torch.split(small, 16)])
        if anchor is None or self.fit is None:
            return tokens
        cut = self._cut(self._small(anchor))
        return torch.stack(
            [
                fitted(cut, token, frame, self.fit)
                for token, frame in zip(tokens, small, strict=True)
            ]
        )

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return the pose of the reference, ``[D]``."""
        features: PuppetReference = reference.features
        return features.token

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, D]`` on the reference; returns ``[T, 3, H, W]``."""
        return self.render_trusted(reference, tokens)[0]

    @torch.no_grad()
    def render_trusted(self, reference: ReferenceState, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``[T, 3, H, W]`` and how far each pixel was seen, ``[T, 1, H, W]`` in 0..1."""
        if tokens.ndim != 2 or tuple(tokens.shape[1:]) != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, {self.token_shape[0]}], got {tuple(tokens.shape) = }"
            )
        own = self.reference_token(reference)
        pictures, trust, _ = composed(reference.features, tokens.to(torch.float32))
        made = pictures.clamp(0, 1).to(reference.image)
        for picture, seen, token in zip(made, trust, tokens, strict=True):
            if torch.equal(token, own):
                picture[...] = reference.image
                seen[...] = 1
        return made, trust

    @torch.no_grad()
    def displacement(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Return where each pixel is fetched from, minus where it is, ``[T, 2, H, W]`` pixels."""
        return composed(reference.features, tokens.to(torch.float32))[2]

    def _cut(self, small: Tensor) -> PuppetReference:
        kept = self._anchor
        if kept is None or not torch.equal(kept[0], small):
            tokens, scores = self.network(small)
            kept = (small, cut_out(small[0], tokens[0], scores[0]))
            self._anchor = kept
        return kept[1]

    def _small(self, picture: Tensor) -> Tensor:
        """Return ``[1, 3, S, S]`` float32."""
        side = self.network.config.size_px
        planes = picture.detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()
        if planes.shape[:2] != (side, side):
            shrinks = planes.shape[0] * planes.shape[1] > side * side
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            planes = np.asarray(cv2.resize(planes, (side, side), interpolation=how))
        return torch.from_numpy(np.ascontiguousarray(planes)).permute(2, 0, 1)[None].contiguous()


def fitted(cut: PuppetReference, token: Tensor, frame: Tensor, fit: PuppetFit) -> Tensor:
    """Return a token ``[D]`` corrected until the cut-out parts look like ``frame [3, S, S]``."""
    start = best = token
    least = _error(cut, token, frame)
    steps = torch.cat([torch.zeros(1, len(token)), PROBE * torch.eye(len(token))])
    for scale in fit.scales:
        small = cut if scale == 1 else _shrunk(cut, scale)
        wanted = frame if scale == 1 else F.avg_pool2d(frame, scale)
        shown = composed(small, token + steps)[0].flatten(1)
        rows = (shown[1:] - shown[0]) / PROBE
        left = wanted.flatten() - shown[0]
        # Large differences are mostly what no pose explains: they count less.
        weighted = rows / (1 + (left / _SOFT).square()) / len(left)
        matrix = weighted @ rows.T + fit.prior * torch.eye(len(token))
        token = token + torch.linalg.solve(matrix, weighted @ left + fit.prior * (start - token))
        error = _error(cut, token, frame)
        if error < least:
            best, least = token, error
    return best


def _error(cut: PuppetReference, token: Tensor, frame: Tensor) -> float:
    return float((composed(cut, token[None])[0][0] - frame).square().mean())


def _shrunk(cut: PuppetReference, scale: int) -> PuppetReference:
    return replace(
        cut, layers=F.avg_pool2d(cut.layers, scale), plate=F.avg_pool2d(cut.plate, scale)
    )


def load(folder: Path | None = None, name: str = WEIGHTS) -> PuppetRetargeter:
    """Return the model with its trained weights.

    Raises:
        ModelError: If the weights are missing, damaged or those of another model.
    """
    tensors, card = read_weights(name, folder)
    network = PuppetNetwork(PuppetConfig.from_dict(card.config))
    fill(network, tensors, name)
    descriptor = ModelDescriptor(
        name=name,
        summary="Poses of rendered figures, part by part; for measurements.",
        source="written and trained here",
        parameters=card.parameters,
        minimum_size_px=16,
        tile_overlap_px=0,
        bytes_per_pixel=256,
        devices=("cpu",),
        revision=card.sha256[:12],
        details={**card.details, "SHA-256 of the weights": card.sha256},
    )
    return PuppetRetargeter(network, descriptor, PuppetFit())
