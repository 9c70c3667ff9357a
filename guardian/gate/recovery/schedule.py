"""Decides when each order is polled and with which request, and how much weight the background uses.

Open orders are polled together: one list for all orders of a symbol, or for those of all symbols where that is cheaper.
What a list lacks, and what is unknown, is polled singly, unknown orders with an exponential back-off.

Also where it is kept when all orders were compared last.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from guardian.domain.milliseconds import MINUTE_MS
from guardian.domain.order_states import LIVE_STATES
from guardian.domain.orders import OrderReport
from guardian.exchange.limits.weight_meter import WeightMeter
from guardian.exchange.limits.weights import ALL_OPEN_ORDERS, ONE_ORDER, OPEN_ORDERS
from guardian.gate.base.context import GateContext
from guardian.store.schema.records import OrderRow

_log: Final = logging.getLogger("guardian.gate")

PERIOD_S: Final = 10.0
"""Seconds between two polls of an open order, and after a round that failed."""

RESTING_AFTER_MS: Final = 10 * MINUTE_MS
RESTING_PERIOD_S: Final = 20.0
"""Seconds between two polls of a symbol on which no order has changed for RESTING_AFTER_MS."""

OPEN_WEIGHT_A_MINUTE: Final = 240
"""The most that polling open orders may take: 4 % of the exchange's limit. Where it would take more, periods grow.

The list of all symbols is the dearest poll, so that no period is longer than 20 s.
"""

BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two polls of an unknown order; the last value repeats for as long as it takes."""

WARNING_PERIOD_S: Final = 3600.0
"""Minimum seconds between two warnings about the same order."""

WEIGHT_PER_S: Final = 8
"""What the background may use of the rate limits for long: 480 a minute, 8 % of the exchange's limit."""
MOST_AT_ONCE: Final = 240
KEPT_FOR_LISTS: Final = ALL_OPEN_ORDERS
"""What is left for the lists of open orders, of which one replaces many requests, when anything else is sent."""


@dataclass(slots=True)
class PollState:
    """What this process has learnt from polling one order; times are seconds on the monotonic clock."""

    polls: int = 0
    due: float = 0.0
    is_missing: bool = False
    """It was open, and the last list of open orders lacked it: it is polled singly as soon as possible."""
    applied: tuple[OrderRow, OrderReport] | None = None
    """The last report that changed nothing, with the order as it was then: the same again changes nothing either."""
    fee_polls: int = 0
    fees_due: float = 0.0
    absences: int = 0
    """Consecutive answers in which the exchange did not know the order."""
    absent_at: float | None = None
    """Time of the last such answer; None while there was none in this process."""
    delistings: int = 0
    """Consecutive answers in which the order's symbol was not listed."""
    delisted_since: float = 0.0
    warned: float = -inf


@dataclass(slots=True)
class SymbolState:
    """When the open orders of a symbol were polled last, on the monotonic clock."""

    polled: float
    stretch: float
    """By how much its next period is longer or shorter than others."""
    was_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPlan:
    """What one round asks."""

    lists: tuple[str | None, ...]
    """The symbols whose open orders are listed; None alone for all symbols."""
    wanted: tuple[OrderRow, ...]
    """The orders whose report is wanted: from a list where one has it, else singly."""


@dataclass(slots=True)
class PollSchedule:
    """When each order is polled next, with the state of its polling."""

    context: GateContext
    states: dict[str, PollState] = field(default_factory=dict)
    """By client order id."""
    symbols: dict[str, SymbolState] = field(default_factory=dict)

    def keep_only(self, rows: Sequence[OrderRow]) -> None:
        """Drop the state of every other order, and of symbols without one."""
        kept, symbols = {row.client_order_id for row in rows}, {row.symbol for row in rows}
        self.states = {name: state for name, state in self.states.items() if name in kept}
        self.symbols = {name: state for name, state in self.symbols.items() if name in symbols}

    def of(self, row: OrderRow) -> PollState:
        """The state of an order's polling."""
        return self.states.setdefault(row.client_order_id, PollState())

    def plan(self, rows: Iterable[OrderRow], now_ms: int, *, only_due: bool) -> PollPlan:
        """What to ask of the exchange about these orders, none of them final; `now_ms` is window time."""
        by_symbol: dict[str, list[OrderRow]] = {}
        for row in rows:
            by_symbol.setdefault(row.symbol, []).append(row)
        live = {symbol: [row for row in those if row.state in LIVE_STATES] for symbol, those in by_symbol.items()}
        weight = sum(_weight(len(those)) for those in live.values())
        due = {symbol for symbol, those in live.items() if not only_due or self._is_due(symbol, those, now_ms, weight)}
        if due and weight > ALL_OPEN_ORDERS:
            due = {symbol for symbol, those in live.items() if those}
        wanted = {
            symbol: [row for row in those if self._is_wanted(row, symbol in due, only_due)]
            for symbol, those in by_symbol.items()
        }
        listable = {symbol: sum(map(self._may_be_listed, those)) for symbol, those in wanted.items()}
        lists: tuple[str | None, ...] = tuple(symbol for symbol, count in listable.items() if count > 1)
        if sum(map(_weight, listable.values())) > ALL_OPEN_ORDERS:
            lists = (None,)
        return PollPlan(lists=lists, wanted=tuple(row for those in wanted.values() for row in those))

    def _may_be_listed(self, row: OrderRow) -> bool:
        """Whether a list may have the order: neither the last list nor the last answer about it says otherwise."""
        state = self.states.get(row.client_order_id)
        return state is None or not (state.absences or state.is_missing)

    def _is_wanted(self, row: OrderRow, symbol_is_due: bool, only_due: bool) -> bool:
        """Whether an order's report is wanted now: of an open order with its symbol's others, else by itself.

        An open order that the exchange does not know now has the pace of an unknown one.
        """
        if not only_due:
            return True
        state = self.states.get(row.client_order_id)
        if state is not None and state.is_missing:
            return True
        if row.state in LIVE_STATES and (state is None or not state.absences):
            return symbol_is_due
        return self.is_due(row)

    def _is_due(self, symbol: str, live: Sequence[OrderRow], now_ms: int, weight: int) -> bool:
        """Whether it is time for the open orders of a symbol; `weight` is that of polling all open orders once."""
        state = self.symbols.get(symbol)
        if not live or state is None:
            return bool(live)
        newest_ms = max(row.updated_ms for row in live)
        period_s = PERIOD_S if now_ms - newest_ms < RESTING_AFTER_MS else RESTING_PERIOD_S
        period_s = max(period_s, min(weight, ALL_OPEN_ORDERS) * 60 / OPEN_WEIGHT_A_MINUTE)
        if state.was_refused:
            period_s = BACK_OFF_S[-1]
        return self.context.clock.monotonic() >= state.polled + period_s * state.stretch

    def is_due(self, row: OrderRow) -> bool:
        """Whether it is time to poll this order by itself."""
        state = self.states.get(row.client_order_id)
        return state is None or state.due <= self.context.clock.monotonic()

    def are_fees_due(self, row: OrderRow) -> bool:
        """Whether it is time to fetch the fees of this order."""
        return self.of(row).fees_due <= self.context.clock.monotonic()

    def begin_list(self, symbols: Iterable[str]) -> None:
        """The open orders of these symbols are polled now; called first, so that a failure counts too."""
        now, stretch = self.context.clock.monotonic(), self._stretch()
        for symbol in symbols:
            self.symbols[symbol] = SymbolState(polled=now, stretch=stretch)

    def note_refused(self, symbols: Iterable[str]) -> None:
        """The exchange refused the list of these symbols: they are polled as seldom as an unknown order."""
        for symbol in self.symbols.keys() & set(symbols):
            self.symbols[symbol].was_refused = True

    def begin_poll(self, row: OrderRow) -> PollState:
        """Count a poll of this order and set the time of its next one; called first, so that a failure counts too."""
        state = self.of(row)
        is_live = row.state in LIVE_STATES
        pause = max(PERIOD_S, _back_off_s(state.absences)) if is_live else _back_off_s(state.polls)
        state.polls += 1
        state.is_missing = False
        state.due = self.context.clock.monotonic() + pause * self._stretch()
        return state

    def begin_fees(self, row: OrderRow) -> None:
        """Count a request for the fees of this order and set the time of the next one."""
        state = self.of(row)
        state.fees_due = self.context.clock.monotonic() + _back_off_s(state.fee_polls) * self._stretch()
        state.fee_polls += 1

    def note_fees(self, row: OrderRow) -> None:
        """Fees of this order were found: where some are still unknown, they are due at once."""
        state = self.of(row)
        state.fee_polls, state.fees_due = 0, self.context.clock.monotonic()

    def _stretch(self) -> float:
        """Jitter of a quarter either way keeps processes and orders from falling into step."""
        jitter = int.from_bytes(self.context.random_bytes(2), "big")
        return (3 * 0xFFFF + 2 * jitter) / (4 * 0xFFFF)

    def warn(self, row: OrderRow, why: str) -> None:
        """Log a warning about an order, at most once per WARNING_PERIOD_S."""
        state, now = self.of(row), self.context.clock.monotonic()
        if now - state.warned >= WARNING_PERIOD_S:
            state.warned = now
            _log.warning("%s; %s", row.client_order_id, why)


def _weight(orders: int) -> int:
    """The weight of polling this number of orders of one symbol: two are cheaper in a list."""
    return min(ONE_ORDER * orders, OPEN_ORDERS)


def _back_off_s(times: int) -> float:
    return BACK_OFF_S[min(times, len(BACK_OFF_S) - 1)]


@dataclass(slots=True)
class BackgroundBudget:
    """The weight that the background may use now; it grows with time, and what was used is taken off afterwards."""

    context: GateContext
    meter: WeightMeter = field(default_factory=WeightMeter)
    _left_s: float = MOST_AT_ONCE / WEIGHT_PER_S
    """What is left, as the time in which it grows."""
    _seen: int = 0
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.context.clock.monotonic()

    def has(self, weight: int, *, leaving: int = 0) -> bool:
        """Whether this weight may be used now, with this much left afterwards."""
        now, used = self.context.clock.monotonic(), self.meter.used
        grown_s = self._left_s + (now - self._at) - (used - self._seen) / WEIGHT_PER_S
        self._left_s = min(MOST_AT_ONCE / WEIGHT_PER_S, grown_s)
        self._at, self._seen = now, used
        return self._left_s * WEIGHT_PER_S >= weight + leaving
