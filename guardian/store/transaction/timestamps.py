"""The part of a transaction that remembers over restarts when something began, or was done last."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from guardian.store.schema.tables import MARKS
from guardian.store.transaction.base import Unit

_MARKED: Final = select(MARKS.c.ts_ms).where(MARKS.c.name == bindparam("wanted"))
_DELETE: Final = delete(MARKS).where(MARKS.c.name == bindparam("wanted"))


class TimestampsPart(Unit):
    """Marks: a name, and a moment of window time."""

    def marked(self, name: str) -> int | None:
        """The moment of the mark; None where there is none."""
        row = self._first(_MARKED, {"wanted": name})
        return None if row is None else int(row["ts_ms"])

    def mark(self, name: str, *, anew: bool = False) -> int:
        """The moment of the mark, which is set to now where there is none, or where it is to be set anew."""
        found = self.marked(name)
        if found is not None and not anew:
            return found
        self.unmark(name)
        self._write(insert(MARKS), {"name": name, "ts_ms": self.now_ms})
        return self.now_ms

    def unmark(self, name: str) -> None:
        """Take the mark away, if it is there."""
        if self.marked(name) is not None:
            self._write(_DELETE, {"wanted": name})
