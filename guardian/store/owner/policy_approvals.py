"""The part of a transaction that keeps which policies are approved, where a looser one needs a person's yes."""

from __future__ import annotations

from guardian.store.owner.owner_records import ApprovedPolicy
from guardian.store.schema import sqlite_statements as sql
from guardian.store.transaction.unit import ROW, Unit


class PolicyApprovalsPart:
    """Approved policies of each environment, in the order in which they were approved."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, environment: str, digest: str, text: str, *, approval_seq: int, effective_ms: int) -> None:
        """Stores that a policy is approved; it is in force from `effective_ms` on, in window time."""
        values = {
            "environment": environment,
            "digest": digest,
            "text": text,
            "approval_seq": approval_seq,
            "approved_ms": self._unit.now_ms,
            "effective_ms": effective_ms,
        }
        self._unit.write(sql.INSERT_POLICY_APPROVAL, values)

    def in_force(self, environment: str) -> ApprovedPolicy | None:
        """Returns the newest approved policy that has taken effect; None where none ever was approved."""
        return _one(
            self._unit.first(sql.POLICY_APPROVAL_IN_FORCE, {"environment": environment, "now": self._unit.now_ms})
        )

    def newest(self, environment: str) -> ApprovedPolicy | None:
        """Returns the newest approved policy, whether it has taken effect or waits for its time."""
        return _one(self._unit.first(sql.NEWEST_POLICY_APPROVAL, {"environment": environment}))


def _one(row: ROW | None) -> ApprovedPolicy | None:
    if row is None:
        return None
    return ApprovedPolicy(**{name: row[name] for name in ApprovedPolicy.__dataclass_fields__})
