"""Weights on disk: one safetensors file, and a card that says what it is.

The card ``NAME.json`` holds the network's configuration, the digest of the weights and what
`imf models info` shows: training data and its licences, steps, hours, hardware, scores.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from imf_plugin.errors import ModelError

RETARGETING_ADVICE = "reinstall imf-plugin, or use --model transport, which needs no weights"
INTERPOLATION_ADVICE = "reinstall imf-plugin, or use --model flow, which needs no weights"
"""What to do where weights are missing or damaged."""


@dataclass(frozen=True, kw_only=True)
class WeightCard:
    """What stands beside a file of weights."""

    config: dict[str, Any]
    """Of the network, as its configuration class writes it."""
    sha256: str
    parameters: int
    details: dict[str, str]
    """Rows for people: training data, licences, steps, hours, hardware, scores."""


def shipped_folder() -> Path:
    """Return where the package keeps its weights."""
    return Path(str(resources.files("imf_plugin.models"))) / "weights"


def read_weight_card(
    name: str, folder: Path | None = None, *, advice: str = RETARGETING_ADVICE
) -> WeightCard:
    """Return the card of a model.

    Raises:
        ModelError: If it is missing or not a card.
    """
    path = (folder or shipped_folder()) / f"{name}.json"
    try:
        content = json.loads(path.read_text())
        return WeightCard(
            config=dict(content["config"]),
            sha256=content["sha256"],
            parameters=int(content["parameters"]),
            details=dict(content["details"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the description of the model's weights, {path}, is missing or damaged: {advice}"
        ) from error


def read_weights(
    name: str, folder: Path | None = None, *, advice: str = RETARGETING_ADVICE
) -> tuple[dict[str, Tensor], WeightCard]:
    """Return a model's weights in float32, and its card.

    Raises:
        ModelError: If the weights are missing, damaged or not those of the card.
    """
    import safetensors.torch

    card, path, content = _checked(name, folder, advice)
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ModelError(f"the weights {path} are damaged: {advice}") from error
    return {key: value.float() for key, value in tensors.items()}, card


def check_weights(name: str, folder: Path | None = None, *, advice: str) -> None:
    """Make sure that a model's weights are there and whole.

    Raises:
        ModelError: If they are not.
    """
    _checked(name, folder, advice)


def _checked(name: str, folder: Path | None, advice: str) -> tuple[WeightCard, Path, bytes]:
    card = read_weight_card(name, folder, advice=advice)
    path = (folder or shipped_folder()) / f"{name}.safetensors"
    return card, path, _released(path, card.sha256, advice)


def _released(path: Path, sha256: str, advice: str) -> bytes:
    """Return the content of a file of weights.

    Args:
        path: The file.
        sha256: The digest that its card gives.
        advice: What to do where it is missing or damaged.

    Raises:
        ModelError: If it cannot be read, or has another digest.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {advice}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"the weights {path} are damaged or not the ones released: {advice}")
    return content


def fill(
    network: nn.Module, tensors: dict[str, Tensor], name: str, *, advice: str = RETARGETING_ADVICE
) -> None:
    """Give a network its weights.

    Raises:
        ModelError: If they do not fit.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"the weights of {name} do not fit this version: {advice}") from error


def write_weights(
    folder: Path,
    name: str,
    config: dict[str, Any],
    tensors: dict[str, Tensor],
    details: dict[str, str],
) -> Path:
    """Write weights (as float16) and their card; return the file of the weights."""
    import safetensors.torch

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    halves = {key: value.detach().cpu().half().contiguous() for key, value in tensors.items()}
    # Not `save_file`, whose files only their owner may read.
    content = safetensors.torch.save(halves)
    path.write_bytes(content)
    card = {
        "config": config,
        "sha256": hashlib.sha256(content).hexdigest(),
        "parameters": sum(value.numel() for value in halves.values()),
        "details": details,
    }
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")
    return path
