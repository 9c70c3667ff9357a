"""Rows of the other tables as the log has them. Everything here is pure.

    {"tables": {"orders": [{"client_order_id": "g1-...", ...}]}, "deleted": {"slicing": [{"id": 3}]}}

A value that is NULL is left out, and so are keys in the text of a policy: see `policy_texts`. A baseline, which has all
rows that there are, has `"baseline"` besides: the number of the part, from 1. What the log said before the first part
does not count any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from guardian.store.schema.compiled_statement import Key, LoggedTable
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.policy_texts import with_hidden_keys

GONE: Final = "gone/"
"""How the name of a timestamp begins that an order's end depends on; of the others none decides anything."""
_MARKS: Final = "marks"
_DIGEST_BYTES: Final = 16
_BLOB: Final = "blob"


def _as_text(value: object) -> object:
    """Returns what JSON has for a value that only somebody else can have written."""
    return {_BLOB: value.hex()} if isinstance(value, bytes) else repr(value)


_EXACT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text)


def exact_json(document: Mapping[str, object]) -> bytes:
    """Returns canonical JSON in UTF-8, of any length: nothing is cut, and each integer is written as it is."""
    return _EXACT.encode(document).encode("utf-8")


def is_logged(table: LoggedTable, row: Sequence[object]) -> bool:
    """Whether the log has this row of the table."""
    return table.name != _MARKS or str(row[0]).startswith(GONE)


def image_of(table: LoggedTable, row: Sequence[object]) -> dict[str, object]:
    """Returns a row by the names of its columns, without those that are NULL, and without the keys of a policy."""
    return with_hidden_keys({name: value for name, value in zip(table.columns, row, strict=True) if value is not None})


def row_of(table: LoggedTable, image: Mapping[str, Any]) -> tuple[object, ...]:
    """Returns the row of an image, in the order of the table's columns."""
    return tuple(_value(image.get(name)) for name in table.columns)


def _value(found: object) -> object:
    return bytes.fromhex(str(found[_BLOB])) if isinstance(found, dict) and _BLOB in found else found


def image_digest(image: Mapping[str, object]) -> bytes:
    """Returns a short digest of a row."""
    return blake2b(exact_json(image), digest_size=_DIGEST_BYTES).digest()


def key_in(table: LoggedTable, image: Mapping[str, object]) -> Key:
    """Returns the primary key of an image, or of what says that a row was deleted."""
    if len(table.keys) == 1:
        return image.get(table.keys[0])
    return tuple(image.get(name) for name in table.keys)


class Changes:
    """What one transaction wrote into the other tables; of each row the last image counts."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, Sequence[object] | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def note(self, table: LoggedTable, rows: Iterable[Sequence[object]], *, deleted: bool) -> None:
        """Notes what a writing statement returned: rows, or the keys of rows that it deleted."""
        for row in rows:
            if not is_logged(table, row):
                continue
            of_table = self._rows.setdefault(table.name, {})
            if deleted:
                of_table[row[0] if len(row) == 1 else tuple(row)] = None
            else:
                of_table[table.key_of(row)] = row

    def take(self) -> dict[str, object]:
        """Returns what the row of the log says of them, and forgets them."""
        tables: dict[str, object] = {}
        deleted: dict[str, object] = {}
        for name, rows in self._rows.items():
            table = LOGGED[name]
            written = [image_of(table, row) for row in rows.values() if row is not None]
            if written:
                tables[name] = written
            gone = [key for key, row in rows.items() if row is None]
            if gone:
                deleted[name] = [_named(table, key) for key in gone]
        self._rows = {}
        return {"tables": tables, **({"deleted": deleted} if deleted else {})}


def _named(table: LoggedTable, key: Key) -> dict[str, object]:
    values = key if isinstance(key, tuple) else (key,)
    return dict(zip(table.keys, values, strict=True))
