"""`guardian audit backup`, `restore` and `rebuild`: the options.

`backing_up`, `putting_back` and `fresh_database` do the work.
"""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.audit.log_options import json_option
from guardian.cli.support.owner import require_owner


@click.command("backup")
@click.argument("target", metavar="TO", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def backup(ctx: click.Context, target: Path, as_json: bool) -> None:
    """Copy the log with orders and budgets to the new file TO, or under a dated name into the folder TO, and verify it.

    It works while guardian serves. TO.checkpoint is written beside it. No key, PIN or policy file is in it.

    0: written, and the copy is intact. 1: written, and the log is not intact; or TO is there already. 3: not written.
    """
    from guardian.cli.audit.backups.backing_up import back_up

    ctx.exit(back_up(target, as_json=as_json))


@click.command("restore")
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path))
@click.pass_context
def restore(ctx: click.Context, source: Path) -> None:
    """Put the backup FROM in the place of the home's log, after asking you. Trading is halted then.

    It says what the backup lacks. The log from before is kept beside it. No guardian of this home may run. Then
    `guardian audit reconcile` finds the orders that the backup lacks, and `guardian resume` ends the halt.

    0: restored. 1: you said no, or the backup is not intact. 3: it could not be read or written.
    """
    require_owner("restore a backup")
    from guardian.cli.audit.backups.putting_back import put_back

    ctx.exit(put_back(source))


@click.command("rebuild")
@click.argument("target", metavar="[TO]", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_context
def rebuild(ctx: click.Context, target: Path | None, as_json: bool) -> None:
    """Make a fresh database from the log alone: the new file TO, or a dated name in the folder TO or in the home.

    Nothing of the home is changed. It says where the orders, budgets and other tables of the home differ from what the
    log has. `guardian audit restore TO` puts the new database in the place of the old one.

    0: nothing differs. 1: written, and something differs or the log is broken; or TO is there already. 3: not written.
    """
    from guardian.cli.audit.backups.fresh_database import rebuild_from_log

    ctx.exit(rebuild_from_log(target, as_json=as_json))
