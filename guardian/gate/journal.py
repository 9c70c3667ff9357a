"""The gate's way to the store: off the event loop, healing by itself, with the emergency file for what must go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from guardian.domain.trading import TradingState
from guardian.errors import StoreError
from guardian.policy.model import Policy
from guardian.store.checkpoint import write_checkpoint
from guardian.store.database import Store, Transaction
from guardian.store.emergency import EmergencyFile
from guardian.store.records import Entry, Record

Result = TypeVar("Result")

EMERGENCY_REASON = "the emergency file is not empty: something could not be written to the log"


class Journal:
    """One home's store, opened when it is first needed and again after it failed.

    Everything here blocks and is called through `run`, which uses a worker thread.
    """

    def __init__(self, home: Path, now_ms: Callable[[], int]) -> None:
        self.home = home
        self.emergency = EmergencyFile(home)
        self._now_ms = now_ms
        self._store: Store | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run blocking work off the event loop; it is not abandoned when the caller is cancelled."""
        return await anyio.to_thread.run_sync(work)

    def store(self) -> Store:
        """The open store.

        Raises:
            StoreError: it cannot be opened now; the next call tries again.
        """
        with self._lock:
            if self._store is None:
                self._store = Store.open(self.home, now_ms=self._now_ms)
            return self._store

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One `BEGIN IMMEDIATE` transaction; StoreError means that nothing of it was recorded."""
        with self.store().transaction() as tx:
            yield tx

    def append(self, record: Record) -> Entry:
        """One row in a transaction of its own."""
        with self.transaction() as tx:
            return tx.append(record)

    def anchor(self) -> None:
        """Bring the checkpoint outside the database up to the newest row; losing one only makes it older."""
        try:
            write_checkpoint(self.home, self.store())
        except (StoreError, OSError):
            return

    def trading(self, tx: Transaction) -> tuple[TradingState, str | None]:
        """The trading state, which a non-empty emergency file makes halted."""
        if not self.emergency.is_empty():
            return TradingState.HALTED, EMERGENCY_REASON
        status = tx.trading()
        return status.state, status.reason

    def note_emergency(self, record: Mapping[str, object]) -> bool:
        """Record in the emergency file what the log did not take; that halts trading. False where even this failed."""
        return self.emergency.append(dict(record))

    def remember(self, policy: Policy) -> None:
        """Keep the last good policy. Raises StoreError."""
        with self.transaction() as tx:
            tx.remember_policy(policy.digest, policy.text)

    def recall(self) -> str | None:
        """The text of the last good policy, or None. Raises StoreError."""
        with self.transaction() as tx:
            stored = tx.last_good_policy()
        return None if stored is None else stored.text

    def close(self) -> None:
        """Close the store, if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
