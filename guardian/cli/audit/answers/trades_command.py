"""`guardian audit trades`: what was bought and sold, the fees, the realised profit and the position."""

from __future__ import annotations

import click

from guardian.cli.audit.log_options import Moment, SymbolParam, json_option


@click.command("trades")
@click.option("--since", type=Moment(), help="From then on: 2h, today, yesterday, 2026-11-01, or an ISO time.")
@click.option("--until", type=Moment(), help="Before then.")
@click.option("--symbol", type=SymbolParam(), help="Only this symbol.")
@json_option
def trades(since: int | None, until: int | None, symbol: str | None, as_json: bool) -> None:
    """Add up what guardian bought and sold, its fees, and the profit by FIFO and by average cost.

    By symbol, and in all in the accounting currency at prices that the log has. The cost of what was sold follows from
    all that was bought before, whatever the period. Environments and accounts are never added together.
    """
    from guardian.cli.audit.answers.trade_blocks import print_trades

    print_trades(since, until, symbol, as_json=as_json)
