"""The subcommand train: models of one's own from one's own footage."""

import argparse
import logging
import math
from pathlib import Path

from imf_plugin.cli.options import add_quiet
from imf_plugin.cli.retiming import Subparsers
from imf_plugin.cli.training_retarget import add_retarget
from imf_plugin.errors import MediaError, OutputRefused, PlanError

_RECIPES = ("auto", "lite-cpu", "sharp-cpu", "lite-gpu", "full-gpu")
_SHORTEST_MINUTES = 0.1


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    train = commands.add_parser("train", help="train a model on footage of your own")
    kinds = train.add_subparsers(dest="kind", required=True, metavar="WHAT")
    _add_interpolation(kinds)
    add_retarget(kinds)


def _add_interpolation(kinds: Subparsers) -> None:
    parser = kinds.add_parser(
        "interpolation",
        help="a model for slow motion and frame rates",
        description="Train an interpolation model. Run the same command again to go on.",
        epilog="example:\n  imf train interpolation --data clips/ -o run/ --minutes 120\n"
        "  imf slowmo shot.mp4 -x 4 --model run/imf-vfi-lite.safetensors",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with video clips")
    parser.add_argument(
        "-o", "--output", required=True, metavar="RUN", help="folder of checkpoints and weights"
    )
    parser.add_argument(
        "--recipe", default="auto", choices=_RECIPES, help="by the machine when left out"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, metavar="N", help="stop after so long (default 60)"
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with the run that is in RUN",
    )
    parser.add_argument(
        "--begin-with", metavar="WEIGHTS", help="weights that a new run starts from"
    )
    parser.add_argument("--cache", metavar="DIR", help="prepared data (default: RUN/cache)")
    parser.add_argument("--device", default="auto", metavar="DEV", help="auto, cpu or cuda:N")
    parser.add_argument(
        "--scenes", type=int, default=None, metavar="N", help="rendered scenes beside the clips"
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="loading processes")
    parser.add_argument("--steps", type=int, metavar="N", help="length of the whole training")
    parser.add_argument("--batch", type=int, metavar="N", help="samples at a time")
    add_quiet(parser)
    parser.set_defaults(run=_train_interpolation)


def check_footage(data: Path, minutes: float) -> None:
    """Check what a training needs before anything slow.

    Raises:
        MediaError: If there is no footage.
        PlanError: If the time makes no sense.
    """
    from imf_plugin.training.footage import VIDEO_SUFFIXES, find_videos

    if not data.is_dir():
        raise MediaError(f"{data} is no folder; give --data a folder with video clips")
    if not find_videos(data):
        kinds = ", ".join(VIDEO_SUFFIXES)
        raise MediaError(f"{data} holds no video clips; put {kinds} files there")
    if not _SHORTEST_MINUTES <= minutes < math.inf:
        raise PlanError(f"--minutes must be from {_SHORTEST_MINUTES:g}, not {minutes:g}")


def _check_options(args: argparse.Namespace, output: Path) -> None:
    for name, least in (("scenes", 0), ("workers", 0), ("steps", 1), ("batch", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise PlanError(f"--{name} must be a number from {least}, not {value}")
    if not args.resume and (output / "last").exists():
        raise OutputRefused(
            f"there is a run in {output} already; give another folder, or leave out --no-resume"
        )


def show_log(*, quiet: bool) -> None:
    """Show what training says as plain lines."""
    level = logging.WARNING if quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


def _train_interpolation(args: argparse.Namespace) -> int:
    data, output = Path(args.data), Path(args.output)
    _check_options(args, output)
    check_footage(data, args.minutes)
    show_log(quiet=args.quiet)
    try:
        weights = _weights(args, data, output)
    except OSError as error:
        place = error.filename or output
        raise OutputRefused(f"{place} cannot be written or read: {error.strerror}") from error
    if not args.quiet:
        print(f"wrote {weights}; use it with: imf slowmo CLIP -x 4 --model {weights}")
    return 0


def _weights(args: argparse.Namespace, data: Path, output: Path) -> Path:
    """Prepare, train and export; return the file of the weights."""
    from imf_plugin.engine.session import open_session
    from imf_plugin.training.export import export
    from imf_plugin.training.prepare import PrepareOptions, prepare
    from imf_plugin.training.run import train
    from imf_plugin.training.trainer import RunOptions

    device = open_session(args.device).device
    recipe = args.recipe
    if recipe == "auto":
        recipe = "lite-cpu" if device == "cpu" else "full-gpu"
    cache = Path(args.cache) if args.cache else output / "cache"
    for folder in (output, cache):
        folder.mkdir(parents=True, exist_ok=True)
    defaults = PrepareOptions()
    scenes = defaults.scenes if args.scenes is None else args.scenes
    moved = defaults.moved if args.scenes is None else args.scenes
    prepare(data, cache, PrepareOptions(scenes=scenes, moved=moved))
    options = RunOptions(
        cache=cache,
        output=output,
        minutes=args.minutes,
        device=device,
        workers=args.workers,
        begin_with=Path(args.begin_with) if args.begin_with else None,
    )
    train(recipe, options, total_steps=args.steps, batch_size=args.batch)
    return export(output / "last", output, {"training data": str(data)})
