"""Whatever happens at the paper exchange and on the way: polling ends with its truth, and within its weight."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from guardian.domain.order_states import OrderState
from guardian.domain.trading import TradingState
from guardian.gate.recovery.schedule import MOST_AT_ONCE, WEIGHT_PER_S
from guardian.store.log.verify import verify
from tests.gate.support.paper_room import PaperRoom, a_paper_room
from tests.support.profiles import tries

POLICY: dict[str, Any] = {
    "limits": {"max_orders": [{"window": "24h", "max": 100000}], "absence_window": "1m", "duplicate_window": "1s"},
    "symbols": {symbol: {"max_position": "1000", "max_quantity": "1"} for symbol in ("BTCUSDT", "ETHUSDT")},
}
MARKET = {"BTCUSDT": 60000, "ETHUSDT": 3000}
ENDED = {
    "NEW": "open",
    "PARTIALLY_FILLED": "part_filled",
    "FILLED": "filled",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
}
READS = ("/api/v3/openOrders", "/api/v3/order", "/api/v3/allOrders", "/api/v3/myTrades")
DEPTHS = st.sampled_from(("100", "0.0015"))
FAULTS = ("reset_before", "bad_json", "empty_200", "status", "html_502", "reply_lost")
BEYOND = 250
"""The weight of one round's last requests, and of comparing the symbols, beyond what the budget has at that moment."""


class Exchanges(RuleBasedStateMachine):
    """Orders that guardian sends, and what its owner, the market and the network do with them."""

    reached: ClassVar[Counter[str]] = Counter()
    """What came about in all plays: what never does is not shown to hold."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.room: PaperRoom = self.stack.enter_context(a_paper_room(folder, POLICY))
        self.names: list[str] = []
        self.amended = 0
        for symbol in ("BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT"):
            self.place(symbol, 100)

    def place(self, symbol: str, below: int) -> None:
        price = MARKET[symbol] - below - len(self.names)
        self.room.ask(symbol=symbol, price=str(price), quantity="0.001" if symbol == "BTCUSDT" else "0.02")
        self.names = [name for (name,) in self.room.sql("SELECT client_order_id FROM orders ORDER BY intent_seq")]

    def open_ids(self) -> list[int]:
        return [int(one["orderId"]) for one in self.room.paper.controls.orders() if one["status"] == "NEW"]

    @rule(symbol=st.sampled_from(tuple(MARKET)), below=st.integers(100, 900), count=st.integers(1, 8))
    def places(self, symbol: str, below: int, count: int) -> None:
        for _ in range(count):
            self.place(symbol, below)

    @rule(below=st.integers(100, 900), arrives=st.booleans())
    def loses_a_reply(self, below: int, arrives: bool) -> None:
        controls = self.room.paper.controls
        controls.fault("POST", "/api/v3/order", "reply_lost" if arrives else "reset_before")
        controls.fault("GET", "/api/v3/order", "reset_before", times=30)
        self.place("BTCUSDT", below)
        controls.clear_faults()

    @rule(acts=st.lists(st.tuples(st.integers(0, 50), st.sampled_from(("cancels", "expires", "amends"))), min_size=1))
    def owner_acts(self, acts: list[tuple[int, str]]) -> None:
        for which, how in acts:
            ids = self.open_ids()
            if not ids:
                return
            chosen = ids[which % len(ids)]
            if how == "cancels":
                self.room.owner_cancels(chosen)
            elif how == "expires":
                self.room.expires(chosen)
            else:
                self.room.owner_amends(chosen, f"owner-{self.amended}")
                self.amended += 1

    @rule(symbol=st.sampled_from(tuple(MARKET)), down=st.integers(110, 900), quantity=DEPTHS)
    def market_falls_and_recovers(self, symbol: str, down: int, quantity: str) -> None:
        controls, price = self.room.paper.controls, MARKET[symbol]
        controls.set_book(symbol, str(price - down), str(price - down + 1), quantity)
        controls.set_book(symbol, str(price), str(price + 1))

    @rule(path=st.sampled_from(READS), kind=st.sampled_from(FAULTS), times=st.integers(1, 8))
    def exchange_has_a_fault(self, path: str, kind: str, times: int) -> None:
        self.room.paper.controls.fault("GET", path, kind, times=times)

    @rule(seconds=st.integers(1, 90))
    def time_passes(self, seconds: int) -> None:
        self.room.pass_minutes(seconds / 60)

    @rule()
    def process_dies_and_starts(self) -> None:
        self.room.reconnect()

    @rule()
    def all_settles(self) -> None:
        """After a few rounds in which the exchange answers, the store has every order as the exchange has it."""
        room = self.room
        room.paper.controls.clear_faults()
        room.clock.forward(11)  # the lease of a process that has died runs out
        began_ms = room.clock.wall
        room.pass_minutes(5)
        truth = {int(one["orderId"]): one for one in room.paper.controls.orders()}
        by_name = {one["clientOrderId"]: one for one in truth.values()}
        for name in self.names:
            row = room.row(name)
            there = by_name.get(name) or (None if row.order_id is None else truth[row.order_id])
            if there is None:
                assert row.state is OrderState.NOT_PLACED, row
                self.reached["not placed"] += 1
                continue
            self.reached[there["status"]] += 1
            self.reached["amended"] += there["clientOrderId"] != name
            assert row.state.value == ENDED[there["status"]], (row, there)
            assert row.executed_quantity == Decimal(there["executedQty"])
            assert row.fee_quantity == row.executed_quantity, "fees are unknown"
        weights = room.weights(began_ms)
        assert all(used <= MOST_AT_ONCE + 60 * WEIGHT_PER_S + BEYOND for used in weights.values()), weights

    @invariant()
    def nothing_is_contradicted(self) -> None:
        if not hasattr(self, "room"):
            return
        with self.room.journal.transaction() as tx:
            assert tx.trading.status().state is TradingState.ACTIVE, self.room.log_text()[-2000:]

    def teardown(self) -> None:
        if not hasattr(self, "room"):
            return
        try:
            self.all_settles()
            assert self.room.paper.troubles == []
            self.room.journal.close()
            assert verify(self.room.home).is_intact
        finally:
            self.stack.close()


def play_all() -> None:
    """A play in which everything comes about, so that none of it depends on chance."""
    play = Exchanges()
    play.begin()
    play.loses_a_reply(500, arrives=False)
    play.time_passes(60)
    play.all_settles()
    play.loses_a_reply(500, arrives=True)
    play.owner_acts([(0, "amends"), (1, "cancels"), (1, "expires")])
    play.market_falls_and_recovers("ETHUSDT", 900, "100")
    play.exchange_has_a_fault("/api/v3/openOrders", "html_502", 3)
    play.process_dies_and_starts()
    play.teardown()


def test_store_becomes_the_truth_of_the_exchange_within_the_weight() -> None:
    """Random plays of placing, filling, cancelling, amending, expiring, lost replies, faults and restarts."""
    play_all()
    run_state_machine_as_test(
        Exchanges,
        settings=settings(
            max_examples=tries(30, least=5),
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {"NEW", "FILLED", "CANCELED", "EXPIRED", "not placed", "amended"} <= set(+Exchanges.reached), (
        Exchanges.reached
    )
