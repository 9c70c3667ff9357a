"""Rules: processes die, reads fail, and two processes act at the same time."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeError,
    ExchangeRateLimited,
    ExchangeUnavailable,
)
from guardian.gate.recovery.reconcile import Reconciler
from tests.gate.model.rules_world import WorldRules
from tests.gate.model.terms import (
    DEATHS,
    OFTEN,
    READS,
    Killed,
)


class FaultRules(WorldRules):
    """What goes wrong."""

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
        """The exchange answers nothing for a while, in which an order is requested, and orders are asked about."""
        self.find_out(True)
        self.room.exchange.fails = {name: ExchangeUnavailable("no answer") for name in reads}
        if full:
            self.room.exchange.fails["order_slot"] = ExchangeRateLimited(5)
        self.behaviour = ["lost"]
        self.take(self.room.ask(quantity="0.0005", price="59970"))
        self.guardian_looks("asks")
        self.guardian_looks("reconciles")
        self.room.exchange.fails = {}

    @rule(restarts=st.booleans())
    def other_process_has_its_turn(self, restarts: bool) -> None:
        self.room.turn_to(1 - self.room.number)
        if restarts:
            self.room.again()
