"""`guardian audit stats`: how much was done, denied and sent, and how long calls took."""

from __future__ import annotations

import click

from guardian.cli.audit.log_options import Moment, json_option
from guardian.cli.parser.choices import OneOf

_BY = ("tool", "symbol", "outcome", "code", "day", "hour", "client")


@click.command("stats")
@click.option("--by", type=OneOf(_BY), default="tool", show_default=True, help="What the lines are by.")
@click.option("--since", type=Moment(), help="From then on: 2h, today, yesterday, 2026-11-01, or an ISO time.")
@json_option
def stats(by: str, since: int | None, as_json: bool) -> None:
    """Count calls, denials, orders with their notional, and the latency from a call to its outcome.

    Days and hours are where you are; an hour is that of every day together. A call that several rules denied counts
    once for each code.
    """
    from guardian.cli.audit.answers.stats_table import print_stats

    print_stats(by, since, as_json=as_json)
