"""The subcommand ui: the desktop editor, if it is installed."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from imf_plugin.cli.console import print_error
from imf_plugin.cli.retiming import Subparsers
from imf_plugin.errors import ImfError

_MISSING = (
    "the editor is not installed; get it with: pip install 'imf-plugin[ui]' (it brings PyQt6)"
)


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "ui",
        help="open the desktop editor",
        description="Open the desktop editor, with videos, image folders or a project if given.",
        epilog="examples:\n  imf ui\n  imf ui holiday.mp4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a video, folder or .imfp project")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    return open_editor(args.files)


def open_editor(files: Sequence[str]) -> int:
    """Run the editor until its window is closed.

    Raises:
        ImfError: If it is not installed.
    """
    if find_spec("PyQt6") is None or find_spec("imf_ui") is None:
        raise ImfError(_MISSING)
    try:
        # By name: the engine stands below the editor and must not depend on it.
        app = import_module("imf_ui.app")
    except ImportError as error:
        raise ImfError(
            f"the editor cannot start because a system library is missing ({error}); "
            "see docs/editor.md, Installing"
        ) from None
    return int(app.main(list(files)))


def editor() -> int:
    """Run the `imf-editor` script."""
    try:
        return open_editor(sys.argv[1:])
    except ImfError as error:
        print_error(str(error))
        return 1
