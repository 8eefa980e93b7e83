"""The subcommand tokens edit: arithmetic on a track, in a fixed order."""

import argparse
from pathlib import Path

from imf_plugin.cli.options import add_quiet
from imf_plugin.cli.retiming import Subparsers
from imf_plugin.engine.planning import Retime
from imf_plugin.engine.track_retiming import retime_track
from imf_plugin.errors import PlanError
from imf_plugin.motion.token_codec import LEAST_BITS, MOST_BITS
from imf_plugin.motion.token_curves import TOKEN_CURVES
from imf_plugin.motion.track_edits import (
    blend_tracks,
    loop_track,
    mirror_track,
    offset_track,
    reverse_track,
    scale_track,
    smooth_track,
    there_and_back,
)
from imf_plugin.motion.tracks import TokenTrack, load_track
from imf_plugin.timeline.curve import read_curve
from imf_plugin.timeline.rational import parse_factor, parse_rate

_ORDER = """Edits are applied in the order in which they are listed above, whatever the order on the
command line; for another order edit twice."""


def add_edit(actions: Subparsers) -> argparse.ArgumentParser:
    """Add the parser of ``imf tokens edit``."""
    edit = actions.add_parser(
        "edit",
        help="blend, smooth, retime, loop, mirror a token track",
        epilog=_ORDER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    edit.add_argument("track", metavar="TRACK")
    edit.add_argument("-o", "--output", required=True, metavar="TRACK.safetensors")
    group = edit.add_argument_group("edits")
    group.add_argument("--blend", metavar="TRACK", help="mix with the motion of another track")
    group.add_argument(
        "--share", type=float, default=0.5, metavar="X", help="share of the other (default 0.5)"
    )
    group.add_argument("--smooth", type=int, metavar="N", help="calm over N frames to either side")
    group.add_argument("--strength", type=float, metavar="X", help="multiply the motion")
    group.add_argument(
        "--offset", metavar="FRAME[:AMOUNT]", help="add the pose of a frame to all frames"
    )
    group.add_argument("--mirror", action="store_true", help="swap left and right")
    group.add_argument("--reverse", action="store_true", help="play backwards")
    group.add_argument(
        "--there-and-back", action="store_true", help="play forwards, then backwards"
    )
    group.add_argument("--loop", type=int, metavar="N", help="play N times")
    group.add_argument(
        "--overlap", type=int, default=0, metavar="N", help="frames that fade where a loop joins"
    )
    time = group.add_mutually_exclusive_group()
    time.add_argument("-x", "--factor", metavar="N", help="slow motion, as in 'imf slowmo'")
    time.add_argument("--to", metavar="RATE", help="frame rate, as in 'imf fps'")
    time.add_argument("--curve", metavar="FILE", help="speed curve, as in 'imf retime'")
    group.add_argument(
        "--interpolate",
        default="linear",
        choices=TOKEN_CURVES,
        help="how tokens between tokens are found (default linear)",
    )
    edit.add_argument("--bits", type=int, metavar="N", help="as in 'imf tokens encode'")
    edit.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_quiet(edit)
    return edit


def edited(track: TokenTrack, args: argparse.Namespace) -> TokenTrack:
    """Return a track after the edits that a command line asks for."""
    if args.bits is not None and not LEAST_BITS <= args.bits <= MOST_BITS:
        raise PlanError(f"tokens are kept with {LEAST_BITS} to {MOST_BITS} bits, not {args.bits}")
    if args.blend is not None:
        track = blend_tracks(track, load_track(Path(args.blend)), args.share)
    if args.smooth is not None:
        track = smooth_track(track, args.smooth)
    if args.strength is not None:
        track = scale_track(track, args.strength)
    if args.offset is not None:
        track = offset_track(track, track, *_read_offset(args.offset))
    if args.mirror:
        track = mirror_track(track)
    return _in_other_time(track, args)


def _in_other_time(track: TokenTrack, args: argparse.Namespace) -> TokenTrack:
    if args.reverse:
        track = reverse_track(track)
    if args.there_and_back:
        track = there_and_back(track)
    if args.loop is not None:
        track = loop_track(track, args.loop, args.overlap)
    asked = {
        "factor": None if args.factor is None else parse_factor(args.factor),
        "rate": None if args.to is None else parse_rate(args.to),
        "curve": None if args.curve is None else read_curve(Path(args.curve)),
    }
    if any(value is not None for value in asked.values()):
        track = retime_track(track, Retime(**asked), curve=args.interpolate)  # type: ignore[arg-type]
    return track


def _read_offset(text: str) -> tuple[int, float]:
    frame, _, amount = text.partition(":")
    try:
        return int(frame), float(amount or 1)
    except ValueError:
        raise PlanError(
            f"--offset must be a frame and perhaps an amount, such as 12 or 12:0.5, not {text!r}"
        ) from None
