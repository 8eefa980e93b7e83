"""The subcommand models: which there are, what they are, whether they work."""

import argparse
from pathlib import Path

from imf_plugin.cli.retiming import Subparsers
from imf_plugin.errors import ModelError
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.registry import (
    DEFAULT_MODEL,
    DEFAULT_RETARGETER,
    FAMILY,
    describe_model,
    describe_retargeter,
    is_weights_file,
    load_interpolator,
    load_retargeter,
    model_names,
    retargeter_names,
)

_EXAMPLES = """examples:
  imf models
  imf models info imf
  imf models verify run/imf-compact.safetensors"""


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "models",
        help="list, describe or verify the models",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="list|info|verify")
    actions.add_parser("list", help="all models, a line each")
    info = actions.add_parser("info", help="what a model is")
    info.add_argument("name", help="as 'imf models' lists it, or a .safetensors file")
    verify = actions.add_parser("verify", help="load a model and check what it makes")
    verify.add_argument("name", nargs="?", help="all models when left out")
    parser.set_defaults(run=_run, action="list")


def _run(args: argparse.Namespace) -> int:
    if args.action == "info":
        _print_info(args.name)
    elif args.action == "verify":
        for name in [args.name] if args.name else [*model_names(), *retargeter_names()]:
            _verify(name)
    else:
        _print_list()
    return 0


def _print_list() -> None:
    print("between frames (slowmo, fps, retime):")
    for name in model_names():
        mark = " (default)" if name == DEFAULT_MODEL else ""
        print(f"  {name:14} {describe_model(name).summary}{mark}")
    print("moving a picture (retarget, tokens):")
    for name in retargeter_names():
        mark = " (default)" if name == DEFAULT_RETARGETER else ""
        print(f"  {name:14} {describe_retargeter(name).summary}{mark}")


def _print_info(name: str) -> None:
    about, _ = _described(name)
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
    width = max(map(len, rows))
    for key, value in rows.items():
        print(f"{key:{width}} {value}")


def _described(name: str) -> tuple[ModelDescriptor, bool]:
    """Return what a model is, and whether it moves pictures."""
    if name in retargeter_names():
        return describe_retargeter(name), True
    if name in ("auto", FAMILY) or name in model_names():
        return describe_model(name), False
    if not is_weights_file(name):
        known = ", ".join([*model_names(), *retargeter_names()])
        raise ModelError(f"there is no model named {name!r}; the models here are: {known}")
    if not Path(name).is_file():
        raise ModelError(f"there are no weights in {name}; 'imf train' writes them")
    try:
        return describe_model(name), False
    except ModelError:
        # The card beside it is not of that kind, so it is of the other, or damaged.
        return describe_retargeter(name), True


def _verify(name: str) -> None:
    """Load the model and check that what shall stay as it is does."""
    import torch

    _, moves_pictures = _described(name)
    picture = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    if moves_pictures:
        retargeter = load_retargeter(name)
        state = retargeter.encode_reference(picture, picture)
        result = retargeter.render(state, retargeter.reference_token(state)[None])
    else:
        result = load_interpolator(name).interpolate(picture, picture, [0.0, 0.5])
    if not torch.equal(result[0], picture) or not torch.isfinite(result).all():
        raise ModelError(f"the model {name} loads but gives wrong pictures: reinstall imf-plugin")
    print(f"{name}: works")
