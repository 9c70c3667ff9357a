"""Decides when each order is polled: a steady period for open orders, an exponential back-off for unknown ones.

Also where it is kept when all orders were compared last.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from guardian.domain.order_states import LIVE_STATES
from guardian.gate.base.context import GateContext
from guardian.store.schema.records import OrderRow, Scope

_log: Final = logging.getLogger("guardian.gate")

PERIOD_S: Final = 10.0
"""Seconds between two polls of an open order, and after a round that failed."""

BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two polls of an unknown order; the last value repeats for as long as it takes."""

WARNING_PERIOD_S: Final = 3600.0
"""Minimum seconds between two warnings about the same order."""


def reconciled_mark(scope: Scope) -> str:
    """The key of the stored time at which all of a scope's orders were compared last."""
    return f"reconciled/{scope.environment}/{scope.account}"


@dataclass(slots=True)
class PollState:
    """What this process has learnt from polling one order; times are seconds on the monotonic clock."""

    polls: int = 0
    due: float = 0.0
    absences: int = 0
    """Consecutive answers in which the exchange did not know the order."""
    absent_at: float | None = None
    """Time of the last such answer; None while there was none in this process."""
    delistings: int = 0
    """Consecutive answers in which the order's symbol was not listed."""
    delisted_since: float = 0.0
    warned: float = -inf


@dataclass(slots=True)
class PollSchedule:
    """When each order is polled next, with the state of its polling."""

    context: GateContext
    states: dict[str, PollState] = field(default_factory=dict)
    """By client order id."""

    def keep_only(self, rows: Iterable[OrderRow]) -> None:
        """Drop the state of every other order."""
        kept = {row.client_order_id for row in rows}
        self.states = {name: state for name, state in self.states.items() if name in kept}

    def is_due(self, row: OrderRow) -> bool:
        """Whether it is time to poll this order."""
        state = self.states.get(row.client_order_id)
        return state is None or state.due <= self.context.clock.monotonic()

    def begin_poll(self, row: OrderRow) -> PollState:
        """Count a poll of this order and set the time of its next one; called first, so that a failure counts too."""
        state = self.states.setdefault(row.client_order_id, PollState())
        pause = PERIOD_S if row.state in LIVE_STATES else BACK_OFF_S[min(state.polls, len(BACK_OFF_S) - 1)]
        # Jitter of a quarter either way keeps processes and orders from falling into step.
        fraction = int.from_bytes(self.context.random_bytes(2), "big") / 0xFFFF
        state.polls += 1
        state.due = self.context.clock.monotonic() + pause * (0.75 + fraction / 2)
        return state

    def warn(self, row: OrderRow, why: str) -> None:
        """Log a warning about an order, at most once per WARNING_PERIOD_S."""
        state, now = self.states.setdefault(row.client_order_id, PollState()), self.context.clock.monotonic()
        if now - state.warned >= WARNING_PERIOD_S:
            state.warned = now
            _log.warning("%s; %s", row.client_order_id, why)
