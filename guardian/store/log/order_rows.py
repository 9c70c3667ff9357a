"""Reads how one order came about, and what all orders brought and cost, without writing to the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from guardian.errors import StoreConflict
from guardian.store.log.read_only import BATCH, LogRow, read_only, row_at, row_to_show
from guardian.store.log.statements import (
    APPROVAL_OF_MANDATE,
    APPROVAL_OF_PROPOSAL,
    FLOWS_OF_ORDERS_AFTER,
    INTENT_OF_ORDER,
    ORDER_OF_PROPOSAL,
    REGISTRATION_BEFORE,
    ROWS_OF_CALL,
    TRADE_COLUMNS,
)
from guardian.store.schema.files import DATABASE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRows:
    """The rows of one order: the person's yes, the intent, the outcome, and how the passkey was registered."""

    intent: LogRow
    outcome: LogRow | None
    approval: LogRow | None
    """Of the order itself or of the mandate that it was sent under; None where nobody was asked."""
    registration: LogRow | None


@dataclass(frozen=True, slots=True)
class OrderFlow:
    """What an order brought (above zero) or cost of an asset, as it is in the file. The fields are TRADE_COLUMNS."""

    id: int
    clock_ms: int
    """When guardian learnt of it, by the clock."""
    kind: str
    """`trade` or `fee`."""
    asset: str
    change: str
    client_order_id: str
    environment: str
    account: str
    symbol: str
    base_asset: str
    quote_asset: str
    side: str
    order_type: str
    order_id: int | None
    proposal_id: str | None
    call_id: str | None


assert tuple(field.name for field in fields(OrderFlow)) == TRADE_COLUMNS


def order_flows(connection: sqlite3.Connection) -> Iterator[OrderFlow]:
    """Yields what every order brought and cost, in the order in which it became known. Raises sqlite3.Error."""
    after = -1
    while rows := connection.execute(FLOWS_OF_ORDERS_AFTER, {"after": after, "limit": BATCH}).fetchall():
        yield from (OrderFlow(*row) for row in rows)
        after = rows[-1][0]


def order_rows(home: Path, name: str) -> OrderRows:
    """Returns the rows of an order, by its client order id or by the id of its proposal.

    Raises StoreConflict: the log has no such order. Raises StoreError where the log cannot be read.
    """
    with read_only(home / DATABASE_NAME) as connection:
        found = connection.execute(ORDER_OF_PROPOSAL, {"name": name.upper()}).fetchone()
        client_order_id = name if found is None or found[0] is None else str(found[0])
        intent = _first(connection, INTENT_OF_ORDER, {"name": client_order_id})
        if intent is None:
            raise StoreConflict(
                "the log has no such order", hint="name it by its client order id, as in `guardian audit show`"
            )
        approval = _approval(connection, intent)
        return OrderRows(
            intent=intent,
            outcome=_outcome(connection, intent),
            approval=approval,
            registration=None if approval is None else _registration(connection, approval),
        )


def _first(connection: sqlite3.Connection, statement: str, values: dict[str, object]) -> LogRow | None:
    found = connection.execute(statement, values).fetchone()
    return None if found is None else row_to_show(found)


def _outcome(connection: sqlite3.Connection, intent: LogRow) -> LogRow | None:
    rows = [row_to_show(row) for row in connection.execute(ROWS_OF_CALL, {"call_id": intent.call_id}).fetchall()]
    return next((row for row in rows if row.phase == "outcome"), None)


def _approval(connection: sqlite3.Connection, intent: LogRow) -> LogRow | None:
    for name, statement in (("proposal", APPROVAL_OF_PROPOSAL), ("mandate", APPROVAL_OF_MANDATE)):
        wanted = intent.data.get(name)
        found = None if wanted is None else connection.execute(statement, {"name": wanted}).fetchone()
        if found is not None and found[0] is not None:
            return row_at(connection, int(found[0]))
    return None


def _registration(connection: sqlite3.Connection, approval: LogRow) -> LogRow | None:
    proof = approval.data.get("proof")
    assertion = proof.get("assertion") if isinstance(proof, dict) else None
    if not isinstance(assertion, dict):
        return None
    return _first(
        connection, REGISTRATION_BEFORE, {"before": approval.seq, "credential": str(assertion.get("credential_id"))}
    )
