"""Options that several subcommands share."""

import argparse
from fractions import Fraction
from pathlib import Path

from imf_plugin.engine.options import AUDIO_MODES, RenderOptions
from imf_plugin.engine.planning import Retime
from imf_plugin.errors import PlanError
from imf_plugin.timeline.curve import read_curve
from imf_plugin.timeline.plan import OnCut
from imf_plugin.timeline.rational import parse_factor, parse_rate


def add_render_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide how frames are made and encoded."""
    group = parser.add_argument_group("rendering")
    group.add_argument("--model", default="auto", metavar="NAME", help="see 'imf models'")
    group.add_argument("--device", default="auto", metavar="DEV", help="auto, cpu, cuda or cuda:N")
    group.add_argument(
        "--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"), help="arithmetic"
    )
    group.add_argument(
        "--tile", default="auto", metavar="SIZE", help="auto, off or the tile edge in pixels"
    )
    group.add_argument(
        "--codec",
        metavar="NAME",
        help="h264 hevc av1 vp9 prores ffv1 png, or a hardware encoder that 'imf doctor' lists",
    )
    group.add_argument("--crf", type=int, metavar="N", help="quality, lower is better")
    group.add_argument(
        "--audio",
        choices=AUDIO_MODES,
        help="keep its speed, stretch it with the picture (pitch kept), or drop it",
    )
    group.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with an interrupted render of the same output",
    )
    group.add_argument("--overwrite", action="store_true", help="replace an existing output")


def add_input_rate(parser: argparse.ArgumentParser) -> None:
    """Add the frame rate of an image sequence."""
    parser.add_argument(
        "--input-fps", metavar="RATE", help="frame rate of a folder of images (default 24)"
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_retime_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about cuts and repeated frames."""
    group = parser.add_argument_group("shots and repeats")
    group.add_argument(
        "--cuts",
        default="auto",
        metavar="auto|off|N,N,...",
        help="find shot cuts, ignore them, or name the frames (from 0) that begin a shot",
    )
    group.add_argument(
        "--cut-threshold",
        type=float,
        default=3.0,
        metavar="X",
        help="how far a cut must stand out from its surroundings (default 3)",
    )
    group.add_argument(
        "--on-cut",
        default="hold",
        choices=[choice.value for choice in OnCut],
        help="before a cut, hold the nearer frame or cross-fade",
    )
    group.add_argument(
        "--dedup",
        action="store_true",
        help="replace repeated frames (animation on twos, 24 in 30) by true in-betweens",
    )
    group.add_argument(
        "--context",
        type=int,
        default=4,
        choices=(4, 2),
        help="keyframes that a new frame is made from: 4 so that motion follows a curve (default), "
        "or 2 for even motion from keyframe to keyframe",
    )


def read_render_options(args: argparse.Namespace) -> RenderOptions:
    """Return the render options of a command line."""
    return RenderOptions(
        model=args.model,
        device=args.device,
        precision=args.precision,
        codec=args.codec,
        crf=args.crf,
        audio=args.audio,
        tile=args.tile,
        resume=args.resume,
        overwrite=args.overwrite,
        input_rate=read_input_rate(args),
    )


def read_input_rate(args: argparse.Namespace) -> Fraction | None:
    """Return the frame rate given for an image sequence."""
    rate = getattr(args, "input_fps", None)
    return None if rate is None else parse_rate(rate)


def read_retime(args: argparse.Namespace) -> Retime:
    """Return the retiming that a command line asks for."""
    factor, rate, curve = (getattr(args, name, None) for name in ("factor", "to", "curve"))
    return Retime(
        factor=None if factor is None else parse_factor(factor),
        rate=None if rate is None or curve is not None else parse_rate(rate),
        curve=None if curve is None else read_curve(Path(curve)),
        curve_rate=None if rate is None or curve is None else parse_rate(rate),
        cuts=_read_cuts(args.cuts),
        find_cuts=args.cuts == "auto",
        cut_threshold=args.cut_threshold,
        on_cut=OnCut(args.on_cut),
        dedup=args.dedup,
        context=args.context,
    )


def _read_cuts(text: str) -> tuple[int, ...] | None:
    if text in ("auto", "off"):
        return None
    try:
        return tuple(sorted({int(number) for number in text.split(",")}))
    except ValueError:
        raise PlanError(
            f"--cuts must be auto, off or frame numbers such as 120,345, not {text!r}"
        ) from None
