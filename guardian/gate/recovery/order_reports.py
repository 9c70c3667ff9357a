"""What a report of one of guardian's orders changes in the store: the one way in for whatever the exchange says.

A report is held against the order that was sent before anything is made of it. One that contradicts it moves the order
to `unknown` and halts trading; an order whose end turns out to be wrong is set right, and trading halts; all else moves
the order on.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Final

from guardian.domain.order_states import FINAL_STATES, LIVE_STATES, VOID_STATES, OrderState
from guardian.domain.orders import OrderReport
from guardian.domain.report_match import contradiction, is_amended
from guardian.gate.base.auto_halt import halt
from guardian.gate.base.order_events import note_found, tell_once
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.orders import correction_key, is_correction

LISTS_LAG_MS: Final = 60_000
"""An order that ended less than this before is not held against a report that still has it open."""


class DifferenceKind(StrEnum):
    """In which way the store and the exchange differed."""

    MOVED = "moved"
    """The order had gone on; the store now has it."""
    MISSING = "missing"
    """The exchange does not know it now. It is asked for until that is certain."""
    NOT_IN_LOG = "not_in_log"
    """It has guardian's mark and the log had no intent: the log was cut, or another home uses this account."""
    CONTRADICTED = "contradicted"
    """The store had its end, and the exchange has it otherwise. It counts as it is there from now on."""
    IMPOSSIBLE = "impossible"
    """The exchange's report cannot be of the order that was sent; nothing of it is believed."""


def row_of(tx: Transaction, scope: Scope, report: OrderReport) -> OrderRow | None:
    """The order of guardian's that a report is of, by either id; None where it is somebody else's. Raises StoreError.

    An order that its owner amended at the exchange has another client order id there.
    """
    row = tx.orders.get(report.client_order_id)
    if row is not None:
        return row if row.environment == scope.environment else None
    amended = tx.orders.by_exchange_id(scope, report.symbol, report.order_id)
    return amended if amended is not None and is_amended(amended.sent, report) else None


def take_report(
    tx: Transaction, row: OrderRow, report: OrderReport, *, began_ms: int, asked_by_order_id: bool = False
) -> DifferenceKind | None:
    """Bring the store up to a report of this order; returns the difference that there was. Raises StoreError.

    `began_ms` is the window time before the exchange was asked: what ended since is not held against the report.
    """
    row = tx.orders.get(row.client_order_id) or row
    why = contradiction(row.sent, report, asked_by_order_id=asked_by_order_id)
    if why is not None:
        refuse_report(tx, row, report, why)
        return DifferenceKind.IMPOSSIBLE
    if row.state in FINAL_STATES and report.state in VOID_STATES | {OrderState.UNKNOWN}:
        return None  # a word that is not known, or a no to what has ended already: nothing to learn from
    if row.state in FINAL_STATES and _contradicts(row, report):
        if row.updated_ms > began_ms - LISTS_LAG_MS:
            return None
        if _set_right(tx, row, report) or tell_kind(tx, row.scope, report, DifferenceKind.CONTRADICTED):
            # Guardian counted less than there was: nothing is added to it until a person has looked.
            reason = f"the exchange has the order {row.client_order_id}, which guardian took for {row.state.value}"
            halt(tx, row.scope, "contradicted", reason, call_id=row.call_id)
        return DifferenceKind.CONTRADICTED
    # What has ended stays as it ended; only more that was executed can still be news. A word of the exchange's that is
    # not known is kept beside the state.
    keeps_state = row.state in FINAL_STATES or (row.state in LIVE_STATES and report.state is OrderState.UNKNOWN)
    state = row.state if keeps_state else report.state
    return DifferenceKind.MOVED if note_found(tx, row.scope, row, state, report) else None


def refuse_report(tx: Transaction, row: OrderRow, report: OrderReport, why: str) -> None:
    """Believe nothing of a report that contradicts the order: it becomes `unknown`, and trading halts, once for each.

    Raises StoreError.
    """
    if row.state not in FINAL_STATES:
        tx.orders.move(row.client_order_id, OrderState.UNKNOWN)
    mark = sha256(why.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    body = {
        "kind": "order_impossible",
        "client_order_id": row.client_order_id,
        "was": row.state,
        "why": why,
        "report": report,
    }
    key = f"impossible/{row.environment}/{row.client_order_id}/{mark}"
    if tell_once(tx, row.scope, key, row.symbol, body, call_id=row.call_id):
        reason = f"the exchange contradicts the order {row.client_order_id} that was sent: {why}"
        halt(tx, row.scope, "exchange_contradicts", reason, call_id=row.call_id)


def tell_kind(tx: Transaction, scope: Scope, report: OrderReport, kind: DifferenceKind) -> bool:
    """An event row about a report, once for each order; False where it was told before. Raises StoreError."""
    key = f"reconcile/{kind.value}/{scope.environment}/{report.client_order_id}"
    body = {"kind": f"order_{kind.value}", "client_order_id": report.client_order_id, "report": report}
    return tell_once(tx, scope, key, report.symbol, body)


def _contradicts(row: OrderRow, report: OrderReport) -> bool:
    """Whether the exchange has something of an order whose end the store has, and that end has no room for it."""
    if row.state in VOID_STATES:
        return report.state not in VOID_STATES
    return report.state in LIVE_STATES


def _set_right(tx: Transaction, row: OrderRow, report: OrderReport) -> bool:
    """Count from now on what there is, and say so in a row each time; False where it is no order to set right."""
    if not is_correction(row, report):
        return False
    body = {
        "kind": f"order_{DifferenceKind.CONTRADICTED.value}",
        "client_order_id": row.client_order_id,
        "was": row.state,
        "is": report.state,
        "report": report,
    }
    tell_once(tx, row.scope, correction_key(row), row.symbol, body, call_id=row.call_id)
    return tx.orders.correct(row.client_order_id, report)
