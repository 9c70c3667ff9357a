"""The paper exchange as a whole: its clock, its engine, its storage, its keys, under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from guardian.errors import ExchangeRejected, StoreUnavailable
from guardian.paper.engine.matching_engine import Engine
from guardian.paper.engine.orders import Advance, Command, Event
from guardian.paper.engine.state import State, new_state
from guardian.paper.keys import Verifier
from guardian.paper.market.feed import Feed
from guardian.paper.market.symbols import START_BALANCES
from guardian.paper.storage import Storage

Clock = Callable[[], int]
"""Gives the time in milliseconds since the epoch."""

FIRST_UID: Final = 100_000_000
"""The least number that an account is called by."""


class Venue:
    """One paper exchange with its one account. Every use of it happens inside `at_work()`."""

    def __init__(
        self,
        *,
        seed: int,
        feed: Feed,
        storage: Storage,
        clock: Clock,
        new_id: Callable[[], str],
        keys: Mapping[str, Verifier],
        uid: int = FIRST_UID,
        balances: Mapping[str, Decimal] = START_BALANCES,
    ) -> None:
        self.seed = seed
        self.feed = feed
        self.keys = keys
        self.new_id = new_id
        self.clock_skew_ms = 0
        self.key_restrictions: Mapping[str, object] = {}
        """Fields that take the place of those in the answer to `apiRestrictions`; None leaves one out."""
        self.on_events: Callable[[tuple[Event, ...], int], None] = lambda _events, _now: None
        """Called with the events, and the time in milliseconds, once they are on disk."""
        self.uid = int(storage.setting("uid", str(uid)))
        """The account's id: constant for as long as the storage is kept, whatever keys are used."""
        self._clock = clock
        self._storage = storage
        self._lock = threading.RLock()
        state = storage.load()
        if state is None:
            state = new_state(balances, born=clock())
            storage.create(state)
        self._engine = Engine(state, feed)
        self._is_out_of_step = False
        """Whether the memory may hold what was not written: it is then read again before the next request."""

    @property
    def state(self) -> State:
        """What the exchange remembers; to be looked at only."""
        return self._engine.state

    @property
    def history(self) -> Storage:
        """Every order and trade there ever was; to be read only."""
        return self._storage

    @property
    def engine(self) -> Engine:
        """The matching engine, for queries that change nothing."""
        return self._engine

    def now(self) -> int:
        """Returns the exchange's own time in milliseconds."""
        return self._clock() + self.clock_skew_ms

    @contextmanager
    def at_work(self) -> Iterator[int]:
        """Holds the exchange for one request, with the market accounted for up to the time that it gives."""
        with self._lock:
            if self._is_out_of_step:
                self._reload()
            now = self.now()
            self.execute(Advance(), now)
            yield now

    def execute(self, command: Command, now: int) -> tuple[Event, ...]:
        """Carries out one command; when it returns, what happened is on disk.

        Raises:
            ExchangeRejected: the exchange says no; nothing has changed.
            StoreUnavailable: it could not be written; the exchange returns to the state of the file.
        """
        try:
            events = self._engine.handle(command, now)
            if events:
                self._storage.commit(events, self._engine.state.checked)
        except ExchangeRejected:
            raise
        except BaseException:
            # What is in memory may have happened nowhere: nothing is answered from it.
            self._is_out_of_step = True
            raise
        self.on_events(events, now)
        return events

    def _reload(self) -> None:
        """Starts again from what the storage says. Raises StoreError where it says nothing."""
        state = self._storage.load()
        if state is None:
            raise StoreUnavailable("the paper exchange has lost its state")
        self._engine = Engine(state, self.feed)
        self._is_out_of_step = False
