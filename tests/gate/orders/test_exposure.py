"""Exposure is right after any sequence of reports: it equals that of a naive model that remembers all of them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.gate.recovery.reconcile import Reconciler
from guardian.store.budgets.usage import open_notional
from tests.gate.support.fakes import D, Placed, Room, limit
from tests.support.profiles import tries

QUANTITY = D("0.001")
STEP = D("0.0001")
STATUSES = ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "A_NEW_WORD")
ENDS = {"FILLED", "CANCELED", "EXPIRED"}
PAUSE_S = 31
LAG = 2
"""Reports until a list that has an order open is believed against its end."""


class Model:
    """One BUY: how far it went, as a person with a pencil would keep it."""

    def __init__(self) -> None:
        self.status = "NEW"
        self.executed = D(0)
        self.unchanged = 0
        """How many reports ago anything changed."""

    def told(self, status: str, executed: Decimal) -> None:
        """One report; what is new of it."""
        before = self.status, self.executed
        self.unchanged += 1
        self.step(status, executed)
        if before != (self.status, self.executed):
            self.unchanged = 0

    def step(self, status: str, executed: Decimal) -> None:
        """A report that is no step forward is an old one; the same state can only tell of more."""
        order = ("NEW", "PARTIALLY_FILLED")
        if status == "A_NEW_WORD":
            if self.status not in ENDS:  # no word of ours: the state stays, and what was executed counts
                self.executed = max(self.executed, executed)
            return
        if self.status in ENDS:
            if status in ENDS:  # it has ended as it ended; only more that was executed before is news
                self.executed = max(self.executed, executed)
                return
            if status == "REJECTED" or self.status == "FILLED" or self.unchanged < LAG:
                return  # a no to what is over, or a list that lags
            self.status, self.executed = status, max(self.executed, executed)  # that was no end
            return
        if self.status in order and status in order and order.index(status) < order.index(self.status):
            return
        self.status = "EXPIRED" if status == "REJECTED" else status  # it was acknowledged, and so entered
        self.executed = max(self.executed, executed)

    @property
    def open(self) -> Decimal:
        """What still counts as open, in the quote asset."""
        return D(0) if self.status in ENDS else D("60000") * (QUANTITY - self.executed)


def reported(first: OrderReport, status: str, executed: Decimal) -> OrderReport:
    return replace(
        first, status=status, executed_quantity=executed, executed_quote_quantity=executed * first.price, fills=()
    )


@settings(max_examples=tries(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    reports=st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(0, 10), st.booleans()), max_size=12),
    fee=st.sampled_from(["BTC", "BNB", "USDT"]),
)
def test_exposure_after_any_sequence_of_reports_is_that_of_a_naive_model(
    reports: list[tuple[str, int, bool]], fee: str
) -> None:
    """Open notional, what was entered, and the position with its fees: whatever is reported, in whatever order."""
    with tempfile.TemporaryDirectory() as folder:
        room, model = Room(Path(folder)), Model()
        room.exchange.script = [Placed("NEW")]
        room.ask()
        name = room.last().client_order_id
        first = room.exchange.reports[name]
        for status, steps, restart in reports:
            executed = STEP * steps
            model.told(status, executed)
            room.exchange.reports[name] = reported(first, status, executed)
            room.exchange.trades[1] = tuple(
                Fill(price=D("60000"), quantity=STEP, commission=D("0.0000001"), commission_asset=fee)
                for _ in range(int(model.executed / STEP))
            )
            room.clock.forward(PAUSE_S)
            if restart:
                room.again()
            room.run(Reconciler(room.context).run(("BTCUSDT",)))
            check(room, name, model, fee)
        room.close()


def check(room: Room, name: str, model: Model, fee: str) -> None:
    row = room.row(name)
    assert row.state is not OrderState.NOT_PLACED
    assert row.executed_quantity == model.executed
    assert open_notional(row, row.notional) == model.open
    assert room.entered() == 60  # whatever became of it, it was entered
    usage = room.usage(limit(side="SELL"))
    fees = model.executed / STEP * D("0.0000001") if fee == "BTC" else D(0)
    assert usage.position == model.executed - fees
    assert usage.open_notional == model.open
    assert usage.open_orders == (model.status not in ENDS)
