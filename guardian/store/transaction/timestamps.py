"""The part of a transaction that keeps named timestamps over restarts: when something began or was last done."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from guardian.store.schema.tables import MARKS
from guardian.store.transaction.unit import Unit

_BY_NAME: Final = select(MARKS.c.ts_ms).where(MARKS.c.name == bindparam("wanted"))
_DELETE: Final = delete(MARKS).where(MARKS.c.name == bindparam("wanted"))


class TimestampsPart:
    """Timestamps by name, in milliseconds of window time."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, name: str) -> int | None:
        """Returns the timestamp of this name; None if it is not set."""
        row = self._unit.first(_BY_NAME, {"wanted": name})
        return None if row is None else int(row["ts_ms"])

    def set(self, name: str) -> int:
        """Sets the timestamp to now and returns it."""
        self.clear(name)
        self._unit.write(insert(MARKS), {"name": name, "ts_ms": self._unit.now_ms})
        return self._unit.now_ms

    def set_once(self, name: str) -> int:
        """Sets the timestamp to now unless it is set; returns its value."""
        found = self.get(name)
        return self.set(name) if found is None else found

    def clear(self, name: str) -> None:
        """Deletes the timestamp, if there is one."""
        if self.get(name) is not None:
            self._unit.write(_DELETE, {"wanted": name})
