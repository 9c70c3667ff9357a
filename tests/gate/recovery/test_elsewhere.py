"""An order whose end is not known is queried where it was sent, whatever the policy names now."""

from __future__ import annotations

import time
from pathlib import Path

from guardian.domain.order_states import OrderState
from guardian.home.folder import ready_made_policy
from guardian.paper.host.home import stop
from guardian.store.schema.records import Scope
from tests.support.world import WIDE, World, merged, toml

PLAIN = {"schema": 1, "environment": "paper", "symbols": {"BTCUSDT": {
    "max_notional": "100", "max_quantity": "0.005", "max_position": "0.02"}}}  # fmt: skip


def test_order_left_open_on_paper_is_followed_while_the_policy_names_the_testnet(world: World, tmp_path: Path) -> None:
    """After the policy moved on to the testnet, an order on the embedded paper exchange is still found out about."""
    world.write(toml(merged(PLAIN, WIDE)))
    try:
        first = world.assistant()
        price = first.call("get_ticker_price", symbol="BTCUSDT")["data"]["price"]
        below = f"{float(price) * 0.98:.2f}"
        placed = first.order(order_type="LIMIT", quantity="0.0005", price=below)
        assert placed["data"]["order"]["state"] == "open", placed
        name = placed["data"]["order"]["client_order_id"]
        # Cancelled behind guardian's back, so that only asking tells.
        connection = first.run(first.guardian.connector.connect(needs_keys=True))
        now_ms = int(time.time() * 1000)
        first.run(connection.exchange.cancel_order("BTCUSDT", client_order_id=name, timestamp_ms=now_ms))
        first.close()
        world._assistants.clear()

        world.write(ready_made_policy("testnet").read_text("utf-8"))
        second = world.assistant()
        assert second.guardian.gate.environment.value == "testnet"

        def state() -> OrderState:
            with second.guardian.journal.transaction() as tx:
                (row,) = tx.orders.newest(Scope(environment="paper", account="paper"))
                return row.state

        deadline = time.monotonic() + 20
        while state() is OrderState.OPEN and time.monotonic() < deadline:
            time.sleep(0.1)
        assert state() is OrderState.CANCELLED
    finally:
        world.close()
        stop(world.home)
