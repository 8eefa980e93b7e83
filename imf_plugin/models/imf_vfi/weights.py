"""Weights on disk: one safetensors file per model, and a card beside it that says what it is.

The card ``NAME.json`` holds the network's configuration, the digest of the weights and what
`imf models info` shows: training data and its licences, steps, hours, hardware, scores.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork

_ADVICE = "reinstall imf-plugin, or use --model flow, which needs no weights"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What stands beside a file of weights."""

    config: ImfVfiConfig
    sha256: str
    parameters: int
    details: dict[str, str]
    """Rows for people: training data, licences, steps, hours, hardware, scores."""


def weights_folder() -> Path:
    """Return where the package keeps its weights."""
    return Path(str(resources.files("imf_plugin.models"))) / "weights"


def read_card(name: str, folder: Path | None = None) -> Card:
    """Return the card of a model.

    Raises:
        ModelError: If it is missing or not a card.
    """
    path = (folder or weights_folder()) / f"{name}.json"
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
            f"the description of the model's weights, {path}, is missing or damaged: {_ADVICE}"
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
        raise ModelError(f"the weights {path} do not fit this version: {_ADVICE}") from error
    return network.eval(), card


def check_weights(name: str, folder: Path | None = None) -> None:
    """Make sure that a model's weights are there and whole.

    Raises:
        ModelError: If they are not.
    """
    _read(name, folder)


def _read(name: str, folder: Path | None) -> tuple[Card, Path, bytes]:
    card = read_card(name, folder)
    path = (folder or weights_folder()) / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {_ADVICE}") from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ModelError(f"the weights {path} are damaged or not the ones released: {_ADVICE}")
    return card, path, content


def save_network(
    folder: Path, config: ImfVfiConfig, tensors: dict[str, Tensor], details: dict[str, str]
) -> Path:
    """Write weights (as float16) and their card; return the file of the weights."""
    import safetensors.torch

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config.name}.safetensors"
    halves = {key: value.detach().cpu().half().contiguous() for key, value in tensors.items()}
    # Not `save_file`, whose files only their owner may read.
    content = safetensors.torch.save(halves)
    path.write_bytes(content)
    card: dict[str, Any] = {
        "config": config.to_dict(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "parameters": sum(value.numel() for value in halves.values()),
        "details": details,
    }
    (folder / f"{config.name}.json").write_text(json.dumps(card, indent=2) + "\n")
    return path
