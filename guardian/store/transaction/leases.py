"""The part of a transaction that lets one process at a time do a piece of work: who holds its lease, and until when.

A lease is advisory; it does not give mutual exclusion: a holder that was delayed may continue for a moment after
another took over. So it is for work that is wasteful to do twice, but harmless.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from guardian.store.schema.records import Lease
from guardian.store.schema.tables import LEASES
from guardian.store.transaction.unit import Unit

_BY_NAME: Final = select(LEASES).where(LEASES.c.name == bindparam("wanted"))
_UPDATE: Final = update(LEASES).where(LEASES.c.name == bindparam("wanted"))
_DELETE: Final = delete(LEASES).where(LEASES.c.name == bindparam("wanted"), LEASES.c.holder == bindparam("held_by"))


class LeasesPart:
    """Leases: taken, renewed and given back."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, name: str) -> Lease | None:
        """Returns the lease, expired or not; None where nobody ever took it or the last holder gave it back."""
        row = self._unit.first(_BY_NAME, {"wanted": name})
        return None if row is None else Lease(**row)

    def take(self, name: str, holder: str, period_ms: int, *, dead: Lease | None = None) -> bool:
        """Takes or renews the lease for `period_ms` of window time; returns False while another holds it.

        `dead` is the lease of a holder that the caller knows to be dead: as long as it is still the same, it is taken.
        (Window time does not move after a jump of the clock, so that a dead holder's lease would not expire.)
        """
        found = self.get(name)
        values = {"holder": holder, "expires_ms": self._unit.now_ms + period_ms}
        if found is None:
            self._unit.write(insert(LEASES), {"name": name, "renewals": 1, **values})
            return True
        if found.holder != holder and found.expires_ms > self._unit.now_ms and found != dead:
            return False
        self._unit.write(_UPDATE.values(renewals=found.renewals + 1, **values), {"wanted": name})
        return True

    def give_back(self, name: str, holder: str) -> None:
        """Releases the lease, so that another can take it at once; does nothing where somebody else holds it."""
        self._unit.write(_DELETE, {"wanted": name, "held_by": holder})
