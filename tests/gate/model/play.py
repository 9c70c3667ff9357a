"""The whole model, played: what a run must come to, and how it is run."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.gate.model.rules_faults import FaultRules
from tests.gate.model.terms import (
    BEHAVIOURS,
    DEATHS,
)


class Gate(FaultRules):
    """Asks, approvals, rejections, fills, losses, cancels, faults, clocks, halts, deaths and restarts in any order."""

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # a play that has failed already says why
                self.everything_settles()
        finally:
            self.room.close()
            self.folder.cleanup()


TO_REACH = (
    "sent: opens",
    "sent: fills",
    "sent: an exit",
    "unknown, and counted in full",
    "answered: confirmation_required",
    "told: ROLLING_NOTIONAL_EXCEEDS_MAX",
    "told: ORDER_COUNT_EXCEEDS_MAX",
    "told: NOTIONAL_EXCEEDS_MAX",
    "died: before the order",
    "died: with the order sent",
    "settled",
    "the clock was put right",
)
"""What every run comes to: one that does not has shown too little."""
TO_REACH_IN_LONG = (
    *TO_REACH,
    *(f"sent: {behaviour}" for behaviour in (*BEHAVIOURS, *DEATHS)),
    *(f"meanwhile: {what}" for what in ("asks", "reconciles", "time passes", "halts")),
    "sent: with a token",
    "settled: reserved and never sent",
    "died: over a cancel",
    "died: over asking",
    "died: with a token",
    "told: SLICING_EXCEEDS_MAX",
    "told: POSITION_EXCEEDS_MAX",
    "told: ORDER_UNRESOLVED",
    "told: TRADING_HALTED",
    "told: TRADING_REDUCING",
)


def play(examples: int, steps: int, *, same_each_time: bool) -> None:
    """N plays of N steps each. A play that goes wrong raises what went wrong, cut down to what it takes."""
    run_state_machine_as_test(
        Gate,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=same_each_time,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
