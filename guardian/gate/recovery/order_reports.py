"""Gets the exchange's report of one of guardian's orders, and applies it to the store; every report goes through here.

`query_order` asks the exchange for it, `row_of` finds the order that a report is about, `apply_report` updates the
store. A report is first compared with the order that was sent. One that contradicts it moves the order to `unknown` and
halts trading. One that shows that a stored final state is wrong corrects the order and halts trading. Any other updates
the order's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from guardian.domain.order_states import FINAL_STATES, LIVE_STATES, VOID_STATES, OrderState
from guardian.domain.orders import OrderReport
from guardian.domain.report_match import SentOrder, contradiction, is_amended
from guardian.gate.base.auto_halt import halt
from guardian.gate.base.order_events import append_event_once, record_new_state
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.orders import correction_key, is_correction

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

LISTS_LAG_MS: Final = 60_000
"""How far lists lag: a report that shows an order open contradicts its end only if that is older than this, in ms."""


class DifferenceKind(StrEnum):
    """How the store and the exchange differed about an order."""

    MOVED = "moved"
    """The order has changed at the exchange; the store now has the change."""
    MISSING = "missing"
    """The exchange does not know it now. It is polled until that is certain."""
    NOT_IN_LOG = "not_in_log"
    """It has guardian's prefix and the log lacks its intent: the log was cut, or another home uses this account."""
    CONTRADICTED = "contradicted"
    """The store had a final state that the exchange contradicts. The exchange's state counts from now on."""
    IMPOSSIBLE = "impossible"
    """The exchange's report contradicts the order that was sent; nothing of it is believed."""


async def query_order(exchange: Exchange, sent: SentOrder) -> OrderReport | None:
    """The exchange's report of an order of guardian's; None where it knows neither of its ids. Raises ExchangeError.

    An order that its owner amended has another client order id at the exchange; it is queried by its order id. Another
    order with that number (order ids start again when a testnet is wiped) is not taken for it.
    """
    report = await exchange.order(sent.symbol, client_order_id=sent.client_order_id)
    if report is not None or sent.order_id is None:
        return report
    report = await exchange.order(sent.symbol, order_id=sent.order_id)
    if report is None or not (report.client_order_id == sent.client_order_id or is_amended(sent, report)):
        return None
    return report


def reports_of(rows: Iterable[OrderRow], reports: Iterable[OrderReport]) -> tuple[tuple[OrderRow, OrderReport], ...]:
    """The report of each of these orders that a list has, by either id; every other report is of another order.

    An order of which a list has two different reports has none: neither can be preferred.
    """
    named: dict[str, list[OrderReport]] = {}
    numbered: dict[int, list[OrderReport]] = {}
    for report in reports:
        named.setdefault(report.client_order_id, []).append(report)
        numbered.setdefault(report.order_id, []).append(report)
    found: list[tuple[OrderRow, OrderReport]] = []
    for row in rows:
        candidates = list(named.get(row.client_order_id, ()))
        if row.order_id is not None:
            candidates += [one for one in numbered.get(row.order_id, ()) if is_amended(row.sent, one)]
        if candidates and all(one == candidates[0] for one in candidates):
            found.append((row, candidates[0]))
    return tuple(found)


def row_of(tx: Transaction, scope: Scope, report: OrderReport) -> OrderRow | None:
    """The order of guardian's that a report is about, by either id; None where it is foreign. Raises StoreError.

    An order that its owner amended at the exchange has another client order id there.
    """
    row = tx.orders.get(report.client_order_id)
    if row is not None:
        return row if row.environment == scope.environment else None
    amended = tx.orders.by_exchange_id(scope, report.symbol, report.order_id)
    return amended if amended is not None and is_amended(amended.sent, report) else None


def apply_report(
    tx: Transaction, row: OrderRow, report: OrderReport, *, began_ms: int, asked_by_order_id: bool = False
) -> DifferenceKind | None:
    """Update the store from a report of this order; returns the difference, or None. Raises StoreError.

    `began_ms` is the window time before the exchange was queried: an order that ended since contradicts no report.
    """
    row = tx.orders.get(row.client_order_id) or row
    why = contradiction(row.sent, report, asked_by_order_id=asked_by_order_id)
    if why is not None:
        record_contradiction(tx, row, report, why)
        return DifferenceKind.IMPOSSIBLE
    if row.state in FINAL_STATES and report.state in VOID_STATES | {OrderState.UNKNOWN}:
        return None  # a status that guardian does not know, or a rejection of what has ended: no information
    if row.state in FINAL_STATES and _contradicts(row, report):
        if row.updated_ms > began_ms - LISTS_LAG_MS:
            return None
        if _correct(tx, row, report) or append_difference_once(tx, row.scope, report, DifferenceKind.CONTRADICTED):
            # Guardian counted too little: nothing is added to it until a person has looked.
            reason = f"the exchange has the order {row.client_order_id}, which guardian took for {row.state.value}"
            halt(tx, row.scope, "contradicted", reason, call_id=row.call_id)
        return DifferenceKind.CONTRADICTED
    # A final state remains; only the executed quantity can still grow. A status that guardian does not know is kept
    # beside the state.
    keeps_state = row.state in FINAL_STATES or (row.state in LIVE_STATES and report.state is OrderState.UNKNOWN)
    state = row.state if keeps_state else report.state
    return DifferenceKind.MOVED if record_new_state(tx, row, state, report) else None


def record_contradiction(tx: Transaction, row: OrderRow, report: OrderReport, why: str) -> None:
    """Record a report that contradicts the order: the order becomes `unknown`, and trading halts, once for each reason.

    Raises StoreError.
    """
    if row.state not in FINAL_STATES:
        tx.orders.move(row.client_order_id, OrderState.UNKNOWN)
    digest = sha256(why.encode("utf-8", "backslashreplace")).hexdigest()[:16]
    body = {
        "kind": "order_impossible",
        "client_order_id": row.client_order_id,
        "was": row.state,
        "why": why,
        "report": report,
    }
    key = f"impossible/{row.environment}/{row.client_order_id}/{digest}"
    if append_event_once(tx, row.scope, key, row.symbol, body, call_id=row.call_id):
        reason = f"the exchange contradicts the order {row.client_order_id} that was sent: {why}"
        halt(tx, row.scope, "exchange_contradicts", reason, call_id=row.call_id)


def append_difference_once(tx: Transaction, scope: Scope, report: OrderReport, kind: DifferenceKind) -> bool:
    """Append an event row about a report, once for each order and kind; False where it exists. Raises StoreError."""
    key = f"reconcile/{kind.value}/{scope.environment}/{report.client_order_id}"
    body = {"kind": f"order_{kind.value}", "client_order_id": report.client_order_id, "report": report}
    return append_event_once(tx, scope, key, report.symbol, body)


def _contradicts(row: OrderRow, report: OrderReport) -> bool:
    """Whether the exchange reports a state that is impossible after the final state in the store."""
    if row.state in VOID_STATES:
        return report.state not in VOID_STATES
    return report.state in LIVE_STATES


def _correct(tx: Transaction, row: OrderRow, report: OrderReport) -> bool:
    """Count what the exchange reports from now on, with an event row; False where nothing is to be corrected."""
    if not is_correction(row, report):
        return False
    body = {
        "kind": f"order_{DifferenceKind.CONTRADICTED.value}",
        "client_order_id": row.client_order_id,
        "was": row.state,
        "is": report.state,
        "report": report,
    }
    append_event_once(tx, row.scope, correction_key(row), row.symbol, body, call_id=row.call_id)
    return tx.orders.correct(row.client_order_id, report)
