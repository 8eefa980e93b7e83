"""Trained interpolators from files: what they are, and themselves."""

from pathlib import Path

import torch

from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.interpolator import ImfVfiInterpolator
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork
from imf_plugin.models.imf_vfi.recogniser import NAME as RECOGNITION
from imf_plugin.models.imf_vfi.recogniser import load_recogniser
from imf_plugin.models.imf_vfi.weights import Card, load_network, read_card
from imf_plugin.models.weight_files import (
    INTERPOLATION_ADVICE,
    check_weights,
    read_weight_card,
)

SHARP = "imf-vfi-sharp"

DECODING = 6
"""Goes up whenever the same weights give other pixels."""


def describe(name: str) -> ModelDescriptor:
    """Return the descriptor of a trained model, from the card beside its weights.

    Raises:
        ModelError: If the card is missing or damaged.
    """
    return _descriptor(name, read_card(name))


def load(name: str, device: str, precision: str, folder: Path | None = None) -> ImfVfiInterpolator:
    """Return a trained model, from the package's own weights or from those in ``folder``.

    Raises:
        ModelError: If its weights are missing or unusable.
    """
    network, card = load_network(name, folder)
    return _interpolator(network, _descriptor(name, card), device, precision)


def describe_file(path: Path) -> ModelDescriptor:
    """Return the descriptor of weights of one's own, as `imf train interpolation` writes them.

    Raises:
        ModelError: If the card beside them is missing or damaged.
    """
    return _descriptor(path.stem, read_card(path.stem, path.parent))


def load_file(path: Path, device: str, precision: str) -> ImfVfiInterpolator:
    """Return a model from weights of one's own.

    Raises:
        ModelError: If they are missing or unusable.
    """
    network, card = load_network(path.stem, path.parent)
    return _interpolator(network, _descriptor(path.stem, card), device, precision)


def check(name: str) -> None:
    """Make sure that all weights of a shipped model are there and whole, without loading them.

    Raises:
        ModelError: If they are not.
    """
    card = read_card(name)
    check_weights(name, advice=INTERPOLATION_ADVICE)
    if _wants_recognition(card.config):
        check_weights(RECOGNITION, advice=INTERPOLATION_ADVICE)


def _interpolator(
    network: ImfVfiNetwork, descriptor: ModelDescriptor, device: str, precision: str
) -> ImfVfiInterpolator:
    wants = _wants_recognition(network.config)
    return ImfVfiInterpolator(
        network,
        descriptor,
        device=device,
        precision=precision,
        recogniser=load_recogniser(torch.device(device)) if wants else None,
    )


def _wants_recognition(config: ImfVfiConfig) -> bool:
    """Return whether there is something to correct; what matches by itself has nothing."""
    return config.opinions > 1


def _descriptor(name: str, card: Card) -> ModelDescriptor:
    classical = card.config.matching == "classical"
    parameters, revision, details = card.parameters, card.sha256[:12], dict(card.details)
    details["SHA-256 of the weights"] = card.sha256
    if _wants_recognition(card.config):
        other = read_weight_card(RECOGNITION, advice=INTERPOLATION_ADVICE)
        parameters, revision = parameters + other.parameters, f"{revision}-{other.sha256[:6]}"
        rows = {**other.details, "SHA-256 of the weights": other.sha256}
        details |= {f"far motion, {name}": text for name, text in rows.items()}
    return ModelDescriptor(
        name=name,
        summary="Trained here: motion tokens between keyframes"
        + (", starting from classical flow; for CPUs" if classical else "")
        + ("; keeps fine detail at some cost in truth." if name == SHARP else "."),
        source="after IMF (CVPR 2024), GIMM-VFI (NeurIPS 2024) and IFRNet (CVPR 2022)",
        parameters=parameters,
        minimum_size_px=1,
        tile_overlap_px=96,
        context=4 if classical else 2,
        bytes_per_pixel=340,
        tiles=not classical,
        revision=f"{revision}-{DECODING}",
        details=details,
    )
