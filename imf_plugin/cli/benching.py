"""The subcommand bench."""

import argparse
from pathlib import Path

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import add_quiet
from imf_plugin.cli.retiming import Subparsers
