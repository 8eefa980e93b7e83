"""Turns checkpoints of retargeting models into weights with a card.

``python -m imf_plugin.training.retarget_export --checkpoint RUN/best --output FOLDER``
"""

import argparse
import logging
from pathlib import Path

from imf_plugin.models.weight_files import write_weights
from imf_plugin.training.checkpoint import history, load_checkpoint
from imf_plugin.training.run_state import below

log = logging.getLogger(__name__)


def export_retargeter(checkpoint: Path, output: Path, details: dict[str, str]) -> Path:
    """Write the averaged weights of a checkpoint and their card; return the file of the weights.

    Raises:
        ModelError: If there is no checkpoint.
    """
    tensors, facts = load_checkpoint(checkpoint)
    rows = {**history(facts, "frames"), **details}
    config = facts["network"]
    return write_weights(output, config["name"], config, below(tensors, "ema."), rows)


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
    log.info("wrote %s", export_retargeter(arguments.checkpoint, arguments.output, details))


if __name__ == "__main__":
    main()
