"""What a statement of the store is. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DIGESTS_AT_ONCE: Final = 50
"""How many digests one statement looks up: its text is fixed, and so is how many parameters it has."""


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """One statement as SQL, with a parameter `:name` for each value that its caller gives."""

    sql: str
    parameters: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    """The names of the columns of a query's rows."""


def filled(name: str, values: Sequence[object], count: int) -> dict[str, object]:
    """Returns the values of `count` parameters `name_0`, `name_1`, ... of a list; those that are left are NULL.

    Nothing equals NULL, so they match no row. Raises ValueError: there are more values than parameters.
    """
    if len(values) > count:
        raise ValueError(f"more than {count} values")
    return {f"{name}_{number}": values[number] if number < len(values) else None for number in range(count)}
