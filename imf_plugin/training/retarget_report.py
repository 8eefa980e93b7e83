"""Prints what retargeting models are worth: reenactment, controls, limbs, curves.

``python -m imf_plugin.training.retarget_report reenact CLIP_OR_FOLDER... [--models ...]``
``python -m imf_plugin.training.retarget_report controls [--model imf]``
``python -m imf_plugin.training.retarget_report curves [CLIP...]``
``python -m imf_plugin.training.retarget_report editing [--model imf-figures:guess]``

A model is a name that `imf_plugin.load_retargeter` knows, ``imf-figures``, or the folder of a
training run's checkpoint; ``:guess`` behind it leaves the fit out, ``:adapted`` and ``:retarget``
adapt it to the clip (see `retarget_models`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from imf_plugin.training.retarget_models import named_retargeter
from imf_plugin.training.retarget_reports import curves, editing, figures, reenactment


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    reenact = commands.add_parser("reenact", help="first frame as reference, the rest driving")
    reenact.add_argument("clips", type=Path, nargs="+")
    reenact.add_argument("--models", default="transport,imf")
    reenact.add_argument("--frames", type=int, default=24, help="at most so many of each clip")
    reenact.add_argument("--side", type=int, default=256, help="pixels")
    controls = commands.add_parser("controls", help="how tokens tell a figure's named controls")
    controls.add_argument("--model", default="imf")
    controls.add_argument("--figures", type=int, default=6)
    controls.add_argument("--poses", type=int, default=80)
    interpolation = commands.add_parser("curves", help="leave out three of four frames")
    interpolation.add_argument("clips", type=Path, nargs="*")
    interpolation.add_argument("--model", default="imf")
    edits = commands.add_parser("editing", help="change tokens of figures by named controls")
    edits.add_argument("--model", default="imf-figures:guess")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.command == "reenact":
        models = {name: named_retargeter(name) for name in arguments.models.split(",")}
        lines = reenactment.report(models, arguments.clips, arguments.frames, arguments.side)
    elif arguments.command == "controls":
        model = named_retargeter(arguments.model)
        lines = figures.report(model, arguments.figures, arguments.poses)
    elif arguments.command == "editing":
        lines = editing.report(named_retargeter(arguments.model))
    else:
        lines = curves.report(named_retargeter(arguments.model), arguments.clips)
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
