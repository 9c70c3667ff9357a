"""Lets one process of a home poll orders at a time, by a lease in the store.

The lease is advisory, to save requests: two processes that poll at once do no harm, since the store decides what is
new.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from math import inf
from typing import Final

from guardian.errors import StoreError
from guardian.gate.base.context import GateContext
from guardian.store.schema.records import Lease, Scope

_log: Final = logging.getLogger("guardian.gate")

LEASE_MS: Final = 10_000
"""How long a holder that was killed delays the others, in ms: as long as the period of an open order.

A shorter one would be safe, but a holder renews it in its second half while any order is pending, and each renewal
writes to the disk.
"""


@dataclass(slots=True)
class Leaseholder:
    """Takes the lease, renews it in its second half, and releases it at the end and after a failure.

    After a machine slept or a process was stopped, its lease has expired by its own clock or by another process's.
    Where it has expired only by the other's, both poll for at most half a lease.
    """

    context: GateContext
    _owner: str = field(init=False)
    _held: tuple[str, float] | None = None
    """The name of the held lease, and until when it need not be renewed, on the monotonic clock."""
    _seen: tuple[Lease, float] | None = None
    """Another process's lease as it was first seen, and when, on the monotonic clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """A cancelled caller leaves the thread that takes the lease running; the release waits for it."""
    _backs_off_until: float = -inf
    """On the monotonic clock."""

    def __post_init__(self) -> None:
        self._owner = self.context.random_bytes(16).hex()

    async def holds(self, scope: Scope) -> bool:
        """Whether this process may poll now: it holds the lease, or takes it. Raises StoreError."""
        if self.context.clock.monotonic() < self._backs_off_until:
            return False
        name = f"orders/{scope.environment}/{scope.account}"
        if self._held is not None and self._held[0] == name and self.context.clock.monotonic() < self._held[1]:
            return True
        return await self.context.journal.run(lambda: self._take(name))

    async def release(self) -> None:
        """Let another process take the lease at once; where that cannot be written, the lease expires."""
        await self.context.journal.run(self._release)

    async def back_off(self) -> None:
        """Release the lease and do not take it for LEASE_MS: another process may have a working connection.

        Where there is no other process, this one continues then.
        """
        self._backs_off_until = self.context.clock.monotonic() + LEASE_MS / 1000
        await self.release()

    def _take(self, name: str) -> bool:
        with self._lock:
            now = self.context.clock.monotonic()
            with self.context.journal.transaction() as tx:
                found = tx.leases.get(name)
                if found is None or self._seen is None or found != self._seen[0]:
                    self._seen = None if found is None else (found, now)
                # Not renewed for its whole length: its holder is dead, even where window time does not advance.
                is_dead = self._seen is not None and (now - self._seen[1]) * 1000 > LEASE_MS
                taken = tx.leases.take(name, self._owner, LEASE_MS, dead=found if is_dead else None)
            self._held = (name, now + LEASE_MS / 2000) if taken else None
            return taken

    def _release(self) -> None:
        with self._lock:
            held, self._held = self._held, None
            if held is None:
                return
            try:
                with self.context.journal.transaction() as tx:
                    tx.leases.give_back(held[0], self._owner)
            except StoreError as error:
                _log.warning("the lease could not be released, and expires: %s", error.message)
