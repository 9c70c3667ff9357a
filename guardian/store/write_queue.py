"""The queue in which the transactions of one process wait for one another; processes wait in SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from guardian.errors import StoreUnavailable

BUSY: Final = "the log cannot be written: another call of this process waits for it"
BUSY_HINT: Final = "try again in a moment; `guardian status` shows what runs"


class WriteQueue:
    """One transaction at a time. An urgent one, as a cancel's, goes before all others that wait."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._ordinary = threading.Lock()
        """Held by the first of the others: so no more than one of them is ahead of an urgent one."""
        self._writer: int | None = None

    @contextmanager
    def turn(self, until_s: float, *, is_urgent: bool) -> Iterator[None]:
        """Waits for this transaction's turn, and keeps it.

        Raises:
            StoreUnavailable: it did not come until then, on the system's monotonic clock.
            RuntimeError: this thread has a transaction open already.
        """
        if self._writer == threading.get_ident():
            raise RuntimeError("a transaction within a transaction of the same store")
        self._wait(until_s, is_urgent=is_urgent)
        self._writer = threading.get_ident()
        try:
            yield
        finally:
            self._writer = None
            self._writing.release()

    @contextmanager
    def last_turn(self) -> Iterator[None]:
        """Waits, however long, until no transaction is open, to close the file."""
        with self._writing:
            yield

    def _wait(self, until_s: float, *, is_urgent: bool) -> None:
        if is_urgent:
            _acquire(self._writing, until_s)
            return
        _acquire(self._ordinary, until_s)
        try:
            _acquire(self._writing, until_s)
        finally:
            self._ordinary.release()


def _acquire(lock: threading.Lock, until_s: float) -> None:
    if not lock.acquire(timeout=max(0.0, until_s - time.monotonic())):
        raise StoreUnavailable(BUSY, hint=BUSY_HINT)
