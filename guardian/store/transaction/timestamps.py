"""The part of a transaction that keeps named timestamps over restarts: when something began or was last done."""

from __future__ import annotations

from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Scope
from guardian.store.transaction.unit import Unit


def reconciled_mark(scope: Scope) -> str:
    """Returns the name of the timestamp at which all of a scope's orders were compared last."""
    return f"reconciled/{scope.environment}/{scope.account}"


class TimestampsPart:
    """Timestamps by name, in milliseconds of window time."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, name: str) -> int | None:
        """Returns the timestamp of this name; None if it is not set."""
        found = self._unit.value(sql.TIMESTAMP_BY_NAME, {"name": name})
        return None if found is None else int(found)

    def set(self, name: str) -> int:
        """Sets the timestamp to now and returns it."""
        self.clear(name)
        self._unit.write(sql.INSERT_TIMESTAMP, {"name": name, "ts_ms": self._unit.now_ms})
        return self._unit.now_ms

    def set_once(self, name: str) -> int:
        """Sets the timestamp to now unless it is set; returns its value."""
        found = self.get(name)
        return self.set(name) if found is None else found

    def clear(self, name: str) -> None:
        """Deletes the timestamp, if there is one."""
        if self.get(name) is not None:
            self._unit.write(sql.DELETE_TIMESTAMP, {"name": name})
