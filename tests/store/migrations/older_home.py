"""Homes as older guardians made them: from their own statements, with a log, orders, a proposal and a halt in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from guardian.store.log.encoding import GENESIS, body_of, client_order_id, columns_of, digest_of
from guardian.store.schema.files import APPLICATION_ID, DATABASE_NAME
from guardian.store.schema.records import Phase, Record, Scope
from guardian.store.schema.sqlite_dialect import header_statements

VERSIONS: Final = (1, 2, 3, 4, 5)
"""Every version that a guardian of somebody's may have made a home with, but the newest."""
SCHEMAS: Final = Path(__file__).with_name("schemas")
SCOPE: Final = Scope(environment="paper", account="a1")
MADE_MS: Final = 1_799_999_000_000
"""When the older guardian wrote its log; the tests open it at `store_world.START_MS`."""
REASON: Final = "the owner went on holiday"
PLACES: Final = {"environment": "paper", "account": "a1"}


def statements(version: int) -> list[str]:
    """Returns the statements that created the schema of a version, in their order."""
    lines = (SCHEMAS / f"version_{version}.sql").read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(";") for line in lines]


class OlderHome:
    """A home with a database of one version."""

    def __init__(self, home: Path, version: int) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self.home = home
        self.version = version
        self.path = home / DATABASE_NAME
        self.path.touch(mode=0o600)
        self._head = (0, GENESIS)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            made = statements(version)
            for statement in (one for one in made if not one.startswith("CREATE TRIGGER")):
                connection.execute(statement)
            self._fill(connection)
            for statement in (one for one in made if one.startswith("CREATE TRIGGER")):
                connection.execute(statement)
            for statement in header_statements(APPLICATION_ID, version):
                connection.execute(statement)
            self.log = log_of(connection)

    def _fill(self, connection: sqlite3.Connection) -> None:
        halted = {
            "id": 1,
            "state": "halted",
            "reason": REASON,
            "since_ms": MADE_MS,
            "by": "owner",
            "window_ms": MADE_MS,
        }
        _insert(connection, "control", halted)
        self.append(connection, Record.event(None, {"kind": "halted", "by": "owner", "reason": REASON}))
        self._order(connection, "c1", {"side": "BUY", "state": "filled", "executed_quantity": "0.002", "order_id": 7,
                                       "executed_quote_quantity": "99.5", "base_fee": "0.000002"})  # fmt: skip
        self._order(connection, "c2", {"side": "BUY", "state": "unknown"})
        proposal = {
            **PLACES, "id": "p1", "order_key": "k", "symbol": "BTCUSDT", "side": "BUY", "spec": "{}", "resolved": "{}",
            "policy_digest": "d", "notional": "50", "quote_notional": "50", "quote_asset": "USDT", "currency": "USDT",
            "shown_bid": "1", "shown_ask": "2", "created_ms": MADE_MS, "expires_ms": MADE_MS + 10**9,
            "state": "waiting",
        }  # fmt: skip
        if self.version >= 4:
            proposal |= {"policy_source": "/policy.toml", "token_ttl_ms": 300_000}
        _insert(connection, "proposals", proposal)
        _insert(connection, "policies", {"digest": "d", "text": "schema = 1", "stored_ms": MADE_MS})
        _insert(connection, "acts", {**PLACES, "seq": 1, "ts_ms": MADE_MS, "what": "resume"})
        if self.version >= 5:
            _insert(connection, "owner", {"id": 1, "floor": "terminal", "pin_tries": 0})
            _insert(connection, "passkeys", {"credential_id": "cred1", "public_key": "key1", "name": "phone",
                                             "sign_count": 3, "created_ms": MADE_MS})  # fmt: skip
            self.append(
                connection,
                Record.event(None, {"kind": "owner", "change": "passkey_add", "id": "cred1", "public_key": "key1"}),
            )

    def append(self, connection: sqlite3.Connection, record: Record) -> bytes:
        seq, before = self._head
        columns = columns_of(record, MADE_MS + seq)
        body = body_of(columns, record.body)
        digest = digest_of(before, seq + 1, body)
        row = {"seq": seq + 1, "prev_hash": before, "digest": digest, "body": body, **columns}
        _insert(connection, "audit", row)
        self._head = (seq + 1, digest)
        return digest

    def _order(self, connection: sqlite3.Connection, call: str, changes: Mapping[str, Any]) -> None:
        intent = Record(
            phase=Phase.INTENT, call_id=call, tool="create_order", symbol="BTCUSDT", environment="paper", account="a1"
        )
        name = client_order_id(self.append(connection, intent))
        row = {
            **PLACES, "client_order_id": name, "intent_seq": self._head[0], "call_id": call, "symbol": "BTCUSDT",
            "base_asset": "BTC", "quote_asset": "USDT", "order_type": "LIMIT", "wire_type": "LIMIT", "price": "50000",
            "time_in_force": "GTC", "quantity": "0.002", "fingerprint": call, "notional": "100",
            "quote_notional": "100", "currency": "USDT", "is_exit": 0, "confirmed": 1, "reserved_ms": MADE_MS,
            "sent_ms": MADE_MS,
            "executed_quantity": "0", "executed_quote_quantity": "0", "updated_ms": MADE_MS, "base_fee": "0", **changes,
        }  # fmt: skip
        fee = row.pop("base_fee")
        row |= {"base_fee": fee} if self.version <= 2 else {}
        row |= {"fee_quantity": row["executed_quantity"]} if self.version >= 2 else {}
        row |= {"corrections": 0} if self.version >= 3 else {}
        row |= {"absent_ms": 0, "given_up": 0, "adopted": 1} if self.version >= 4 else {}
        _insert(connection, "orders", row)
        if self.version >= 3 and row["executed_quantity"] != "0":
            self._ledger(connection, name)

    def _ledger(self, connection: sqlite3.Connection, name: str) -> None:
        """The flows of the filled order, and what is held after it."""
        for kind, asset, change in (("trade", "BTC", "0.002"), ("trade", "USDT", "-99.5"), ("fee", "BTC", "-0.000002")):
            flow = {**PLACES, "symbol": "BTCUSDT", "client_order_id": name, "kind": kind, "asset": asset}
            _insert(connection, "flows", {**flow, "change": change, "ts_ms": MADE_MS, "clock_ms": MADE_MS})
        held = {**PLACES, "symbol": "BTCUSDT", "base_asset": "BTC", "quote_asset": "USDT"}
        if self.version == 3:
            _insert(connection, "holdings", {**held, "quantity": "0.001998"})
        else:
            _insert(connection, "holdings", {**held, "asset": "BTC", "quantity": "0.001998", "last_price": "49750"})
            _insert(connection, "holdings", {**held, "asset": "USDT", "quantity": "-99.5"})


def log_of(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Returns every row of the log with the columns that each version has."""
    columns = "seq, prev_hash, digest, call_id, phase, ts_ms, tool, symbol, outcome, environment, account, key, body"
    return connection.execute(f"SELECT {columns} FROM audit ORDER BY seq").fetchall()


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
