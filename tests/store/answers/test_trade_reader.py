"""What the figures of trading are made of in a home that traded: partial fills, and an order found at the exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.domain.orders import Fill
from guardian.gate.recovery.order_reports import LISTS_LAG_MS
from guardian.gate.recovery.reconcile import Reconciler
from guardian.store.answers.trade_reader import read_ledgers
from guardian.store.answers.trades import EntryKind, TradeFigures, figures_of
from tests.gate.support.fakes import Room

D = Decimal
OTHER = "g1-" + "0" * 32


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.close()


def figures(room: Room) -> TradeFigures:
    (ledger,) = read_ledgers(room.home)
    return figures_of(ledger)


def fills(room: Room, name: str, status: str, executed: str) -> None:
    """Moves an order on at the exchange, and has guardian find it out."""
    room.exchange.becomes(name, status, executed)
    fill = Fill(price=D(60000), quantity=D(executed), commission=D("0.000001"), commission_asset="BTC")
    room.exchange.trades[room.exchange.reports[name].order_id] = (fill,)
    room.clock.forward(LISTS_LAG_MS / 1000 + 1)
    room.run(Reconciler(room.context).run(("BTCUSDT",)))


def test_a_partial_fill_and_the_rest_are_two_entries(room: Room) -> None:
    """Each is dated to when guardian learnt of it, and the sums are those of the exchange."""
    room.ask()
    name = room.last().client_order_id
    fills(room, name, "PARTIALLY_FILLED", "0.0004")
    fills(room, name, "FILLED", "0.001")
    found = figures(room)
    buys = [entry for entry in found.entries if entry.kind is EntryKind.BUY]
    assert [(entry.quantity, entry.amount) for entry in buys] == [(D("0.0004"), D(24)), (D("0.0006"), D(36))]
    assert buys[1].time_ms > buys[0].time_ms
    (one,) = found.symbols
    assert (one.bought, one.bought_for, one.orders) == (D("0.001"), D(60), 1)
    assert one.position == D("0.001") - one.fees["BTC"]


def test_an_order_that_the_log_lacked_counts_once_its_owner_took_it_over(room: Room) -> None:
    """Until then it is named as not counted."""
    room.ask()
    report = room.exchange.reports[room.last().client_order_id]
    room.exchange.reports[OTHER] = replace(
        report, client_order_id=OTHER, order_id=99, status="FILLED", executed_quantity=D("0.001"),
        executed_quote_quantity=D(60),
    )  # fmt: skip
    room.clock.forward(LISTS_LAG_MS / 1000 + 1)
    room.run(Reconciler(room.context).run(("BTCUSDT",)))
    before = figures(room)
    assert (before.symbols, [one.client_order_id for one in before.not_counted]) == ((), [OTHER])
    with room.journal.transaction() as tx:
        tx.orders.adopt_found()
    after = figures(room)
    assert (after.total.bought, after.symbols[0].position) == (D(60), D("0.001"))
    assert [one.why for one in after.not_counted] == ["its fees are not known, or not all of them"]
