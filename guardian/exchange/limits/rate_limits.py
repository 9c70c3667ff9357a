"""Keeping within the exchange's limits: asking past them costs a 429, and asking on after that a ban.

Every request takes its cost from its budgets before it is signed. What the exchange's headers say goes before the own
count. Where a request would pass its share it waits its turn, first come, first served, and no longer than its
patience. What is counted, and how long the exchange asked to be left alone, is shared by all processes of one home.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ApiFamily, Endpoint, EnvironmentSpec
from guardian.exchange.limits.limits_file import Hold, LimitRow, LimitRows, MemoryRows, SharedRows
from guardian.exchange.limits.weights import (
    API,
    ORDERS_1D,
    ORDERS_10S,
    TOO_MANY_ORDERS,
    Cost,
    Parameters,
    Priority,
    costs_of,
    told_limits,
)

T = TypeVar("T")

_log: Final = logging.getLogger("guardian.exchange")

PATIENCE_S: Final[Mapping[Priority, float]] = {Priority.READ: 5.0, Priority.ORDER: 2.0, Priority.CANCEL: 0.0}
"""How long a request waits for its turn. A cancel that may not go now is told so at once."""
ALONE_PART: Final = 10
"""Without the shared file reads and orders keep to a tenth of their share: others may be asking as well."""
BLIND_S: Final = 60.0
"""So long after the file was lost the same holds where no header told what is used; then the minute is over."""
SHARED_AGAIN_S: Final = 1.0
"""How long the file is left alone after it failed; twice as long each time that it fails again."""
SHARED_AGAIN_MOST_S: Final = 30.0
CLOCK_JITTER_MS: Final = 2_000
"""Two processes read the clock at different times; further back than this it was set back."""


@dataclass(slots=True, kw_only=True)
class Slot:
    """What one request took. It is used for one request, or given back."""

    names: tuple[str, ...]
    costs: tuple[Cost, ...]
    taken_ms: int
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class _Later:
    wait_ms: int
    banned: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """A hold on this process's own clock, in seconds."""

    until_s: float
    with_cancels: bool
    banned: bool


class RateLimits:
    """The budgets of one environment.

    `now_ms` is this machine's wall clock, the same for all processes that share; how far it may be from the exchange's
    is in `windows.EDGE_MS`. `monotonic` and `pause` are in seconds; `shared` is None for this process alone.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        shared: SharedRows | None = None,
    ) -> None:
        self._spec = spec
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._pause = pause
        self._shared = shared
        self._shared_again_s = -math.inf
        self._shared_failed_s = 0.0
        """How long the file was left alone after it failed last; 0 while it works."""
        self._is_closed = False
        self._remade = 0
        self._blind_until_s = -math.inf
        self._kept: dict[str, _Kept] = {}
        self._own = MemoryRows()
        # asyncio's lock is first come, first served.
        self._turns: defaultdict[tuple[str, Priority], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take(self, endpoint: Endpoint, parameters: Parameters, account: str) -> Slot:
        """What the request costs, as soon as it fits, in turn; `account` names the key's owner in budgets of accounts.

        A cancel never queues: it has the last share for itself.

        Raises:
            ExchangeRateLimited: it would not fit within its patience, with the seconds until it may. Nothing was sent.
        """
        kind = Priority.of(endpoint)
        costs = costs_of(endpoint, parameters)
        names = (self._family_row(endpoint.family), *(self._row(endpoint.family, cost, account) for cost in costs))
        patient_until = self._monotonic() + PATIENCE_S[kind]
        if kind is Priority.CANCEL:
            return await self._in_time(kind, names, costs, patient_until)
        async with self._turns[names[1], kind]:
            return await self._in_time(kind, names, costs, patient_until)

    def give_back(self, slot: Slot) -> None:
        """Undo a slot that no request was made with."""
        if slot.is_used:
            return
        slot.is_used = True

        def change(rows: LimitRows, _: int) -> None:
            now = self._now_ms()
            for name, cost in zip(slot.names[1:], slot.costs, strict=True):
                use = rows[name].use.at(now, cost.budget.length_ms)
                rows[name] = replace(rows[name], use=use.given_back(cost.amount, slot.taken_ms, cost.budget.length_ms))

        self._change(slot.names, change)

    def settle(self, slot: Slot, said: Mapping[str, int]) -> None:
        """The request was answered, with these headers, or it came to nothing and they are empty."""
        slot.is_used = True

        def change(rows: LimitRows, _: int) -> None:
            now = self._now_ms()
            for name, cost in zip(slot.names[1:], slot.costs, strict=True):
                length = cost.budget.length_ms
                use = rows[name].use.at(now, length)
                use = use.answered(cost.amount, slot.taken_ms, said.get(cost.budget.header), now, length)
                rows[name] = replace(rows[name], use=use)

        self._change(slot.names, change)

    def note(self, endpoint: Endpoint, slot: Slot, limited: ExchangeRateLimited, code: int | None) -> None:
        """Leave the exchange alone for as long as it asked: its whole part, or what alone its answer is about.

        Orders may be too many for the account alone, and under /sapi each path has a budget of its own.
        """
        name = slot.names[0]
        if not limited.banned and endpoint.family is ApiFamily.WALLET:
            name = slot.names[1]
        elif not limited.banned and code == TOO_MANY_ORDERS and len(slot.names) > 2:
            name = slot.names[2]
        with_cancels = limited.banned or endpoint.method == "DELETE"

        def change(rows: LimitRows, _: int) -> None:
            now = self._now_ms()
            held = rows[name].hold if rows[name].hold.until_ms > now else Hold()
            hold = Hold(
                from_ms=now,
                until_ms=max(held.until_ms, now + limited.retry_after_s * 1000),
                with_cancels=held.with_cancels or with_cancels,
                banned=held.banned or limited.banned,
            )
            rows[name] = replace(rows[name], hold=hold)
            self._keep(name, hold, now)

        self._change((name,), change)

    def learn(self, family: ApiFamily, account: str, listing: object) -> None:
        """Take over the limits that `exchangeInfo` names."""
        told = told_limits(listing)
        budgets = (API, ORDERS_10S, ORDERS_1D) if family is ApiFamily.SPOT else ()
        most = {self._row(family, Cost(budget, 0), account): told.get(budget.name) for budget in budgets}
        known = {name: number for name, number in most.items() if number is not None}

        def change(rows: LimitRows, _: int) -> None:
            rows |= {name: replace(rows[name], most=number) for name, number in known.items()}

        if known:
            self._change(tuple(known), change)

    def close(self) -> None:
        """Closes the shared file for good: what is counted afterwards is counted by this process alone."""
        self._is_closed = True
        if self._shared is not None:
            self._shared.close()

    # -- inner

    async def _in_time(
        self, kind: Priority, names: tuple[str, ...], costs: tuple[Cost, ...], patient_until: float
    ) -> Slot:
        while True:
            taken = self._try(kind, names, costs)
            if isinstance(taken, Slot):
                return taken
            wait_s = taken.wait_ms / 1000
            # While the file fails it is looked at again before the wait is over.
            pause_s = min(wait_s, SHARED_AGAIN_S) if self._is_alone() else wait_s
            if self._monotonic() + pause_s > patient_until:
                hint = "guardian keeps within the exchange's limits; do not ask again before that"
                raise ExchangeRateLimited(max(1, math.ceil(wait_s)), banned=taken.banned, hint=hint)
            await self._pause(pause_s)

    def _try(self, kind: Priority, names: tuple[str, ...], costs: tuple[Cost, ...]) -> Slot | _Later:
        """Take all the costs at once, or nothing."""

        def change(rows: LimitRows, part: int) -> Slot | _Later:
            now = self._now_ms()
            for name in names:
                rows[name] = _with_clock(rows[name], now)
                self._keep(name, rows[name].hold, now)
            holds = [rows[name].hold for name in names if _holds(rows[name].hold, kind, now)]
            waits = [_Later(hold.until_ms - now, hold.banned) for hold in holds]
            waits += self._kept_from(names, kind)
            for name, cost in zip(names[1:], costs, strict=True):
                length = cost.budget.length_ms
                allowed = (rows[name].most or cost.budget.most) * kind.value // 100
                if kind is not Priority.CANCEL:
                    allowed //= part
                use = rows[name].use.at(now, length)
                rows[name] = replace(rows[name], use=use)
                reserve = (rows[name].most or cost.budget.most) * (kind.value - Priority.ORDER.value) // 100
                if use.reserve + cost.amount > reserve:
                    waits.append(_Later(use.wait_ms(cost.amount, now, length, allowed)))
            longest = max(waits, key=lambda later: (later.wait_ms, later.banned), default=None)
            if longest is not None and longest.wait_ms > 0:
                return longest
            for name, cost in zip(names[1:], costs, strict=True):
                use = rows[name].use.taken(cost.amount, now, cost.budget.length_ms)
                if kind is Priority.CANCEL:
                    use = replace(use, reserve=use.reserve + cost.amount)
                rows[name] = replace(rows[name], use=use)
            return Slot(names=names, costs=costs, taken_ms=now)

        return self._change(names, change)

    def _change(self, names: tuple[str, ...], change: Callable[[LimitRows, int], T]) -> T:
        """Make the change where all processes see it; failing that, in this one, which then keeps to a part."""
        shared = self._shared

        def on_all(found: LimitRows) -> T:
            # What was learnt while the file failed, or was in one that is lost, is told to the others now.
            for name, own in self._own.known(names).items():
                found[name] = _joined(found[name], own)
            return change(found, ALONE_PART if self._is_blind(names, found) else 1)

        if shared is not None and not self._is_alone():
            try:
                result, rows = shared.change(names, on_all)
            except (sqlite3.Error, OSError) as error:
                self._left_alone(error)
                shared.close()
            else:
                self._shared_failed_s = 0.0
                self._own.copy(rows)
                return result
        return self._own.change(names, lambda found: change(found, 1 if shared is None else ALONE_PART))

    def _left_alone(self, error: Exception) -> None:
        """Each try holds everything up for as long as another process's lock is waited for: fewer and fewer."""
        if self._shared_again_s == -math.inf:
            _log.warning("the file of the rate limits failed (%s): going on carefully", type(error).__name__)
        self._shared_failed_s = min(max(SHARED_AGAIN_S, 2 * self._shared_failed_s), SHARED_AGAIN_MOST_S)
        self._shared_again_s = self._monotonic() + self._shared_failed_s

    def _is_blind(self, names: Sequence[str], rows: LimitRows) -> bool:
        """Whether the file was lost a moment ago, and no header has told what others had used by then."""
        if self._shared is not None and self._shared.remade != self._remade:
            self._remade = self._shared.remade
            self._blind_until_s = self._monotonic() + BLIND_S
        return self._monotonic() < self._blind_until_s and any(not rows[name].use.said for name in names[1:])

    def _keep(self, name: str, hold: Hold, now_ms: int) -> None:
        """Note on this process's clock when a hold ends: a wall clock that is set forward does not end it early.

        A process that slept through a part of it keeps to it for that much longer, at most for all that it was told.
        """
        if hold.until_ms <= now_ms:
            return
        until_s = self._monotonic() + (hold.until_ms - now_ms) / 1000
        kept = self._kept.get(name, _Kept(until_s, with_cancels=False, banned=False))
        self._kept[name] = _Kept(
            max(until_s, kept.until_s), kept.with_cancels or hold.with_cancels, kept.banned or hold.banned
        )

    def _kept_from(self, names: Sequence[str], kind: Priority) -> list[_Later]:
        now_s = self._monotonic()
        for name in [name for name, kept in self._kept.items() if kept.until_s <= now_s]:
            del self._kept[name]
        found = [self._kept[name] for name in names if name in self._kept]
        return [
            _Later(math.ceil((kept.until_s - now_s) * 1000), kept.banned)
            for kept in found
            if kept.with_cancels or kind is not Priority.CANCEL
        ]

    def _is_alone(self) -> bool:
        return self._shared is not None and (self._is_closed or self._monotonic() < self._shared_again_s)

    def _family_row(self, family: ApiFamily) -> str:
        return self._spec.base_url(family) or family.value

    def _row(self, family: ApiFamily, cost: Cost, account: str) -> str:
        """One budget's name; FAPI and API have the same one under another address."""
        whose = f" of {account}" if cost.budget.of_the_key else ""
        return f"{self._family_row(family)} {cost.budget.name}{whose}"


def _joined(row: LimitRow, own: LimitRow) -> LimitRow:
    """A row of the file with what this process knows of it."""
    hold = own.hold if own.hold.until_ms > row.hold.until_ms else row.hold
    return LimitRow(row.use.joined(own.use), hold, row.most or own.most)


def _holds(hold: Hold, kind: Priority, now_ms: int) -> bool:
    return hold.until_ms > now_ms and (hold.with_cancels or kind is not Priority.CANCEL)


def _with_clock(row: LimitRow, now_ms: int) -> LimitRow:
    """A clock that was set back does not make a wait longer than it was told."""
    hold = row.hold
    if hold.until_ms > now_ms and hold.from_ms > now_ms + CLOCK_JITTER_MS:
        return replace(row, hold=replace(hold, from_ms=now_ms, until_ms=now_ms + hold.until_ms - hold.from_ms))
    return row
