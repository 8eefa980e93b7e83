"""The subcommand demo (being built)."""
from imf_plugin.cli.retiming import Subparsers
def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
