"""What the log says that the other tables hold, as short digests: a long log has many rows of them. Pure.

Each image is compared with the one before it of the same row, in what guardian did not set: whoever edits a row in the
file, and waits until guardian writes it for another reason, has the edit in the log. See `image_steps`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any, Final, NamedTuple

from guardian.store.schema.compiled_statement import Key
from guardian.store.schema.sqlite_statements import LOGGED, SCHEMA
from guardian.store.state.image_steps import is_plausible
from guardian.store.state.row_images import image_digest, image_of, key_in, sets_in
from guardian.store.state.table_statements import ROWS_OF_TABLE

_SEQ_BYTES: Final = 8
CONTROL: Final = "control"
"""The table that has the trading state."""
_RECENT: Final = 512
"""Images that are kept whole: most rows change again soon after they were written."""


class Doubt(NamedTuple):
    """Two images of a row, one after the other, that have to be read again to be compared."""

    table: str
    key: Key
    before: int | None
    """The row of the log that has the first; None where no row has one, 0 for a row that each file begins with."""
    seq: int


class TableState:
    """By table and primary key: the digest of the row's last image, and the row of the log that has it."""

    def __init__(self, *, of_part: bool = False) -> None:
        self.tables: dict[str, dict[Key, bytes]] = {name: {} for name in LOGGED}
        """An empty value: the row was deleted; only where this is of a part of the log."""
        self.proven_from: int | None = None
        """The row of the newest baseline; None without one: the log has everything from the first."""
        self.trading: list[tuple[int, object]] = []
        """Each row of the log that made the trading state another one, and which."""
        self.renewed: list[int] = []
        """Baselines of a log that had such rows before: a migration makes one of a log that has none."""
        self.doubts: list[Doubt] = []
        """Images that do not follow on those before them, or that were too far apart to be compared at once."""
        self._first: dict[str, dict[Key, int]] = {name: {} for name in LOGGED}
        """The row of the log that has the first image of a row, where this is of a part; negative if it was set."""
        self._recent: dict[tuple[str, Key], Mapping[str, object]] = {}
        self._of_part = of_part
        self._has_rows = False
        self._unread_before = 0
        if not of_part:
            for name, images in _first_images().items():
                for image in images:
                    self._write(name, 0, image)

    def apply(self, seq: int, data: Mapping[str, Any]) -> None:
        """Applies a row of the log. What is not as guardian writes it is passed over: the row is broken, or foreign."""
        part = data.get("baseline")
        if part == 1:
            self._begin_again(seq)
        self._has_rows = True
        for name, keys in _of_known_tables(data.get("deleted")):
            for key in keys:
                self._delete(name, key_in(LOGGED[name], key))
        for name, images in _of_known_tables(data.get("tables")):
            for place, image in enumerate(images):
                if part is None:
                    self._compare(name, seq, image, sets_in(data, name, place))
                self._write(name, seq, image)

    def lose_track(self, seq: int) -> None:
        """Compares nothing with the images before row `seq`: rows of the log in between are missing or not genuine."""
        self._unread_before = seq
        self._recent.clear()

    def _begin_again(self, seq: int) -> None:
        if self._has_rows:
            self.renewed.append(seq)
        self.proven_from = seq
        self.tables = {name: {} for name in LOGGED}
        self._recent.clear()
        self._unread_before = 0

    def _compare(self, name: str, seq: int, image: Mapping[str, object], sets: frozenset[str]) -> None:
        """Compares an image with the one before it of the same row, or notes what has to be compared later."""
        key = key_in(LOGGED[name], image)
        known = self.tables[name].get(key)
        if known is None and self._of_part and self.proven_from is None:
            self._first[name].setdefault(key, -seq if sets else seq)
            return
        before = seq_in(known) if known else None
        if (before is None and not sets) or self._is_unread(before):
            return
        recent = self._recent.get((name, key)) if sets else None
        if recent is None or not is_plausible(name, recent, image, sets):
            self.doubts.append(Doubt(name, key, before, seq))

    def _is_unread(self, before: int | None) -> bool:
        """Whether rows of the log that nobody can read any more may have come after the image in this one."""
        return self._unread_before > 0 and (before is None or before < self._unread_before)

    def _write(self, name: str, seq: int, image: Mapping[str, object]) -> None:
        table = LOGGED[name]
        key = key_in(table, image)
        self.tables[name][key] = image_digest(image) + seq.to_bytes(_SEQ_BYTES, "big", signed=True)
        if name == CONTROL and (not self.trading or self.trading[-1][1] != image.get("state")):
            self.trading.append((seq, image.get("state")))
        if table.changing:
            self._recent.pop((name, key), None)
            self._recent[name, key] = image
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]

    def _delete(self, name: str, key: Key) -> None:
        self._recent.pop((name, key), None)
        if self._of_part:
            self.tables[name][key] = b""
        else:
            self.tables[name].pop(key, None)

    def packed(self) -> dict[str, object]:
        """Returns all of it as JSON data, see `unpacked`."""
        tables = {
            name: [[key, value.hex(), self._first[name].get(key)] for key, value in rows.items()]
            for name, rows in self.tables.items()
        }
        return {
            "proven_from": self.proven_from, "tables": tables, "doubts": self.doubts, "trading": self.trading,
            "renewed": self.renewed, "has_rows": self._has_rows,
        }  # fmt: skip

    @classmethod
    def unpacked(cls, found: Mapping[str, Any]) -> TableState:
        """Returns what `packed` made JSON data of. Raises ValueError, KeyError, TypeError: it did not."""
        state = cls(of_part=True)
        state.proven_from = found["proven_from"]
        for name, rows in found["tables"].items():
            for key, value, first in rows:
                state.tables[name][_key(key)] = bytes.fromhex(value)
                if first is not None:
                    state._first[name][_key(key)] = int(first)
        state.trading = [(seq, one) for seq, one in found["trading"]]
        state.renewed = [int(seq) for seq in found["renewed"]]
        state._has_rows = bool(found["has_rows"])
        state.doubts = [Doubt(name, _key(key), before, seq) for name, key, before, seq in found["doubts"]]
        return state

    def take_over(self, later: TableState) -> None:
        """Applies what a later part of the log says."""
        self.trading += later.trading
        self._has_rows = self._has_rows or later._has_rows
        for name, firsts in later._first.items():
            for key, first in firsts.items():
                known = self.tables[name].get(key)
                before = None if known is None else seq_in(known)
                if (before is not None or first < 0) and not self._is_unread(before):
                    self.doubts.append(Doubt(name, key, before, abs(first)))
        if later.proven_from is not None:
            self._begin_again(later.proven_from)
        self.renewed = list(dict.fromkeys(self.renewed + later.renewed))
        for name, rows in later.tables.items():
            for key, value in rows.items():
                if value:
                    self.tables[name][key] = value
                else:
                    self.tables[name].pop(key, None)
        self.doubts += later.doubts
        self._recent.clear()


def _key(found: object) -> Key:
    return tuple(found) if isinstance(found, list) else found


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
