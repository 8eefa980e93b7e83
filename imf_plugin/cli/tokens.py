"""The subcommands of tokens: encode, render, info and edit."""

import argparse
from pathlib import Path

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import add_input_rate, add_quiet, add_render_options, read_input_rate
from imf_plugin.cli.retargeting import (
    add_motion_options,
    add_output,
    default_output,
    motion_settings,
)
from imf_plugin.cli.retiming import Subparsers, say_result
from imf_plugin.cli.token_edits import add_edit, edited
from imf_plugin.engine.retarget_functions import encode_track_file, render_track
from imf_plugin.engine.retargeting import MODES
from imf_plugin.errors import OutputRefused
from imf_plugin.motion.track_files import TrackFile, check_track_output
from imf_plugin.motion.tracks import load_track, save_track

_EXAMPLES = """examples:
  imf tokens encode dance.mp4 -o dance.safetensors
  imf tokens edit dance.safetensors -o slow.safetensors -x 4 --interpolate cubic
  imf tokens render statue.png slow.safetensors -o statue_dances.mp4
  imf tokens info dance.safetensors --plot dance.png --rate dance.mp4"""


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tokens",
        help="motion as a file: encode, render, info, edit",
        description="Reduce a video to a track of motion tokens, look at it, edit it, play it on "
        "pictures.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="encode|render|info|edit")
    _add_encode(actions)
    _add_render(actions)
    _add_info(actions)
    add_edit(actions).set_defaults(run=_run_edit)


def _add_encode(actions: Subparsers) -> None:
    encode = actions.add_parser("encode", help="reduce a video to a token track")
    encode.add_argument("video", metavar="VIDEO", help="video, folder of images or pattern")
    encode.add_argument("-o", "--output", required=True, metavar="TRACK.safetensors")
    encode.add_argument("--model", default="auto", metavar="NAME", help="see 'imf models'")
    encode.add_argument(
        "--anchor",
        type=int,
        default=0,
        metavar="FRAME",
        help="the frame that counts as the reference's pose (default 0)",
    )
    encode.add_argument(
        "--adapt",
        action="store_true",
        help="imf: learn the video's ways first; truer, and some 150 kB more for the whole track",
    )
    encode.add_argument(
        "--bits",
        type=int,
        metavar="N",
        help="how finely tokens are kept, 4 to 16 (default: 8, or 10 for tokens that are fields)",
    )
    encode.add_argument("--device", default="auto", metavar="DEV")
    encode.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    encode.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_input_rate(encode)
    add_quiet(encode)
    encode.set_defaults(run=_run_encode)


def _add_render(actions: Subparsers) -> None:
    render = actions.add_parser("render", help="play a token track on a picture")
    render.add_argument("reference", metavar="REFERENCE", help="an image, or a video")
    render.add_argument("track", metavar="TRACK")
    add_output(render, "REFERENCE_TRACK.mp4 beside REFERENCE")
    group = render.add_argument_group("motion")
    group.add_argument("--mode", default="relative", choices=MODES, help="as in 'imf retarget'")
    add_motion_options(group)
    add_render_options(render)
    add_quiet(render)
    render.set_defaults(run=_run_render)


def _add_info(actions: Subparsers) -> None:
    info = actions.add_parser("info", help="say what a token track is")
    info.add_argument("track", metavar="TRACK")
    info.add_argument("--plot", metavar="PNG", help="paint the track into a picture")
    info.add_argument(
        "--rate",
        metavar="VIDEO",
        help="compare the bytes of the track and one JPEG with H.264 of the same quality, "
        "on the video that was encoded",
    )
    info.add_argument("--overwrite", action="store_true", help="replace an existing picture")
    add_quiet(info)
    info.set_defaults(run=_run_info)


def _run_encode(args: argparse.Namespace) -> int:
    with ProgressDisplay(quiet=args.quiet) as display:
        count = encode_track_file(
            args.video,
            args.output,
            model=args.model,
            anchor=args.anchor,
            adapt=args.adapt,
            bits=args.bits,
            overwrite=args.overwrite,
            input_rate=read_input_rate(args),
            device=args.device,
            precision=args.precision,
            progress=display,
        )
        size_bytes = Path(args.output).stat().st_size
        display.say(
            f"wrote {args.output}: {count} frames in {size_bytes:,} bytes, "
            f"{size_bytes / count:.0f} a frame"
        )
    return 0


def _run_render(args: argparse.Namespace) -> int:
    mark = Path(args.track).stem
    output = Path(args.output) if args.output else default_output(args.reference, mark)
    with ProgressDisplay(quiet=args.quiet) as display:
        result = render_track(
            args.reference,
            args.track,
            output,
            model=None if args.model == "auto" else args.model,
            progress=display,
            **motion_settings(args),  # type: ignore[arg-type]  # the names are those of render_track
        )
        say_result(display, result)
    return 0


def _run_info(args: argparse.Namespace) -> int:
    path = Path(args.track)
    file = TrackFile(path)
    header = file.header
    if args.plot:
        _check_picture(Path(args.plot), overwrite=args.overwrite)
    size_bytes, seconds = path.stat().st_size, float(file.count / header.rate)
    rows = {
        "model": f"{header.model}, revision {header.revision}",
        "source": header.source,
        **header.notes,
        "frames": f"{file.count} at {float(header.rate):.6g} per second, {seconds:.2f} s",
        "token": f"{header.numbers_per_frame} numbers a frame, "
        f"shape {' x '.join(map(str, header.token_shape))}",
        "file": f"{size_bytes:,} bytes, {size_bytes / file.count:.1f} a frame, "
        f"{size_bytes * 8 / 1000 / seconds:.1f} kbit/s",
    }
    if header.directions:
        rows["learned"] = f"{len(header.directions):,} bytes of the file are the clip's own ways"
    for key, value in rows.items():
        print(f"{key:10} {value}")
    if args.plot:
        _plot(path, Path(args.plot))
        print(f"{'plot':10} {args.plot}")
    if args.rate:
        from imf_plugin.bench.track_rate import track_rate

        with ProgressDisplay(quiet=args.quiet) as display:
            print(track_rate(path, Path(args.rate), progress=display))
    return 0


def _run_edit(args: argparse.Namespace) -> int:
    output = Path(args.output)
    check_track_output(output, overwrite=args.overwrite)
    track = edited(load_track(args.track), args)
    save_track(track, output, bits=args.bits, overwrite=args.overwrite)
    with ProgressDisplay(quiet=args.quiet) as display:
        display.say(f"wrote {output}: {len(track.tokens)} frames, {float(track.duration):.2f} s")
    return 0


def _plot(track: Path, picture: Path) -> None:
    import cv2

    from imf_plugin.motion.track_pictures import track_picture

    pixels = track_picture(load_track(track))
    _, encoded = cv2.imencode(".png", pixels[..., ::-1])
    try:
        picture.write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputRefused(f"{picture} cannot be written: {error.strerror}") from None


def _check_picture(path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise OutputRefused(f"{path} must end in .png: plots are written as PNG")
    check_track_output(path, overwrite=overwrite)
