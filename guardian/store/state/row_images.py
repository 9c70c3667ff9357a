"""Rows of the other tables as the log has them. Everything here is pure.

    {"tables": {"orders": [{"client_order_id": "g1-...", ...}]}, "set": {"orders": [["state", "updated_ms"]]},
     "deleted": {"slicing": [{"id": 3}]}}

A value that is NULL is left out, and so are keys in the text of a policy: see `policy_texts`. `set` has, at the place
of each row, the columns that the transaction set in a row that was there: none where it inserted the row, and no list
at all where it inserted all rows of the table. A row that it deleted and inserted again is in `deleted` as well.

A baseline, which has all rows that there are, has `"baseline"` besides: the number of the part, from 1. What the log
said before the first part does not count any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from guardian.store.schema.compiled_statement import Key, LoggedTable
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


def data_of(body: object) -> dict[str, Any]:
    """Returns the data of a row of the log by its body; empty where the cell holds anything else. Never raises."""
    try:
        found = json.loads(body)["data"]  # type: ignore[arg-type]  # whatever is in the cell
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def sets_in(data: Mapping[str, Any], name: str, place: int) -> frozenset[str]:
    """Returns the columns that the transaction of a row of the log set in a row of a table; none if it inserted it."""
    try:
        return frozenset(data["set"][name][place])
    except (KeyError, IndexError, TypeError):
        return frozenset()
