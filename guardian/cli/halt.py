"""`guardian halt`: no order is created from now on; reads and cancels go on. Tightening asks nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.opened import note_act, policy_option, with_guardian
from guardian.cli.owner import ask_yes
from guardian.cli.render import say
from guardian.errors import OwnerNotPresent

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.journal import Journal
    from guardian.store.records import OrderRow


@click.command()
@click.option("--cancel-open", is_flag=True, help="Then cancel guardian's own open orders, one by one.")
@click.option("--all", "every", is_flag=True, help="With --cancel-open: then also orders that guardian did not place.")
@click.option("--reason", default="halted by a person", show_default=True, help="Written in the log and shown.")
@policy_option
@click.pass_context
def command(ctx: click.Context, cancel_open: bool, every: bool, reason: str, policy_path: Path | None) -> None:
    """Stop trading now, in every process of this home. Cancelling and reading go on; `guardian resume` ends it.

    With --cancel-open the exit code is 3 where an order could not be cancelled. --all adds the account's other open
    orders, on the symbols that the policy lists or that guardian has traded; it shows them and asks you first.
    """
    if every and not cancel_open:
        raise click.UsageError("--all goes with --cancel-open")
    from guardian.bootstrap import open_journal

    # By way of the log alone: trading can be stopped also where the policy is broken.
    journal = open_journal()
    try:
        say(halt(journal, reason))
    finally:
        journal.close()
    if cancel_open:
        code = with_guardian(policy_path, _cancel_all)
        ctx.exit(max(code, _cancel_others(policy_path)) if every else code)


def halt(journal: Journal, reason: str) -> str:
    """Halt and write it down, in one transaction; where the log takes nothing, by way of the emergency file.

    Returns what to say. Raises StoreError: neither took it.
    """
    from guardian.bootstrap import OWNER_HALT
    from guardian.domain.trading import TradingState
    from guardian.errors import StoreError

    try:
        with journal.transaction() as tx:
            tx.set_trading(TradingState.HALTED, reason=reason, by="owner")
            note_act(tx, "halted", {"reason": reason})
    except StoreError as error:
        if not journal.note_emergency({"kind": OWNER_HALT, "reason": reason}):
            raise
        return f"trading is halted, by way of the emergency file, for {error.message}; `guardian resume` lets it go on"
    return "trading is halted; `guardian resume` lets it go on"


def _cancel_others(policy_path: Path | None) -> int:
    """Show the orders that guardian did not place, ask, and cancel them. Halting is done whatever comes of this."""
    from guardian.cli.cancel_all import cancel_foreign, foreign_orders, told

    others, complete = with_guardian(policy_path, foreign_orders)
    if not others:
        say("there are no other open orders" if complete else "no other open orders were found")
        return 0 if complete else 3
    for report in others:
        say(f"not placed by guardian: {told(report)}")
    try:
        # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
        agreed = ask_yes(f"cancel {len(others)} orders that guardian did not place?")
    except OwnerNotPresent as error:
        say(f"not cancelled: {error.message}")
        return 3
    if not agreed:
        say("the orders that guardian did not place are left alone")
        return 3
    return 0 if with_guardian(policy_path, lambda guardian: cancel_foreign(guardian, others)) and complete else 3


async def _cancel_all(guardian: Guardian) -> int:
    rows = await guardian.journal.run(lambda: _open_orders(guardian))
    if not rows:
        say("guardian has no open orders")
    results = [await _cancel(guardian, row) for row in rows]
    return 0 if all(results) else 3


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
