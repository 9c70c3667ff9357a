"""Rules: the exchange, the clock and the owner go their own way, and guardian looks."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from guardian.domain.requests import GetOrders
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeError,
)
from guardian.gate.recovery.reconcile import Reconciler
from tests.gate.model.rules_orders import OrderRules
from tests.gate.model.terms import (
    LIVE,
    OFTEN,
)
from tests.gate.support.fakes import D


class WorldRules(OrderRules):
    """What happens around guardian."""

    @precondition(lambda self: self.room.exchange.reports)
    @rule(number=st.integers(0, 99), what=st.sampled_from(["PARTIALLY_FILLED", "FILLED", "EXPIRED", "CANCELED"]))
    def exchange_goes_on(self, number: int, what: str) -> None:
        names = list(self.room.exchange.reports)
        report = self.room.exchange.reports[names[number % len(names)]]
        if report.status not in LIVE:
            return
        filled = {"FILLED": report.quantity, "PARTIALLY_FILLED": max(report.executed_quantity, D("0.0004"))}
        self.room.exchange.becomes(report.client_order_id, what, str(filled.get(what, report.executed_quantity)))

    @precondition(lambda self: self.room.exchange.reports)
    @rule(hide=st.booleans())
    def reads_lag_or_catch_up(self, hide: bool) -> None:
        self.room.exchange.hidden = set(self.room.exchange.reports) if hide else set()

    @precondition(lambda self: self.sent)
    @rule(what=st.sampled_from(["asks", "reconciles", "is asked"]))
    def guardian_looks(self, what: str) -> None:
        with suppress(ExchangeError):
            if what == "asks":
                self.room.run(self.room.resolver.run_once())
            elif what == "reconciles":
                self.room.run(Reconciler(self.room.context).run(("BTCUSDT",)))
            else:
                self.room.call(GetOrders(symbol="BTCUSDT"))
        self.tick()

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 301, 3600, 0, 0]), bid=st.integers(59_800, 60_200))
    def time_passes(self, seconds: int, bid: int) -> None:
        self.room.clock.forward(seconds)
        self.room.exchange.books["BTCUSDT"] = (str(bid), str(bid + 1))
        self.seen()

    @rule(seconds=st.sampled_from([-40 * 86_400, -86_400, -3600, -2, 2, 600, 86_400, 30 * 86_400]), put_right=OFTEN)
    def clock_is_set(self, seconds: int, put_right: bool) -> None:
        """Somebody looks at the wrong time, or an order is requested; then the clock is mostly put right."""
        self.room.clock.wall += seconds * 1000
        self.seen()
        if put_right:
            self.clock_is_put_right()
            return
        number = len(self.sent)
        self.ask([("BUY", "0.0005", -25, "LIMIT", "fills")], True)
        assert len(self.sent) == number, "sent while the clock was wrong"
        with self.room.journal.transaction() as tx:
            self.state = tx.trading.status().state

    @precondition(lambda self: abs(self.room.clock.error_ms) > 1)
    @rule()
    def clock_is_put_right(self) -> None:
        self.room.clock.wall -= self.room.clock.error_ms
        self.seen()
        self.reached["the clock was put right"] += 1

    @rule(
        state=st.sampled_from([TradingState.HALTED, TradingState.REDUCING]),
        fact=st.sampled_from([None, "book_tops", "average_price", "balances", "clock_skew_ms"]),
        goes_on=OFTEN,
    )
    def owner_halts(self, state: TradingState, fact: str | None, goes_on: bool) -> None:
        """Before an order, or while its facts are fetched: nothing is sent, or exits alone; then trading continues."""
        self.find_out(True)

        async def halts() -> None:
            self.trading(state)

        if fact is None:
            self.trading(state)
        else:
            self.room.exchange.during[fact] = halts
        self.behaviour = []
        self.take(self.room.ask(quantity="0.0005", price="59985"))
        self.room.exchange.during.clear()
        self.trading(state)
        self.what_is_held_is_sold(1, 11)
        if goes_on:
            self.owner_resumes()
