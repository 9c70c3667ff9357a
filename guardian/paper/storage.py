"""Where the paper exchange keeps its state: a SQLite file that is flushed before any reply goes out, or a private one.

What has long ended is only here and not in memory: history is read from here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from guardian.domain.money import plain
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.paper.engine.balances import Ledger
from guardian.paper.engine.orders import (
    OPEN_STATUSES,
    Balance,
    BalanceChanged,
    Event,
    FeesInBnb,
    Order,
    OrderChanged,
    Prevented,
    Trade,
    Traded,
)
from guardian.paper.engine.state import KEPT, State, mistakes
from guardian.paper.market.symbols import LISTINGS
from guardian.system.private_files import prepare_file

_Record = TypeVar("_Record", Balance, Order, Trade)

_VERSION: Final = 2
_TABLES: Final[Mapping[str, type[Balance | Order | Trade]]] = {
    "balances": Balance,
    "orders": Order,
    "trades": Trade,
}
_IS_OPEN: Final = f"status IN ({', '.join(repr(status) for status in sorted(OPEN_STATUSES))})"
_INDEXES: Final = (
    "CREATE INDEX orders_named ON orders (symbol, client_order_id)",
    f"CREATE INDEX orders_open ON orders (order_id) WHERE {_IS_OPEN}",
    "CREATE INDEX orders_in ON orders (symbol, order_id)",
    "CREATE INDEX trades_in ON trades (symbol, trade_id)",
    "CREATE INDEX trades_of ON trades (order_id)",
    "CREATE INDEX trades_then ON trades (time)",
)
_COLUMNS: Final = {
    record: (tuple(field.name for field in fields(record)), tuple(str(field.type) for field in fields(record)))
    for record in _TABLES.values()
}
_MAX_ID: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows to return: a period (milliseconds, both ends included), a first id, and a maximum number of rows."""

    start: int
    end: int
    first_id: int | None
    limit: int
    newest: bool
    """Of more than `limit` the last ones; else the first ones."""


class Storage(Protocol):
    """Keeps events; gives them back as a state."""

    def load(self) -> State | None:
        """Returns the state as of the last commit; None where there has been none."""
        ...

    def create(self, state: State) -> None:
        """Keeps a new state as a whole."""
        ...

    def commit(self, events: Sequence[Event], checked: int) -> None:
        """Keeps the events. When this returns they survive a crash. Raises StoreUnavailable: none of them is kept."""
        ...

    def order(self, order_id: int) -> Order | None:
        """Returns the order with this id."""
        ...

    def order_named(self, symbol: str, client_order_id: str) -> Order | None:
        """Returns the newest of a symbol's orders with this client order id."""
        ...

    def orders(self, symbol: str, page: Page) -> list[Order]:
        """Returns orders of a symbol by when they were created, by id."""
        ...

    def trades(self, symbol: str, page: Page, order_id: int | None = None) -> list[Trade]:
        """Trades of a symbol, or of one order of it, by time, by id."""
        ...

    def trades_after(self, when: int) -> Iterable[Trade]:
        """Returns all trades later than a time in milliseconds, the newest first."""
        ...

    def setting(self, name: str, default: str) -> str:
        """Returns the value kept under a name; where it is missing, stores and returns `default`."""
        ...

    def keep_setting(self, name: str, value: str) -> None:
        """Keeps a value under a name."""
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


class SqliteStorage:
    """One SQLite file. One process writes it; the lock of the home folder sees to that.

    Raises:
        NotPrivate: the file is another user's, open to others, or a link.
        StoreUnavailable: the file cannot be opened.
        StoreCorrupt: it is not a paper exchange's, or of another version, or what it says does not add up.
    """

    def __init__(self, path: Path) -> None:
        try:
            prepare_file(path)
            self._open(str(path))
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create_tables()
        except sqlite3.DatabaseError as error:
            raise _unusable(path, error) from error
        except OSError as error:
            raise StoreUnavailable(f"the paper exchange's file {path.name} cannot be opened") from error
        if version not in {0, _VERSION}:
            self._db.close()
            raise StoreCorrupt(f"{path.name} was written by another version of the paper exchange")

    def _open(self, name: str) -> None:
        # The serving thread uses it, which may be another than the thread that opened it.
        self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False)

    def load(self) -> State | None:
        """See `Storage`.

        Raises:
            StoreUnavailable: the file cannot be read.
            StoreCorrupt: what it says does not add up.
        """
        try:
            state = self._read()
        except sqlite3.Error as error:
            raise StoreUnavailable("the paper exchange cannot read its file") from error
        except (ArithmeticError, ValueError) as error:
            raise StoreCorrupt("the paper exchange's file holds what is not a number") from error
        if state is None:
            return None
        wrong = mistakes(state, {name: (one.base_asset, one.quote_asset) for name, one in LISTINGS.items()})
        if wrong:
            raise StoreCorrupt(f"the paper exchange's file does not add up: {'; '.join(wrong)}")
        return state

    def _read(self) -> State | None:
        settings = dict(self._db.execute("SELECT name, value FROM settings").fetchall())
        if "born" not in settings:
            return None
        state = State(
            ledger=Ledger(self._rows(Balance, "balances")),
            checked=int(settings["checked"]),
            born=int(settings["born"]),
            fees_in_bnb=settings.get("fees_in_bnb") == "1",
        )
        recent = "SELECT {columns} FROM (SELECT * FROM {table} ORDER BY {key} DESC LIMIT ?) ORDER BY {key}"
        for trade in self._select(Trade, recent, (KEPT,)):
            state.note(trade)
        for order in self._select(Order, recent, (KEPT,)):
            if not order.is_open:
                state.remember(order)
        for order in self._select(Order, f"SELECT {{columns}} FROM {{table}} WHERE {_IS_OPEN} ORDER BY {{key}}"):  # noqa: S608 -- our own words
            state.keep(order)
        self._read_counters(state)
        return state

    def _read_counters(self, state: State) -> None:
        """Reads the last ids used, and when an order last changed."""
        columns = "MAX(order_id), MAX(priority), MAX(updated), MAX(prevented_match_id)"
        order_id, priority, updated, match_id = self._db.execute(f"SELECT {columns} FROM orders").fetchone()  # noqa: S608 -- names from our own code
        if order_id is not None:
            state.next_order_id, state.next_priority, state.updated = order_id + 1, priority + 1, updated
        if match_id is not None:
            state.next_match_id = match_id + 1

    def order(self, order_id: int) -> Order | None:
        """See `Storage`."""
        return self._one(Order, "SELECT {columns} FROM {table} WHERE order_id = ?", (min(order_id, _MAX_ID),))

    def order_named(self, symbol: str, client_order_id: str) -> Order | None:
        """See `Storage`."""
        query = "SELECT {columns} FROM {table} WHERE symbol = ? AND client_order_id = ? ORDER BY {key} DESC LIMIT 1"
        return self._one(Order, query, (symbol, client_order_id))

    def orders(self, symbol: str, page: Page) -> list[Order]:
        """See `Storage`."""
        return self._page(Order, "symbol = ? AND created BETWEEN ? AND ?", (symbol, page.start, page.end), page)

    def trades(self, symbol: str, page: Page, order_id: int | None = None) -> list[Trade]:
        """See `Storage`."""
        condition, values = "symbol = ? AND time BETWEEN ? AND ?", (symbol, page.start, page.end)
        if order_id is None:
            return self._page(Trade, condition, values, page)
        return self._page(Trade, f"{condition} AND order_id = ?", (*values, min(order_id, _MAX_ID)), page)

    def trades_after(self, when: int) -> Iterable[Trade]:
        """See `Storage`."""
        return self._select(Trade, "SELECT {columns} FROM {table} WHERE time > ? ORDER BY {key} DESC", (when,))

    def _page(self, record: type[_Record], condition: str, values: tuple[object, ...], page: Page) -> list[_Record]:
        query = f"SELECT {{columns}} FROM {{table}} WHERE {condition} AND {{key}} >= ? ORDER BY {{key}}"  # noqa: S608 -- conditions of our own, values are bound
        first = min(page.first_id or 0, _MAX_ID)
        rows = list(
            self._select(record, f"{query}{' DESC' if page.newest else ''} LIMIT ?", (*values, first, page.limit))
        )
        return rows[::-1] if page.newest else rows

    def _one(self, record: type[_Record], query: str, values: tuple[object, ...]) -> _Record | None:
        return next(iter(self._select(record, query, values)), None)

    def create(self, state: State) -> None:
        """See `Storage`."""
        events: list[Event] = [BalanceChanged(balance) for balance in state.ledger]
        self._write(events, {"born": str(state.born), "checked": str(state.checked)})

    def commit(self, events: Sequence[Event], checked: int) -> None:
        """See `Storage`."""
        settings = {"checked": str(checked)}
        for event in events:
            if isinstance(event, FeesInBnb):
                settings["fees_in_bnb"] = str(int(event.enabled))
        self._write(events, settings)

    def setting(self, name: str, default: str) -> str:
        """See `Storage`."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return str(row[0])
        self.keep_setting(name, default)
        return default

    def keep_setting(self, name: str, value: str) -> None:
        """See `Storage`."""
        self._write((), {name: value})

    def close(self) -> None:
        """See `Storage`."""
        self._db.close()

    def _create_tables(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
        for table, record in _TABLES.items():
            columns = [f"{field.name} {_column(str(field.type))}" for field in fields(record)]
            self._db.execute(f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({_key(record)})) STRICT")
        for index in _INDEXES:
            self._db.execute(index)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute("COMMIT")

    def _write(self, events: Iterable[Event], settings: Mapping[str, str]) -> None:
        try:
            with closing(self._db.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    for table, rows in _last_rows(events).items():
                        marks = ", ".join("?" * len(fields(_TABLES[table])))
                        query = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"  # noqa: S608 -- names from our own code
                        cursor.executemany(query, list(rows.values()))
                    cursor.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", list(settings.items()))
                    cursor.execute("COMMIT")
                except BaseException:
                    cursor.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise StoreUnavailable("the paper exchange cannot write its file") from error

    def _rows(self, record: type[_Record], table: str) -> Iterable[_Record]:
        assert _TABLES[table] is record
        return self._select(record, "SELECT {columns} FROM {table} ORDER BY {key}")

    def _select(self, record: type[_Record], query: str, values: tuple[object, ...] = ()) -> Iterator[_Record]:
        """Yields the rows of a query, whose `{columns}`, `{table}` and `{key}` are those of the record."""
        names, kinds = _COLUMNS[record]
        table = next(name for name, kept in _TABLES.items() if kept is record)
        text = query.format(columns=", ".join(names), table=table, key=names[0])
        for row in self._db.execute(text, values):
            named = zip(names, kinds, row, strict=True)
            values_by_name: dict[str, Any] = {name: _decoded(kind, value) for name, kind, value in named}
            yield record(**values_by_name)


class MemoryStorage(SqliteStorage):
    """A private database that ends with the process: SQLite keeps it in memory, and on disk what is too much."""

    def __init__(self) -> None:
        self._open("")
        self._db.execute("PRAGMA journal_mode = MEMORY")
        self._db.execute("PRAGMA synchronous = OFF")
        self._create_tables()


_Row = tuple[int | str | None, ...]


def _last_rows(events: Iterable[Event]) -> dict[str, dict[int | str, _Row]]:
    """Returns the last row of each record that the events changed, by table and key."""
    rows: dict[str, dict[int | str, _Row]] = {}
    for event in events:
        match event:
            case BalanceChanged(balance):
                rows.setdefault("balances", {})[balance.asset] = _row(balance)
            case OrderChanged(order):
                rows.setdefault("orders", {})[order.order_id] = _row(order)
            case Traded(trade):
                rows.setdefault("trades", {})[trade.trade_id] = _row(trade)
            case FeesInBnb() | Prevented():
                pass  # FeesInBnb is a setting; the orders of Prevented have their own events
    return rows


def _row(record: Balance | Order | Trade) -> _Row:
    names, _ = _COLUMNS[type(record)]
    return tuple(_encoded(getattr(record, name)) for name in names)


def _key(record: type[Balance | Order | Trade]) -> str:
    return fields(record)[0].name


def _column(kind: str) -> str:
    nullable = "" if kind.endswith("| None") else " NOT NULL"
    return ("INTEGER" if kind.startswith(("int", "bool")) else "TEXT") + nullable


def _encoded(value: Decimal | int | str | None) -> int | str | None:
    return plain(value) if isinstance(value, Decimal) else value


def _decoded(kind: str, value: int | str | None) -> Decimal | int | str | None:
    if kind == "Decimal":
        return Decimal(str(value))
    return bool(value) if kind == "bool" else value


def _unusable(path: Path, error: sqlite3.DatabaseError) -> StoreUnavailable | StoreCorrupt:
    if isinstance(error, sqlite3.OperationalError):
        return StoreUnavailable(f"the paper exchange's file {path.name} cannot be opened")
    return StoreCorrupt(f"{path.name} is not a paper exchange's file, or it is damaged")
