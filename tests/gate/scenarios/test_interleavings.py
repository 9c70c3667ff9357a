"""The whole gate against a simple model: whatever comes in whatever order, the caps hold and nothing is sent twice.

The gate, its policy and its store are real, and there are two processes of them on one home. The exchange, the clock
and the person are made by hand. `python -m tests.longrun.interleavings` plays it for longer.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

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
    ExchangeUnavailable,
    NotSent,
    OutcomeUnknown,
    StoreConflict,
)
from guardian.gate import pipeline
from guardian.gate.base.replies import OrderProposed, Reply
from guardian.gate.recovery.reconcile import Reconciler
from guardian.gate.recovery.resolve import Resolver
from tests.gate.support.fakes import D, Lost, Placed, Room, denials, limit

MINUTE, DAY = 60_000, 86_400_000
WINDOWS = {5 * MINUTE: D(160), DAY: D(400)}
ORDERS_A_MINUTE = 4
OPEN_CAP = D(300)
OPEN_ORDERS_CAP = 3
NOTIONAL_CAP = D(100)
POSITION_CAP = D("0.004")
SLICING_MS = 15 * MINUTE
UNCONFIRMED_CAP = D(180)
POLICY: dict[str, Any] = {
    "limits": {
        "rolling_notional": [{"window": "5m", "max": "160"}, {"window": "24h", "max": "400"}],
        "max_orders": [{"window": "1m", "max": ORDERS_A_MINUTE}],
        "max_open_notional": "300",
        "max_open_orders": OPEN_ORDERS_CAP,
        "duplicate_window": "1s",
        "anti_slicing_window": "15m",
        "absence_window": "1m",
    },
    "confirmation": {"required_above": "180", "channel": "terminal", "max_outstanding": 3},
    "symbols": {"BTCUSDT": {"max_notional": "100", "max_position": "0.004"}},
}
BUDGETS = {
    "ROLLING_NOTIONAL_EXCEEDS_MAX", "ORDER_COUNT_EXCEEDS_MAX", "OPEN_NOTIONAL_EXCEEDS_MAX", "OPEN_ORDERS_EXCEED_MAX",
    "SLICING_EXCEEDS_MAX", "POSITION_EXCEEDS_MAX",
}  # fmt: skip
"""What an exit is exempt from."""


class Killed(BaseException):
    """The process is dead: nothing of guardian's catches this, and nothing behind it runs."""


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
DEATHS: dict[str, Any] = {
    "dies before it arrives": lambda: Killed(),
    "dies when it has arrived": lambda: Lost(Killed()),
    "dies when it is filled": lambda: Lost(Killed(), "FILLED"),
}
VOID = {"rejected in the answer", "rejected", "not sent", "limited"}
LOST_ON_THE_WAY = {"lost on the way", "dies before it arrives"}
SIDES = st.sampled_from(["BUY", "BUY", "BUY", "SELL"])
OFTEN = st.sampled_from([True, True, True, False])
READS = ("book_tops", "average_price", "balances", "clock_skew_ms", "order", "open_orders", "all_orders")
LIVE = {"NEW", "PARTIALLY_FILLED"}
ENDED = {"NEW": "open", "PARTIALLY_FILLED": "part_filled", "FILLED": "filled", "CANCELED": "cancelled",
         "EXPIRED": "expired", "REJECTED": "rejected"}  # fmt: skip


@dataclass
class Sent:
    """What the model knows of an order that was sent."""

    name: str
    order: ResolvedOrder
    notional: Decimal
    at_ms: int
    true_ms: int
    """When it was, by a clock that nobody sets."""
    is_exit: bool
    behaviour: str
    confirmed: bool


class TwoProcesses(Room):
    """Two processes on one home, each with its own store, gate and resolver. One of them is spoken to at a time."""

    def __init__(self, folder: Path, *changes: Any) -> None:
        self.number = 0
        self.others: dict[int, dict[str, Any]] = {}
        self.dice = random.Random(0)
        super().__init__(folder, *changes)
        self.turn_to(1)

    def start(self) -> None:
        """As ever, but that a play can be played again: no dice of its own, and calls take turns where they wait."""
        super().start()
        self.context = replace(self.context, random_bytes=self.dice.randbytes)
        self.gate, self.resolver = pipeline.Gate(self.context), Resolver(context=self.context)

        async def run(work: Callable[[], Any], **_: Any) -> Any:
            await asyncio.sleep(0)
            done = work()
            await asyncio.sleep(0)
            return done

        self.journal.run = run  # type: ignore[method-assign]

    def turn_to(self, number: int) -> None:
        if number != self.number:
            names = ("journal", "policy_file", "context", "gate", "resolver")
            self.others[self.number] = {name: getattr(self, name) for name in names}
            self.number = number
            found = self.others.pop(number, None)
            if found is None:
                self.start()
            else:
                self.__dict__.update(found)

    def of_the_other(self, name: str) -> Any:
        return self.others[1 - self.number][name]

    def close(self) -> None:
        for other in self.others.values():
            other["journal"].close()
        super().close()

    @contextmanager
    def dying(self, nth: int, before_the_commit: bool) -> Iterator[None]:
        """The process dies in its nth transaction from now, or right behind it."""
        journal, real, left = self.journal, self.journal.transaction, nth

        @contextmanager
        def transaction(**_: Any) -> Iterator[Any]:
            nonlocal left
            left -= 1
            dies = left == 0
            with real() as tx:
                yield tx
                if dies and before_the_commit:
                    raise Killed
            if dies:
                raise Killed

        journal.transaction = transaction  # type: ignore[method-assign]
        try:
            yield
        finally:
            del journal.transaction  # type: ignore[method-assign]


class Gate(RuleBasedStateMachine):
    """Asks, approvals, rejections, fills, losses, cancels, faults, clocks, halts, deaths and restarts in any order."""

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

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # a play that has failed already says why
                self.everything_settles()
        finally:
            self.room.close()
            self.folder.cleanup()

    # -- what is checked at the very moment of sending

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
        """Window time as the log has it, and the latest it can be: with a clock that is behind it goes on alone."""
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

    # -- what can happen

    @rule(
        asks=st.lists(
            st.tuples(
                st.sampled_from(["BUY", "BUY", "BUY", "SELL"]),
                st.sampled_from(["0.0005", "0.001", "0.001", "0.0016", "0.002"]),
                st.integers(-30, 5),
                st.sampled_from(["LIMIT", "LIMIT", "MARKET"]),
                st.sampled_from(sorted(BEHAVIOURS)),
            ),
            min_size=1,
            max_size=4,
        ),
        all_known=OFTEN,
    )
    def ask(self, asks: list[tuple[str, str, int, str, str]], all_known: bool) -> None:
        self.find_out(all_known)
        for side, quantity, offset, kind, behaviour in asks:
            self.behaviour = [behaviour]
            self.take(self.room.ask(side=side, quantity=quantity, price=str(60000 + offset), kind=kind), side)

    @rule(
        offsets=st.lists(st.integers(-60, -31), min_size=2, max_size=6, unique=True),
        behaviour=st.sampled_from(sorted(BEHAVIOURS)),
        all_known=OFTEN,
    )
    def ask_at_once(self, offsets: list[int], behaviour: str, all_known: bool) -> None:
        self.find_out(all_known)
        self.behaviour = [behaviour] * len(offsets)

        async def work() -> list[Any]:
            asks = (CreateOrder(order=limit(price=str(60000 + offset))) for offset in offsets)
            return list(await asyncio.gather(*(self.room.acall(request) for request in asks)))

        for reply in self.room.run(work()):
            self.take(reply)

    @rule(slices=st.lists(st.sampled_from(["0.0005", "0.001", "0.0016"]), min_size=2, max_size=4), side=SIDES)
    def what_was_denied_comes_in_slices(self, slices: list[str], side: str) -> None:
        self.find_out(True)
        self.take(self.room.ask(side=side, quantity="0.002", price="59999"), side)
        for number, quantity in enumerate(slices):
            self.behaviour = ["fills"]
            self.take(self.room.ask(side=side, quantity=quantity, price=str(59998 - number)), side)

    @rule(times=st.integers(2, 7), pause=st.sampled_from([5, 61, 301]), person=st.booleans())
    def as_much_as_goes(self, times: int, pause: int, person: bool) -> None:
        """With pauses in which the short windows move on, and a person who lets it go on, or looks at what waits."""
        for number in range(times):
            self.find_out(True)
            self.behaviour = ["fills"]
            waiting = len(self.waiting)
            self.take(self.room.ask(quantity="0.001", price=str(59980 - number)))
            if len(self.waiting) > waiting:
                self.a_person_answers(waiting, True, True, "fills")
            self.room.clock.forward(pause)
            self.seen()
            if person:
                self.owner_resumes()

    def find_out(self, all_known: bool) -> None:
        """While the fate of an order is not known nothing else is bought: often it is known by the next."""
        if all_known and self.room.sql("SELECT 1 FROM orders WHERE state IN ('reserved', 'unknown')"):
            self.everything_settles()

    def take(self, reply: Reply, side: str = "BUY") -> None:
        self.tick()
        self.reached[f"answered: {reply.outcome}"] += 1
        if isinstance(reply.data, OrderProposed) and reply.data.proposal_id not in self.waiting:
            self.waiting.append(reply.data.proposal_id)
        if reply.error is not None:
            told = denials(reply)
            self.reached.update(f"told: {code}" for code in told)
            if "TRADING_HALTED" in told and self.state is TradingState.ACTIVE:
                self.reached["halted by itself"] += 1
                self.owner_resumes()
            since_ms, _ = self.sliced.get(side, (0, 0))
            if "NOTIONAL_EXCEEDS_MAX" in told and self.window_ms >= since_ms + SLICING_MS:
                self.sliced[side] = (self.window_ms, len(self.sent))

    @rule(
        side=st.sampled_from(["BUY", "BUY", "SELL"]),
        offset=st.integers(-30, 5),
        death=st.sampled_from([*sorted(DEATHS), "opens"]),
        nth=st.integers(1, 6),
        before=st.booleans(),
        all_known=OFTEN,
    )
    def process_dies_over_an_order(
        self, side: str, offset: int, death: str, nth: int, before: bool, all_known: bool
    ) -> None:
        """In any of its transactions, behind any of them, or while the order is on its way; then it starts again."""
        self.find_out(all_known)
        self.behaviour = [death]
        nth = nth if death == "opens" else 0
        sent = len(self.sent)
        try:
            with self.room.dying(nth, before):
                self.take(self.room.ask(side=side, quantity="0.001", price=str(60000 + offset)), side)
        except Killed:
            self.reached["died: with the order sent" if len(self.sent) > sent else "died: before the order"] += 1
        self.tick()
        self.room.again()

    @precondition(lambda self: self.sent)
    @rule(
        number=st.integers(0, 99),
        over=st.sampled_from(["a cancel", "asking"]),
        nth=st.integers(1, 6),
        before=st.booleans(),
    )
    def process_dies(self, number: int, over: str, nth: int, before: bool) -> None:
        name = list(self.sent)[number % len(self.sent)]
        try:
            with suppress(ExchangeError), self.room.dying(nth, before):
                if over == "a cancel":
                    self.room.cancel(client_order_id=name)
                else:
                    self.room.run(self.room.resolver.run_once())
        except Killed:
            self.reached[f"died: over {over}"] += 1
        self.tick()
        self.room.again()

    @rule(
        what=st.sampled_from(["asks", "reconciles", "time passes", "halts"]),
        quantity=st.sampled_from(["0.0005", "0.001"]),
    )
    def the_other_does_something_meanwhile(self, what: str, quantity: str) -> None:
        """While an order is on its way, the other process asks or reconciles, or time passes, or the owner halts."""
        self.find_out(True)
        other = self.room.of_the_other("context"), self.room.of_the_other("resolver")

        async def meanwhile() -> None:
            self.reached[f"meanwhile: {what}"] += 1
            if what == "asks":
                await other[1].run_once()
            elif what == "reconciles":
                await Reconciler(other[0]).run(("BTCUSDT",))
            elif what == "halts":
                self.trading(TradingState.HALTED)
            else:
                self.room.clock.forward(75)
                await other[1].run_once()

        self.meanwhile = meanwhile
        self.behaviour = ["lost on the way" if what == "time passes" else "opens"]
        self.take(self.room.ask(quantity=quantity, price="59900"))
        self.meanwhile = None
        self.room.exchange.script = []
        self.seen()
        if what == "halts":
            self.owner_resumes()

    @rule(reads=st.sets(st.sampled_from(READS), min_size=1), full=st.booleans())
    def reads_fail(self, reads: set[str], full: bool) -> None:
        """The exchange answers nothing for a while, in which an order is asked for, and orders are asked about."""
        self.find_out(True)
        self.room.exchange.fails = {name: ExchangeUnavailable("no answer") for name in reads}
        if full:
            self.room.exchange.fails["order_slot"] = ExchangeRateLimited(5)
        self.behaviour = ["lost"]
        self.take(self.room.ask(quantity="0.0005", price="59970"))
        self.guardian_looks("asks")
        self.guardian_looks("reconciles")
        self.room.exchange.fails = {}

    @rule(part=st.sampled_from([1, 1, 2]), offset=st.integers(1, 40))
    def what_is_held_is_sold(self, part: int, offset: int) -> None:
        """An exit is never held back by a budget, whatever is spent of them."""
        quantity = (self.known_and_free() / part).quantize(D("0.0001"))
        bid = int(self.room.exchange.books["BTCUSDT"][0])
        if quantity < D("0.0001") or quantity * (bid + offset) > NOTIONAL_CAP:
            return
        self.behaviour = ["opens"]
        reply = self.room.ask(side="SELL", quantity=str(quantity), price=str(bid + offset))
        if reply.error is not None:
            held_back = denials(reply) & BUDGETS
            assert not held_back, f"an exit was held back: {held_back}"
        self.reached["an exit was asked for"] += 1
        self.take(reply, "SELL")

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

    @precondition(lambda self: self.waiting)
    @rule(number=st.integers(0, 9), agrees=OFTEN, at_once=OFTEN, behaviour=st.sampled_from(sorted(BEHAVIOURS)))
    def a_person_answers(self, number: int, agrees: bool, at_once: bool, behaviour: str) -> None:
        home: Any = SimpleNamespace(journal=self.room.journal, policy_file=self.room.policy_file)
        proposal = self.waiting.pop(number % len(self.waiting))
        if not agrees:
            reject(home.journal, proposal)
        else:
            with suppress(StoreConflict):  # it has ended or expired
                self.tokens.append(approve(home, proposal))
                ((side,),) = self.room.sql("SELECT side FROM proposals WHERE id=?", proposal)
                self.sliced.pop(side, None)
                self.acted = len(self.sent)
                if at_once:
                    self.find_out(True)
                    self.a_token_is_used(len(self.tokens) - 1, True, behaviour)
        self.tick()

    @precondition(lambda self: self.tokens)
    @rule(number=st.integers(0, 9), twice=st.booleans(), behaviour=st.sampled_from(sorted(BEHAVIOURS)))
    def a_token_is_used(self, number: int, twice: bool, behaviour: str) -> None:
        before = len(self.sent)
        self.behaviour = [behaviour, "opens"]
        token = self.tokens[number % len(self.tokens)]
        self.by_token = True
        for process in (self.room.number, 1 - self.room.number)[: 1 + twice]:
            self.room.turn_to(process)
            self.take(self.room.use(token))
            self.room.clock.forward(2)  # past the time in which the same order would be a duplicate
            self.seen()
        self.by_token = False
        assert len(self.sent) <= before + 1, "one token made two orders"

    @precondition(lambda self: self.tokens)
    @rule(number=st.integers(0, 9), nth=st.integers(1, 8), before=st.booleans())
    def process_dies_over_a_token(self, number: int, nth: int, before: bool) -> None:
        sent = len(self.sent)
        token = self.tokens[number % len(self.tokens)]
        self.behaviour, self.by_token = ["opens", "opens"], True
        try:
            with self.room.dying(nth, before):
                self.take(self.room.use(token))
        except Killed:
            self.reached["died: with a token"] += 1
        self.room.again()
        self.take(self.room.use(token))
        self.by_token = False
        assert len(self.sent) <= sent + 1, "one token made two orders"

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 99), lost=st.booleans())
    def cancel(self, number: int, lost: bool) -> None:
        name = list(self.sent)[number % len(self.sent)]
        self.room.exchange.cancels = [Lost(OutcomeUnknown("lost"))] if lost else []
        self.room.cancel(client_order_id=name)
        self.tick()

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

    @precondition(lambda self: len(self.sent) > 3)
    @rule()
    def everything_settles(self) -> None:
        """Once the exchange can be asked again, guardian has every order as the exchange has it, and the position."""
        exchange, room = self.room.exchange, self.room
        exchange.fails, exchange.hidden, exchange.script = {}, set(), []
        for _ in range(12):
            found = room.run(room.resolver.run_once())
            unresolved = room.sql("SELECT client_order_id FROM orders WHERE state IN ('reserved', 'unknown')")
            pending = room.sql("SELECT 1 FROM orders WHERE state IN ('open', 'part_filled')")
            if not unresolved and (found or not pending):
                break
            room.clock.forward(31)  # a lease that the other process, or a dead one, holds runs out
        self.seen()
        bought = D(0)
        for sent in self.sent.values():
            row, report = room.row(sent.name), exchange.reports.get(sent.name)
            if report is None:
                assert row.state.value in {"rejected", "not_placed"}, (row.state, sent.behaviour)
                assert row.executed_quantity == 0
                continue
            assert (row.state.value, row.executed_quantity) == (ENDED[report.status], report.executed_quantity)
            bought += report.executed_quantity if report.side == "BUY" else -report.executed_quantity
        usage = room.usage()
        assert usage.position == bought, "the position is not what was bought and not sold"
        assert usage.unresolved_on_symbol is None
        never_sent = {name for (name,) in room.sql("SELECT client_order_id FROM orders")} - self.sent.keys()
        assert {room.row(name).state.value for name in never_sent} <= {"not_placed"}
        self.reached["settled"] += 1
        self.reached["settled: reserved and never sent"] += bool(never_sent)

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 301, 3600, 0, 0]), bid=st.integers(59_800, 60_200))
    def time_passes(self, seconds: int, bid: int) -> None:
        self.room.clock.forward(seconds)
        self.room.exchange.books["BTCUSDT"] = (str(bid), str(bid + 1))
        self.seen()

    @rule(seconds=st.sampled_from([-40 * 86_400, -86_400, -3600, -2, 2, 600, 86_400, 30 * 86_400]), put_right=OFTEN)
    def clock_is_set(self, seconds: int, put_right: bool) -> None:
        """Somebody looks at the wrong time, or an order is asked for; then the clock is mostly put right."""
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

    def seen(self) -> None:
        """Guardian has looked at the clock: from here on window time does not go back behind it."""
        self.room.call(GetTickerPrice(symbol="BTCUSDT"))
        self.tick()

    @rule(
        state=st.sampled_from([TradingState.HALTED, TradingState.REDUCING]),
        fact=st.sampled_from([None, "book_tops", "average_price", "balances", "clock_skew_ms"]),
        goes_on=OFTEN,
    )
    def owner_halts(self, state: TradingState, fact: str | None, goes_on: bool) -> None:
        """Before an order, or while its facts are fetched: nothing is sent, or exits alone; then trading goes on."""
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

    @precondition(lambda self: self.state is not TradingState.ACTIVE)
    @rule()
    def owner_resumes(self) -> None:
        self.trading(TradingState.ACTIVE)
        self.acted = len(self.sent)
        self.tick()

    def trading(self, state: TradingState) -> None:
        """As `guardian halt` and `guardian resume` do."""
        with self.room.of_the_other("journal").transaction() as tx:
            tx.trading.set(state, reason="a test", by="owner")
            if state is TradingState.ACTIVE:
                tx.acts.record(None, "resumed")
        self.state = state

    @rule(restarts=st.booleans())
    def other_process_has_its_turn(self, restarts: bool) -> None:
        self.room.turn_to(1 - self.room.number)
        if restarts:
            self.room.again()

    # -- what always holds

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
        """In every window, open, and in number; an order that is not known in full, whatever became of it."""
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
    """So many plays of so many steps each. A play that goes wrong raises what went wrong, cut down to what it takes."""
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


def test_caps_hold_and_nothing_is_sent_twice_under_any_interleaving() -> None:
    """Whatever comes when: caps hold, unknown orders count, exits pass, and in the end all is as at the exchange."""
    Gate.reached.clear()
    play(32, 40, same_each_time=True)
    assert [thing for thing in TO_REACH if not Gate.reached[thing]] == []
