"""The part of a transaction that keeps valid policies, so that after an invalid edit the last of them applies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import insert, select

from guardian.store.schema.records import StoredPolicy
from guardian.store.schema.tables import POLICIES
from guardian.store.transaction.unit import Unit

_NEWEST: Final = select(POLICIES.c.digest, POLICIES.c.text, POLICIES.c.stored_ms).order_by(POLICIES.c.ordinal.desc())


class GoodPoliciesPart:
    """Valid policies, in the order in which they came into use."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def remember(self, digest: str, text: str) -> None:
        """Stores a valid policy; changes nothing where it is the newest already."""
        newest = self.last()
        if newest is None or newest.digest != digest or newest.text != text:
            values = {"digest": digest, "text": text, "stored_ms": self._unit.now_ms}
            self._unit.write(insert(POLICIES), values)

    def newest(self, limit: int) -> tuple[StoredPolicy, ...]:
        """Returns at most `limit` policies, newest first."""
        return tuple(StoredPolicy(**row) for row in self._unit.rows(_NEWEST.limit(limit)))

    def last(self) -> StoredPolicy | None:
        """Returns the newest policy; None where none was stored."""
        return next(iter(self.newest(1)), None)
