"""`guardian audit export`: the options; `exporting` does the work."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.audit.log_options import Moment
from guardian.cli.parser.choices import OneOf


@click.command("export")
@click.option("--format", "form", type=OneOf(("ndjson", "csv")), help="ndjson (the default), or csv for a spreadsheet.")
@click.option("--trades", is_flag=True, help="The trades instead of the log, as CSV for an accountant.")
@click.option("--since", type=Moment(), help="From then on: 2h, today, yesterday, 2026-11-01, or an ISO time.")
@click.option("--until", type=Moment(), help="Before then.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this new file.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--redact", is_flag=True, help="Leave out whose account it is, and addresses.")
@click.pass_context
def export(
    ctx: click.Context,
    form: str | None,
    trades: bool,
    since: int | None,
    until: int | None,
    out: Path | None,
    force: bool,
    redact: bool,
) -> None:
    """Write the log, or its trades, for other programs: to FILE, with FILE.manifest.json beside it, or to a pipe.

    The manifest has the range, the end of the log, its checkpoint, and the SHA-256 of the file.

    0: written. 1: written, and a row was changed since it was logged. 3: the log could not be read.
    """
    from guardian.cli.audit.export.exporting import ExportFormat, Wanted, write_export

    if trades and form == ExportFormat.NDJSON:
        raise click.UsageError("trades are written as CSV: leave out `--format ndjson`")
    wanted = Wanted(
        format=ExportFormat(form or ExportFormat.NDJSON), trades=trades, since_ms=since, until_ms=until, redact=redact
    )
    ctx.exit(write_export(wanted, out, force=force))
