"""What the log says that the other tables hold, as short digests: a long log has many rows of them. Pure."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any, Final

from guardian.store.schema.compiled_statement import Key
from guardian.store.schema.sqlite_statements import LOGGED, SCHEMA
from guardian.store.state.row_images import image_digest, image_of, key_in
from guardian.store.state.table_statements import ROWS_OF_TABLE

_SEQ_BYTES: Final = 8


class TableState:
    """By table and primary key: the digest of the row's last image, and the row of the log that has it."""

    def __init__(self, *, of_part: bool = False) -> None:
        self.tables: dict[str, dict[Key, bytes]] = {name: {} for name in LOGGED}
        """An empty value: the row was deleted; only where this is of a part of the log."""
        self.proven_from: int | None = None
        """The row of the newest baseline; None without one: the log has everything from the first."""
        self._of_part = of_part
        if not of_part:
            for name, images in _first_images().items():
                self._write(name, 0, images)

    def apply(self, seq: int, data: Mapping[str, Any]) -> None:
        """Applies a row of the log. What is not as guardian writes it is passed over: the row is broken, or foreign."""
        if data.get("baseline") == 1:
            self.proven_from = seq
            self.tables = {name: {} for name in LOGGED}
        for name, images in _of_known_tables(data.get("tables")):
            self._write(name, seq, images)
        for name, keys in _of_known_tables(data.get("deleted")):
            for key in keys:
                self._delete(name, key_in(LOGGED[name], key))

    def _write(self, name: str, seq: int, images: list[dict[str, object]]) -> None:
        table, known = LOGGED[name], self.tables[name]
        place = seq.to_bytes(_SEQ_BYTES, "big", signed=True)
        for image in images:
            known[key_in(table, image)] = image_digest(image) + place

    def _delete(self, name: str, key: Key) -> None:
        if self._of_part:
            self.tables[name][key] = b""
        else:
            self.tables[name].pop(key, None)

    def packed(self) -> dict[str, object]:
        """Returns all of it as JSON data, see `unpacked`."""
        tables = {name: [[key, value.hex()] for key, value in rows.items()] for name, rows in self.tables.items()}
        return {"proven_from": self.proven_from, "tables": tables}

    @classmethod
    def unpacked(cls, found: Mapping[str, Any]) -> TableState:
        """Returns what `packed` made JSON data of. Raises ValueError, KeyError, TypeError: it did not."""
        state = cls(of_part=True)
        state.proven_from = found["proven_from"]
        for name, rows in found["tables"].items():
            state.tables[name] = {
                tuple(key) if isinstance(key, list) else key: bytes.fromhex(value) for key, value in rows
            }
        return state

    def take_over(self, later: TableState) -> None:
        """Applies what a later part of the log says."""
        if later.proven_from is not None:
            self.proven_from = later.proven_from
            self.tables = {name: {} for name in LOGGED}
        for name, rows in later.tables.items():
            for key, value in rows.items():
                if value:
                    self.tables[name][key] = value
                else:
                    self.tables[name].pop(key, None)


def seq_in(value: bytes) -> int:
    """Returns the row of the log that has the last image; 0 for a row that each file begins with."""
    return int.from_bytes(value[-_SEQ_BYTES:], "big", signed=True)


def is_image(value: bytes, image: Mapping[str, object]) -> bool:
    """Whether a row is as its last image."""
    return image_digest(image) == value[:-_SEQ_BYTES]


def _of_known_tables(found: object) -> list[tuple[str, list[dict[str, object]]]]:
    if not isinstance(found, dict):
        return []
    return [
        (name, [row for row in rows if isinstance(row, dict)])
        for name, rows in found.items()
        if name in LOGGED and isinstance(rows, list)
    ]


@cache
def _first_images() -> dict[str, list[dict[str, object]]]:
    """Returns the rows that each file begins with."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        return {
            name: [image_of(table, row) for row in connection.execute(ROWS_OF_TABLE[name]).fetchall()]
            for name, table in LOGGED.items()
        }


def first_image(name: str, key: Key) -> dict[str, object] | None:
    """Returns the row that each file begins with, by its key."""
    return next((image for image in _first_images()[name] if key_in(LOGGED[name], image) == key), None)
