"""Asking for orders is done by one process of a home at a time: it holds the lease of that in the store."""

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
"""How long a holder that was killed holds the others up: as long as it takes to ask for an open order again.

It could be shorter still: that two ask at once, because one was held up, costs requests and nothing else, since the
store decides what is news. But a holder renews it in its second half, for as long as there is anything to ask for, and
each renewal is a write to the disk.
"""


@dataclass(slots=True)
class Leaseholder:
    """Takes the lease, renews it in its second half, and gives it back: at the end, and where asking failed.

    A machine that slept, or a process that was stopped: on waking its lease has run out, by the clock that another
    process goes by or by its own; where only the other's has, both ask for half a lease at most.
    """

    context: GateContext
    _me: str = field(init=False)
    _mine: tuple[str, float] | None = None
    """The lease that is held, and until when it need not be renewed, on the monotonic clock."""
    _seen: tuple[Lease, float] | None = None
    """Another's lease as it was first seen, and when, on the monotonic clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """A caller that is cancelled leaves the thread that takes the lease running: giving it back waits for that."""
    _stands_back_until: float = -inf
    """On the monotonic clock."""

    def __post_init__(self) -> None:
        self._me = self.context.random_bytes(16).hex()

    async def holds(self, scope: Scope) -> bool:
        """Whether this process may ask now: the lease is its own, or becomes so. Raises StoreError."""
        if self.context.monotonic() < self._stands_back_until:
            return False
        name = f"orders/{scope.environment}/{scope.account}"
        if self._mine is not None and self._mine[0] == name and self.context.monotonic() < self._mine[1]:
            return True
        return await self.context.journal.run(lambda: self._take(name))

    async def give_back(self) -> None:
        """Let another process go on at once; where that cannot be written, the lease runs out."""
        await self.context.journal.run(self._give_back)

    async def stand_back(self) -> None:
        """Give it back, and take it no sooner than after LEASE_MS: another's way to the exchange may be better.

        Where there is no other, this process goes on asking then.
        """
        self._stands_back_until = self.context.monotonic() + LEASE_MS / 1000
        await self.give_back()

    def _take(self, name: str) -> bool:
        with self._lock:
            now = self.context.monotonic()
            with self.context.journal.transaction() as tx:
                found = tx.leases.get(name)
                if found is None or self._seen is None or found != self._seen[0]:
                    self._seen = None if found is None else (found, now)
                # Not renewed for as long as it lasts: its holder is dead, even where window time stands still.
                is_dead = self._seen is not None and (now - self._seen[1]) * 1000 > LEASE_MS
                taken = tx.leases.take(name, self._me, LEASE_MS, dead=found if is_dead else None)
            self._mine = (name, now + LEASE_MS / 2000) if taken else None
            return taken

    def _give_back(self) -> None:
        with self._lock:
            mine, self._mine = self._mine, None
            if mine is None:
                return
            try:
                with self.context.journal.transaction() as tx:
                    tx.leases.give_back(mine[0], self._me)
            except StoreError as error:
                _log.warning("the lease could not be given back, and runs out: %s", error.message)
