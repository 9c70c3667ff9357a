"""What `install` and `uninstall` share: the clients' names, the file, the name of the entry."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from guardian.clients.known import USUAL_NAME, known_clients

CLIENT_NAMES: Final = tuple(client.name for client in known_clients())
_LONGEST: Final = 64

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this configuration file instead of the client's usual one.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print the change, and write nothing.")


def _checked_name(_ctx: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
        raise click.BadParameter(f"a name has 1 to {_LONGEST} printable characters")
    return name


name_option = click.option(
    "--name", default=USUAL_NAME, show_default=True, callback=_checked_name, help="The name that the client shows."
)
