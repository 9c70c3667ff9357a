"""`guardian install`: guardian among the servers of Claude Desktop, Claude Code, Cursor or VS Code."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.install.entry_options import CLIENT_NAMES, config_option, dry_run_option, name_option
from guardian.cli.parser.choices import OneOf


@click.command()
@click.argument("client_name", type=OneOf(CLIENT_NAMES), required=False, metavar="[CLIENT]")
@config_option
@name_option
@click.option("--replace", is_flag=True, help="Put guardian in the place of another program of that name.")
@dry_run_option
@click.option("--print", "prints", is_flag=True, help="Print the entry, for any other client, and write nothing.")
@click.pass_context
def command(
    ctx: click.Context,
    client_name: str | None,
    config: Path | None,
    name: str,
    replace: bool,
    dry_run: bool,
    prints: bool,
) -> None:
    """Put guardian into the configuration of CLIENT: claude-desktop, claude-code, cursor or vscode.

    Only guardian's own entry is written; every other byte stays, and a dated copy of the file is kept beside it. The
    entry has absolute paths and no secret. `guardian uninstall` undoes it.
    """
    from guardian.cli.install import entry_work

    if prints:
        entry_work.print_entry(client_name, name)
        return
    if client_name is None:
        raise click.UsageError(f"name a client: {entry_work.clients_here()}", ctx=ctx)
    entry_work.install(client_name, config, name, replace=replace, dry_run=dry_run)
