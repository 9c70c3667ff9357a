"""What a statement of the store is. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DIGESTS_AT_ONCE: Final = 50
"""How many digests one statement looks up: its text is fixed, and so is how many parameters it has."""


@dataclass(frozen=True, slots=True)
class LoggedTable:
    """A table whose rows the log has too, each as it was after the transaction that wrote it last."""

    name: str
    keys: tuple[str, ...]
    """The columns of the primary key."""
    columns: tuple[str, ...]
    """All columns that the log has, in the order of the table."""
    changing: frozenset[str] = frozenset()
    """Those that some statement sets in a row that is there; all others stay as the row was inserted."""

    def key_of(self, row: Sequence[object]) -> Key:
        """Returns the primary key of a row that has all columns in their order."""
        if len(self.keys) == 1:
            return row[self.columns.index(self.keys[0])]
        return tuple(row[self.columns.index(name)] for name in self.keys)


Key = object
"""A primary key: a value, or a tuple of values where it has several columns."""


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """One statement as SQL, with a parameter `:name` for each value that its caller gives."""

    sql: str
    parameters: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    """The names of the columns of a query's rows."""
    logged: LoggedTable | None = None
    """The table that a writing statement changes, where the log has its rows.

    It then returns each row that it wrote with the table's columns, or of each row that it deleted the key.
    """
    deletes: bool = False
    sets: frozenset[str] = frozenset()
    """The columns that an UPDATE sets, of those that the log has; none of a statement that inserts or deletes."""


def filled(name: str, values: Sequence[object], count: int) -> dict[str, object]:
    """Returns the values of `count` parameters `name_0`, `name_1`, ... of a list; those that are left are NULL.

    Nothing equals NULL, so they match no row. Raises ValueError: there are more values than parameters.
    """
    if len(values) > count:
        raise ValueError(f"more than {count} values")
    return {f"{name}_{number}": values[number] if number < len(values) else None for number in range(count)}
