"""The usual replies stay small, on a whole paper exchange: a model pays for each byte that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from guardian.domain.market import CandleInterval
from guardian.server.schema import envelope_schema
from guardian.server.tools import ALL_TOOLS
from tests.support.world import Assistant, World, a_world

KB = 1024
LIMITS: dict[str, Any] = {
    "limits": {
        "max_open_notional": "1000",
        "rolling_notional": [{"window": "5m", "max": "1000"}, {"window": "24h", "max": "1500"}],
        "max_orders": [{"window": "1m", "max": 20}, {"window": "24h", "max": 50}],
    },
    "confirmation": {"required_above": "1000"},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Assistant]]:
    """A home that bought on two symbols, sold some of it, and has two open orders."""
    with a_world(tmp_path_factory.mktemp("sizes")) as world:
        world.policy(LIMITS)
        assistant = world.assistant()
        for fields in (
            {"quantity": "0.00123"},
            {"quantity": "0.0234", "symbol": "ETHUSDT"},
            {"quantity": "0.00061", "side": "SELL"},
            {"quantity": "0.00101", "order_type": "LIMIT", "price": "59123.45"},
            {"quantity": "0.0211", "order_type": "LIMIT", "price": "2951.23", "symbol": "ETHUSDT"},
        ):
            assert assistant.order(**fields)["outcome"] == "done"
        yield world, assistant


def size(reply: dict[str, Any]) -> int:
    return len(json.dumps(reply, separators=(",", ":")))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_ticker_price", {"symbol": "BTCUSDT"}),
        ("get_ticker", {"symbol": "BTCUSDT"}),
        ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h"}}),
        ("get_order_book", {"symbol": "BTCUSDT"}),
        ("get_balance", {}),
        ("get_pnl", {"start_time": "today"}),
        ("get_pnl", {"market": "futures"}),
        ("get_orders", {"status": "open"}),
        ("get_orders", {"symbol": "BTCUSDT"}),
        ("get_fee_info", {"symbol": "BTCUSDT"}),
        ("get_position_info", {}),
        ("get_deposit_history", {}),
        ("get_available_assets", {"base_asset": "BTC"}),
    ],
)
def test_usual_reply_stays_under_2_kb(played: tuple[World, Assistant], tool: str, arguments: dict[str, Any]) -> None:
    """Before: 7.3 KB for the profit of futures."""
    reply = played[1].call(tool, **arguments)
    assert reply["outcome"] == "done", reply
    assert size(reply) < 2 * KB


def test_proposal_and_denial_stay_under_2_kb(played: tuple[World, Assistant]) -> None:
    """With what guardian knows beside them."""
    world, assistant = played
    denied = assistant.order(quantity="0.004")
    world.policy(LIMITS, {"confirmation": {"required_above": "0", "channel": "terminal"}})
    proposed = assistant.order(quantity="0.001")
    world.policy(LIMITS)
    assert (denied["outcome"], proposed["outcome"]) == ("denied", "confirmation_required")
    assert size(denied) < 2 * KB
    assert size(proposed) < 2 * KB


@pytest.mark.parametrize("interval", list(CandleInterval))
def test_longest_chart_stays_under_8_kb(played: tuple[World, Assistant], interval: CandleInterval) -> None:
    """96 candles of every interval of the paper exchange: they fit their checks, and the present one is unfinished."""
    reply = played[1].call("get_ticker", symbol="BTCUSDT", candles={"interval": interval.value, "count": 96})
    data = reply["data"]
    assert (len(data["rows"]), data["missing"], data["last_is_unfinished"]) == (96, 0, True)
    assert data["rows"] == sorted(data["rows"])
    assert size(reply) < 8 * KB


def test_profit_of_the_day_is_that_of_the_orders(played: tuple[World, Assistant]) -> None:
    """Bought and sold are what the replies to the orders said, and the period is the day of this machine."""
    reply = played[1].call("get_pnl", start_time="today", end_time="today")
    orders = [one["data"]["order"] for one in played[1].replies if "already_placed" in (one["data"] or {})]
    for side, name in (("BUY", "bought"), ("SELL", "sold")):
        spent = [float(one["executed_quote_quantity"]) for one in orders if one["side"] == side]
        assert float(reply["data"]["total"][name]) == pytest.approx(sum(spent), abs=1e-9)
    assert reply["data"]["complete"], reply["data"]
    start, end = reply["meta"]["period"].split("/")
    assert (start[10:19], end[10:23]) == ("T00:00:00", "T23:59:59.999")


def test_replies_of_a_whole_exchange_fit_the_whole_schema(played: tuple[World, Assistant]) -> None:
    """Every reply of this module, whatever its tool: the fields of the data are those that are declared."""
    import jsonschema

    whole = {"anyOf": [envelope_schema(spec.returns) for spec in ALL_TOOLS]}
    validator = jsonschema.Draft202012Validator(whole)
    assert played[1].replies
    for reply in played[1].replies:
        validator.validate(reply)
