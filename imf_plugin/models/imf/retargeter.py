"""The retargeting model `imf`: a learned token of 32 numbers for each frame.

Pictures of any size and shape are shrunk to the network's square for reading; the reference itself
is displaced at its full size.
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.imf.adapted import AdaptedImf
from imf_plugin.models.imf.compact import CompactImf, CompactReference, shown
from imf_plugin.models.imf.config import COMPACT, CompactConfig
from imf_plugin.models.imf.fitting import FitAnchor, FitOptions, fit_anchor, fit_token, guessed
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.weight_files import fill, read_weight_card, read_weights

WEIGHTS = COMPACT.name
"""Name of the weights that the package ships."""

DESCRIPTOR = ModelDescriptor(
    name="imf",
    summary="Motion in 32 numbers a frame: a coarse grid and a network, fitted to each frame.",
    source="Implicit Motion Function, Gao et al., CVPR 2024, in a compact form",
    parameters=0,
    minimum_size_px=16,
    tile_overlap_px=0,
    bytes_per_pixel=96,
    devices=("cpu",),
)


def describe(folder: Path | None = None, name: str = WEIGHTS) -> ModelDescriptor:
    """Return the descriptor with the facts of the weights' card.

    Raises:
        ModelError: If the card is missing.
    """
    card = read_weight_card(name, folder)
    return replace(
        DESCRIPTOR,
        parameters=card.parameters,
        revision=card.sha256[:12],
        details={**card.details, "SHA-256 of the weights": card.sha256},
    )


def load(folder: Path | None = None, name: str = WEIGHTS) -> "ImfRetargeter":
    """Return the model with its trained weights.

    Raises:
        ModelError: If the weights are missing, damaged or those of another model.
    """
    tensors, card = read_weights(name, folder)
    try:
        network = CompactImf(CompactConfig.from_dict(card.config))
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the weights {name} are not those of imf; 'imf train retarget' writes such"
        ) from error
    fill(network, tensors, name)
    return ImfRetargeter(network, describe(folder, name))


def describe_file(path: Path) -> ModelDescriptor:
    """Return the descriptor of weights of one's own, whose card lies beside them.

    Raises:
        ModelError: If the card is missing.
    """
    return replace(describe(path.parent, path.stem), name=str(path))


def load_file(path: Path) -> "ImfRetargeter":
    """Return a model with weights of one's own.

    Raises:
        ModelError: If the weights are missing, damaged or those of another model.
    """
    model = load(path.parent, path.stem)
    model.descriptor = replace(model.descriptor, name=str(path))
    return model


class ImfRetargeter:
    """Fulfils `imf_plugin.models.retargeting.Retargeter` with a compact network.

    Args:
        network: The network, in float32 on the CPU.
        descriptor: What to tell of it.
        fit: How tokens are fitted to frames when an anchor of the same scene is at hand; None takes
            what the motion encoder says, which is many times faster and less exact.
    """

    size_px: int | None = None

    def __init__(
        self,
        network: CompactImf,
        descriptor: ModelDescriptor = DESCRIPTOR,
        fit: FitOptions | None = FitOptions(),  # noqa: B008 - frozen
    ) -> None:
        self.network = network.eval()
        self.descriptor = descriptor
        self.fit = fit
        self.token_shape: tuple[int, ...] = (network.config.token_dim,)
        self._anchor: tuple[Tensor, FitAnchor] | None = None

    @torch.no_grad()
    def adapted(self, frames: Tensor, anchor: Tensor) -> AdaptedImf:
        """Return a model for the clip of frames ``[T, 3, h, w]``, counted from its anchor."""
        return AdaptedImf.learned(frames, anchor, self.descriptor)

    def with_directions(self, packed: bytes) -> AdaptedImf:
        """Return the model that had learned these directions."""
        return AdaptedImf(packed, self.descriptor)

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Read the features and the token of a picture ``[3, H, W]``; the anchor is not needed.

        Raises:
            ValueError: If the shape is another one.
            TypeError: If the picture is not floating point.
        """
        small = self._small(check_picture(image, "a reference"))
        return ReferenceState(image=image, features=self.network.reference(small))

    @torch.no_grad()
    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Read the tokens of frames ``[T, 3, h, w]``, ``[T, D]``.

        With an anchor ``[3, h, w]`` of the same scene they say how the anchor moved, measured and
        then fitted (see `fitting`); without, they are read from each picture alone, which is less
        exact. Each frame is read by itself, so that its token does not depend on its neighbours.
        """
        tokens = frames.new_empty((len(frames), *self.token_shape), dtype=torch.float32)
        kept = None
        if anchor is not None:
            kept = self._anchor_of(self._small(check_picture(anchor, "an anchor")))
        for token, frame in zip(tokens, frames, strict=True):
            small = self._small(check_picture(frame, "a frame"))
            token[...] = self._read(small, kept)[0]
        return tokens

    def _read(self, small: Tensor, anchor: FitAnchor | None) -> Tensor:
        if anchor is None:
            return self.network.tokens(small)
        if torch.equal(small, anchor.picture):
            return anchor.reference.tokens
        if self.fit is None:
            return guessed(self.network, anchor, small)
        found = fit_token(self.network, anchor, small, self.fit)
        return self.network.tokens(small) if found is None else found

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return the token of the reference as it stands, ``[D]``."""
        features: CompactReference = reference.features
        return features.tokens[0]

    @torch.no_grad()
    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, D]`` on the reference; returns ``[T, 3, H, W]``."""
        if tokens.ndim != 2 or tuple(tokens.shape[1:]) != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, {self.token_shape[0]}], got {tuple(tokens.shape) = }"
            )
        made = reference.image.new_empty((len(tokens), *reference.image.shape))
        own = self.reference_token(reference)
        for picture, token in zip(made, tokens.to(torch.float32), strict=True):
            if torch.equal(token, own):
                picture[...] = reference.image
            else:
                picture[...] = self._moved(reference, token)
        return made

    @torch.no_grad()
    def displacement(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Return where each pixel is fetched from, minus where it is, ``[T, 2, H, W]`` pixels."""
        height, width = reference.image.shape[1:]
        side = self.network.config.size_px
        factors = torch.tensor([width / side, height / side])[:, None, None]
        flows = []
        for token in tokens.to(torch.float32):
            flow = self.network.decode(reference.features, token[None]).flow * factors
            flows.append(F.interpolate(flow, (height, width), mode="bilinear", align_corners=False))
        return torch.cat(flows)

    def _moved(self, reference: ReferenceState, token: Tensor) -> Tensor:
        decoded = self.network.decode(reference.features, token[None])
        image = reference.image.to(torch.float32)
        moved = shown(image[None], decoded, self.network.config.size_px)[0]
        return moved.clamp(0, 1).to(reference.image.dtype)

    def _anchor_of(self, small: Tensor) -> FitAnchor:
        """Return what reading against an anchor needs, kept for the next call."""
        # One pair, replaced as a whole: threads may share the model.
        kept = self._anchor
        if kept is None or not torch.equal(kept[0], small):
            kept = (small, fit_anchor(self.network, small, measured=self.fit is not None))
            self._anchor = kept
        return kept[1]

    def _small(self, picture: Tensor) -> Tensor:
        """Return ``[1, 3, S, S]`` float32."""
        side = self.network.config.size_px
        planes = picture.detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()
        if planes.shape[:2] != (side, side):
            shrinks = planes.shape[0] * planes.shape[1] > side * side
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            planes = np.asarray(cv2.resize(planes, (side, side), interpolation=method))
        return torch.from_numpy(np.ascontiguousarray(planes)).permute(2, 0, 1)[None].contiguous()
