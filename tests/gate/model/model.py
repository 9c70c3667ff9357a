"""The model: what was sent, and what must hold of each order at the moment of sending."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from guardian.domain.orders import OrderSide, ResolvedOrder
from guardian.domain.requests import GetTickerPrice
from guardian.domain.trading import TradingState
from tests.gate.model.processes import TwoProcesses
from tests.gate.model.terms import (
    BEHAVIOURS,
    DEATHS,
    LIVE,
    LOST_ON_THE_WAY,
    NOTIONAL_CAP,
    POLICY,
    POSITION_CAP,
    SLICING_MS,
    UNCONFIRMED_CAP,
    VOID,
    Sent,
)
from tests.gate.support.fakes import D, Placed


class Model(RuleBasedStateMachine):
    """What was sent and what is known of it, checked at the very moment when an order reaches the exchange."""

    reached: ClassVar[Counter[str]] = Counter()
    """What has come about in all plays so far: what never does is not shown to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.room = TwoProcesses(Path(self.folder.name), POLICY)
        self.room.exchange.before_place = self.sending
        self.room.exchange.is_right = True
        self.reached["plays"] += 1
        self.sent: dict[str, Sent] = {}
        self.window_ms = self.before_ms = 0
        self.latest_ms, self.mono_s = self.room.clock.wall, self.room.clock.mono
        self.broken: list[AssertionError] = []
        """What an order that was sent should not have been."""
        self.state = TradingState.ACTIVE
        self.waiting: list[str] = []
        self.tokens: list[str] = []
        self.behaviour: list[str] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """What happens while the next order is on its way."""
        self.by_token = False
        self.acted = 0
        """How many orders had been sent when a person last acted."""
        self.sliced: dict[str, tuple[int, int]] = {}
        """By side: when the first order over the cap was denied, and how many orders had been sent then."""
        self.seen()

    def sending(self, order: ResolvedOrder, name: str) -> None:
        """An order comes to the exchange, which knows what becomes of it."""
        room = self.room
        self.tick()
        stored = room.sql("SELECT is_exit, state, reserved_ms FROM orders WHERE client_order_id=?", name)
        bid = D(room.exchange.books["BTCUSDT"][0])
        price = order.price if order.side is OrderSide.BUY else max(order.price, bid)
        notional, is_exit = price * order.quantity, bool(stored and stored[0][0])
        try:
            assert room.sql("SELECT phase FROM audit WHERE client_order_id=?", name) == [("intent",)]
            assert stored[0][1] == "reserved"
            # Between what was window time before this step and what it is now: orders side by side wait for each other.
            assert self.before_ms <= stored[0][2] <= self.latest_ms, "reserved at another time"
            self.check(order, name, notional, is_exit)
        except AssertionError as error:
            # Raised here it would be one more thing that goes wrong on the way, and guardian gets over those.
            self.broken.append(error)
        behaviour = self.behaviour.pop(0) if self.behaviour else "opens"
        act = {**BEHAVIOURS, **DEATHS}[behaviour]()
        if isinstance(act, Placed) and act.executed == "all":
            act = Placed(act.status, str(order.quantity))
        room.exchange.script = [act] if self.meanwhile is None else [self.meanwhile, act]
        self.meanwhile = None
        self.reached[f"sent: {behaviour}"] += 1
        self.reached["sent: an exit"] += is_exit
        self.reached["sent: with a token"] += self.by_token
        at_ms = stored[0][2] if stored else self.window_ms
        true_ms = int(room.clock.mono * 1000)
        self.sent[name] = Sent(name, order, notional, at_ms, true_ms, is_exit, behaviour, self.by_token)

    def check(self, order: ResolvedOrder, name: str, notional: Decimal, is_exit: bool) -> None:
        """What holds of each order that is sent."""
        assert self.state is not TradingState.HALTED, "sent while trading is halted"
        assert name not in self.sent, "sent twice"
        assert notional <= NOTIONAL_CAP, "an order over the cap of one order"
        if is_exit:
            assert order.side is OrderSide.SELL
            assert order.quantity <= self.held(), "an exit of more than was bought"
        else:
            assert self.state is not TradingState.REDUCING, "no exit, and sent while trading is reducing"
            self.is_within_what_was_sliced(order, notional)
        if order.side is OrderSide.BUY:
            assert self.bought_and_on_order() + order.quantity <= POSITION_CAP, "more than may be held"
        if not self.by_token:
            # Unconfirmed orders since a person acted, this one among them, are worth no more than they may be.
            since = list(self.sent.values())[self.acted :]
            loose = [s.notional for s in since if not (s.is_exit or s.confirmed or self.is_void(s))]
            assert sum(loose, notional) <= UNCONFIRMED_CAP, "more without a person than may be"

    def is_within_what_was_sliced(self, order: ResolvedOrder, notional: Decimal) -> None:
        """After an order over the cap was denied, all that is entered on its side together is held to that cap."""
        since_ms, number = self.sliced.get(order.side.value, (0, 0))
        if not since_ms or self.window_ms >= since_ms + SLICING_MS:
            return
        since = [s for s in list(self.sent.values())[number:] if s.order.side is order.side and not s.is_exit]
        entered = sum((s.notional for s in since if not self.is_void(s)), D(0))
        assert entered + notional <= NOTIONAL_CAP, "an order over the cap in slices"

    def bought_and_on_order(self) -> Decimal:
        """What was bought less what was sold, and what BUYs that are open may still bring, as it truly is."""
        total = D(0)
        for report in self.room.exchange.reports.values():
            if report.side == "BUY":
                total += report.quantity if report.status in LIVE else report.executed_quantity
            else:
                total -= report.executed_quantity
        return total

    def held(self) -> Decimal:
        """Bought less sold and offered, as it truly is at the exchange."""
        total = D(0)
        for sent in self.sent.values():
            report = self.room.exchange.reports.get(sent.name)
            if report is None:
                continue
            live = report.status in LIVE
            if sent.order.side is OrderSide.BUY:
                total += report.executed_quantity
            else:
                total -= report.quantity if live else report.executed_quantity
        return total

    def tick(self) -> None:
        """Window time as the log has it, and the latest it can be: with a clock that is behind it advances alone."""
        clock = self.room.clock
        self.latest_ms = max(clock.wall, self.latest_ms + int((clock.mono - self.mono_s) * 1000) + 1)
        self.mono_s = clock.mono
        ((logged,),) = self.room.sql("SELECT coalesce(max(ts_ms), 0) FROM audit")
        self.window_ms = max(self.window_ms, logged)

    def is_void(self, sent: Sent) -> bool:
        if sent.behaviour in VOID:
            return True
        # It did not arrive, and guardian has found that out: then, and not before, it stops counting.
        return sent.behaviour in LOST_ON_THE_WAY and self.room.row(sent.name).state.value == "not_placed"

    def seen(self) -> None:
        """Guardian has looked at the clock: from here on window time does not go back behind it."""
        self.room.call(GetTickerPrice(symbol="BTCUSDT"))
        self.tick()

    def trading(self, state: TradingState) -> None:
        """As `guardian halt` and `guardian resume` do."""
        with self.room.of_the_other("journal").transaction() as tx:
            tx.trading.set(state, reason="a test", by="owner")
            if state is TradingState.ACTIVE:
                tx.acts.record(None, "resumed")
        self.state = state

    def known_and_free(self) -> Decimal:
        """What guardian knows that it bought, and has neither sold nor offered."""
        total = D(0)
        rows = self.room.sql("SELECT side, state, quantity, executed_quantity FROM orders")
        for side, state, quantity, executed in rows:
            if side == "BUY":
                total += D(executed)
            elif state in {"reserved", "unknown", "open", "part_filled"}:
                total -= D(quantity)
            else:
                total -= D(executed)
        return total
