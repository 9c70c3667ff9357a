"""The gate's access to the store: off the event loop, reopened after a failure, with the emergency file beside it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from guardian.domain.trading import TradingState
from guardian.errors import StoreCorrupt, StoreError, StoreUnavailable
from guardian.store.database import Store, Transaction
from guardian.store.emergency import EmergencyFile
from guardian.store.log.checkpoint import keep_checkpoint
from guardian.store.log.redaction import without_token_shapes
from guardian.store.log_findings import BROKEN_CHAIN, CHAIN_IS_BROKEN, Finding
from guardian.store.opening import patient_until
from guardian.store.schema.records import Checkpoint
from guardian.store.transaction.unit import MacSource

if TYPE_CHECKING:
    from guardian.policy.model import Policy
    from guardian.store.schema.records import Entry, Head, Record
    from guardian.system.clock import Clock

Result = TypeVar("Result")


class HomeSeal(MacSource, Protocol):
    """The seal of the log in this process; see `guardian.gate.seal.keeping`."""

    has_begun: bool
    """Whether `begin` was done."""

    def begin(self) -> None:
        """Looks for lost rows, which halts trading, and signs the log as it is now."""

    def advance(self) -> bool:
        """Signs the last row, if everything up to it is as it was written; False where nothing was signed."""

    def look(self) -> None:
        """Signs where enough was written or the last signature is old."""

    def close(self) -> None:
        """Signs the last row, and returns soon."""


CANCEL_PATIENCE_S: Final = 3.0
"""How long each transaction of a cancel waits for others. After the first that fails it continues without the store."""
EMERGENCY_REASON = "the emergency file is not empty: something could not be written to the log"


class Journal:
    """One home's store, opened when it is first needed and again after it failed.

    A log whose chain is broken halts trading: the store says so in the log itself; where it cannot be opened or written
    for that, the emergency file says so, which halts every process of the home.

    Everything here blocks and is called through `run`, which uses a worker thread.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home = home
        self.emergency = EmergencyFile(home)
        self._clock = clock
        self._store: Store | None = None
        self._lock = threading.Lock()
        self.seal: HomeSeal | None = None
        self._seal_lock = threading.Lock()

    def use_seal(self, seal: HomeSeal) -> None:
        """Writes MACs and signed checkpoints by this from now on, where it has the key of the log."""
        self.seal = seal
        if self._store is not None:
            self._store.mac_source = seal

    def begin_seal(self) -> None:
        """Looks once whether the keyring knows of rows that the log has lost; before that no order is sent."""
        with self._seal_lock:
            if self.seal is not None and not self.seal.has_begun:
                self.seal.begin()

    @property
    def has_begun_seal(self) -> bool:
        """Whether that was done, or there is nothing to do it."""
        return self.seal is None or self.seal.has_begun

    async def run(self, work: Callable[[], Result], *, is_first: bool = False) -> Result:
        """Run blocking work off the event loop; it is not abandoned when the caller is cancelled.

        With `is_first` it does not wait for a thread: the others may all wait for a store that somebody holds.
        """
        if "anyio" not in sys.modules:
            return await _run_in_thread(work, is_first=is_first)
        # Here and not at the top: what works without an event loop, as a halt does, has no use for it.
        import anyio.to_thread

        limiter = anyio.CapacityLimiter(1) if is_first else None
        return await anyio.to_thread.run_sync(work, limiter=limiter)

    async def transact(self, work: Callable[[Transaction], Result], *, patience_s: float | None = None) -> Result:
        """Run `work` in one transaction, off the event loop; returns what it returns.

        With `patience_s` it waits for others no longer than that, and goes before them.

        Raises StoreError, and whatever `work` raises; nothing is recorded then.
        """

        def within() -> Result:
            with self.transaction(patience_s=patience_s) as tx:
                return work(tx)

        return await self.run(within, is_first=patience_s is not None)

    def store(self, *, patience_s: float | None = None) -> Store:
        """The open store. With `patience_s` another call that opens it is waited for so long, else to its end.

        Raises:
            StoreError: it cannot be opened now; the next call tries again.
        """
        if not self._lock.acquire(timeout=-1 if patience_s is None else max(0.0, patience_s)):
            raise StoreUnavailable("the log cannot be written: it is being opened", hint="try again in a moment")
        try:
            if self._store is None:
                try:
                    self._store = Store.open(self.home, self._clock)
                    self._store.mac_source = self.seal
                except StoreCorrupt as error:
                    self._halt_beside(error.message)
                    raise
            return self._store
        finally:
            self._lock.release()

    @contextmanager
    def transaction(self, *, patience_s: float | None = None) -> Iterator[Transaction]:
        """One `BEGIN IMMEDIATE` transaction; StoreError means that nothing of it was recorded.

        With `patience_s` it waits no longer than that for others, and goes before them.
        """
        ends = None if patience_s is None else patient_until(patience_s)
        store = self.store(patience_s=patience_s)
        try:
            with store.transaction(patience_s=None if ends is None else ends - time.monotonic()) as tx:
                yield tx
        except StoreCorrupt as error:
            self._halt_beside(error.message)
            raise

    def halt_on_broken_chain(self, findings: Sequence[Finding]) -> TradingState:
        """Halt trading for what was found wrong with the log; the trading state then.

        It is not halted again where the owner resumed it after all of these findings were reported.

        Raises StoreError: neither the log nor the emergency file took it, so that trading is not halted.
        """
        try:
            with self.transaction() as tx:
                tx.broken_chain.record(findings)
                return self.trading(tx)[0]
        except StoreError:
            if not self._halt_beside(findings[0].message):
                raise
            return TradingState.HALTED

    def _halt_beside(self, message: str) -> bool:
        """Say in the emergency file that the chain is broken, once; False where it did not take that."""
        reason = message if CHAIN_IS_BROKEN in message else f"{CHAIN_IS_BROKEN}: {message}"
        record = {"kind": BROKEN_CHAIN, "reason": reason}
        pending = self.emergency.pending()
        if any(found.get("kind") == BROKEN_CHAIN and found.get("reason") == reason for found in pending):
            return True
        return self.emergency.append(record)

    def append(self, record: Record, *, patience_s: float | None = None) -> Entry:
        """One row in a transaction of its own, with the patience of `transaction`."""
        with self.transaction(patience_s=patience_s) as tx:
            return tx.audit.append(record)

    def made_room(self) -> bool:
        """Whether the disk was full since this was last asked and a little room was made, so that it is worth a try."""
        return self._store is not None and self._store.made_room()

    def anchor(self, head: Head) -> None:
        """Bring the checkpoint outside the database up to a committed row; losing one only makes it older."""
        if self.seal is not None and self.seal.advance():
            return
        keep_checkpoint(self.home, Checkpoint(seq=head.seq, digest=head.digest.hex()))

    def trading(self, tx: Transaction) -> tuple[TradingState, str | None]:
        """The trading state, which a non-empty emergency file makes halted."""
        if not self.emergency.is_empty():
            reasons = (
                record.get("reason") for record in self.emergency.pending() if record.get("kind") == BROKEN_CHAIN
            )
            return TradingState.HALTED, next((str(reason) for reason in reasons if reason), EMERGENCY_REASON)
        status = tx.trading.status()
        return status.state, status.reason

    def note_emergency(self, record: Mapping[str, object]) -> bool:
        """Record in the emergency file what the log did not take; that halts trading. False where even this failed."""
        # No token can be looked up where the log takes nothing: whatever looks like one is left out.
        kept = without_token_shapes(dict(record))
        return self.emergency.append(kept if isinstance(kept, dict) else {})

    def remember(self, policy: Policy) -> None:
        """Keep the last good policy. Raises StoreError."""
        with self.transaction() as tx:
            tx.policies.remember(policy.digest, policy.text)

    def recall(self) -> str | None:
        """The text of the last good policy, or None. Raises StoreError."""
        with self.transaction() as tx:
            stored = tx.policies.last()
        return None if stored is None else stored.text

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self.seal is not None and self._store is not None:
            self.seal.close()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


async def _run_in_thread(work: Callable[[], Result], *, is_first: bool) -> Result:
    """The same without anyio, for a command that uses nothing of it: importing it is a tenth of what `status` takes."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    if not is_first:
        return await asyncio.to_thread(work)
    own = ThreadPoolExecutor(max_workers=1)
    try:
        return await asyncio.get_running_loop().run_in_executor(own, work)
    finally:
        own.shutdown(wait=False)
