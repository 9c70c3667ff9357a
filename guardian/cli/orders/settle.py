"""`guardian settle`: the owner ends the wait for an order whose fate is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.support.opened_home import carry_out, with_home
from guardian.cli.support.options import policy_option, reason_option
from guardian.cli.support.owner import agree, require_owner
from guardian.cli.support.render import say, say_error, say_hint
from guardian.domain.owner.statement import Statement, StatementKind

if TYPE_CHECKING:
    from guardian.cli.support.stop_requests import StopRequests
    from guardian.home.opened import OpenedHome


@click.command()
@click.argument("client_order_id")
@reason_option("the owner says that it is not at the exchange", "Written in the log.")
@policy_option
@click.pass_context
def command(ctx: click.Context, client_order_id: str, reason: str, policy_path: Path | None) -> None:
    """End the wait for an order whose outcome is unknown: it no longer counts against your budgets.

    Guardian asks the exchange once more; an order that is there is not settled. It shows what settling means, asks you,
    and needs a real terminal. The same order stays refused for `limits.duplicate_window`, and one that shows up after
    all counts again and halts trading.
    """
    require_owner("settle an order")
    from guardian.cli.orders.settlement import find_unsettled, settle

    found = with_home(policy_path, lambda opened: find_unsettled(opened, client_order_id))
    if isinstance(found, str):
        say_error(found)
        say_hint("`guardian status` lists the orders that are not resolved")
        ctx.exit(1)
    for line in found.lines:
        say(line)
    # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
    statement = Statement(
        kind=StatementKind.LEDGER,
        fields={"decision": "settle", "client_order_id": client_order_id, "reason": reason, "shown": list(found.lines)},
    )
    if agree(statement, "settle it?", policy_path=policy_path) is None:
        say("nothing was changed")
        ctx.exit(1)

    async def act(opened: OpenedHome, _stop: StopRequests) -> None:
        state = await opened.journal.transact(lambda tx: settle(tx, found.row, reason))
        say(f"settled: {client_order_id} is {state.value}")

    carry_out(policy_path, act)
