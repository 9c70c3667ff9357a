"""`guardian version`: what `guardian --version` prints."""

from __future__ import annotations

import click

from guardian import __version__
from guardian.cli.support.render import print_line


@click.command()
def command() -> None:
    """Print the version of guardian."""
    print_line(f"guardian {__version__}")
