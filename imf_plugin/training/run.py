"""Trains an interpolation network from a data cache; runs where only torch, NumPy and OpenCV are.

``python -m imf_plugin.training.run --recipe lite-cpu --cache DIR --output DIR --minutes 90``
"""

import argparse
import logging
import math
from dataclasses import replace
from pathlib import Path

import cv2

from imf_plugin.training.recipes import RECIPES
from imf_plugin.training.trainer import RunOptions, Trainer


def train(
    recipe_name: str,
    options: RunOptions,
    *,
    total_steps: int | None = None,
    batch_size: int | None = None,
) -> None:
    """Train a recipe of `recipes.RECIPES`, going on from the run's last checkpoint if there is one.

    Raises:
        ValueError: If there is no such recipe.
        MediaError: If there is no data cache.
        ModelError: If the weights to begin with are unusable or of another network.
    """
    if recipe_name not in RECIPES:
        raise ValueError(f"a recipe is one of {', '.join(RECIPES)}, got {recipe_name!r}")
    recipe = RECIPES[recipe_name]
    recipe = replace(
        recipe,
        total_steps=total_steps or recipe.total_steps,
        batch_size=batch_size or recipe.batch_size,
    )
    Trainer(recipe, options).run()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", choices=list(RECIPES), required=True)
    parser.add_argument("--cache", type=Path, required=True, help="written by training.prepare")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--total-steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--validate-every", type=float, default=10.0, help="minutes")
    parser.add_argument("--triplets", type=Path, help="scored besides, never trained on")
    parser.add_argument("--begin-with", type=Path, help="weights that a new run begins with")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.device == "cpu":
        cv2.setNumThreads(1)
    options = RunOptions(
        cache=arguments.cache,
        output=arguments.output,
        minutes=arguments.minutes,
        device=arguments.device,
        workers=arguments.workers,
        validate_every_minutes=arguments.validate_every,
        triplets=arguments.triplets,
        begin_with=arguments.begin_with,
    )
    train(
        arguments.recipe,
        options,
        total_steps=arguments.total_steps,
        batch_size=arguments.batch_size,
    )


if __name__ == "__main__":
    main()
