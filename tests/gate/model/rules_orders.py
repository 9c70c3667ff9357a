"""Rules: orders are requested, confirmed, sold and cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from guardian.cli.orders.proposals import reject
from guardian.domain.requests import CreateOrder
from guardian.errors import (
    OutcomeUnknown,
    StoreConflict,
)
from tests.gate.model.steps import Steps
from tests.gate.model.terms import (
    BEHAVIOURS,
    BUDGETS,
    NOTIONAL_CAP,
    OFTEN,
    SIDES,
)
from tests.gate.support.fakes import D, Lost, denials, limit
from tests.support.person import approve_at_terminal as approve


class OrderRules(Steps):
    """What an assistant and a person do."""

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

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 99), lost=st.booleans())
    def cancel(self, number: int, lost: bool) -> None:
        name = list(self.sent)[number % len(self.sent)]
        self.room.exchange.cancels = [Lost(OutcomeUnknown("lost"))] if lost else []
        self.room.cancel(client_order_id=name)
        self.tick()

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
