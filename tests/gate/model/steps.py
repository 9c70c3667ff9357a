"""Steps that many rules take."""

from __future__ import annotations

from hypothesis.stateful import precondition, rule

from guardian.domain.trading import TradingState
from guardian.gate.base.replies import OrderProposed, Reply
from tests.gate.model.checks import Checks
from tests.gate.model.terms import (
    ENDED,
    SLICING_MS,
)
from tests.gate.support.fakes import D, denials


class Steps(Checks):
    """Taking a reply in, finding out what is unknown, and resuming."""

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

    @precondition(lambda self: self.state is not TradingState.ACTIVE)
    @rule()
    def owner_resumes(self) -> None:
        self.trading(TradingState.ACTIVE)
        self.acted = len(self.sent)
        self.tick()
