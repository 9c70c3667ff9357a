"""`guardian resume`: the owner lets trading go on after a halt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.support.opened_home import carry_out, note_act, policy_option, with_guardian
from guardian.cli.support.owner import ask_yes, require_owner
from guardian.cli.support.render import say, say_error, say_hint
from guardian.cli.support.stop_requests import StopRequests
from guardian.cli.support.times import local_time
from guardian.domain.money import plain
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.store.schema.records import OrderRow, TradingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The trading state as a person was shown it."""

    state: TradingState
    reason: str | None
    stored: TradingStatus
    """As the store has it; a non-empty emergency file is a halt besides."""
    summary: str
    found: frozenset[str] = frozenset()
    """The orders at the exchange that the log lacked and that resuming takes over, by client order id."""


@click.command()
@click.option("--reducing", is_flag=True, help="After a halt: let what guardian bought be sold, and nothing else.")
@policy_option
@click.pass_context
def command(ctx: click.Context, reducing: bool, policy_path: Path | None) -> None:
    """Let trading go on. Shows why it stopped, asks you, and needs a real terminal."""
    require_owner("resume trading")
    shown = with_guardian(policy_path, lambda opened: opened.journal.run(lambda: _status(opened)), needs_policy=False)
    say(shown.summary)
    if reducing and shown.state is not TradingState.HALTED:
        ctx.exit(_not_halted(shown.state))
    question = "let what guardian bought be sold, and nothing else?" if reducing else "let trading go on?"
    if shown.state is TradingState.ACTIVE:
        question = "trading is active already; reset the count of orders since a person acted to zero?"
    # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
    if not ask_yes(question):
        say("nothing was changed")
        ctx.exit(1)
    target = TradingState.REDUCING if reducing else TradingState.ACTIVE

    async def act(opened: Guardian, _stop: StopRequests) -> None:
        await opened.journal.run(lambda: resume(opened, shown, target))
        say("trading is reducing: only selling back what guardian bought passes" if reducing else "trading is active")

    carry_out(policy_path, act, needs_policy=False)


def _not_halted(state: TradingState) -> int:
    """Say why there is nothing to loosen by `--reducing`; the exit code."""
    if state is TradingState.REDUCING:
        say("nothing was changed")
        return 0
    say_error("trading is active: letting only exits through would tighten that")
    say_hint("`guardian halt --reducing`")
    return 1


def _status(opened: Guardian) -> Shown:
    """The trading state and why, for the person who decides."""
    with opened.journal.transaction() as tx:
        state, reason = opened.journal.trading(tx)
        stored = tx.trading.status()
        waiting = len(tx.orders.unresolved(None))
        found = tx.orders.not_adopted()
    summary = f"trading is {state.value}"
    if state is stored.state and stored.since_ms is not None:
        summary += f" since {local_time(stored.since_ms)}"
    summary += f": {reason}" if reason else ""
    if waiting:
        summary += f"; {waiting} order{' is' if waiting == 1 else 's are'} not resolved yet"
    if found:
        each = "; ".join(
            f"{row.client_order_id}: {row.side} {plain(row.quantity)} {row.symbol}, {plain(row.executed_quantity)} of "
            f"it executed, {row.state.value}"
            for row in found
        )
        summary += f"; found at the exchange and not in this log, resuming takes into the position: {each}"
    if opened.imported:
        summary += f"; emergency records taken into the log: {opened.imported}"
    return Shown(state=state, reason=reason, stored=stored, summary=summary, found=_names(found))


def _names(rows: Iterable[OrderRow]) -> frozenset[str]:
    return frozenset(row.client_order_id for row in rows)


def resume(opened: Guardian, shown: Shown, target: TradingState) -> None:
    """Set the trading state to `target`.

    Raises StoreError, and GuardianError where trading is not, or no longer, as it was shown: nobody agreed to that.
    """
    emergency = opened.journal.emergency
    came_meanwhile = opened.imported > 0
    if not emergency.is_empty():
        # The start could not take it into the log, or it came since. Its records have to be shown first.
        emergency.import_into(opened.journal.store())
        came_meanwhile = True
    with opened.journal.transaction() as tx:
        if came_meanwhile or tx.trading.status() != shown.stored or _names(tx.orders.not_adopted()) != shown.found:
            raise GuardianError(
                "trading stopped again while you were asked; nothing was changed", hint="`guardian resume` shows why"
            )
        reason = "resumed by the owner"
        if target is TradingState.REDUCING:
            # Why it is not active is still what it halted for; a denial and the next resume say so.
            reason = f"{shown.reason or 'halted'} (the owner lets exits through)"
        tx.trading.set(target, reason=reason, by="owner")
        tx.acts.record(None, "resumed")
        for row in tx.orders.adopt_found():
            note_act(tx, "order_adopted", {"by": "owner", "client_order_id": row.client_order_id, "symbol": row.symbol})
        note_act(
            tx,
            "resumed",
            {"by": "owner", "trading": target.value, "trading_was": shown.state.value, "reason_was": shown.reason},
        )
