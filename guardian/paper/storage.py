"""Where the paper exchange keeps its state: nowhere, or a SQLite file that is flushed before any reply goes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from guardian.domain.money import plain
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.paper.ledger import Ledger
from guardian.paper.listing import LISTINGS
from guardian.paper.orders import Balance, BalanceChanged, Event, Order, OrderChanged, Trade, Traded
from guardian.paper.state import State, mistakes

_Record = TypeVar("_Record", Balance, Order, Trade)

_VERSION: Final = 1
_TABLES: Final[Mapping[str, type[Balance | Order | Trade]]] = {
    "balances": Balance,
    "orders": Order,
    "trades": Trade,
}


class Storage(Protocol):
    """Keeps events; gives them back as a state."""

    def load(self) -> State | None:
        """The state as of the last commit; None where there has been none."""
        ...

    def create(self, state: State) -> None:
        """Keeps a new state as a whole."""
        ...

    def commit(self, events: Iterable[Event], checked: int) -> None:
        """Keeps the events. When this returns they survive a crash. Raises StoreUnavailable: none of them is kept."""
        ...

    def setting(self, name: str, default: str) -> str:
        """A value that was kept under a name; where there is none, `default`, which is kept from now on."""
        ...

    def keep_setting(self, name: str, value: str) -> None:
        """Keeps a value under a name."""
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


class MemoryStorage:
    """Keeps nothing: what is lost with the process is lost."""

    def __init__(self) -> None:
        self._settings: dict[str, str] = {}

    def load(self) -> State | None:
        """See `Storage`."""
        return None

    def create(self, state: State) -> None:
        """See `Storage`."""

    def commit(self, events: Iterable[Event], checked: int) -> None:
        """See `Storage`."""

    def setting(self, name: str, default: str) -> str:
        """See `Storage`."""
        return self._settings.setdefault(name, default)

    def keep_setting(self, name: str, value: str) -> None:
        """See `Storage`."""
        self._settings[name] = value

    def close(self) -> None:
        """See `Storage`."""


class SqliteStorage:
    """One SQLite file. One process writes it; the lock of the home folder sees to that.

    Raises:
        StoreUnavailable: the file cannot be opened.
        StoreCorrupt: it is not a paper exchange's, or of another version, or what it says does not add up.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.touch(mode=0o600, exist_ok=True)
            # Used from the one thread that serves, which need not be the one that opened it.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
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
            trades=list(self._rows(Trade, "trades")),
            checked=int(settings["checked"]),
            born=int(settings["born"]),
        )
        for order in self._rows(Order, "orders"):
            state.keep(order)
        return state

    def create(self, state: State) -> None:
        """See `Storage`."""
        events: list[Event] = [BalanceChanged(balance) for balance in state.ledger]
        events += [OrderChanged(order) for order in state.orders.values()]
        events += [Traded(trade) for trade in state.trades]
        self._write(events, {"born": str(state.born), "checked": str(state.checked)})

    def commit(self, events: Iterable[Event], checked: int) -> None:
        """See `Storage`."""
        self._write(events, {"checked": str(checked)})

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
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute("COMMIT")

    def _write(self, events: Iterable[Event], settings: Mapping[str, str]) -> None:
        try:
            with closing(self._db.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    for event in events:
                        _upsert(cursor, event)
                    cursor.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", list(settings.items()))
                    cursor.execute("COMMIT")
                except BaseException:
                    cursor.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise StoreUnavailable("the paper exchange cannot write its file") from error

    def _rows(self, record: type[_Record], table: str) -> Iterable[_Record]:
        names = [field.name for field in fields(record)]
        kinds = [str(field.type) for field in fields(record)]
        query = f"SELECT {', '.join(names)} FROM {table} ORDER BY {_key(record)}"  # noqa: S608 -- names from our own code
        for row in self._db.execute(query):
            named = zip(names, kinds, row, strict=True)
            values: dict[str, Any] = {name: _decoded(kind, value) for name, kind, value in named}
            yield record(**values)


def _upsert(cursor: sqlite3.Cursor, event: Event) -> None:
    match event:
        case BalanceChanged(record):
            table: str = "balances"
        case OrderChanged(record):
            table = "orders"
        case Traded(record):
            table = "trades"
    values = [_encoded(getattr(record, field.name)) for field in fields(record)]
    marks = ", ".join("?" * len(values))
    cursor.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)  # noqa: S608 -- names from our own code


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
