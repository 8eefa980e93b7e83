"""Turns a checkpoint into the weights that the package ships: averaged, float16, with a card.

``python -m imf_plugin.training.export --checkpoint RUN/best --output imf_plugin/models/weights``
"""

import argparse
import logging
from pathlib import Path

from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.weights import save_network
from imf_plugin.training.checkpoint import history, load_checkpoint
from imf_plugin.training.run_state import below

log = logging.getLogger(__name__)


def export(checkpoint: Path, output: Path, details: dict[str, str]) -> Path:
    """Write the averaged weights of a checkpoint and their card; return the file of the weights.

    Args:
        checkpoint: Folder of a checkpoint, such as ``RUN/best``.
        output: Folder to write to.
        details: Rows for people: data, licences, hardware, scores; steps and time are added.

    Raises:
        ModelError: If there is no checkpoint.
    """
    tensors, facts = load_checkpoint(checkpoint)
    rows = {**history(facts), **details}
    config = ImfVfiConfig.from_dict(facts["network"])
    return save_network(output, config, below(tensors, "ema."), rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--detail", action="append", default=[], metavar="NAME=TEXT", help="a row of the card"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    details = dict(row.split("=", 1) for row in arguments.detail)
    log.info("wrote %s", export(arguments.checkpoint, arguments.output, details))


if __name__ == "__main__":
    main()
