"""Weights on disk: one safetensors file per model, and a card beside it that says what it is.

The card ``NAME.json`` holds the network's configuration, the digest of the weights and what
`imf models info` shows: training data and its licences, steps, hours, hardware, scores.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork
from imf_plugin.models.weight_files import (
    INTERPOLATION_ADVICE,
    read_released,
    shipped_folder,
    write_weights,
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What stands beside a file of weights."""

    config: ImfVfiConfig
    sha256: str
    parameters: int
    details: dict[str, str]
    """Rows for people: training data, licences, steps, hours, hardware, scores."""


def read_card(name: str, folder: Path | None = None) -> Card:
    """Return the card of a model.

    Raises:
        ModelError: If it is missing or not a card.
    """
    path = (folder or shipped_folder()) / f"{name}.json"
    try:
        content = json.loads(path.read_text())
        return Card(
            config=ImfVfiConfig.from_dict(content["config"]),
            sha256=content["sha256"],
            parameters=int(content["parameters"]),
            details=dict(content["details"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the description of the model's weights, {path}, is missing or damaged: "
            f"{INTERPOLATION_ADVICE}"
        ) from error


def load_network(name: str, folder: Path | None = None) -> tuple[ImfVfiNetwork, Card]:
    """Return a network with its trained weights, in float32 on the CPU, ready to use.

    Raises:
        ModelError: If the weights are missing, damaged or not those of the card.
    """
    import safetensors.torch

    card, path, content = _read(name, folder)
    network = ImfVfiNetwork(card.config)
    try:
        tensors = {key: value.float() for key, value in safetensors.torch.load(content).items()}
        network.load_state_dict(tensors)
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"the weights {path} do not fit this version: {INTERPOLATION_ADVICE}"
        ) from error
    return network.eval(), card


def check_weights(name: str, folder: Path | None = None) -> None:
    """Make sure that a model's weights are there and whole.

    Raises:
        ModelError: If they are not.
    """
    _read(name, folder)


def _read(name: str, folder: Path | None) -> tuple[Card, Path, bytes]:
    card = read_card(name, folder)
    path = (folder or shipped_folder()) / f"{name}.safetensors"
    return card, path, read_released(path, card.sha256, INTERPOLATION_ADVICE)


def save_network(
    folder: Path, config: ImfVfiConfig, tensors: dict[str, Tensor], details: dict[str, str]
) -> Path:
    """Write weights (as float16) and their card; return the file of the weights."""
    return write_weights(folder, config.name, config.to_dict(), tensors, details)
