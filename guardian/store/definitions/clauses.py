"""What several definitions have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Insert, Select, Table, and_, bindparam, insert


def in_scope(table: FromClause) -> ColumnElement[bool]:
    """Returns the condition that limits a statement to the rows of one scope; `scope_values` has its parameters."""
    return and_(table.c.environment == bindparam("environment"), table.c.account == bindparam("account"))


def before_the_end(time: ColumnElement[int], clock: ColumnElement[int]) -> ColumnElement[bool]:
    """Returns the condition that what has this time is not after the end of a window; see `Unit.window_values`."""
    is_past = (time <= bindparam("now")) | (clock <= bindparam("clock_now"))
    return is_past | (bindparam("set_back") > bindparam("after"))


def new_row(table: Table, *, without: Collection[str] = ()) -> Insert:
    """Returns the statement that inserts one row, with a parameter of the same name for each column but `without`."""
    names = (column.name for column in table.columns)
    return insert(table).values({name: bindparam(name) for name in names if name not in without})


def by_index(statement: Select[Any], table: Table, index: str) -> Select[Any]:
    """Returns a query that SQLite runs along this index of the table, or not at all.

    Left to itself SQLite takes the index that has the wanted order, and then looks at each row that ever was.
    """
    return statement.with_hint(table, f"INDEXED BY {index}", dialect_name="sqlite")
