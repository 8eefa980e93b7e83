"""The subcommands slowmo, fps, retime, plan and render."""

import argparse
from pathlib import Path

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import (
    add_input_rate,
    add_quiet,
    add_render_options,
    add_retime_options,
    read_input_rate,
    read_render_options,
    read_retime,
)
from imf_plugin.engine.planning import make_plan
from imf_plugin.engine.progress import format_seconds
from imf_plugin.engine.render import RenderResult, check_request, render
from imf_plugin.errors import OutputRefused, PlanError
from imf_plugin.media.codec_table import EXTENSIONS
from imf_plugin.timeline.plan import Decision, RenderPlan
from imf_plugin.timeline.planfile import plan_to_json, read_plan

type Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(commands: Subparsers) -> None:
    """Add the retiming subcommands."""
    slowmo = _add(
        commands,
        "slowmo",
        "make a clip slower at the same frame rate",
        "imf slowmo holiday.mp4 -x 4\n  imf slowmo shot.mov -x 2.5 --codec ffv1 -o shot_slow.mkv",
    )
    slowmo.add_argument("-x", "--factor", required=True, metavar="N", help="how many times longer")
    fps = _add(
        commands,
        "fps",
        "change the frame rate, same duration",
        "imf fps film.mkv --to 60\n  imf fps anime.mp4 --to 60000/1001 --dedup",
    )
    fps.add_argument(
        "--to", required=True, metavar="RATE", help="frames per second: 60, 60000/1001"
    )
    retime = _add(
        commands,
        "retime",
        "bend the speed along a curve",
        "imf retime jump.mp4 --curve ramp.json\n  (docs/curves.md describes the file)",
    )
    retime.add_argument("--curve", required=True, metavar="FILE", help="speed or time curve, JSON")
    retime.add_argument("--to", metavar="RATE", help="output frame rate (default: the clip's own)")
    for parser in (slowmo, fps, retime):
        parser.set_defaults(run=_run_retime)

    plan = commands.add_parser(
        "plan",
        help="write the render plan as JSON instead of rendering",
        description="Write what each output frame will be, as JSON to look at or edit.",
        epilog="example:\n  imf plan a.mp4 -x 4 -o plan.json\n  imf render plan.json -o slow.mp4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan.add_argument("input", metavar="INPUT", help="video, folder of images or printf pattern")
    plan.add_argument("-x", "--factor", metavar="N", help="slow motion, as in 'imf slowmo'")
    plan.add_argument("--to", metavar="RATE", help="frame rate, as in 'imf fps'")
    plan.add_argument("--curve", metavar="FILE", help="curve, as in 'imf retime'")
    plan.add_argument("-o", "--output", required=True, metavar="PLAN.json")
    plan.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_retime_options(plan)
    add_input_rate(plan)
    add_quiet(plan)
    plan.set_defaults(run=_run_plan)

    again = commands.add_parser(
        "render",
        help="render a plan",
        description="Render a plan made by 'imf plan', perhaps edited by hand.",
        epilog="example:\n  imf render plan.json -o slow.mp4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    again.add_argument("plan", metavar="PLAN.json")
    again.add_argument("-o", "--output", metavar="OUT")
    add_render_options(again)
    add_input_rate(again)
    add_quiet(again)
    again.set_defaults(run=_run_render)


def _add(commands: Subparsers, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT", help="video, folder of images or printf pattern")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="ends in .mp4 .mov .mkv .webm, or a folder for images (default: beside the input)",
    )
    add_retime_options(parser)
    add_render_options(parser)
    add_input_rate(parser)
    add_quiet(parser)
    return parser


def _run_retime(args: argparse.Namespace) -> int:
    retime = read_retime(args)
    options = read_render_options(args)
    output = Path(args.output) if args.output else _default_output(args)
    with ProgressDisplay(quiet=args.quiet) as display:
        check_request(args.input, output, options)
        plan = make_plan(args.input, retime, input_rate=options.input_rate, progress=display)
        _say_plan(display, plan)
        result = render(plan, output, options=options, progress=display)
        say_result(display, result)
    return 0


def _default_output(args: argparse.Namespace) -> Path:
    source = Path(args.input)
    mark = {"slowmo": "x{factor}", "fps": "{to}fps", "retime": "retimed"}[args.command]
    mark = mark.format(**vars(args)).replace("/", "-")
    if source.suffix.lower() in EXTENSIONS:
        return source.with_name(f"{source.stem}_{mark}{source.suffix}")
    if source.is_dir() or "%" in source.name:
        name = source.name if source.is_dir() else source.parent.name
        folder = source if source.is_dir() else source.parent
        return folder.resolve().parent / f"{name or 'images'}_{mark}"
    return source.with_name(f"{source.stem}_{mark}.mp4")


def _run_plan(args: argparse.Namespace) -> int:
    asked = [name for name in ("factor", "curve") if getattr(args, name) is not None]
    if len(asked) > 1 or (args.factor is not None and args.to is not None):
        raise PlanError("give one of -x, --to and --curve (--curve may have --to)")
    if not asked and args.to is None:
        raise PlanError("say what to do with time: give -x, --to or --curve")
    output = Path(args.output)
    if output.exists() and not args.overwrite:
        raise OutputRefused(f"{output} exists; add --overwrite to replace it")
    with ProgressDisplay(quiet=args.quiet) as display:
        plan = make_plan(
            args.input, read_retime(args), input_rate=read_input_rate(args), progress=display
        )
        try:
            output.write_text(plan_to_json(plan), encoding="utf-8")
        except OSError as error:
            raise OutputRefused(f"{output} cannot be written: {error.strerror}") from None
        _say_plan(display, plan)
        display.say(f"wrote {output}")
    return 0


def _run_render(args: argparse.Namespace) -> int:
    path = Path(args.plan)
    plan = read_plan(path)
    output = Path(args.output) if args.output else path.with_suffix(".mp4")
    with ProgressDisplay(quiet=args.quiet) as display:
        result = render(plan, output, options=read_render_options(args), progress=display)
        say_result(display, result)
    return 0


def _say_plan(display: ProgressDisplay, plan: RenderPlan) -> None:
    for warning in plan.warnings:
        display.say(f"warning: {warning}")
    rate = "variable" if plan.frame_rate is None else f"{float(plan.frame_rate):.6g}"
    counts = f"{plan.count(Decision.INTERPOLATE)} new, {plan.count(Decision.REAL)} source"
    display.say(
        f"{plan.source.frame_count} frames become {len(plan.frames)} at {rate} frames/s "
        f"({counts}, {len(plan.cuts)} cuts, {len(plan.duplicates)} repeats)"
    )


def say_result(display: ProgressDisplay, result: RenderResult) -> None:
    """Tell the user what a render made."""
    for warning in result.warnings:
        display.say(f"warning: {warning}")
    display.say(
        f"wrote {result.output}: {result.frames} frames in {format_seconds(result.seconds)}"
    )
