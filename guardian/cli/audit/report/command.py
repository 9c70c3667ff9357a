"""`guardian audit report`: the options; `writing` does the work."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.audit.log_options import Moment


@click.command("report")
@click.option("--since", type=Moment(), help="From then on; 30 days without it. 2h, today, 2026-11-01, or an ISO time.")
@click.option("--until", type=Moment(), help="Before then; now without it.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), show_default=True,
    help="Write it to this new file.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.pass_context
def report(ctx: click.Context, since: int | None, until: int | None, out: Path, force: bool, opens: bool) -> None:
    """Write one HTML page: what was traded, gained, denied and approved, and whether the log is whole.

    The page needs no network and no script, and can be printed.

    0: written. 1: written, and the log is not intact. 3: the log could not be read.
    """
    from guardian.cli.audit.report.writing import write_report

    ctx.exit(write_report(since, until, out, force=force, opens=opens))
