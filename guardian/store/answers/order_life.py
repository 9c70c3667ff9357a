"""Reads all that the log has about one order: how it was requested, judged, approved and sent, and its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.log.encoding import client_order_id
from guardian.store.log.read_only import LogRow, database_path, first_seq_at, last_seq, read_only, row_at
from guardian.store.log.statements import (
    BEGIN_READING,
    CALLS_NAMING,
    END_READING,
    EVENTS_NAMING,
    FIRST_OF_CALL,
    FLOWS_OF_ORDER_IN_TIME,
    INTENT_OF_ORDER,
    NEWEST_CALL_OF_TOOL,
    ORDER_BY_ID,
    ORDER_OF_CALL,
    ORDERS_BY_BEGINNING,
    ORDERS_BY_EXCHANGE_ID,
    POLICY_TEXT,
    PROPOSAL_BY_ID,
    PROPOSAL_COLUMNS,
    PROPOSING_OUTCOMES,
    ROWS_OF_CALL,
    ROWS_WITH_KEYS,
)
from guardian.store.schema.records import found_key
from guardian.store.schema.sqlite_dialect import CORRECTED

MOST_ROWS: Final = 200
"""Rows of one kind that are read: an order with more has something wrong with it, and `cut` says so."""
MOST_NAMED: Final = 20
_SHORTEST: Final = len(CLIENT_ORDER_ID_PREFIX) + 4
_MARGIN_MS: Final = 60_000
_DIFFERENCES: Final = ("not_in_log", "missing", "contradicted", "impossible", "moved")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOrder:
    """An order, a proposal or a call that a name may mean."""

    client_order_id: str | None = None
    proposal_id: str | None = None
    call_id: str | None = None
    symbol: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeFlow:
    """What of an asset came (above zero) or went by the order, when guardian learnt of it."""

    time_ms: int
    kind: str
    asset: str
    change: Decimal | None
    """None where the table holds no amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLife:
    """The rows about one order. `order` and `proposal` are the rows of their tables, by column; None where missing."""

    name: NamedOrder
    order: Mapping[str, object] | None
    proposal: Mapping[str, object] | None
    rows: tuple[LogRow, ...]
    """All of them, in the order of the log."""
    flows: tuple[LifeFlow, ...]
    policies: Mapping[str, str]
    """The text of each policy that it was judged by, by digest, as far as the store has it as it was."""
    cut: bool
    """Whether there are more rows than were read."""


def find_order(home: Path, name: str) -> tuple[NamedOrder, ...]:
    """Returns what a name may mean: a proposal, an order by either id or its beginning, a call, or `last`.

    Raises StoreError.
    """
    with read_only(database_path(home)) as connection:
        return _named(connection, name)


def read_life(home: Path, name: NamedOrder) -> OrderLife:
    """Returns the life of an order that `find_order` named. Raises StoreError."""
    with read_only(database_path(home)) as connection:
        connection.execute(BEGIN_READING)
        try:
            return _Reading(connection, name).life()
        finally:
            connection.execute(END_READING)


def _named(connection: sqlite3.Connection, name: str) -> tuple[NamedOrder, ...]:
    if name == "last":
        newest = connection.execute(NEWEST_CALL_OF_TOOL, {"tool": CREATE_ORDER}).fetchone()
        return () if newest is None else (_of_call(connection, LogRow(*newest)),)
    found = [_of_order(row) for row in _orders(connection, name)]
    proposal = connection.execute(PROPOSAL_BY_ID, {"name": name.upper()}).fetchone()
    if proposal is not None:
        found.append(_of_proposal(dict(zip(PROPOSAL_COLUMNS, proposal, strict=True))))
    call = connection.execute(FIRST_OF_CALL, {"name": name}).fetchone()
    if call is not None and LogRow(*call).tool == CREATE_ORDER:
        found.append(_of_call(connection, LogRow(*call)))
    if not found and name.startswith(CLIENT_ORDER_ID_PREFIX):
        # Its row of `orders` is gone; the log has its intent all the same.
        intent = connection.execute(INTENT_OF_ORDER, {"name": name}).fetchone()
        found += () if intent is None else (_of_call(connection, LogRow(*intent)),)
    return tuple(found)


def _orders(connection: sqlite3.Connection, name: str) -> list[Mapping[str, object]]:
    if name.startswith(CLIENT_ORDER_ID_PREFIX):
        exact = _tables(connection, ORDER_BY_ID, {"name": name})
        if exact or len(name) < _SHORTEST:
            return exact
        return _tables(connection, ORDERS_BY_BEGINNING, {"name": name, "limit": MOST_NAMED})
    if name.isascii() and name.isdigit() and len(name) < 19:
        return _tables(connection, ORDERS_BY_EXCHANGE_ID, {"number": int(name), "limit": MOST_NAMED})
    return []


def _of_order(row: Mapping[str, object]) -> NamedOrder:
    return NamedOrder(
        client_order_id=_text(row, "client_order_id"),
        proposal_id=_text(row, "proposal_id"),
        call_id=_text(row, "call_id"),
        symbol=_text(row, "symbol") or "",
        environment=_text(row, "environment") or "",
    )


def _of_proposal(row: Mapping[str, object]) -> NamedOrder:
    return NamedOrder(
        client_order_id=_text(row, "client_order_id"),
        proposal_id=_text(row, "id"),
        symbol=_text(row, "symbol") or "",
        environment=_text(row, "environment") or "",
    )


def _of_call(connection: sqlite3.Connection, row: LogRow) -> NamedOrder:
    """The result of a call of `create_order`: an order, a proposal, or nothing but the call."""
    stored = _tables(connection, ORDER_OF_CALL, {"call_id": row.call_id})
    if stored:
        return _of_order(stored[0])
    rows = [LogRow(*one) for one in connection.execute(ROWS_OF_CALL, {"call_id": row.call_id}).fetchall()]
    intent = next((one for one in rows if one.phase == "intent"), None)
    ended = next((one for one in rows if one.phase == "outcome"), None)
    data = {} if ended is None else ended.data.get("data")
    proposal = _text(data, "proposal_id") if isinstance(data, dict) else None
    return NamedOrder(
        client_order_id=None if intent is None else client_order_id(bytes(intent.digest)),
        proposal_id=proposal or (None if intent is None else _text(intent.data, "proposal")),
        call_id=row.call_id,
        symbol=row.symbol or "",
        environment=(ended.environment if ended is not None else row.environment) or "",
    )


class _Reading:
    """Collects the rows about one order within one read transaction."""

    def __init__(self, connection: sqlite3.Connection, name: NamedOrder) -> None:
        self._connection = connection
        self._name = name
        self._found: dict[int, LogRow] = {}
        self._cut = False

    def life(self) -> OrderLife:
        """Returns everything."""
        name = self._name
        proposal = None if name.proposal_id is None else self._proposal(name.proposal_id)
        if name.client_order_id is None and proposal is not None:
            name = replace(name, client_order_id=_text(proposal, "client_order_id"))
        order = self._one(ORDER_BY_ID, {"name": name.client_order_id})
        call_id = name.call_id or (None if order is None else _text(order, "call_id"))
        if name.client_order_id is not None:
            self._of_order(name.client_order_id, order)
        if call_id is not None:
            self._call(call_id)
        if proposal is not None:
            self._of_proposal(proposal)
        rows = tuple(self._found[seq] for seq in sorted(self._found))
        return OrderLife(
            name=name,
            order=order,
            proposal=proposal,
            rows=rows,
            flows=self._flows(name.client_order_id),
            policies=self._policies(rows),
            cut=self._cut,
        )

    def _of_order(self, name: str, order: Mapping[str, object] | None) -> None:
        """The intent with its call, all that was found out later, and every cancel that names the order."""
        intent = self._row(INTENT_OF_ORDER, {"name": name})
        if intent is not None and intent.call_id is not None:
            self._call(intent.call_id)
        environment = str((order or {}).get("environment") or (intent.environment if intent is not None else ""))
        self._keyed(found_key(environment, name))
        for kind in _DIFFERENCES:
            self._keyed(f"reconcile/{kind}/{environment}/{name}")
        for beginning in (
            CORRECTED + name + "/",
            f"impossible/{environment}/{name}/",
            f"vanished/{environment}/{name}",
        ):
            self._keyed(beginning)
        begun = intent.seq if intent is not None else int(str((order or {}).get("intent_seq") or 0))
        for needle in filter(None, (name, _exchange_id(order))):
            self._cancels(begun, needle)
        if order is not None and order.get("call_id") is None:
            # The log lacked it: what the owner said of it later names it, and belongs to no call.
            self._events(begun, last_seq(self._connection) + 1, name)

    def _of_proposal(self, proposal: Mapping[str, object]) -> None:
        """The calls that were answered with it, and what was said of it while it waited."""
        name, created = str(proposal.get("id")), _integer(proposal.get("created_ms"))
        ends = max(_integer(proposal.get(key)) for key in ("expires_ms", "token_expires_ms", "approved_ms"))
        low = first_seq_at(self._connection, created - _MARGIN_MS)
        high = first_seq_at(self._connection, ends + _MARGIN_MS)
        values: dict[str, object] = {"low": low, "high": high, "needle": f'"proposal_id":"{name}"', "limit": MOST_ROWS}
        for row in self._take(PROPOSING_OUTCOMES, values):
            if row.call_id is not None:
                self._call(row.call_id)
        self._events(low, high, f'"{name}"')
        approval = _integer(proposal.get("approval_seq"))
        approved = row_at(self._connection, approval) if approval else None
        if approved is not None:
            self._found[approved.seq] = approved

    def _call(self, call_id: str) -> None:
        self._take(ROWS_OF_CALL, {"call_id": call_id})

    def _cancels(self, low: int, needle: str) -> None:
        values: dict[str, object] = {"tool": CANCEL_ORDER, "low": low, "needle": needle, "limit": MOST_ROWS}
        for row in [LogRow(*one) for one in self._connection.execute(CALLS_NAMING, values).fetchall()]:
            asked = row.data.get("arguments")
            # A number may be a part of another; an id is the whole of an argument.
            named = isinstance(asked, dict) and any(str(value) == needle for value in asked.values())
            if named and row.call_id is not None:
                self._call(row.call_id)

    def _events(self, low: int, high: int, needle: str) -> None:
        self._take(EVENTS_NAMING, {"low": low, "high": high, "needle": needle, "limit": MOST_ROWS})

    def _keyed(self, beginning: str) -> None:
        self._take(ROWS_WITH_KEYS, {"low": beginning, "high": f"{beginning}\x7f", "limit": MOST_ROWS})

    def _take(self, statement: str, values: Mapping[str, object]) -> list[LogRow]:
        rows = [LogRow(*row) for row in self._connection.execute(statement, dict(values)).fetchall()]
        self._cut = self._cut or len(rows) >= MOST_ROWS
        self._found.update((row.seq, row) for row in rows)
        return rows

    def _row(self, statement: str, values: Mapping[str, object]) -> LogRow | None:
        return next(iter(self._take(statement, values)), None)

    def _one(self, statement: str, values: Mapping[str, object]) -> Mapping[str, object] | None:
        return next(iter(_tables(self._connection, statement, values)), None)

    def _proposal(self, name: str) -> Mapping[str, object] | None:
        found = self._connection.execute(PROPOSAL_BY_ID, {"name": name}).fetchone()
        return None if found is None else dict(zip(PROPOSAL_COLUMNS, found, strict=True))

    def _flows(self, name: str | None) -> tuple[LifeFlow, ...]:
        rows = self._connection.execute(FLOWS_OF_ORDER_IN_TIME, {"name": name}).fetchall()
        found = ((time_ms, kind, asset, _amount(change)) for time_ms, kind, asset, change in rows)
        return tuple(
            LifeFlow(time_ms=time_ms, kind=kind, asset=asset, change=change) for time_ms, kind, asset, change in found
        )

    def _policies(self, rows: Iterable[LogRow]) -> dict[str, str]:
        """The texts that the rows name by their digest; one that was changed since is not it."""
        found: dict[str, str] = {}
        for row in rows:
            judged = row.data.get("judged")
            digest = judged.get("policy") if isinstance(judged, dict) else None
            if isinstance(digest, str) and digest not in found:
                stored = self._connection.execute(POLICY_TEXT, {"digest": digest}).fetchone()
                if stored is not None and sha256(str(stored[0]).encode()).hexdigest() == digest:
                    found[digest] = str(stored[0])
        return found


def _tables(connection: sqlite3.Connection, statement: str, values: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The rows of a table, each by its columns."""
    cursor = connection.execute(statement, dict(values))
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _exchange_id(order: Mapping[str, object] | None) -> str | None:
    number = (order or {}).get("order_id")
    return str(number) if isinstance(number, int) else None


def _integer(value: object) -> int:
    """A number of a table; 0 for anything else."""
    return value if isinstance(value, int) and -(2**62) < value < 2**62 else 0


def _amount(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and -40 < found.adjusted() < 40 else None


def _text(row: Mapping[str, object], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None
