"""The part of a transaction that lets one process at a time do a thing: who holds its lease, and until when.

A lease is no lock: a holder that was held up may go on for a moment after another took over. So it is for work that is
wasteful to do twice, and harmless.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from guardian.store.schema.records import Lease
from guardian.store.schema.tables import LEASES
from guardian.store.transaction.base import Unit

_BY_NAME: Final = select(LEASES).where(LEASES.c.name == bindparam("wanted"))
_UPDATE: Final = update(LEASES).where(LEASES.c.name == bindparam("wanted"))
_DELETE: Final = delete(LEASES).where(LEASES.c.name == bindparam("wanted"), LEASES.c.holder == bindparam("held_by"))


class LeasesPart(Unit):
    """Leases: taken, renewed and given back."""

    def lease(self, name: str) -> Lease | None:
        """The lease as it is, run out or not; None where nobody ever took it or the last holder gave it back."""
        row = self._first(_BY_NAME, {"wanted": name})
        return None if row is None else Lease(**row)

    def take_lease(self, name: str, holder: str, period_ms: int, *, dead: Lease | None = None) -> bool:
        """Take or renew it for `period_ms` of window time; False while another holds it.

        `dead` is the lease of a holder that the caller knows to be dead: as long as it is still the same, it is taken.
        (Window time stands still after a jump of the clock, and so would the end of a dead holder's lease.)
        """
        found = self.lease(name)
        values = {"holder": holder, "expires_ms": self.now_ms + period_ms}
        if found is None:
            self._write(insert(LEASES), {"name": name, "renewals": 1, **values})
            return True
        if found.holder != holder and found.expires_ms > self.now_ms and found != dead:
            return False
        self._write(_UPDATE.values(renewals=found.renewals + 1, **values), {"wanted": name})
        return True

    def give_back_lease(self, name: str, holder: str) -> None:
        """Let another take it at once. Nothing happens where somebody else holds it."""
        self._write(_DELETE, {"wanted": name, "held_by": holder})
