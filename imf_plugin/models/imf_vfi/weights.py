"""The weights of `imf_plugin.models.imf_vfi.network`, and the cards beside them.

See `imf_plugin.models.weight_files` for how both are written.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork
from imf_plugin.models.weight_files import (
    INTERPOLATION_ADVICE,
    WeightCard,
    fill,
    read_weight_card,
    read_weights,
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
    return _card(read_weight_card(name, folder, advice=INTERPOLATION_ADVICE), name, folder)


def _card(card: WeightCard, name: str, folder: Path | None) -> Card:
    try:
        config = ImfVfiConfig.from_dict(card.config)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        path = (folder or shipped_folder()) / f"{name}.json"
        raise ModelError(
            f"the description of the model's weights, {path}, is missing or damaged: "
            f"{INTERPOLATION_ADVICE}"
        ) from error
    return Card(config=config, sha256=card.sha256, parameters=card.parameters, details=card.details)


def load_network(name: str, folder: Path | None = None) -> tuple[ImfVfiNetwork, Card]:
    """Return a network with its trained weights, in float32 on the CPU, ready to use.

    Raises:
        ModelError: If the weights are missing, damaged or not those of the card.
    """
    tensors, rows = read_weights(name, folder, advice=INTERPOLATION_ADVICE)
    card = _card(rows, name, folder)
    network = ImfVfiNetwork(card.config)
    fill(network, tensors, name, advice=INTERPOLATION_ADVICE)
    return network.eval(), card


def save_network(
    folder: Path, config: ImfVfiConfig, tensors: dict[str, Tensor], details: dict[str, str]
) -> Path:
    """Write weights (as float16) and their card; return the file of the weights."""
    return write_weights(folder, config.name, config.to_dict(), tensors, details)
