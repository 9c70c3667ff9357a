"""Counts what was done, by tool, symbol, outcome, code, day, hour or client: calls, denials, orders, latency.

Counts are exact and come from the indexes of the log. What only the bodies of rows say (the client, the codes) is
counted over the newest rows unless a period was named. The latency is that of the newest calls of each line, from the
row of the call to that of its outcome.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Final

from guardian.domain.codes import Outcome
from guardian.domain.money import plus
from guardian.domain.order_states import UNRESOLVED_STATES
from guardian.store.log.read_only import database_path, first_seq_at, last_seq, read_only, row_at
from guardian.store.log.statements import (
    CALLS_BY_OUTCOME,
    CALLS_BY_SYMBOL,
    CALLS_BY_TOOL,
    CALLS_WITH_TOOL,
    COUNTED_ORDERS,
    DENIED_BY_SYMBOL,
    DENIED_BY_TOOL,
    DENIED_COUNT,
    ENDS_OF_CALLS,
    LATENCIES_BETWEEN,
    LATENCIES_OF_OUTCOME,
    LATENCIES_OF_SYMBOL,
    LATENCIES_OF_TOOL,
    NEWEST_CALL_BODIES,
    NEWEST_ENDS,
    ORDERS_BY_TOKEN,
)

LATENCY_CALLS: Final = 10_000
"""Calls whose latency is looked at, over all lines together."""
LEAST_OF_LINE: Final = 50
NEWEST_BODIES: Final = 20_000
"""Rows whose bodies are read where no period was named."""
_NO_BOUND: Final = 2**62
_FOUND: Final = "(found at the exchange)"
_NO_CLIENT: Final = "(no client named)"
_PENDING: Final = "pending"
_UNRESOLVED: Final = frozenset(state.value for state in UNRESOLVED_STATES)
_FINE: Final = frozenset({Outcome.DONE.value, Outcome.CONFIRMATION_REQUIRED.value})

Bucket = Callable[[int], tuple[str, int]]
"""From a time in ms: the name of the day or hour that it is in, and when that ends. The caller knows the time zone."""


class By(StrEnum):
    """What the lines are by."""

    TOOL = "tool"
    SYMBOL = "symbol"
    OUTCOME = "outcome"
    CODE = "code"
    DAY = "day"
    HOUR = "hour"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatLine:
    """One line: how many calls, how many of them denied, the orders of them with their notional, and the latency."""

    name: str
    calls: int
    denied: int
    orders: int
    unresolved: int
    notional: Mapping[str, Decimal]
    """What the orders counted as, by the accounting currency that they were judged in."""
    p50_ms: int | None
    p95_ms: int | None
    latency_calls: int
    """Of how many calls the latency is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The lines, most calls first; days and hours in their own order."""

    by: By
    lines: tuple[StatLine, ...]
    newest: int | None
    """How many of the newest rows were counted, where older ones were left out; None where nothing was."""


@dataclass(slots=True)
class _Line:
    calls: int = 0
    denied: int = 0
    orders: int = 0
    unresolved: int = 0
    notional: dict[str, Decimal] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=list)


def read_stats(home: Path, by: By, *, since_ms: int | None, bucket: Bucket) -> Stats:
    """Returns the counts of a home since a time, or since ever. Raises StoreError."""
    with read_only(database_path(home)) as connection:
        return _Counting(connection, by, since_ms, bucket).stats()


class _Counting:
    def __init__(self, connection: sqlite3.Connection, by: By, since_ms: int | None, bucket: Bucket) -> None:
        self._connection = connection
        self._by = by
        self._bucket = bucket
        self._low = 0 if since_ms is None else first_seq_at(connection, since_ms)
        self._high = last_seq(connection) + 1
        """Rows that are written meanwhile are not counted: every statement sees the same ones."""
        self._most = NEWEST_BODIES if since_ms is None else _NO_BOUND
        self._is_cut = False
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)

    def stats(self) -> Stats:
        """Returns the lines."""
        {
            By.TOOL: self._by_tool,
            By.SYMBOL: self._by_symbol,
            By.OUTCOME: self._by_outcome,
            By.CODE: self._by_code,
            By.DAY: self._by_time,
            By.HOUR: self._by_time,
            By.CLIENT: self._by_client,
        }[self._by]()
        in_order = self._by in {By.DAY, By.HOUR}
        named = sorted(self._lines.items(), key=lambda one: one[0] if in_order else (-one[1].calls, one[0]))
        lines = tuple(_finished(name, line) for name, line in named)
        return Stats(by=self._by, lines=lines, newest=self._most if self._is_cut else None)

    # -- along the indexes

    def _by_tool(self) -> None:
        self._count("calls", self._pairs(CALLS_BY_TOOL))
        self._count("denied", self._pairs(DENIED_BY_TOOL))
        for order in self._orders():
            self._add(order, _FOUND if order[0] is None else "create_order")
        self._latencies(LATENCIES_OF_TOOL)

    def _by_symbol(self) -> None:
        self._count("calls", self._pairs(CALLS_BY_SYMBOL))
        self._count("calls", self._pairs(ORDERS_BY_TOKEN))
        self._count("denied", self._pairs(DENIED_BY_SYMBOL))
        for order in self._orders():
            self._add(order, str(order[1]))
        self._latencies(LATENCIES_OF_SYMBOL)

    def _by_outcome(self) -> None:
        found = self._pairs(CALLS_BY_OUTCOME)
        calls = sum(count for _, count in self._pairs(CALLS_BY_TOOL))
        self._count("calls", found)
        self._lines[Outcome.DENIED.value].denied = self._lines[Outcome.DENIED.value].calls
        pending = calls - sum(count for _, count in found)
        if pending > 0:
            self._lines[_PENDING].calls = pending
        for order in self._orders():
            self._add(order, _FOUND if order[0] is None else str(order[6] or _PENDING))
        if not self._lines[Outcome.DENIED.value].calls:
            del self._lines[Outcome.DENIED.value]
        self._latencies(LATENCIES_OF_OUTCOME)

    def _by_time(self) -> None:
        """Along the days or hours that have rows: where each begins in the log is found by halves."""
        tools = [tool for tool, _ in self._pairs(CALLS_BY_TOOL)]
        pieces = list(self._pieces())
        limit = max(LATENCY_CALLS // max(len(pieces), 1), LEAST_OF_LINE)
        for name, low, high in pieces:
            line = self._lines[name]
            values: dict[str, object] = {"low": low, "high": high}
            line.calls += sum(self._one(CALLS_WITH_TOOL, {**values, "tool": tool}) for tool in tools)
            line.denied += self._one(DENIED_COUNT, values)
            found = self._connection.execute(LATENCIES_BETWEEN, {**values, "limit": limit})
            line.latencies += [latency for (latency,) in found.fetchall()]
        at = 0
        for order in self._orders():
            while at < len(pieces) - 1 and int(str(order[5])) >= pieces[at][2]:
                at += 1
            self._add(order, pieces[at][0])

    def _pieces(self) -> Iterator[tuple[str, int, int]]:
        """The name of each day or hour of the period, and the rows of the log that it has, the last exclusive."""
        low = self._low
        while low < self._high:
            row = row_at(self._connection, low)
            if row is None:  # rows that somebody took out
                low += 1
                continue
            name, ends_ms = self._bucket(row.ts_ms)
            high = min(max(first_seq_at(self._connection, ends_ms), low + 1), self._high)
            yield name, low, high
            low = high

    # -- over the bodies of the newest rows

    def _by_code(self) -> None:
        left = self._most
        for outcome, count in self._pairs(CALLS_BY_OUTCOME):
            if outcome in _FINE:
                continue
            values = {**self._period(), "name": outcome, "limit": left}
            self._is_cut = self._is_cut or count > left
            for _, body, latency in self._connection.execute(NEWEST_ENDS, values).fetchall():
                left -= 1
                for code in _codes(body) or {f"({outcome})"}:
                    line = self._lines[code]
                    line.calls += 1
                    line.denied += outcome == Outcome.DENIED.value
                    if latency is not None:
                        line.latencies.append(latency)

    def _by_client(self) -> None:
        values = {**self._period(), "limit": self._most}
        clients: dict[str, str] = {}
        for _, call_id, body in self._connection.execute(NEWEST_CALL_BODIES, values).fetchall():
            clients[call_id] = name = _client(body)
            self._lines[name].calls += 1
        self._is_cut = len(clients) >= self._most
        ends = self._connection.execute(ENDS_OF_CALLS, {**values, "limit": min(self._most, LATENCY_CALLS)})
        for call_id, _, latency in ends.fetchall():
            self._lines[clients.get(call_id, _NO_CLIENT)].latencies.append(latency)
        denied = {**values, "name": Outcome.DENIED.value}
        for _, body, _ in self._connection.execute(NEWEST_ENDS, denied).fetchall():
            caller = clients.get(str(_document(body).get("call_id")))
            if caller is not None:
                self._lines[caller].denied += 1
        for order in self._orders():
            if order[0] is None or order[0] in clients:
                self._add(order, _FOUND if order[0] is None else clients[str(order[0])])

    # -- parts

    def _period(self) -> dict[str, object]:
        return {"low": self._low, "high": self._high}

    def _pairs(self, statement: str) -> list[tuple[str, int]]:
        return [
            (name, count) for name, count in self._connection.execute(statement, self._period()) if name is not None
        ]

    def _one(self, statement: str, values: Mapping[str, object]) -> int:
        return int(self._connection.execute(statement, dict(values)).fetchone()[0])

    def _count(self, what: str, pairs: Iterable[tuple[str, int]]) -> None:
        for name, count in pairs:
            line = self._lines[name]
            setattr(line, what, getattr(line, what) + count)

    def _orders(self) -> list[tuple[object, ...]]:
        """By their place in the log: call, symbol, notional, currency, state, row, outcome of the call."""
        return self._connection.execute(COUNTED_ORDERS, self._period()).fetchall()

    def _add(self, order: tuple[object, ...], name: str) -> None:
        line, (_, _, notional, currency, state, _, _) = self._lines[name], order
        line.orders += 1
        line.unresolved += state in _UNRESOLVED
        try:
            amount = Decimal(str(notional))
        except InvalidOperation:
            return
        if amount.is_finite() and -40 < amount.adjusted() < 40:
            line.notional[str(currency)] = plus(line.notional.get(str(currency), Decimal(0)), amount)

    def _latencies(self, statement: str) -> None:
        limit = max(LATENCY_CALLS // max(len(self._lines), 1), LEAST_OF_LINE)
        for name, line in self._lines.items():
            values = {**self._period(), "name": name, "limit": limit}
            line.latencies += [latency for (latency,) in self._connection.execute(statement, values).fetchall()]


def _finished(name: str, line: _Line) -> StatLine:
    latencies = sorted(line.latencies)
    return StatLine(
        name=name,
        calls=line.calls,
        denied=line.denied,
        orders=line.orders,
        unresolved=line.unresolved,
        notional=line.notional,
        p50_ms=percentile(latencies, 50),
        p95_ms=percentile(latencies, 95),
        latency_calls=len(latencies),
    )


def percentile(ordered: list[int], percent: int) -> int | None:
    """Returns the value that this percentage of all does not exceed (nearest rank); None for no values."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]


def _client(body: bytes) -> str:
    """The client that a call's row names, beside the arguments, in which a model may write anything."""
    data = _document(body).get("data")
    value = data.get("client") if isinstance(data, dict) else None
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) and name else _NO_CLIENT


def _codes(body: bytes) -> set[str]:
    """The codes of an outcome: of every denial, else of the error; empty where there is no error."""
    data = _document(body).get("data")
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return set()
    denials = error.get("denials")
    found = [one.get("code") for one in denials if isinstance(one, dict)] if isinstance(denials, list) else []
    return {str(code) for code in found or [error.get("code")] if code}


def _document(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
