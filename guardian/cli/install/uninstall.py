"""`guardian uninstall`: guardian out of a client's configuration."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.install.entry_options import CLIENT_NAMES, config_option, dry_run_option, name_option
from guardian.cli.parser.choices import OneOf


@click.command()
@click.argument("client_name", type=OneOf(CLIENT_NAMES), metavar="CLIENT")
@config_option
@name_option
@dry_run_option
def command(client_name: str, config: Path | None, name: str, dry_run: bool) -> None:
    """Take guardian out of the configuration of CLIENT: claude-desktop, claude-code, cursor or vscode.

    Every other byte stays, and a dated copy of the file is kept beside it. Guardian's home, with your policy and the
    log, and the keys in the keyring stay; it says how to remove them.
    """
    from guardian.cli.install import entry_work

    entry_work.uninstall(client_name, config, name, dry_run=dry_run)
