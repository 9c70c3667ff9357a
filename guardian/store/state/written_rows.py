"""What one transaction writes into the other tables, as the log gets it: see `row_images`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from guardian.store.schema.compiled_statement import Key, LoggedTable
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.row_images import image_of, is_logged

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    row: Sequence[object] | None
    """As it was written last; None where it was deleted."""
    sets: frozenset[str]
    """The columns that were set; none where the row was inserted."""
    was_deleted: bool
    """Whether a row with this key was deleted before, or is."""


class Changes:
    """What one transaction wrote into the other tables; of each row the last image counts."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, _Change]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def note(
        self, table: LoggedTable, rows: Iterable[Sequence[object]], *, deleted: bool, sets: Collection[str]
    ) -> None:
        """Notes what a writing statement returned: rows, or the keys of rows that it deleted.

        `sets` are the columns that an UPDATE set; none of a statement that inserted.
        """
        for row in rows:
            if not is_logged(table, row):
                continue
            of_table = self._rows.setdefault(table.name, {})
            if deleted:
                of_table[row[0] if len(row) == 1 else tuple(row)] = _Change(None, _NONE, was_deleted=True)
                continue
            key = table.key_of(row)
            before = of_table.get(key)
            if before is None:
                of_table[key] = _Change(row, frozenset(sets), was_deleted=False)
            else:
                was_inserted = before.row is None or not before.sets
                both = _NONE if was_inserted else before.sets | frozenset(sets)
                of_table[key] = _Change(row, both, was_deleted=before.was_deleted)

    def take(self) -> dict[str, object]:
        """Returns what the row of the log says of them, and forgets them."""
        tables: dict[str, object] = {}
        sets: dict[str, object] = {}
        deleted: dict[str, object] = {}
        for name, changes in self._rows.items():
            table = LOGGED[name]
            written = [change for change in changes.values() if change.row is not None]
            if written:
                tables[name] = [image_of(table, change.row) for change in written if change.row is not None]
            if any(change.sets for change in written):
                sets[name] = [sorted(change.sets) for change in written]
            gone = [key for key, change in changes.items() if change.was_deleted]
            if gone:
                deleted[name] = [_named(table, key) for key in gone]
        self._rows = {}
        return {"tables": tables, **({"set": sets} if sets else {}), **({"deleted": deleted} if deleted else {})}


def _named(table: LoggedTable, key: Key) -> dict[str, object]:
    values = key if isinstance(key, tuple) else (key,)
    return dict(zip(table.keys, values, strict=True))
