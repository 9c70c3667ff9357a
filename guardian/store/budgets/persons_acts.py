"""The part of a transaction that records when a person acted: the budgets of trading without one restart there."""

from __future__ import annotations

from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Scope
from guardian.store.transaction.unit import Unit, scope_values


class PersonsActsPart:
    """Resumptions and approvals, by their place in the log."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def record(self, scope: Scope | None, what: str) -> None:
        """Records that a person acted, for one scope or (None) for all: only later orders count as unattended."""
        values = {"environment": "", "account": ""} if scope is None else scope_values(scope)
        self._unit.write(
            sql.RECORD_ACT, {**values, "seq": self._unit.head.seq, "ts_ms": self._unit.now_ms, "what": what}
        )

    def newest_seq(self, scope: Scope) -> int:
        """Returns the place in the log at which a person last acted for this scope; 0 if never."""
        return int(self._unit.value(sql.NEWEST_ACT, scope_values(scope)) or 0)
