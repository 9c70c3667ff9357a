"""Keeps within the exchange's limits. Requests past them get a 429, and requests after a 429 get the address banned.

Every request takes what it costs from its budgets before it is signed (`take`). The exchange's headers then correct the
count (`settle`), which may be after the reply: until then the request is counted in full (`settle_soon`). Where a
request would exceed its share it waits its turn, first come, first served, and no longer than its patience. Counts and
holds are shared by all processes of one home:

    weights       what a request costs, and which share its priority has
    weight_meter  which requests nobody waits for
    windows       the arithmetic of one budget
    counts        where it is counted: in the shared file, or by this process alone with a smaller share
    holds         how long the exchange asked to be left alone
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ApiFamily, Endpoint, EnvironmentSpec
from guardian.exchange.error_codes import TOO_MANY_ORDERS
from guardian.exchange.limits.counts import RETRY_S, Counting, Counts
from guardian.exchange.limits.holds import Holds, Wait
from guardian.exchange.limits.limits_file import Hold, LimitRow, SharedRows
from guardian.exchange.limits.weight_meter import background_meter
from guardian.exchange.limits.weights import (
    API,
    ORDERS_1D,
    ORDERS_10S,
    Parameters,
    Priority,
    RateLimit,
    costs_of,
    listed_limits,
)
from guardian.system.clock import Clock

T = TypeVar("T")

PATIENCE_S: Final[Mapping[Priority, float]] = {
    Priority.BACKGROUND: 5.0, Priority.READ: 5.0, Priority.ORDER: 2.0, Priority.CANCEL: 0.0,
}  # fmt: skip
"""How long a request waits for its turn. A cancel that may not go now is refused at once."""
REDUCED_TO_ONE_IN: Final = 10
"""The part of their share that reads and orders have where others may be using what is not counted."""

SETTLE_AFTER_S: Final = 0.02
"""How long the count of an answer waits for a request that takes it along, before it is changed by itself."""


MAX_TICKS: Final = 4
"""How many turns of the event loop a request lets pass for others that are made at once with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A cost of `weights.costs_of`, with the name of the row that it is counted in."""

    name: str
    budget: RateLimit
    amount: int

    def taken_from(self, row: LimitRow, priority: Priority, now_ms: int) -> LimitRow:
        """Returns the row with the charge on it."""
        use = row.use.taken(self.amount, now_ms, self.budget.length_ms)
        return row.with_use(replace(use, reserve=use.reserve + self.amount) if priority is Priority.CANCEL else use)

    def wait_ms(self, row: LimitRow, priority: Priority, now_ms: int, part: int) -> int:
        """Returns how long until it fits into the share of its priority, of which it has one `part`-th; 0 for now."""
        most = row.most or self.budget.most
        reserve = most * (priority.value - Priority.ORDER.value) // 100
        if row.use.reserve + self.amount <= reserve:
            return 0  # a cancel, within the share that only cancels have
        return row.use.wait_ms(self.amount, now_ms, self.budget.length_ms, most * priority.value // 100 // part)


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """What one request took. It is used for one request, or given back. Two are never the same, however alike."""

    family: str
    """The row of the part of the exchange, which has a hold and no count."""
    charges: tuple[Charge, ...]
    """The weight, then the orders."""
    taken_ms: int = 0
    is_taken: bool = False
    is_used: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All its rows."""
        return (self.family, *(charge.name for charge in self.charges))


@dataclass(slots=True)
class _Queue:
    """The requests of one priority that wait for one budget, in the order in which they came."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the first of them. asyncio's lock is first come, first served."""
    slots: list[Slot] = field(default_factory=list)
    """Those that were not taken yet."""


class RateLimits:
    """The budgets of one environment.

    The wall clock is the same for all processes that share; how far it may be from the exchange's is in
    `windows.EDGE_MS`. `shared` is None for this process alone.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        *,
        clock: Clock,
        shared: SharedRows | None = None,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._counts = Counts(shared, clock)
        self._holds = Holds(clock)
        self._queues: defaultdict[tuple[str, Priority], _Queue] = defaultdict(_Queue)
        self._answered: list[tuple[Slot, Mapping[str, int]]] = []
        """What was answered and is not settled yet."""
        self._settling: asyncio.TimerHandle | None = None

    async def take(self, endpoint: Endpoint, parameters: Parameters, account: str) -> Slot:
        """Takes what the request costs, in turn, as soon as it fits. Budgets of an account are counted by `account`.

        A cancel never queues: it has the last share for itself.

        Raises:
            ExchangeRateLimited: it would not fit within its patience; carries the seconds until it may. Nothing was
                sent.
        """
        meter = None if endpoint.writes else background_meter()
        priority = Priority.of(endpoint) if meter is None else Priority.BACKGROUND
        charges = tuple(
            self._charge(endpoint.family, cost.budget, cost.amount, account) for cost in costs_of(endpoint, parameters)
        )
        slot = Slot(family=self._family_row(endpoint.family), charges=charges)
        patient_until = self._clock.monotonic() + PATIENCE_S[priority]
        if priority is Priority.CANCEL:
            await self._take_by(patient_until, priority, [slot])
            return slot
        await self._take_in_turn(patient_until, priority, slot)
        if meter is not None:
            meter.add(charges[0].amount)
        return slot

    def give_back(self, slot: Slot) -> None:
        """Undoes a slot with which no request was made."""
        if slot.is_used:
            return
        slot.is_used = True

        def change(at: Counting) -> None:
            for charge in slot.charges:
                row, length_ms = at.rows[charge.name], charge.budget.length_ms
                use = row.use.at(at.now_ms, length_ms).given_back(charge.amount, slot.taken_ms, length_ms)
                at.rows[charge.name] = row.with_use(use)

        self._change(slot.names, change)

    def settle(self, slot: Slot, reported: Mapping[str, int]) -> None:
        """Counts the answer's headers. They are empty where the request got no answer."""
        slot.is_used = True
        self._answered.append((slot, reported))
        self._settle_answered()

    def settle_soon(self, slot: Slot, reported: Mapping[str, int]) -> None:
        """Counts the answer's headers with the next change, and no later than in a moment; inside an event loop."""
        slot.is_used = True
        self._answered.append((slot, reported))
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_AFTER_S, self._settle_answered)

    def note(self, endpoint: Endpoint, slot: Slot, limited: ExchangeRateLimited, code: int | None) -> None:
        """Leaves the exchange alone for as long as it asked: its whole part, or what alone its answer is about.

        There may be too many orders for the account alone, and under /sapi each path has a budget of its own.
        """
        name = slot.family
        if not limited.banned and endpoint.family is ApiFamily.WALLET:
            name = slot.charges[0].name
        elif not limited.banned and code == TOO_MANY_ORDERS and len(slot.charges) > 1:
            name = slot.charges[1].name
        with_cancels = limited.banned or endpoint.method == "DELETE"

        def change(at: Counting) -> None:
            row, now = at.rows[name], at.now_ms
            held = row.hold if row.hold.until_ms > now else Hold()
            hold = Hold(
                from_ms=now,
                until_ms=max(held.until_ms, now + limited.retry_after_s * 1000),
                with_cancels=held.with_cancels or with_cancels,
                banned=held.banned or limited.banned,
            )
            at.rows[name] = replace(row, hold=self._holds.see(name, hold, now))

        self._change((name,), change)

    def learn(self, family: ApiFamily, account: str, listing: object) -> None:
        """Takes over the limits that `exchangeInfo` names."""
        listed = listed_limits(listing)
        budgets = (API, ORDERS_10S, ORDERS_1D) if family is ApiFamily.SPOT else ()
        known = {
            self._charge(family, budget, 0, account).name: listed[budget.name]
            for budget in budgets
            if budget.name in listed
        }

        def change(at: Counting) -> None:
            for name, most in known.items():
                at.rows[name] = replace(at.rows[name], most=most)

        if known:
            self._change(known, change)

    def close(self) -> None:
        """Closes the shared file for good: what is counted afterwards is counted by this process alone."""
        self._settle_answered()
        self._counts.close()

    # -- inner

    async def _take_in_turn(self, patient_until: float, priority: Priority, slot: Slot) -> None:
        """Takes the slot after those of its priority that came before it. Raises as `_take_by`."""
        queue = self._queues[slot.charges[0].name, priority]
        queue.slots.append(slot)
        try:
            async with queue.lock:
                if not slot.is_taken:
                    await _until_all_came(queue.slots)
                    await self._take_by(patient_until, priority, queue.slots)
        except BaseException:
            if slot.is_taken:  # by the one before it in the queue
                self.give_back(slot)
            else:
                queue.slots.remove(slot)
            raise

    def _settle_answered(self) -> None:
        if self._answered:
            self._change((), lambda _at: None)

    def _change(self, names: Iterable[str], change: Callable[[Counting], T]) -> T:
        """Changes rows, and settles in the same change what was answered before."""
        answered, self._answered = self._answered, []
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

        def settle_and_change(at: Counting) -> T:
            for slot, reported in answered:
                _settle(at, slot, reported)
            return change(at)

        every = dict.fromkeys((*names, *(name for slot, _ in answered for name in slot.names)))
        return self._counts.change(every, settle_and_change)

    async def _take_by(self, patient_until: float, priority: Priority, queue: list[Slot]) -> None:
        """Takes the first slot of the queue as soon as it fits, with those behind it that fit then.

        Raises ExchangeRateLimited where that would be after `patient_until`.
        """
        while (wait := self._try(priority, queue)) is not None:
            wait_s = wait.ms / 1000
            # While the file fails it is tried again before the wait is over.
            pause_s = min(wait_s, RETRY_S) if self._counts.counts_alone else wait_s
            if self._clock.monotonic() + pause_s > patient_until:
                hint = "guardian keeps within the exchange's limits; do not ask again before that"
                raise ExchangeRateLimited(max(1, math.ceil(wait_s)), banned=wait.banned, hint=hint)
            await self._clock.pause(pause_s)

    def _try(self, priority: Priority, queue: list[Slot]) -> Wait | None:
        """Takes slots off the queue, from the first to the first that does not fit.

        Returns how long the first has to wait; None where it was taken.
        """

        def change(at: Counting) -> tuple[int, Wait | None]:
            for count, slot in enumerate(queue):
                wait = self._wait_or_take(at, priority, slot)
                if wait is not None:
                    return count, wait
            return len(queue), None

        count, wait = self._change((name for slot in queue for name in slot.names), change)
        for slot in queue[:count]:
            slot.is_taken = True
        del queue[:count]
        return None if count else wait

    def _wait_or_take(self, at: Counting, priority: Priority, slot: Slot) -> Wait | None:
        """Takes all the charges of the slot at once and returns None, or takes nothing and returns the longest wait."""
        rows, now = at.rows, at.now_ms
        for name in slot.names:
            row = rows[name]
            hold = self._holds.see(name, row.hold, now)
            rows[name] = row if hold is row.hold else replace(row, hold=hold)
        for charge in slot.charges:
            row = rows[charge.name]
            rows[charge.name] = row.with_use(row.use.at(now, charge.budget.length_ms))
        is_reduced = priority is not Priority.CANCEL and at.is_reduced(charge.name for charge in slot.charges)
        part = REDUCED_TO_ONE_IN if is_reduced else 1
        waits = self._holds.waits(slot.names, priority)
        waits += [Wait(charge.wait_ms(rows[charge.name], priority, now, part)) for charge in slot.charges]
        longest = max(waits, key=lambda wait: (wait.ms, wait.banned))
        if longest.ms > 0:
            return longest
        for charge in slot.charges:
            rows[charge.name] = charge.taken_from(rows[charge.name], priority, now)
        slot.taken_ms = now
        return None

    def _family_row(self, family: ApiFamily) -> str:
        return self._spec.base_url(family) or family.value

    def _charge(self, family: ApiFamily, budget: RateLimit, amount: int, account: str) -> Charge:
        """FAPI and API have budgets of the same name at different addresses."""
        whose = f" of {account}" if budget.of_the_key else ""
        return Charge(name=f"{self._family_row(family)} {budget.name}{whose}", budget=budget, amount=amount)


async def _until_all_came(queue: Sequence[Slot]) -> None:
    """Lets other tasks run until none of them adds a request: those that are made at once are taken in one change."""
    came = 0
    for _ in range(MAX_TICKS):
        if len(queue) == came:
            return
        came = len(queue)
        await asyncio.sleep(0)


def _settle(at: Counting, slot: Slot, reported: Mapping[str, int]) -> None:
    for charge in slot.charges:
        row, length_ms = at.rows[charge.name], charge.budget.length_ms
        use = row.use.at(at.now_ms, length_ms).answered(
            charge.amount, slot.taken_ms, reported.get(charge.budget.header), at.now_ms, length_ms
        )
        at.rows[charge.name] = row.with_use(use)
