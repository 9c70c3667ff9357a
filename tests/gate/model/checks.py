"""What always holds, whatever came before."""

from __future__ import annotations

from decimal import Decimal

from hypothesis.stateful import invariant

from tests.gate.model.model import Model
from tests.gate.model.terms import (
    LIVE,
    MINUTE,
    OPEN_CAP,
    OPEN_ORDERS_CAP,
    ORDERS_A_MINUTE,
    WINDOWS,
)
from tests.gate.support.fakes import D


class Checks(Model):
    """What holds after every step."""

    @invariant()
    def every_order_was_one_that_may_be_sent(self) -> None:
        self.before_ms = self.window_ms
        if self.broken:
            raise self.broken[0]

    @invariant()
    def caps_hold(self) -> None:
        counted = [sent for sent in self.sent.values() if not sent.is_exit and not self.is_void(sent)]
        for window, cap in WINDOWS.items():
            for last in counted:
                within = [s.notional for s in counted if last.at_ms - window < s.at_ms <= last.at_ms]
                assert sum(within) <= cap, (window, within)
                truly = [s.notional for s in counted if last.true_ms - window < s.true_ms <= last.true_ms]
                assert sum(truly) <= cap, ("by a clock that nobody sets", window, truly)

    @invariant()
    def as_many_orders_as_may_be(self) -> None:
        counted = [sent for sent in self.sent.values() if not sent.is_exit]
        for last in counted:
            within = [s for s in counted if last.at_ms - MINUTE < s.at_ms <= last.at_ms]
            assert len(within) <= ORDERS_A_MINUTE, "more orders than a minute may have"
            truly = [s for s in counted if last.true_ms - MINUTE < s.true_ms <= last.true_ms]
            assert len(truly) <= ORDERS_A_MINUTE, "more orders than a true minute may have"

    @invariant()
    def open_orders_are_within_their_caps(self) -> None:
        total, number = self.open_in_truth()
        assert total <= OPEN_CAP
        assert number <= OPEN_ORDERS_CAP

    def open_in_truth(self) -> tuple[Decimal, int]:
        total, number = D(0), 0
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if not sent.is_exit and report is not None and report.status in LIVE:
                total += sent.notional * (report.quantity - report.executed_quantity) / report.quantity
                number += 1
        return total, number

    @invariant()
    def what_guardian_counts_is_never_less_than_there_is(self) -> None:
        """In every window, open, and in number; an order that is not known in full, whatever happened to it."""
        limits = self.room.policy_file.current().policy.limits
        with self.room.journal.transaction() as tx:
            told, now = tx.usage.status(self.room.scope, limits, "USDT"), tx.now_ms
        counted = [sent for sent in self.sent.values() if not sent.is_exit]
        for window in WINDOWS:
            truth = sum((s.notional for s in counted if s.at_ms > now - window and not self.is_void(s)), D(0))
            assert told.entered[window] >= truth, "entered"
        assert told.ordered[MINUTE] >= sum(s.at_ms > now - MINUTE for s in counted), "ordered"
        rows = self.room.sql("SELECT client_order_id, state, notional FROM orders WHERE NOT is_exit")
        unknown = {name: D(notional) for name, state, notional in rows if state in {"reserved", "unknown"}}
        live = [s for s in counted if s.name not in unknown and s.name in self.room.exchange.reports]
        reports = [(s, self.room.exchange.reports[s.name]) for s in live]
        left = [s.notional * (r.quantity - r.executed_quantity) / r.quantity for s, r in reports if r.status in LIVE]
        assert told.open_notional >= sum(left, D(0)) + sum(unknown.values(), D(0)), "open, or unknown in full"
        self.reached["unknown, and counted in full"] += bool(unknown)

    @invariant()
    def what_arrived_is_never_taken_for_void(self) -> None:
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if report is not None and report.status != "REJECTED":
                assert self.room.row(sent.name).state.value not in {"rejected", "not_placed"}

    @invariant()
    def nothing_failed(self) -> None:
        contradicted = self.room.sql("SELECT body FROM audit WHERE phase='event' AND instr(body, '\"contradicted\"')")
        assert contradicted == []
        failed = self.room.sql("SELECT body FROM audit WHERE outcome='failed'")
        assert failed == []
        assert self.room.journal.emergency.is_empty()
