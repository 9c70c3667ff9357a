"""Sets trading to what the owner agreed to, unless it is no longer as they were shown it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardian.cli.support.acts import note_act
from guardian.cli.support.times import local_time
from guardian.domain.money import plain
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError
from guardian.gate.seal.accepted_loss import require_no_loss
from guardian.home.opened import OpenedHome
from guardian.store.schema.records import OrderRow, TradingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrading:
    """The trading state as a person was shown it."""

    state: TradingState
    reason: str | None
    stored: TradingStatus
    """As the store has it; a non-empty emergency file is a halt besides."""
    summary: str
    found: frozenset[str] = frozenset()
    """The orders at the exchange that the log lacked and that resuming takes over, by client order id."""


def trading_shown(opened: OpenedHome) -> ShownTrading:
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
    return ShownTrading(state=state, reason=reason, stored=stored, summary=summary, found=_client_order_ids(found))


def _client_order_ids(rows: Iterable[OrderRow]) -> frozenset[str]:
    return frozenset(row.client_order_id for row in rows)


def resume_statement(shown: ShownTrading, target: TradingState) -> Statement:
    """What the owner agrees to: the state that trading gets, and why it was not in it."""
    return Statement(
        kind=StatementKind.RESUME,
        fields={
            "decision": target.value,
            "trading_was": shown.state.value,
            "reason_was": shown.reason,
            "adopted": sorted(shown.found),
        },
    )


def resume(opened: OpenedHome, shown: ShownTrading, target: TradingState) -> None:
    """Set the trading state to `target`.

    Raises StoreError, and GuardianError where trading is not, or no longer, as it was shown: nobody agreed to that.
    """
    emergency = opened.journal.emergency
    came_meanwhile = opened.imported > 0
    if not emergency.is_empty():
        # The start could not take it into the log, or it came since. Its records have to be shown first.
        emergency.import_into(opened.journal.store())
        came_meanwhile = True
    opened.journal.store().set_time_back()  # before all else: what is written from here on has the right time
    with opened.journal.transaction() as tx:
        require_no_loss(tx)
        if (
            came_meanwhile
            or tx.trading.status() != shown.stored
            or _client_order_ids(tx.orders.not_adopted()) != shown.found
        ):
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
