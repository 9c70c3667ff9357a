"""The whole gate against a simple model: whatever comes in whatever order, the caps hold and nothing is sent twice."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from guardian.cli.approve import approve
from guardian.cli.reject import reject
from guardian.domain.orders import OrderSide, ResolvedOrder
from guardian.domain.requests import CreateOrder, GetOrders, GetTickerPrice
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    NotSent,
    OutcomeUnknown,
    StoreConflict,
)
from guardian.gate.replies import OrderProposed
from tests.gate.fakes import D, Lost, Placed, Room, limit

WINDOWS = {300_000: D(200), 86_400_000: D(500)}
OPEN_CAP = D(300)
POLICY: dict[str, Any] = {
    "limits": {
        "rolling_notional": [{"window": "5m", "max": "200"}, {"window": "24h", "max": "500"}],
        "max_open_notional": "300",
        "duplicate_window": "1s",
    },
    "confirmation": {"required_above": "150", "channel": "terminal", "max_outstanding": 3},
}
BEHAVIOURS: dict[str, Any] = {
    "opens": lambda: Placed("NEW"),
    "part": lambda: Placed("PARTIALLY_FILLED", "0.0003"),
    "fills": lambda: Placed("FILLED", "all"),
    "rejected in the answer": lambda: Placed("REJECTED"),
    "rejected": lambda: ExchangeRejected(-2010, "insufficient balance", http_status=400),
    "not sent": lambda: NotSent("too old"),
    "limited": lambda: ExchangeRateLimited(1),
    "lost": lambda: Lost(OutcomeUnknown("lost")),
    "lost and filled": lambda: Lost(RuntimeError("a bug"), "FILLED"),
    "lost on the way": lambda: OutcomeUnknown("lost"),
    "duplicate": lambda: Lost(ExchangeRejected(-2010, "Duplicate order sent.", http_status=400)),
}
VOID = {"rejected in the answer", "rejected", "not sent", "limited"}


@dataclass
class Sent:
    """What the model knows of an order that was sent."""

    name: str
    order: ResolvedOrder
    notional: Decimal
    at_ms: int
    is_exit: bool
    behaviour: str


class Gate(RuleBasedStateMachine):
    """Asks, approvals, rejections, fills, losses, cancels, clocks, halts and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.room = Room(Path(self.folder.name), POLICY)
        self.room.exchange.before_place = self.sending
        self.sent: dict[str, Sent] = {}
        self.window_ms = 0
        self.halted = False
        self.waiting: list[str] = []
        self.tokens: list[str] = []
        self.behaviour: list[str] = []
        self.seen()

    def teardown(self) -> None:
        self.room.close()
        self.folder.cleanup()

    # -- what is checked at the very moment of sending

    def sending(self, order: ResolvedOrder, name: str) -> None:
        room = self.room
        self.tick()
        assert not self.halted, "sent while trading is halted"
        assert name not in self.sent, "sent twice"
        assert room.sql("SELECT phase FROM audit WHERE client_order_id=?", name) == [("intent",)]
        ((is_exit, state, reserved_ms),) = room.sql(
            "SELECT is_exit, state, reserved_ms FROM orders WHERE client_order_id=?", name
        )
        assert (state, reserved_ms) == ("reserved", self.window_ms)
        bid = D(room.exchange.books["BTCUSDT"][0])
        price = order.price if order.side is OrderSide.BUY else max(order.price, bid)
        if is_exit:
            assert order.side is OrderSide.SELL
            assert order.quantity <= self.held(), "an exit of more than was bought"
        behaviour = self.behaviour.pop(0) if self.behaviour else "opens"
        act = BEHAVIOURS[behaviour]()
        if isinstance(act, Placed) and act.executed == "all":
            act = Placed(act.status, str(order.quantity))
        room.exchange.script = [act]
        self.sent[name] = Sent(name, order, price * order.quantity, self.window_ms, bool(is_exit), behaviour)

    def held(self) -> Decimal:
        """Bought less sold and offered, as it truly is at the exchange."""
        total = D(0)
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if report is None:
                continue
            live = report.status in {"NEW", "PARTIALLY_FILLED"}
            if sent.order.side is OrderSide.BUY:
                total += report.executed_quantity
            else:
                total -= report.quantity if live else report.executed_quantity
        return total

    def tick(self) -> None:
        self.window_ms = max(self.window_ms, self.room.clock.wall)

    def is_void(self, sent: Sent) -> bool:
        if sent.behaviour in VOID:
            return True
        # It did not arrive, and guardian has found that out: then, and not before, it stops counting.
        return sent.behaviour == "lost on the way" and self.room.row(sent.name).state.value == "not_placed"

    # -- what can happen

    @rule(
        side=st.sampled_from(["BUY", "BUY", "SELL"]),
        quantity=st.sampled_from(["0.0005", "0.001", "0.0016", "0.002"]),
        offset=st.integers(-30, 5),
        kind=st.sampled_from(["LIMIT", "LIMIT", "MARKET"]),
        behaviour=st.sampled_from(sorted(BEHAVIOURS)),
    )
    def ask(self, side: str, quantity: str, offset: int, kind: str, behaviour: str) -> None:
        self.behaviour = [behaviour]
        self.take(self.room.ask(side=side, quantity=quantity, price=str(60000 + offset), kind=kind))

    @rule(
        offsets=st.lists(st.integers(-60, -31), min_size=2, max_size=4, unique=True),
        behaviour=st.sampled_from(sorted(BEHAVIOURS)),
    )
    def ask_at_once(self, offsets: list[int], behaviour: str) -> None:
        self.behaviour = [behaviour] * len(offsets)

        async def work() -> list[Any]:
            asks = (CreateOrder(order=limit(price=str(60000 + offset))) for offset in offsets)
            return list(await asyncio.gather(*(self.room.acall(request) for request in asks)))

        for reply in self.room.run(work()):
            self.take(reply)

    def take(self, reply: Any) -> None:
        self.tick()
        if isinstance(reply.data, OrderProposed) and reply.data.proposal_id not in self.waiting:
            self.waiting.append(reply.data.proposal_id)

    @precondition(lambda self: self.waiting)
    @rule(number=st.integers(0, 9))
    def a_person_approves(self, number: int) -> None:
        home: Any = SimpleNamespace(journal=self.room.journal, policy_file=self.room.policy_file)
        with suppress(StoreConflict):  # it has ended or expired
            self.tokens.append(approve(home, self.waiting[number % len(self.waiting)]))
        self.tick()

    @precondition(lambda self: self.waiting)
    @rule(number=st.integers(0, 9))
    def a_person_rejects(self, number: int) -> None:
        home: Any = SimpleNamespace(journal=self.room.journal)
        reject(home, self.waiting[number % len(self.waiting)])
        self.tick()

    @precondition(lambda self: self.tokens)
    @rule(number=st.integers(0, 9), twice=st.booleans(), behaviour=st.sampled_from(sorted(BEHAVIOURS)))
    def a_token_is_used(self, number: int, twice: bool, behaviour: str) -> None:
        before = len(self.sent)
        self.behaviour = [behaviour, "opens"]
        token = self.tokens[number % len(self.tokens)]
        for _ in range(1 + twice):
            self.take(self.room.use(token))
        assert len(self.sent) <= before + 1, "one token made two orders"

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 99), lost=st.booleans())
    def cancel(self, number: int, lost: bool) -> None:
        name = sorted(self.sent)[number % len(self.sent)]
        self.room.exchange.cancels = [Lost(OutcomeUnknown("lost"))] if lost else []
        self.room.cancel(client_order_id=name)
        self.tick()

    @precondition(lambda self: self.room.exchange.reports)
    @rule(number=st.integers(0, 99), what=st.sampled_from(["PARTIALLY_FILLED", "FILLED", "EXPIRED", "CANCELED"]))
    def exchange_goes_on(self, number: int, what: str) -> None:
        names = sorted(self.room.exchange.reports)
        report = self.room.exchange.reports[names[number % len(names)]]
        if report.status not in {"NEW", "PARTIALLY_FILLED"}:
            return
        filled = {"FILLED": report.quantity, "PARTIALLY_FILLED": max(report.executed_quantity, D("0.0004"))}
        self.room.exchange.becomes(report.client_order_id, what, str(filled.get(what, report.executed_quantity)))

    @rule(hide=st.booleans())
    def reads_lag_or_catch_up(self, hide: bool) -> None:
        self.room.exchange.hidden = set(self.room.exchange.reports) if hide else set()

    @rule()
    def guardian_asks(self) -> None:
        with suppress(ExchangeError):
            self.room.run(self.room.resolver.run_once())
        self.tick()

    @rule()
    def somebody_looks(self) -> None:
        self.room.call(GetOrders(symbol="BTCUSDT"))
        self.tick()

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 301, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.room.clock.forward(seconds)
        self.seen()

    @rule(seconds=st.sampled_from([-86_400, -3600, -2, 2, 600]))
    def clock_is_set(self, seconds: int) -> None:
        self.room.clock.wall += seconds * 1000
        self.seen()

    def seen(self) -> None:
        """Guardian has looked at the clock: from here on window time does not go back behind it."""
        self.room.call(GetTickerPrice(symbol="BTCUSDT"))
        self.tick()

    @rule(bid=st.integers(59_800, 60_200))
    def market_moves(self, bid: int) -> None:
        self.room.exchange.books["BTCUSDT"] = (str(bid), str(bid + 1))

    @rule()
    def owner_halts(self) -> None:
        self.trading(TradingState.HALTED)
        self.halted = True
        self.tick()

    @rule()
    def owner_resumes(self) -> None:
        self.trading(TradingState.ACTIVE)
        self.halted = False
        self.tick()

    def trading(self, state: TradingState) -> None:
        """As `guardian halt` and `guardian resume` do."""
        with self.room.journal.transaction() as tx:
            tx.set_trading(state, reason="a test", by="owner")
            if state is TradingState.ACTIVE:
                tx.person_acted(None, "resumed")

    @rule()
    def guardian_restarts(self) -> None:
        self.room.again()

    # -- what always holds

    @invariant()
    def caps_hold(self) -> None:
        counted = [sent for sent in self.sent.values() if not sent.is_exit and not self.is_void(sent)]
        for window, cap in WINDOWS.items():
            for last in counted:
                within = [s.notional for s in counted if last.at_ms - window < s.at_ms <= last.at_ms]
                assert sum(within) <= cap, (window, within)

    @invariant()
    def open_orders_are_within_their_cap(self) -> None:
        total = D(0)
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if not sent.is_exit and report is not None and report.status in {"NEW", "PARTIALLY_FILLED"}:
                total += sent.notional * (report.quantity - report.executed_quantity) / report.quantity
        assert total <= OPEN_CAP

    @invariant()
    def what_arrived_is_never_taken_for_void(self) -> None:
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if report is not None and report.status != "REJECTED":
                assert self.room.row(sent.name).state.value not in {"rejected", "not_placed"}

    @invariant()
    def nothing_failed(self) -> None:
        failed = self.room.sql("SELECT body FROM audit WHERE outcome='failed'")
        assert failed == []
        assert self.room.journal.emergency.is_empty()


def test_caps_hold_and_nothing_is_sent_twice_under_any_interleaving() -> None:
    """Each order has a committed intent and is sent once, never while halted; windows, exits and opens hold."""
    run_state_machine_as_test(
        Gate,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
