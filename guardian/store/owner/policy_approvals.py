"""The part of a transaction that keeps which policies are approved, where a looser one needs a person's yes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, insert, select

from guardian.store.owner.owner_records import ApprovedPolicy
from guardian.store.schema.owner_tables import POLICY_APPROVALS
from guardian.store.transaction.unit import ROW, Unit

_NEWEST_FIRST: Final = (
    select(POLICY_APPROVALS)
    .where(POLICY_APPROVALS.c.environment == bindparam("environment"))
    .order_by(POLICY_APPROVALS.c.ordinal.desc())
)
_IN_FORCE: Final = _NEWEST_FIRST.where(POLICY_APPROVALS.c.effective_ms <= bindparam("now")).limit(1)


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
        self._unit.write(insert(POLICY_APPROVALS), values)

    def in_force(self, environment: str) -> ApprovedPolicy | None:
        """Returns the newest approved policy that has taken effect; None where none ever was approved."""
        return _one(self._unit.first(_IN_FORCE, {"environment": environment, "now": self._unit.now_ms}))

    def newest(self, environment: str) -> ApprovedPolicy | None:
        """Returns the newest approved policy, whether it has taken effect or waits for its time."""
        return _one(self._unit.first(_NEWEST_FIRST.limit(1), {"environment": environment}))


def _one(row: ROW | None) -> ApprovedPolicy | None:
    if row is None:
        return None
    return ApprovedPolicy(**{name: row[name] for name in ApprovedPolicy.__dataclass_fields__})
