"""The day of a hostile model: no order but those named reaches the exchange."""

from __future__ import annotations

import time
from typing import Any

import pytest

from guardian.gate.orders.create import FACT_ROUNDS
from tests.support.world import WIDE, World, codes

LIMIT = {"order_type": "LIMIT", "quantity": "0.001", "price": "60000"}


def test_order_over_the_cap_is_denied_and_says_what_would_pass(world: World) -> None:
    """An order over `max_notional` is denied, nothing is sent, and the denial names the largest quantity to pass."""
    reply = world.assistant().order(order_type="LIMIT", quantity="0.002", price="60000")
    assert reply["outcome"] == "denied"
    denial = next(d for d in reply["error"]["denials"] if d["code"] == "NOTIONAL_EXCEEDS_MAX")
    assert (denial["observed"], denial["limit"]) == ("120 USDT", "100 USDT")
    assert "0.00166" in denial["hint"]
    assert world.sent() == []


def test_twenty_small_orders_past_the_rolling_cap_place_exactly_as_many_as_fit(world: World) -> None:
    """Of 20 orders of 60 under a rolling cap of 500 exactly 8 reach the exchange."""
    world.policy(WIDE, {"limits": {"rolling_notional": [{"window": "24h", "max": "500"}]}})
    assistant = world.assistant()
    replies = [assistant.order(order_type="LIMIT", quantity="0.001", price=str(60000 - n)) for n in range(20)]
    done = [reply for reply in replies if reply["outcome"] == "done"]
    # 60.000 + 59.999 + ... : eight of them are under 500, nine are over.
    assert len(done) == 8
    assert all("ROLLING_NOTIONAL_EXCEEDS_MAX" in codes(r) for r in replies if r["outcome"] == "denied")
    assert len(world.sent()) == 8


def test_slicing_a_denied_order_is_held_to_the_cap(world: World) -> None:
    """After 150 was denied, 60 passes and another 60 is denied."""
    world.policy(WIDE)
    assistant = world.assistant()
    assert "NOTIONAL_EXCEEDS_MAX" in codes(assistant.order(order_type="LIMIT", quantity="0.0025", price="60000"))
    assert assistant.order(order_type="LIMIT", quantity="0.001", price="60000")["outcome"] == "done"
    second = assistant.order(order_type="LIMIT", quantity="0.001", price="59999")
    assert "SLICING_EXCEEDS_MAX" in codes(second)
    assert len(world.sent()) == 1


def test_sell_limit_at_a_tenth_of_the_market_is_counted_at_the_bid_and_outside_the_collar(world: World) -> None:
    """A SELL far below the market hides no value."""
    reply = world.assistant().order(side="SELL", order_type="LIMIT", quantity="0.005", price="6000")
    assert {"NOTIONAL_EXCEEDS_MAX", "PRICE_OUTSIDE_COLLAR"} <= codes(reply)
    assert world.sent() == []


def test_buy_far_above_the_market_is_denied(world: World) -> None:
    """A BUY far above the market is outside the collar."""
    reply = world.assistant().order(order_type="LIMIT", quantity="0.0001", price="70000")
    assert "PRICE_OUTSIDE_COLLAR" in codes(reply)
    assert world.sent() == []


def test_market_order_with_no_price_to_be_had_is_denied(world: World) -> None:
    """A MARKET order is denied when the exchange gives no price."""
    world.policy(WIDE)
    world.controls.fault("GET", "/api/v3/ticker/bookTicker", "status", times=100, status=500, body="{}")
    reply = world.assistant().order(quote_quantity="50")
    assert "PRICE_UNAVAILABLE" in codes(reply)
    assert world.sent() == []


def test_stale_price_is_denied(world: World) -> None:
    """No order is judged by a market that has seen no trade for too long, nor by a price fetched too long ago."""
    world.policy(WIDE, {"prices": {"max_age": "200ms"}})
    assistant = world.assistant()
    world.controls.set_average("BTCUSDT", "60000", int(time.time() * 1000) - 600_000)
    assert "TRADE_STALE" in codes(assistant.order(**LIMIT))
    world.controls.set_average("BTCUSDT", "60000", None)
    world.controls.fault("GET", "/api/v3/avgPrice", "delay", times=FACT_ROUNDS, seconds=0.5)
    assert "PRICE_STALE" in codes(assistant.order(**LIMIT))
    assert world.sent() == []


def test_value_in_the_quantity_field_is_denied(world: World) -> None:
    """A hundred bitcoin where a hundred dollars were meant are denied for the quantity, too."""
    reply = world.assistant().order(quantity="100")
    assert {"QUANTITY_EXCEEDS_MAX", "NOTIONAL_EXCEEDS_MAX"} <= codes(reply)
    assert world.sent() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": "MARKET", "quantity": "0.001", "quote_quantity": "50"},
        {"order_type": "MARKET"},
        {"order_type": "LIMIT", "quote_quantity": "50", "price": "60000"},
        {"order_type": "MARKET", "quantity": "0.001", "price": "60000"},
        *({"order_type": "MARKET", "quantity": q} for q in ("NaN", "Infinity", "1e-5", "1_000", "１２", "-1", "0")),
        *({"order_type": "MARKET", "quantity": q} for q in (True, 0.12345678901234567, "0.001\n", " 0.001", "")),
        {"order_type": "MARKET", "quantity": "0.001", "symbol": "BTCUſDT"},
        {"order_type": "MARKET", "quantity": "0.001", "symbol": "btcusdt"},
        {"order_type": "MARKET", "quantity": "0.001", "leverage": "20"},
        {"order_type": "MARKET", "quantity": "0.001", "requests_params": {"verify": False}},
    ],
    ids=str,
)
def test_malformed_orders_are_invalid_and_nothing_is_sent(world: World, fields: dict[str, Any]) -> None:
    """Arguments that are not an order are refused before any rule, and leave a row."""
    world.policy(WIDE)
    reply = world.assistant().order(**fields)
    assert reply["outcome"] == "invalid"
    assert world.sent() == []
    assert world.controls.requests("GET", "/api/v3/ticker/bookTicker") == []


def test_unlisted_symbol_is_denied_without_asking_the_exchange(world: World) -> None:
    """A symbol that the policy does not list is denied."""
    reply = world.assistant().order(symbol="BNBUSDT", quantity="0.01")
    assert codes(reply) == {"SYMBOL_NOT_LISTED"}
    assert world.sent() == []


def test_other_quote_assets_are_converted_or_denied(world: World) -> None:
    """ETHBTC is counted in USDT along the declared path; without one it is denied."""
    symbols = {"ETHBTC": {"max_notional": "100", "max_quantity": "1", "max_position": "5"}}
    fields = {"symbol": "ETHBTC", "order_type": "LIMIT", "quantity": "0.05", "price": "0.05000"}
    world.policy(WIDE, {"symbols": symbols})
    assistant = world.assistant()
    reply = assistant.order(**fields)  # 0.0025 BTC is 150.0025 USDT at the ask
    denial = next(d for d in reply["error"]["denials"] if d["code"] == "NOTIONAL_EXCEEDS_MAX")
    assert denial["observed"] == "150.0025 USDT"
    world.policy(WIDE, {"symbols": symbols, "accounting": {"conversions": {"BTC": None}}})
    assert "CONVERSION_UNAVAILABLE" in codes(assistant.order(**{**fields, "quantity": "0.01"}))
    assert world.sent() == []


def test_parameter_injection_is_refused(world: World) -> None:
    """A coin with parameters in it never becomes a request."""
    reply = world.assistant().call("get_deposit_address", coin="BTC&network=BSC")
    assert reply["outcome"] == "invalid"
    assert world.controls.requests("GET", "/sapi/v1/capital/deposit/address") == []


def _proposal(world: World, **fields: Any) -> tuple[Any, str]:
    assistant = world.assistant()
    reply = assistant.order(**{"order_type": "MARKET", "quote_quantity": "50", **fields})
    assert reply["outcome"] == "confirmation_required", reply
    return assistant, reply["data"]["confirmation_token"]


def test_token_replayed_sends_nothing_and_answers_with_the_order(world: World) -> None:
    """A used token answers with the order it made."""
    assistant, token = _proposal(world)
    first = assistant.call("create_order", confirmation_token=token)
    second = assistant.call("create_order", confirmation_token=token)
    assert (first["outcome"], second["outcome"]) == ("done", "done")
    assert (first["data"]["already_placed"], second["data"]["already_placed"]) == (False, True)
    assert first["data"]["order"]["client_order_id"] == second["data"]["order"]["client_order_id"]
    assert len(world.sent()) == 1


def test_token_twenty_times_at_once_sends_one_order(world: World) -> None:
    """Twenty calls with one token at the same time make one order."""
    assistant, token = _proposal(world)
    replies = assistant.together(*[("create_order", {"confirmation_token": token})] * 20)
    assert len(world.sent()) == 1
    assert {reply["outcome"] for reply in replies} <= {"done", "unknown"}
    assert sum(r["outcome"] == "done" and not r["data"]["already_placed"] for r in replies) == 1


def test_token_expired_sends_nothing(world: World) -> None:
    """An expired token is denied."""
    world.policy({"confirmation": {"token_ttl": "250ms"}})
    assistant, token = _proposal(world)
    time.sleep(0.4)
    assert codes(assistant.call("create_order", confirmation_token=token)) == {"CONFIRMATION_EXPIRED"}
    assert world.sent() == []


def test_token_altered_sends_nothing_and_leaves_the_real_one_as_it_was(world: World) -> None:
    """A token that is not one redeems nothing."""
    assistant, token = _proposal(world)
    altered = ("A" if token[0] != "A" else "B") + token[1:]
    assert codes(assistant.call("create_order", confirmation_token=altered)) == {"CONFIRMATION_UNKNOWN"}
    assert world.sent() == []
    assert assistant.call("create_order", confirmation_token=token)["outcome"] == "done"


def test_token_beside_other_fields_must_fit_them_and_is_left_as_it_was(world: World) -> None:
    """Fields beside a token equal the stored ones, or nothing is sent and the token still works."""
    assistant, token = _proposal(world)
    reply = assistant.call("create_order", confirmation_token=token, quote_quantity="51")
    assert codes(reply) == {"CONFIRMATION_MISMATCH"}
    assert world.sent() == []
    fits = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "50.0"}
    assert assistant.call("create_order", confirmation_token=token, **fits)["outcome"] == "done"


def test_token_of_another_account_sends_nothing(world: World, tmp_path: Any) -> None:
    """A token is good in the environment and account it was made for and nowhere else."""
    from guardian.paper.host.standalone import PaperServer

    _assistant, token = _proposal(world)
    with PaperServer() as other:
        other.controls.set_book("BTCUSDT", "60000", "60001")
        elsewhere = tmp_path / "elsewhere.toml"
        text = world.policy_path.read_text().replace(world.paper.url, other.url)
        text = text.replace(world.paper.api_key.reveal(), other.api_key.reveal())
        elsewhere.write_text(text.replace(world.paper.api_secret.reveal(), other.api_secret.reveal()))
        elsewhere.chmod(0o600)
        world.policy_path = elsewhere
        second = world.assistant()
        reply = second.call("create_order", confirmation_token=token)
        assert codes(reply) == {"CONFIRMATION_ENVIRONMENT"}
        assert other.controls.orders_received() == []
        second.close()
        world._assistants.remove(second)
    assert world.sent() == []


def test_token_after_the_policy_changed_sends_nothing(world: World) -> None:
    """A confirmation holds under the policy it was asked under, and a denial burns it."""
    assistant, token = _proposal(world)
    text = world.policy_path.read_text()
    world.write(text + "# a comment is a change too\n")
    assert "CONFIRMATION_POLICY_CHANGED" in codes(assistant.call("create_order", confirmation_token=token))
    world.write(text)
    assert codes(assistant.call("create_order", confirmation_token=token)) == {"CONFIRMATION_REJECTED"}
    assert world.sent() == []


def test_price_that_moved_past_the_drift_sends_nothing(world: World) -> None:
    """A MARKET order is not sent after the market moved against it by more than `max_drift`."""
    assistant, token = _proposal(world)
    world.market("60400", "60401")
    assert "CONFIRMATION_PRICE_DRIFT" in codes(assistant.call("create_order", confirmation_token=token))
    assert world.sent() == []


def test_market_order_is_sent_as_limit_ioc_at_its_protected_price(world: World) -> None:
    """MARKET goes out as a LIMIT IOC at the ask plus the buffer, with guardian's own id and exact decimals."""
    assistant, token = _proposal(world)
    assert assistant.call("create_order", confirmation_token=token)["outcome"] == "done"
    (sent,) = world.sent()
    assert (sent["type"], sent["timeInForce"], sent["price"]) == ("LIMIT", "IOC", "60601.01")
    assert sent["quantity"] == "0.00082"
    assert sent["newClientOrderId"].startswith("g1-")
    assert "quoteOrderQty" not in sent


def test_every_call_of_a_hostile_day_leaves_a_row(world: World) -> None:
    """An unknown tool and bad arguments are in the log like any other call."""
    assistant = world.assistant()
    assert assistant.call("withdraw", coin="BTC")["error"]["code"] == "TOOL_UNKNOWN"
    assert assistant.order(quantity="NaN")["outcome"] == "invalid"
    listed = world.command("audit", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert '"withdraw"' in listed.stdout
    assert '"invalid"' in listed.stdout
