"""The `imf` command: parse, dispatch, and turn failures into one line and an exit code."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from imf_plugin import __version__
from imf_plugin.cli.console import print_error
from imf_plugin.errors import Cancelled, ImfError

EXIT_FAILED, EXIT_CANCELLED = 1, 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all subcommands."""
    from imf_plugin.cli import (
        benching,
        demo,
        doctor,
        models,
        retargeting,
        retiming,
        tokens,
        training,
        ui,
    )

    parser = argparse.ArgumentParser(
        prog="imf",
        description="Slow motion, frame-rate conversion and speed curves for video.",
        epilog="start here:\n  imf slowmo holiday.mp4 -x 4\n  imf doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"imf {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in (retiming, retargeting, tokens, benching, training, models, doctor, demo, ui):
        room.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 done, 1 failed, 2 wrong usage (from argparse), 130 cancelled.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # File names may hold bytes that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(argv)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(args.run(args))
    except (Cancelled, KeyboardInterrupt):
        print_error("cancelled; run the same command again to go on where it stopped")
        return EXIT_CANCELLED
    except ImfError as error:
        print_error(str(error))
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_FAILED
    except MemoryError:
        print_error("memory ran out; close other programs or try --tile 512")
        return EXIT_FAILED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
