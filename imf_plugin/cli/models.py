"""The subcommand models: which there are, what they are, whether they work."""

import argparse

from imf_plugin.cli.retiming import Subparsers
from imf_plugin.models.registry import (
    DEFAULT_MODEL,
    describe_model,
    load_interpolator,
    model_names,
)


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("models", help="list, describe or verify the models")
    actions = parser.add_subparsers(dest="action", metavar="list|info|verify")
    actions.add_parser("list", help="all models, a line each")
    info = actions.add_parser("info", help="what a model is")
    info.add_argument("name")
    verify = actions.add_parser("verify", help="load a model and check what it makes")
    verify.add_argument("name", nargs="?", help="all models when left out")
    parser.set_defaults(run=_run, action="list")


def _run(args: argparse.Namespace) -> int:
    if args.action == "info":
        _print_info(args.name)
    elif args.action == "verify":
        for name in [args.name] if args.name else model_names():
            _verify(name)
    else:
        for name in model_names():
            mark = " (default)" if name == DEFAULT_MODEL else ""
            print(f"{name:14} {describe_model(name).summary}{mark}")
    return 0


def _print_info(name: str) -> None:
    about = describe_model(name)
    rows = {
        "name": about.name,
        "what": about.summary,
        "source": about.source,
        "revision": about.revision,
        "parameters": f"{about.parameters:,}" if about.parameters else "none (no trained weights)",
        "runs on": ", ".join(about.devices),
        "smallest picture": f"{about.minimum_size_px} px",
        **about.details,
    }
    for key, value in rows.items():
        print(f"{key:18} {value}")


def _verify(name: str) -> None:
    """Load the model and check that equal keyframes come back as they are."""
    import torch

    from imf_plugin.errors import ModelError

    model = load_interpolator(name)
    picture = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    result = model.interpolate(picture, picture, [0.0, 0.5])
    if not torch.equal(result[0], picture) or not torch.isfinite(result).all():
        raise ModelError(f"the model {name} loads but gives wrong pictures: reinstall imf-plugin")
    print(f"{name}: works")
