"""The part of a transaction that lets one process at a time do a piece of work: who holds its lease, and until when.

A lease is advisory; it does not give mutual exclusion: a holder that was delayed may continue for a moment after
another took over. So it is for work that is wasteful to do twice, but harmless.
"""

from __future__ import annotations

from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Lease
from guardian.store.transaction.unit import Unit


class LeasesPart:
    """Leases: taken, renewed and given back."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, name: str) -> Lease | None:
        """Returns the lease, expired or not; None where nobody ever took it or the last holder gave it back."""
        row = self._unit.first(sql.LEASE_BY_NAME, {"lease": name})
        return None if row is None else Lease(**row)

    def take(self, name: str, holder: str, period_ms: int, *, dead: Lease | None = None) -> bool:
        """Takes or renews the lease for `period_ms` of window time; returns False while another holds it.

        `dead` is the lease of a holder that the caller knows to be dead: as long as it is still the same, it is taken.
        (Window time does not move after a jump of the clock, so that a dead holder's lease would not expire.)
        """
        found = self.get(name)
        values = {"holder": holder, "expires_ms": self._unit.now_ms + period_ms}
        if found is None:
            self._unit.write(sql.INSERT_LEASE, {"name": name, "renewals": 1, **values})
            return True
        if found.holder != holder and found.expires_ms > self._unit.now_ms and found != dead:
            return False
        self._unit.write(sql.RENEW_LEASE, {"lease": name, "renewals": found.renewals + 1, **values})
        return True

    def give_back(self, name: str, holder: str) -> None:
        """Releases the lease, so that another can take it at once; does nothing where somebody else holds it."""
        self._unit.write(sql.DELETE_LEASE, {"lease": name, "holder": holder})
