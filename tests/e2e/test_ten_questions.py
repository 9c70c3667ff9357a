"""Ten things that people ask an assistant, each answered by the tools alone, as a model in Claude Desktop has them.

Each test is one request, the calls that a model makes for it, and what the replies let it say. The order matters: they
are one afternoon on one home.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from guardian.home.folder import ready_made_policy
from tests.e2e.support.processes import INITIALIZE, Envelope, Machine, Person, RawServed, Served

SYMBOL = "BTCUSDT"
USUAL_BYTES = 2_048


class Afternoon:
    """One home on paper, an assistant with the tools, and a person who approves at a terminal."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.served = Served(machine)
        self.sizes: dict[str, int] = {}

    def call(self, tool: str, **arguments: Any) -> Envelope:
        reply = self.served.call(tool, **arguments)
        text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        self.sizes[tool] = max(self.sizes.get(tool, 0), len(text.encode()))
        return reply

    def approves(self, proposal_id: str) -> str:
        person = Person(self.machine.environment, "approve", proposal_id, "--submit", all_tty=True)
        person.waits_for("[y/N]")
        person.answers("y\n")
        code, _ = person.leaves()
        assert code == 0, person.seen
        return person.seen

    def trades(self, **order: str) -> Envelope:
        """The proposal of an order that the person then places."""
        proposed = self.call("create_order", symbol=SYMBOL, order_type="MARKET", **order)
        assert proposed["outcome"] == "confirmation_required", proposed
        assert "placed: filled" in self.approves(proposed["data"]["proposal_id"])
        return proposed


@pytest.fixture(scope="module")
def afternoon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Afternoon]:
    machine = Machine(tmp_path_factory.mktemp("questions") / "machine")
    machine.write_policy(ready_made_policy("paper").read_text("utf-8"))
    made = Afternoon(machine)
    yield made
    made.served.close()
    machine.end()


def sell_back(balance: Envelope, asset: str) -> Decimal:
    (found,) = (row for row in balance["data"]["balances"] if row["asset"] == asset)
    return Decimal(found["sell_back"])


def test_buy_50_dollars_of_bitcoin(afternoon: Afternoon) -> None:
    """The proposal says what it costs at most and how the person places it; then it is filled."""
    proposed = afternoon.trades(side="BUY", quote_quantity="50")["data"]
    assert Decimal(proposed["order"]["costs_at_most"]) <= 50
    assert f"approve {proposed['proposal_id']}" in proposed["next_step"]
    assert proposed["situation"]["headroom"]["rolling_notional 24h"] == "500 of 500"
    (order,) = afternoon.call("get_orders", symbol=SYMBOL)["data"]["orders"]
    assert order["state"] == "filled"


def test_what_did_i_spend_today(afternoon: Afternoon) -> None:
    """One call, no symbol: the total in the currency of the limits, and the day with its zone."""
    reply = afternoon.call("get_pnl", start_time="today")
    (order,) = afternoon.call("get_orders", symbol=SYMBOL)["data"]["orders"]
    assert reply["data"]["total"]["currency"] == "USDT"
    assert reply["data"]["total"]["bought"] == order["executed_quote_quantity"]
    assert reply["data"]["market"] == "spot"
    assert "T00:00:00+" in reply["meta"]["period"] or "T00:00:00-" in reply["meta"]["period"]


def test_put_a_stop_at_55_thousand(afternoon: Afternoon) -> None:
    """A stop of what guardian bought is proposed and waits for its price; a LIMIT there, which would sell at once, is
    denied; and a stop without a limit price is answered with the form that works."""
    stop = {"symbol": SYMBOL, "side": "SELL", "quantity": "0.0007", "stop_price": "55000"}
    proposed = afternoon.call("create_order", **stop, order_type="STOP_LOSS_LIMIT", price="54900")
    assert proposed["outcome"] == "confirmation_required"
    assert any("waits for its stop price" in line for line in proposed["data"]["summary"])
    withdrawn = afternoon.call("cancel_order", proposal_id=proposed["data"]["proposal_id"])
    assert withdrawn["outcome"] == "done"
    trap = {"symbol": SYMBOL, "side": "SELL", "quantity": "0.0007", "price": "55000"}
    assert afternoon.call("create_order", **trap, order_type="LIMIT")["outcome"] == "denied"
    bare = afternoon.call("create_order", **stop, order_type="STOP_LOSS")
    assert bare["outcome"] in {"denied", "invalid"}
    assert "STOP_LOSS_LIMIT" in bare["error"]["hint"]


def test_why_was_this_denied(afternoon: Afternoon) -> None:
    """The reply names every limit; so does get_orders later, by the id of the call."""
    order = {"symbol": SYMBOL, "side": "BUY", "order_type": "MARKET", "quote_quantity": "5000"}
    denied = afternoon.served.call("create_order", **order)
    later = afternoon.call("get_orders", call_id=denied["meta"]["call_id"])
    assert later["outcome"] == "done", later
    told = json.dumps(later["data"])
    for denial in denied["error"]["denials"]:
        assert denial["code"] in told
        assert denial["observed"] in told
        assert denial["limit"] in told


def test_cancel_all(afternoon: Afternoon) -> None:
    """One call cancels every open order of guardian's and reports each."""
    price = Decimal(afternoon.call("get_ticker_price", symbol=SYMBOL)["data"]["price"])
    placed = []
    for quantity in ("0.0003", "0.0004"):
        order = {"symbol": SYMBOL, "side": "BUY", "order_type": "LIMIT", "quantity": quantity}
        proposed = afternoon.call("create_order", **order, price=f"{price * Decimal('0.98'):.2f}")
        afternoon.approves(proposed["data"]["proposal_id"])
        placed.append(proposed)
    open_orders = afternoon.call("get_orders", status="open")["data"]["orders"]
    assert len(open_orders) == len(placed)
    done = afternoon.call("cancel_order", all=True)
    assert done["outcome"] == "done"
    assert len(done["data"]["results"]) == len(placed)
    assert afternoon.call("get_orders", status="open")["data"]["orders"] == []


@pytest.mark.parametrize("since", ["monday", "2026-11-23"])
def test_profit_since_monday(afternoon: Afternoon, since: str) -> None:
    """Realised and unrealised profit of spot since a day, by symbol and in all."""
    data = afternoon.call("get_pnl", start_time=since)["data"]
    (row,) = data["symbols"]
    assert (row["symbol"], data["complete"]) == (SYMBOL, True)
    assert data["total"]["realised"] == row["realised"]
    assert Decimal(row["unrealised"]) == Decimal(data["total"]["unrealised"])
    assert "left out" in data["note"]


def test_the_last_day_of_eth_by_the_hour(afternoon: Afternoon) -> None:
    """24 candles in one reply, the last one marked as unfinished."""
    data = afternoon.call("get_ticker", symbol="ETHUSDT", candles={"interval": "1h", "count": 24})["data"]
    assert len(data["rows"]) == 24
    assert data["last_is_unfinished"] is True


def test_convert_my_bnb_and_buy_every_monday(afternoon: Afternoon) -> None:
    """The instructions say that guardian does neither, and no tool pretends to."""
    tools = afternoon.served.run(afternoon.served.client.list_tools())
    assert not any(word in tool.name for tool in tools for word in ("convert", "schedule", "borrow"))
    assert {"withdraw", "transfer"} & {tool.name for tool in tools} == set()
    instructions = instructions_of(afternoon.machine)
    for word in ("schedule", "convert", "borrow", "withdraw"):
        assert word in instructions.lower(), word


def instructions_of(machine: Machine) -> str:
    """What a server says of itself when it is initialized."""
    server = RawServed(machine)
    try:
        return str(server.ask("initialize", INITIALIZE)["result"]["instructions"])
    finally:
        server.is_gone()


def test_sell_everything(afternoon: Afternoon) -> None:
    """The balance says how much guardian can sell back, net of fees and in whole steps; exactly that is sold."""
    quantity = sell_back(afternoon.call("get_balance"), "BTC")
    assert quantity > 0
    afternoon.trades(side="SELL", quantity=str(quantity))
    assert sell_back(afternoon.call("get_balance"), "BTC") == 0


def test_usual_replies_are_short(afternoon: Afternoon) -> None:
    """No reply of this afternoon was longer than a model should have to read."""
    assert {tool: size for tool, size in afternoon.sizes.items() if size > USUAL_BYTES} == {}
