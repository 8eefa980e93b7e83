"""The subcommand bench."""

import argparse
from pathlib import Path

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import add_quiet
from imf_plugin.cli.retiming import Subparsers

_EXAMPLES = """examples:
  imf bench myclips/ --models flow
  imf bench ../shared/data/dev --peers --save pictures/ --json scores.json
  imf bench faces/ --retarget --models transport --side 256

DATA holds triplets (NAME/frame10.png frame10i11.png frame11.png) and video clips at any depth;
of a clip every second frame is removed and made again."""


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "bench",
        help="score models and peers on frames that are known",
        description="Score models, and peers in the same run, on frames whose truth is known.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", metavar="DATA", help="a folder of triplets and clips, or one clip")
    parser.add_argument(
        "--models", default="auto", metavar="A,B", help="models to score (default: the default)"
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also frame blending, ffmpeg's minterpolate and, where installed, RIFE 4.25",
    )
    parser.add_argument("--frames", metavar="N|all", help="new frames of each clip (default 10)")
    parser.add_argument(
        "--stride", type=int, metavar="N", help="keep every N-th frame of a clip (default 2)"
    )
    parser.add_argument(
        "--context",
        default="4",
        choices=("4", "2", "both"),
        help="keyframes that our models may look at (default 4); with both, each model is scored "
        "with 4 and, as MODEL@2, with 2",
    )
    parser.add_argument(
        "--retarget",
        action="store_true",
        help="score retargeting models instead: each clip is played on its own first frame",
    )
    parser.add_argument(
        "--side",
        type=int,
        metavar="PX",
        help="with --retarget: cut the middle square out of clips and resize it to this side",
    )
    parser.add_argument("--save", metavar="DIR", help="write pictures of the worst frames here")
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON here")
    parser.add_argument("--device", default="auto", metavar="DEV")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    add_quiet(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    return _run_retarget(args) if args.retarget else _run_interpolation(args)


def _run_retarget(args: argparse.Namespace) -> int:
    from imf_plugin.bench.self_reenactment import bench_clip, find_clips, format_scores
    from imf_plugin.engine.progress import ProgressMeter
    from imf_plugin.engine.retarget_functions import load_retargeter

    models = [
        load_retargeter(name, device=args.device, precision=args.precision)
        for name in args.models.split(",")
    ]
    clips = find_clips(Path(args.data))
    scores = []
    with ProgressDisplay(quiet=args.quiet) as display:
        meter = ProgressMeter("bench", len(clips), display)
        for clip in clips:
            scores += bench_clip(
                clip,
                models,
                frames=_frames(args.frames, None),
                stride=args.stride or 1,
                side_px=args.side,
            )
            meter.advance()
    print(format_scores(scores))
    return 0


def _run_interpolation(args: argparse.Namespace) -> int:
    from imf_plugin.bench.items import DEFAULT_FRAMES, DEFAULT_STRIDE
    from imf_plugin.bench.report import check_writable, write_json
    from imf_plugin.bench.run import run_bench
    from imf_plugin.bench.tables import format_report

    if args.json:
        check_writable(Path(args.json))
    with ProgressDisplay(quiet=args.quiet) as display:
        report = run_bench(
            Path(args.data),
            models=args.models.split(","),
            peers=args.peers,
            frames=_frames(args.frames, DEFAULT_FRAMES),
            stride=DEFAULT_STRIDE if args.stride is None else args.stride,
            save=Path(args.save) if args.save else None,
            device=args.device,
            precision=args.precision,
            contexts=(4, 2) if args.context == "both" else (int(args.context),),
            progress=display,
        )
    if args.json:
        write_json(report, Path(args.json))
    print(format_report(report))
    return 0


def _frames(text: str | None, default: int | None) -> int | None:
    if text is None:
        return default
    if text == "all":
        return None
    from imf_plugin.errors import PlanError

    if not text.isdecimal() or int(text) < 1:
        raise PlanError(f"--frames must be a number from 1, or all, not {text!r}")
    return int(text)
