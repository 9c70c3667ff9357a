"""The part of a transaction that keeps valid policies, so that after an invalid edit the last of them applies."""

from __future__ import annotations

from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import StoredPolicy
from guardian.store.transaction.unit import Unit


class GoodPoliciesPart:
    """Valid policies, in the order in which they came into use."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def remember(self, digest: str, text: str) -> None:
        """Stores a valid policy; changes nothing where it is the newest already."""
        newest = self.last()
        if newest is None or newest.digest != digest or newest.text != text:
            values = {"digest": digest, "text": text, "stored_ms": self._unit.now_ms}
            self._unit.write(sql.INSERT_POLICY, values)

    def newest(self, limit: int) -> tuple[StoredPolicy, ...]:
        """Returns at most `limit` policies, newest first."""
        return tuple(StoredPolicy(**row) for row in self._unit.rows(sql.NEWEST_POLICIES, {"most": limit}))

    def last(self) -> StoredPolicy | None:
        """Returns the newest policy; None where none was stored."""
        return next(iter(self.newest(1)), None)
