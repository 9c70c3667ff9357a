"""Finds cells of `guardian.db` that hold what guardian never writes there. Light to import.

SQLite keeps a value of any type in any column, so whoever may write the file may put a blob where an amount belongs.
This looks at the whole of the tables. It is run by verification, and by readers and writers that failed on a value.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from itertools import islice
from typing import Final

from guardian.domain.milliseconds import LATEST_MS
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderSide
from guardian.domain.owner.proof import Proof
from guardian.domain.text.escaping import clean
from guardian.domain.trading import TradingState
from guardian.store.schema.records import Phase, ProposalState
from guardian.store.schema.sqlite_dialect import cells, column_types, table_names
from guardian.store.schema.sqlite_statements import SCHEMA

MOST_NAMED: Final = 20
"""Maximum number of cells that are named of one file."""
_NEWEST_ROWS: Final = 300
"""How many rows of the log are looked at: the chain proves its cells, and a long log is not read for a message."""
_MAX_SHOWN: Final = 40
_AMOUNT: Final = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?", re.ASCII)
_INTEGER: Final = re.compile(r"INTEGER|BOOLEAN")

READ_FAILURES: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
"""What code raises that is given a value which is not of the type or form that it expects."""


def strange_cells(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields a sentence for each cell that guardian never writes so, MOST_NAMED at most.

    Missing tables are left out. Raises sqlite3.Error where the file cannot be read.
    """
    yield from islice(_all(connection), MOST_NAMED)


def first_strange_cell(connection: sqlite3.Connection) -> str | None:
    """Returns the sentence for the first such cell; None if no cell is so, or the file cannot be read. Never raises.

    It may be called within a transaction.
    """
    try:
        return next(_all(connection), None)
    except (sqlite3.Error, *READ_FAILURES):
        return None


def _all(connection: sqlite3.Connection) -> Iterator[str]:
    there = frozenset(table_names(connection))
    for table, columns in _tables().items():
        if table in there:
            yield from _of_table(connection, table, columns)


def _of_table(connection: sqlite3.Connection, table: str, columns: dict[str, tuple[str, bool]]) -> Iterator[str]:
    rows = cells(connection, table, columns, _NEWEST_ROWS if table == "audit" else None)
    if table == "control":
        found = rows.fetchall()
        if [row[0] for row in found] != [1]:
            yield f"`control` has {len(found)} rows, where there is one: the trading state"
        rows = iter(found)  # type: ignore[assignment]  # the same rows
    for row in rows:
        for at, (name, (kind, required)) in enumerate(columns.items()):
            why = _strange(f"{table}.{name}", kind, required, row[1 + 2 * at], row[2 + 2 * at])
            if why is not None:
                yield f"`{table}.{name}` in row {row[0]} {why}"


def _strange(column: str, kind: str, required: bool, found: str, value: object) -> str | None:
    """Returns what is wrong with a cell; None where nothing is."""
    if found == "null":
        return "is empty" if required else None
    if found != kind:
        return f"is of type {found}, where guardian writes {kind}"
    if isinstance(value, int):
        name = column.rpartition(".")[2]
        if name.endswith("_ms") and not 0 <= value <= LATEST_MS:
            return f"is {value}, which is no time"
        return f"is {value}" if name in _FLAGS and value not in {0, 1} else None
    if kind != "text" or not isinstance(value, bytes):
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "is text that is not UTF-8"
    fits = _FORMS.get(column)
    return None if fits is None or fits(text) else f"is `{clean(text, _MAX_SHOWN)}`, which guardian never writes there"


@cache
def _tables() -> dict[str, dict[str, tuple[str, bool]]]:
    """Returns the columns of each table, with their type and whether they are always filled, as the schema has them."""
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    with closing(sqlite3.connect(":memory:")) as empty:
        for statement in SCHEMA:
            empty.execute(statement)
        for table in table_names(empty):
            found[table] = {
                name: ("integer" if _INTEGER.match(kind) else "blob" if kind == "BLOB" else "text", filled)
                for name, kind, filled in column_types(empty, table)
            }
    return found


def _is_amount(text: str) -> bool:
    return _AMOUNT.fullmatch(text) is not None


def _is_json(kind: type[dict[str, object] | list[object]]) -> Callable[[str], bool]:
    """Returns the check whether a text is JSON of that kind."""

    def is_so(text: str) -> bool:
        try:
            return isinstance(json.loads(text), kind)
        except (ValueError, RecursionError):
            return False

    return is_so


def _one_of(*words: str) -> Callable[[str], bool]:
    return frozenset(words).__contains__


_FLAGS: Final = frozenset({"is_exit", "confirmed", "given_up", "adopted"})
_AMOUNTS: Final = {
    "orders": (
        "price", "stop_price", "quantity", "quote_quantity", "notional", "quote_notional", "executed_quantity",
        "executed_quote_quantity", "fee_quantity", "amended_quantity",
    ),
    "flows": ("change",),
    "holdings": ("quantity", "last_price"),
    "proposals": ("notional", "quote_notional", "shown_bid", "shown_ask"),
    "mandates": ("budget", "max_order"),
}  # fmt: skip
_FORMS: Final[dict[str, Callable[[str], bool]]] = {
    **{f"{table}.{name}": _is_amount for table, names in _AMOUNTS.items() for name in names},
    "audit.phase": _one_of(*Phase),
    "control.state": _one_of(*TradingState),
    "flows.kind": _one_of("trade", "fee", "worth", "correction"),
    "mandates.symbols": _is_json(list),
    "orders.side": _one_of(*OrderSide),
    "orders.state": _one_of(*OrderState),
    "owner.floor": _one_of(*Proof),
    "owner_changes.detail": _is_json(dict),
    "proposals.proof": _one_of(*Proof),
    "proposals.resolved": _is_json(dict),
    "proposals.side": _one_of(*OrderSide),
    "proposals.spec": _is_json(dict),
    "proposals.state": _one_of(*ProposalState),
}
"""The form that a text of a column has."""
