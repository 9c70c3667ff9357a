"""`guardian audit order ID`: the whole life of one order."""

from __future__ import annotations

import click

from guardian.cli.audit.log_options import json_option


@click.command("order")
@click.argument("name", metavar="PROPOSAL|CLIENT_ORDER_ID|EXCHANGE_ID|CALL_ID|last")
@json_option
@click.pass_context
def order(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show the whole life of one order: asked, judged, shown, approved, sent, answered, fills, fees, cancelled.

    The beginning of a client order id is enough. Each rule is shown with what it saw, its limit and what was left.

    0: it is shown. 1: nothing is called so, or several orders are.
    """
    from guardian.cli.audit.answers.order_timeline import print_order

    ctx.exit(print_order(name, as_json=as_json))
