"""The subcommand train retarget: a model that knows one person or character well."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imf_plugin.cli.options import add_quiet
from imf_plugin.errors import OutputRefused, PlanError

if TYPE_CHECKING:
    from torch import Tensor

_SHIPPED, _NOTHING = "shipped", "nothing"


def add_retarget(kinds: Any) -> None:
    """Add ``retarget`` to the subcommands of ``imf train``."""
    parser = kinds.add_parser(
        "retarget",
        help="a model for moving pictures of one subject",
        description="Train the retargeting model imf on clips of a person or character. "
        "Run the same command again to go on.",
        epilog="example:\n  imf train retarget --data clips/ -o run/ --minutes 60\n"
        "  imf retarget photo.jpg driving.mp4 -o out.mp4 --model run/imf-compact.safetensors",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with video clips")
    parser.add_argument(
        "-o", "--output", required=True, metavar="RUN", help="folder of checkpoints and weights"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, metavar="N", help="stop after so long (default 60)"
    )
    parser.add_argument(
        "--from",
        dest="start",
        default=_SHIPPED,
        metavar="WEIGHTS",
        help="shipped (default), nothing, or a .safetensors file to begin with",
    )
    parser.add_argument("--cache", metavar="DIR", help="prepared data (default: RUN/cache)")
    parser.add_argument(
        "--figures", type=int, default=0, metavar="N", help="rendered figures beside the clips"
    )
    parser.add_argument(
        "--adversarial",
        type=float,
        default=0.0,
        metavar="X",
        help="weight of a discriminator's verdict, such as 0.01 (default: none)",
    )
    parser.add_argument("--steps", type=int, default=3000, metavar="N", help="of the whole run")
    add_quiet(parser)
    parser.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from imf_plugin.cli.training import check_footage, show_log

    data, output = Path(args.data), Path(args.output)
    check_footage(data, args.minutes)
    for name, least in (("figures", 0), ("steps", 1), ("adversarial", 0)):
        if getattr(args, name) < least:
            raise PlanError(f"--{name} must be a number from {least}, not {getattr(args, name)}")
    show_log(quiet=args.quiet)
    try:
        weights = _weights(args, data, output)
    except OSError as error:
        place = error.filename or output
        raise OutputRefused(f"{place} cannot be written or read: {error.strerror}") from error
    if not args.quiet:
        print(f"wrote {weights}; use it with: imf retarget PICTURE CLIP --model {weights}")
    return 0


def _weights(args: argparse.Namespace, data: Path, output: Path) -> Path:
    from imf_plugin.training.retarget_export import export_retargeter
    from imf_plugin.training.retarget_prepare import RetargetPrepareOptions, prepare_retargeting
    from imf_plugin.training.retarget_trainer import (
        RetargetRecipe,
        RetargetRunOptions,
        RetargetTrainer,
    )

    start = _start(args.start)
    cache = Path(args.cache) if args.cache else output / "cache"
    for folder in (output, cache):
        folder.mkdir(parents=True, exist_ok=True)
    options = RetargetPrepareOptions(figures=args.figures, clips_per_group=24, hold_out=False)
    prepare_retargeting(data, cache, options)
    recipe = RetargetRecipe(
        total_steps=args.steps,
        learning_rate=2e-4 if start else 4e-4,
        adversarial_weight=args.adversarial,
    )
    run = RetargetRunOptions(cache=cache, output=output, minutes=args.minutes, start=start)
    RetargetTrainer(recipe, run).run()
    return export_retargeter(output / "last", output, {"training data": str(data)})


def _start(name: str) -> "dict[str, Tensor] | None":
    """Return the weights to begin with."""
    from imf_plugin.models.imf.config import COMPACT
    from imf_plugin.models.weight_files import read_weights

    if name == _NOTHING:
        return None
    if name == _SHIPPED:
        return read_weights(COMPACT.name)[0]
    path = Path(name)
    return read_weights(path.stem, path.parent)[0]
