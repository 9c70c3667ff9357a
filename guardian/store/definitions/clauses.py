"""What several definitions have in common."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, FromClause, Insert, Table, and_, bindparam, insert


def in_scope(table: FromClause) -> ColumnElement[bool]:
    """Returns the condition that limits a statement to the rows of one scope; `scope_values` has its parameters."""
    return and_(table.c.environment == bindparam("environment"), table.c.account == bindparam("account"))


def new_row(table: Table, *, without: Collection[str] = ()) -> Insert:
    """Returns the statement that inserts one row, with a parameter of the same name for each column but `without`."""
    names = (column.name for column in table.columns)
    return insert(table).values({name: bindparam(name) for name in names if name not in without})
