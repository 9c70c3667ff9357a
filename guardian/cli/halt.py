"""`guardian halt`: no order is created from now on; reads and cancels go on. Tightening asks nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.opened import note_act, policy_option, with_guardian
from guardian.cli.render import say

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.store.records import OrderRow


@click.command()
@click.option("--cancel-open", is_flag=True, help="Then cancel guardian's own open orders, one by one.")
@click.option("--reason", default="halted by a person", show_default=True, help="Written in the log and shown.")
@policy_option
@click.pass_context
def command(ctx: click.Context, cancel_open: bool, reason: str, policy_path: Path | None) -> None:
    """Stop trading now, in every process of this home. Cancelling and reading go on; `guardian resume` ends it."""
    ctx.exit(with_guardian(policy_path, lambda guardian: _halt(guardian, reason, cancel_open=cancel_open)))


async def _halt(guardian: Guardian, reason: str, *, cancel_open: bool) -> int:
    await guardian.journal.run(lambda: halt(guardian, reason))
    say("trading is halted; `guardian resume` lets it go on")
    if not cancel_open:
        return 0
    rows = await guardian.journal.run(lambda: _open_orders(guardian))
    if not rows:
        say("guardian has no open orders")
    results = [await _cancel(guardian, row) for row in rows]
    return 0 if all(results) else 3


def halt(guardian: Guardian, reason: str) -> None:
    """Halt and write it down, in one transaction. Raises StoreError."""
    from guardian.domain.trading import TradingState

    with guardian.journal.transaction() as tx:
        tx.set_trading(TradingState.HALTED, reason=reason, by="owner")
        note_act(tx, "halted", {"reason": reason})


def _open_orders(guardian: Guardian) -> tuple[OrderRow, ...]:
    """Guardian's orders that are open or may be, in the environment of this process."""
    name = guardian.gate.environment.value
    with guardian.journal.transaction() as tx:
        rows = (*tx.unresolved(None), *tx.live(None))
    return tuple(row for row in rows if row.environment == name)


async def _cancel(guardian: Guardian, row: OrderRow) -> bool:
    """Cancel one order through the gate and say how it went."""
    from guardian.domain.codes import Outcome
    from guardian.domain.requests import CancelOrder

    arguments = {"symbol": row.symbol, "client_order_id": row.client_order_id}
    call = await guardian.gate.open_call(CancelOrder.tool, arguments, client="guardian halt --cancel-open")
    reply = await guardian.gate.handle(call, CancelOrder(symbol=row.symbol, client_order_id=row.client_order_id))
    await guardian.gate.close_call(call, reply)
    if reply.outcome is Outcome.DONE:
        say(f"cancelled: {row.symbol} {row.client_order_id}")
        return True
    why = reply.error.message if reply.error is not None else reply.outcome.value
    say(f"not cancelled: {row.symbol} {row.client_order_id}: {why}")
    return False
