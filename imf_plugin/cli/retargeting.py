"""The subcommand retarget: a picture moves as a video does."""

import argparse
from pathlib import Path

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import (
    add_input_rate,
    add_quiet,
    add_render_options,
    read_input_rate,
)
from imf_plugin.cli.retiming import Subparsers, say_result
from imf_plugin.engine.retarget_functions import retarget
from imf_plugin.engine.retarget_sources import Anchor
from imf_plugin.engine.retargeting import MODES
from imf_plugin.errors import PlanError

_EXAMPLES = """examples:
  imf retarget portrait.png talking.mp4 -o portrait_talks.mp4
  imf retarget statue.jpg dance.mp4 --mask statue_mask.png --strength 0.7 --smooth 2
  imf retarget film.mkv walk.mp4 --reference-frame 240 --anchor 12"""


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "retarget",
        help="move a picture as a driving video moves",
        description="Move a picture as a driving video moves; the driving's sound is kept, and the "
        "output has the size of the picture.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", metavar="REFERENCE", help="an image, or a video")
    parser.add_argument("driving", metavar="DRIVING", help="video, folder of images or pattern")
    add_output(parser, "REFERENCE_driven.mp4 beside REFERENCE")
    group = parser.add_argument_group("motion")
    group.add_argument(
        "--mode",
        default="relative",
        choices=MODES,
        help="relative adds the motion to the picture's own pose, absolute takes the driving's",
    )
    group.add_argument(
        "--anchor",
        default="best",
        metavar="FRAME|best",
        help="the driving frame that stands as the picture does (default: the one most like it)",
    )
    group.add_argument(
        "--no-adapt",
        dest="adapt",
        action="store_false",
        help="imf: read each frame by itself, without learning the driving video's ways first",
    )
    add_motion_options(group)
    add_render_options(parser)
    add_input_rate(parser)
    add_quiet(parser)
    parser.set_defaults(run=_run)


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``-o``."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help=f"ends in .mp4 .mov .mkv .webm, or a folder for images (default: {default})",
    )


def add_motion_options(group: argparse._ArgumentGroup) -> None:
    """Add the options that retargeting and playing a track share."""
    group.add_argument(
        "--strength", type=float, default=1.0, metavar="X", help="multiplies the motion (0 to 4)"
    )
    group.add_argument(
        "--smooth",
        type=int,
        default=0,
        metavar="N",
        help="calm the motion over N frames to either side",
    )
    group.add_argument(
        "--mask", metavar="IMAGE", help="white may move, black stays; of the reference's size"
    )
    group.add_argument(
        "--keep-background",
        action="store_true",
        help="keep the border of the picture as it is; with --mask all that is black",
    )
    group.add_argument(
        "--reference-frame", type=int, default=0, metavar="N", help="frame of a REFERENCE video"
    )


def read_anchor(text: str) -> Anchor:
    """Return the anchor that a command line names."""
    if text == "best":
        return "best"
    if not text.isdecimal():
        raise PlanError(f"--anchor must be the number of a frame, or best, not {text!r}")
    return int(text)


def motion_settings(args: argparse.Namespace) -> dict[str, object]:
    """Return the arguments of `retarget` and `render_track` that a command line asks for."""
    return {
        "mode": args.mode,
        "strength": args.strength,
        "smooth": args.smooth,
        "mask": args.mask,
        "keep_background": args.keep_background,
        "reference_frame": args.reference_frame,
        "device": args.device,
        "precision": args.precision,
        "codec": args.codec,
        "crf": args.crf,
        "audio": args.audio,
        "resume": args.resume,
        "overwrite": args.overwrite,
    }


def default_output(reference: str, mark: str) -> Path:
    """Return where a moved picture goes when nothing is said."""
    source = Path(reference)
    return source.with_name(f"{source.stem}_{mark}.mp4")


def _run(args: argparse.Namespace) -> int:
    output = Path(args.output) if args.output else default_output(args.reference, "driven")
    anchor = read_anchor(args.anchor)
    with ProgressDisplay(quiet=args.quiet) as display:
        result = retarget(
            args.reference,
            args.driving,
            output,
            model=args.model,
            anchor=anchor,
            adapt=args.adapt,
            progress=display,
            input_rate=read_input_rate(args),
            **motion_settings(args),  # type: ignore[arg-type]  # the names are those of retarget
        )
        say_result(display, result)
    return 0
