"""`guardian keys`: Binance API keys in the system's keyring."""

from __future__ import annotations

import click

from guardian.cli.keys.add import add
from guardian.cli.keys.check import check
from guardian.cli.keys.remove import remove
from guardian.cli.keys.rotate import rotate
from guardian.cli.keys.stored_keys import list_
from guardian.cli.keys.token.command import token
from guardian.cli.keys.vault import vault
from guardian.cli.parser.groups import CommandGroup
from guardian.system.core_dumps import forbid_core_dumps


@click.group(cls=CommandGroup)
def command() -> None:
    """Keep Binance API keys in the system's keyring, or in a vault where there is one.

    A key belongs to one environment and is never offered to another. Secrets are entered at the terminal, or read from
    a file or a pipe; never taken from an argument or a variable.
    """
    forbid_core_dumps()


for _subcommand in (add, list_, check, rotate, remove, token, vault):
    command.add_command(_subcommand)
