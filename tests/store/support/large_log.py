"""A home with a log of any length, written in seconds: what 10^6 rows cost can only be measured on them.

    python -m tests.store.support.large_log HOME ROWS

Calls, their outcomes and events are as the gate writes them; one call in fifty is an order that was bought or sold,
with its flows and what is held by them. The whole verifies as intact.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Final

from guardian.domain.money import plain
from guardian.domain.order_states import OrderState
from guardian.store.log.checkpoint import keep_checkpoint
from guardian.store.log.encoding import GENESIS, body_of, client_order_id, columns_of, digest_of
from guardian.store.log.statements import ROW_COLUMNS
from guardian.store.schema.records import Checkpoint, Phase, Record
from tests.store.support.store_world import World

ORDER_EVERY: Final = 50
"""Calls, of which the last is an order."""
CHUNK: Final = 20_000
_BEGINS_MS: Final = 1_760_000_000_000
"""The time of the first row, one second of which is between two: all of it is in the past of every machine."""
_TOOLS: Final = ("get_ticker_price", "get_balance", "get_orders", "get_order_book", "get_candles")
_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "BNBUSDT")
_QUANTITY, _PRICE = Decimal("0.002"), Decimal(50_000)

_Row = tuple[object, ...]


class _Writer:
    """Makes rows, each chained to the one before it."""

    def __init__(self) -> None:
        self.seq = 0
        self.digest = GENESIS

    def row(self, record: Record) -> _Row:
        self.seq += 1
        columns = columns_of(record, _BEGINS_MS + self.seq * 1000)
        body, before = body_of(columns, record.body), self.digest
        self.digest = digest_of(before, self.seq, body)
        values: dict[str, object] = {
            "seq": self.seq, "prev_hash": before, "digest": self.digest, "body": body, **columns,
        }  # fmt: skip
        return tuple(values[name] for name in ROW_COLUMNS)


def _read(writer: _Writer, number: int) -> Iterator[_Row]:
    """The two rows of a call that reads."""
    tool, symbol = _TOOLS[number % len(_TOOLS)], _SYMBOLS[number % len(_SYMBOLS)]
    common = {"call_id": f"c{number:025d}", "tool": tool, "symbol": symbol, "environment": "paper", "account": "a1"}
    arguments = {"symbol": symbol, "limit": number % 100}
    client = {"name": "claude-code", "version": "2.0.31", "session": f"s{number // 500:08d}", "era": "initialize"}
    body: dict[str, object] = {"arguments": arguments, "client": client, "transport": "stdio", "process": 4711}
    yield writer.row(Record(phase=Phase.CALL, body=body, **common))
    answer = {"symbol": symbol, "price": f"{50_000 + number % 977}.{number % 100:02d}", "as_of": "2027-01-15T08:00:00Z"}
    body = {"result": answer, "took_ms": number % 90, "upstream": [{"path": "/api/v3/ticker", "weight": 2, "ms": 21}]}
    yield writer.row(Record(phase=Phase.OUTCOME, outcome="done", body=body, **common))


def _order(writer: _Writer, number: int, orders: list[tuple[str, int, str]]) -> Iterator[_Row]:
    """The four rows of a call that places an order; its client order id, row and call are added to `orders`."""
    call_id = f"c{number:025d}"
    common = {"call_id": call_id, "symbol": "BTCUSDT", "environment": "paper", "account": "a1"}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.002", "price": "50000"}
    yield writer.row(Record(phase=Phase.CALL, tool="create_order", body={"arguments": order}, **common))
    yield writer.row(
        Record(phase=Phase.INTENT, tool="create_order", body={"order": order, "notional": "100"}, **common)
    )
    orders.append((client_order_id(writer.digest), writer.seq, call_id))
    yield writer.row(Record(phase=Phase.EVENT, body={"order": orders[-1][0], "state": "filled"}, **common))
    yield writer.row(Record(phase=Phase.OUTCOME, tool="create_order", outcome="done", body={"order": order}, **common))


def write_large_log(home: Path, rows: int) -> None:
    """Makes a home whose log has `rows` rows or a few more."""
    world = World(home, _BEGINS_MS)
    template = world.place()
    world.move(template, OrderState.FILLED, executed=str(_QUANTITY), quote="100", fee="0")
    world.store.close()
    with closing(sqlite3.connect(home / "guardian.db", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        shape = _taken(connection, template)
        writer = _Writer()
        _fill(connection, writer, rows, shape)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (home / "audit.checkpoint").unlink(missing_ok=True)
    keep_checkpoint(home, Checkpoint(seq=writer.seq, digest=writer.digest.hex()))


def _taken(connection: sqlite3.Connection, name: str) -> dict[str, list[dict[str, object]]]:
    """Returns the rows of one whole order in each table, after taking all of them out of the store."""
    shape = {}
    for table in ("orders", "flows", "holdings"):
        shape[table] = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM audit")
    assert shape["orders"][0]["client_order_id"] == name
    return shape


def _fill(
    connection: sqlite3.Connection, writer: _Writer, rows: int, shape: Mapping[str, list[dict[str, object]]]
) -> None:
    number, orders, marks = 0, list[tuple[str, int, str]](), ", ".join("?" * len(ROW_COLUMNS))
    placed = flows = 0
    while writer.seq < rows:
        chunk: list[_Row] = []
        while writer.seq < rows and len(chunk) < CHUNK:
            chunk += _order(writer, number, orders) if number % ORDER_EVERY == 49 else _read(writer, number)
            number += 1
        connection.executemany(f"INSERT INTO audit ({', '.join(ROW_COLUMNS)}) VALUES ({marks})", chunk)
        for name, seq, call_id in orders:
            own = {"client_order_id": name, "intent_seq": seq, "call_id": call_id}
            written = {"orders": [{**shape["orders"][0], **own}], "flows": list[dict[str, object]]()}
            for flow in shape["flows"]:
                flows += 1
                written["flows"].append({**flow, "id": flows, "client_order_id": name})
            _write(connection, writer, written)
        placed += len(orders)
        orders.clear()
    held = [{**row, "quantity": plain(Decimal(str(row["quantity"])) * placed)} for row in shape["holdings"]]
    _write(connection, writer, {"holdings": held})


def _write(connection: sqlite3.Connection, writer: _Writer, written: dict[str, list[dict[str, object]]]) -> None:
    """Insert rows into other tables, with the row of the log that says so."""
    for table, rows in written.items():
        for row in rows:
            _insert(connection, table, row)
    images = {
        table: [{k: v for k, v in row.items() if v is not None} for row in rows] for table, rows in written.items()
    }
    values = dict(zip(ROW_COLUMNS, writer.row(Record(phase=Phase.STATE, body={"tables": images})), strict=True))
    _insert(connection, "audit", {f'"{name}"': value for name, value in values.items()})


def _insert(connection: sqlite3.Connection, table: str, values: Mapping[str, object]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


if __name__ == "__main__":
    os.umask(0o077)
    write_large_log(Path(sys.argv[1]), int(sys.argv[2]))
