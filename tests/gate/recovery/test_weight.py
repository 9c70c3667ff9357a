"""The weight that the background uses of the exchange's limits, by the paper exchange's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.support.paper_room import a_paper_room

MINUTES = 12
WEIGHT_A_MINUTE = 60


@pytest.mark.unmeasured
@pytest.mark.parametrize("orders", [1, 10, 100])
def test_open_orders_on_one_symbol_take_less_than_sixty_a_minute(tmp_path: Path, orders: int) -> None:
    """All that is requested while nothing else happens counts, the periodic reconciliation of two symbols included."""
    with a_paper_room(tmp_path, {"symbols": {"BTCUSDT": {"max_position": "10"}}}) as room:
        for number in range(orders):
            room.clock.forward(0.5)  # the exchange takes 100 orders in ten seconds
            room.ask(price=str(59_000 - number))
        assert len([one for one in room.paper.controls.orders() if one["status"] == "NEW"]) == orders
        began_ms, sent = room.clock.wall, len(room.paper.controls.journal)
        room.pass_minutes(MINUTES)
        assert {one.method for one in list(room.paper.controls.journal)[sent:]} == {"GET"}
        weights = room.weights(began_ms)
        assert sum(weights[minute] for minute in range(5)) < 5 * WEIGHT_A_MINUTE, weights
        assert sum(weights.values()) < MINUTES * WEIGHT_A_MINUTE, weights
        # It is polled at all: a fill is noticed.
        room.paper.controls.set_book("BTCUSDT", "58000", "58001")
        room.pass_minutes(1.5)
        assert room.sql("SELECT DISTINCT state FROM orders") == [("filled",)]
