"""Automatic halts: guardian stops trading by itself, in the transaction in which it finds the reason.

Halts by a count (orders without a person, a burst, the loss of a day) let exits through: trading is reducing. Halts by
evidence that something is wrong (rejections, the clock, the log) let nothing through.

A halt is latched with an `event` row that says why. Only the owner resumes trading, and events before that
do not count for a new halt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from guardian.domain.order_states import FINAL_STATES, LIVE_STATES, OrderState
from guardian.domain.trading import TradingState
from guardian.policy.model import CountWindow
from guardian.store.database import Transaction
from guardian.store.schema.records import Record, Scope

REJECTS_IN_A_ROW: Final = 5
"""Orders that the exchange rejected, with none placed in between: guardian and the exchange no longer agree."""

BURST_MS: Final = 10_000
BURST_ORDERS: Final = 10
"""Orders within BURST_MS that are no burst under any policy; the ready-made ones let 5 through in a whole minute."""

SKEWS_IN_A_ROW: Final = 3
"""Orders of one process that were denied for the clock, with none in between for which it was right."""
FAR_SKEW_MS: Final = 10_000
"""A skew at which one denial is enough to halt, since windows, expiries and the log use this clock."""

_KNOWN_STATES: Final = (FINAL_STATES | LIVE_STATES) - {OrderState.NOT_PLACED}


def halt(
    tx: Transaction,
    scope: Scope | None,
    cause: str,
    reason: str,
    *,
    call_id: str | None = None,
    state: TradingState = TradingState.HALTED,
) -> None:
    """Halt trading, or all of it but exits, with an `event` row with the reason; a stricter state is kept.

    `cause` is a word for the log, `reason` the sentence for the owner.

    Raises StoreError.
    """
    if tx.trading.status().state in {TradingState.HALTED, state}:
        return
    tx.trading.set(state, reason=reason, by="guardian")
    tx.audit.append(
        Record.event(
            scope,
            {"kind": state, "by": "guardian", "cause": cause, "reason": reason, "trading": state},
            call_id=call_id,
        )
    )


def halt_on_rejects(tx: Transaction, scope: Scope, call_id: str | None) -> None:
    """Halt where the last REJECTS_IN_A_ROW orders whose fate is known were rejected by the exchange. Raises StoreError.

    Orders that never left this machine and unknown ones neither count nor interrupt the row.
    """
    newest = tx.orders.newest(scope, states=_KNOWN_STATES, limit=REJECTS_IN_A_ROW)
    since_ms = _active_since(tx)
    rejected = [row for row in newest if row.state is OrderState.REJECTED and row.reserved_ms > since_ms]
    if len(rejected) == REJECTS_IN_A_ROW:
        reason = f"the exchange rejected {REJECTS_IN_A_ROW} orders in a row"
        halt(tx, scope, "rejects", reason, call_id=call_id)


def halt_on_burst(tx: Transaction, scope: Scope, windows: Iterable[CountWindow], call_id: str) -> None:
    """Let only exits through where more orders were reserved within BURST_MS than are no burst, exits among them.

    Raises StoreError.
    """
    most = burst_bound(windows)
    since_ms = max(tx.now_ms - BURST_MS, _active_since(tx))
    if tx.orders.reserved_since(scope, since_ms) > most:
        reason = f"more than {most} orders were sent within {BURST_MS // 1000} s"
        halt(tx, scope, "burst", reason, call_id=call_id, state=TradingState.REDUCING)


def burst_bound(windows: Iterable[CountWindow]) -> int:
    """How many orders within BURST_MS are no burst: BURST_ORDERS, or more where `limits.max_orders` lets more through.

    Exits spend none of `max_orders`, so that they are held to this alone.
    """
    allowed = (window.maximum * -(-BURST_MS // window.window_ms) for window in windows)
    return max(BURST_ORDERS, min(allowed, default=0))


def is_far(skew_ms: int) -> bool:
    """Whether one denial for this skew is enough to halt."""
    return abs(skew_ms) > FAR_SKEW_MS


def _active_since(tx: Transaction) -> int:
    """When trading was resumed, in window time: what happened before is no reason to halt again."""
    return tx.trading.status().since_ms or 0
