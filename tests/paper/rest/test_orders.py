"""Orders over HTTP: types, fills, balances, refusals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.paper.support.client import Client
from tests.paper.support.error_answers import error_answers

TOO_POOR = (400, -2010, "Account has insufficient balance for requested action.")


def test_market_buy_fills_at_the_ask_and_pays_commission_in_what_it_received(client: Client) -> None:
    """A MARKET BUY reports its fills in full, and the balances move by just that."""
    reply = client.order(type="MARKET", quantity="0.01").json
    assert (reply["status"], reply["executedQty"], reply["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.01000000",
        "600.00000000",
    )
    assert reply["fills"] == [
        {
            "price": "60000.00000000",
            "qty": "0.01000000",
            "commission": "0.00001000",
            "commissionAsset": "BTC",
            "tradeId": reply["fills"][0]["tradeId"],
        }
    ]
    assert client.balances()["BTC"] == ("0.50999000", "0.00000000")
    assert client.balances()["USDT"] == ("9400.00000000", "0.00000000")


def test_market_sell_pays_commission_in_the_quote_asset(client: Client) -> None:
    """A MARKET SELL receives the bid less a tenth of a percent."""
    reply = client.order(type="MARKET", side="SELL", quantity="0.01").json
    assert reply["fills"][0]["commission"] == "0.59999990"
    assert reply["fills"][0]["commissionAsset"] == "USDT"
    assert client.balances()["USDT"][0] == "10599.39990010"


def test_market_by_quote_buys_whole_steps_and_never_more_than_the_amount(client: Client) -> None:
    """quoteOrderQty buys what fits, rounded down to the step."""
    reply = client.order(type="MARKET", quoteOrderQty="100").json
    assert (reply["status"], reply["origQty"], reply["cummulativeQuoteQty"]) == ("FILLED", "0.00166000", "99.60000000")
    assert reply["origQuoteOrderQty"] == "100.00000000"


def test_market_against_a_thin_book_expires_with_what_it_got(paper: PaperServer, client: Client) -> None:
    """A MARKET order that outlasts the book is EXPIRED, HTTP 200, and pays for its part only."""
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0.05")
    reply = client.order(type="MARKET", quantity="0.08")
    assert reply.status == 200
    assert (reply.json["status"], reply.json["executedQty"], reply.json["origQty"]) == (
        "EXPIRED",
        "0.05000000",
        "0.08000000",
    )
    assert client.balances()["USDT"] == ("7000.00000000", "0.00000000")
    sold = client.order(type="MARKET", side="SELL", quantity="0.08").json
    assert (sold["status"], sold["executedQty"]) == ("EXPIRED", "0.05000000")
    assert client.balances()["BTC"] == ("0.49995000", "0.00000000")


def test_market_on_an_empty_book_moves_nothing(paper: PaperServer, client: Client) -> None:
    """With nobody on the other side nothing trades and nothing stays locked."""
    before = client.balances()
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0")
    assert client.order(type="MARKET", quantity="0.01").json["status"] == "EXPIRED"
    assert client.order(type="MARKET", quoteOrderQty="100").error[:2] == (400, -2010)
    assert client.balances() == before


def test_limit_below_the_market_rests_and_fills_when_the_market_comes(paper: PaperServer, client: Client) -> None:
    """A resting order locks its worth, fills at its own price when crossed, and the rest of the lock comes back."""
    placed = client.order(quantity="0.01", price="59000", newClientOrderId="rest-1").json
    assert (placed["status"], placed["fills"]) == ("NEW", [])
    assert client.balances()["USDT"] == ("9410.00000000", "590.00000000")
    assert [row["clientOrderId"] for row in client.signed("GET", "/api/v3/openOrders").json] == ["rest-1"]
    paper.controls.set_book("BTCUSDT", "58900", "58900.01")
    found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="rest-1").json
    assert (found["status"], found["executedQty"], found["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.01000000",
        "590.00000000",
    )
    trade = client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=placed["orderId"]).json[0]
    assert (trade["isMaker"], trade["isBuyer"], trade["price"], trade["commission"]) == (
        True,
        True,
        "59000.00000000",
        "0.00001000",
    )
    assert client.balances()["USDT"] == ("9410.00000000", "0.00000000")
    assert client.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT").json == []


def test_limit_above_the_market_takes_at_the_better_price(client: Client) -> None:
    """A crossing LIMIT BUY pays the ask, not its limit."""
    reply = client.order(quantity="0.01", price="61000").json
    assert (reply["status"], reply["cummulativeQuoteQty"]) == ("FILLED", "600.00000000")
    assert client.balances()["USDT"] == ("9400.00000000", "0.00000000")


def test_immediate_or_cancel_takes_what_there_is_and_expires(paper: PaperServer, client: Client) -> None:
    """IOC fills in part and ends EXPIRED with nothing locked; out of reach it expires whole."""
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0.004")
    part = client.order(timeInForce="IOC", price="60000", quantity="0.01").json
    assert (part["status"], part["executedQty"]) == ("EXPIRED", "0.00400000")
    none = client.order(timeInForce="IOC", price="59000", quantity="0.01").json
    assert (none["status"], none["executedQty"], none["fills"]) == ("EXPIRED", "0.00000000", [])
    assert client.balances()["USDT"] == ("9760.00000000", "0.00000000")


def test_fill_or_kill_fills_whole_or_not_at_all(paper: PaperServer, client: Client) -> None:
    """FOK of more than the book has is EXPIRED with no fill; of as much it is FILLED."""
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0.004")
    killed = client.order(timeInForce="FOK", price="60000", quantity="0.00401").json
    assert (killed["status"], killed["fills"]) == ("EXPIRED", [])
    assert client.order(timeInForce="FOK", price="60000", quantity="0.004").json["status"] == "FILLED"


def test_limit_maker_never_takes(client: Client) -> None:
    """LIMIT_MAKER rests, or is refused where it would match."""
    assert client.order(type="LIMIT_MAKER", price="60000").error == (
        400,
        -2010,
        "Order would immediately match and take.",
    )
    reply = client.order(type="LIMIT_MAKER", price="59999.99", newOrderRespType="RESULT").json
    assert (reply["status"], reply["type"]) == ("NEW", "LIMIT_MAKER")
    assert "fills" not in reply


def test_partly_filled_order_rests_with_the_rest(paper: PaperServer, client: Client) -> None:
    """A GTC order larger than the book is PARTIALLY_FILLED, and locks its remainder only."""
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0.004")
    reply = client.order(price="60000", quantity="0.01").json
    assert (reply["status"], reply["executedQty"]) == ("PARTIALLY_FILLED", "0.00400000")
    paper.controls.set_book("BTCUSDT", "60999.99", "61000")
    free, locked = client.balances()["USDT"]
    assert Decimal(free) + Decimal(locked) == 9760
    assert (
        client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=reply["orderId"]).json["status"]
        == "CANCELED"
    )
    assert client.balances()["USDT"][1] == "0.00000000"


@pytest.mark.parametrize(
    ("order_type", "side", "stop", "price", "trigger"),
    [
        ("STOP_LOSS_LIMIT", "SELL", "59000", "58900", ("58999.98", "58999.99")),
        ("STOP_LOSS_LIMIT", "BUY", "61000", "61100", ("61000.01", "61000.02")),
        ("TAKE_PROFIT_LIMIT", "SELL", "61000", "60900", ("61000.01", "61000.02")),
        ("TAKE_PROFIT_LIMIT", "BUY", "59000", "59100", ("58999.98", "58999.99")),
    ],
)
def test_stop_waits_off_the_book_until_it_is_triggered(
    paper: PaperServer, client: Client, order_type: str, side: str, stop: str, price: str, trigger: tuple[str, str]
) -> None:
    """A stop-limit order locks its worth, is not working, and trades as a LIMIT once its stop is reached."""
    placed = client.order(type=order_type, side=side, stopPrice=stop, price=price, quantity="0.01").json
    assert set(placed) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    waiting = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert (waiting["isWorking"], waiting["workingTime"], waiting["status"]) == (False, -1, "NEW")
    assert client.balances()["USDT" if side == "BUY" else "BTC"][1] != "0.00000000"
    paper.controls.set_book("BTCUSDT", *trigger)
    done = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert (done["status"], done["isWorking"]) == ("FILLED", True)
    worst = Decimal(price) * Decimal("0.01")
    paid = Decimal(done["cummulativeQuoteQty"])
    assert paid <= worst if side == "BUY" else paid >= worst


def test_stop_on_the_wrong_side_of_the_market_is_refused(client: Client) -> None:
    """A stop that the market has already passed would trigger at once, and is refused."""
    for order_type, side, stop in (
        ("STOP_LOSS_LIMIT", "SELL", "61000"),
        ("STOP_LOSS_LIMIT", "BUY", "59000"),
        ("TAKE_PROFIT_LIMIT", "SELL", "59000"),
        ("TAKE_PROFIT_LIMIT", "BUY", "61000"),
    ):
        reply = client.order(type=order_type, side=side, stopPrice=stop, price=stop, quantity="0.01")
        assert reply.error == (400, -2010, "Order would trigger immediately.")


def test_orders_beyond_the_balance_are_refused(client: Client) -> None:
    """Neither side can lock or spend more than is free."""
    assert client.order(quantity="0.3", price="50000").error == TOO_POOR
    assert client.order(side="SELL", quantity="0.50001", price="70000").error == TOO_POOR
    assert client.order(type="MARKET", quantity="0.17").error == TOO_POOR
    assert client.order(type="MARKET", side="SELL", quantity="0.6").error == TOO_POOR
    client.order(quantity="0.15", price="50000")
    assert client.order(quantity="0.06", price="50000").error == TOO_POOR


def test_client_order_id_is_unique_among_open_orders_only(client: Client) -> None:
    """The same id is refused while its order is open, and taken again once it has ended, as Binance has it."""
    first = client.order(newClientOrderId="same").json
    assert client.order(newClientOrderId="same").error == (400, -2010, "Duplicate order sent.")
    client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="same")
    second = client.order(newClientOrderId="same").json
    assert second["orderId"] > first["orderId"]
    found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="same").json
    assert (found["orderId"], found["status"]) == (second["orderId"], "NEW")
    for _ in range(2):
        assert client.order(type="MARKET", quantity="0.001", newClientOrderId="again").json["status"] == "FILLED"


def test_cancel_says_what_was_cancelled_and_refuses_what_is_not_open(client: Client) -> None:
    """A cancel names both ids; an order that is not there, or ended, or does not match is refused."""
    placed = client.order(newClientOrderId="c-1").json
    asked: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "c-1"}
    wrong = client.signed("DELETE", "/api/v3/order", **asked, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert wrong.error == (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert client.signed("DELETE", "/api/v3/order", **asked, cancelRestrictions="X").error[1] == -1145
    other = client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"], origClientOrderId="x")
    assert other.error == (400, -2039, "Client order ID is not correct for this order ID.")
    reply = client.signed("DELETE", "/api/v3/order", in_body=True, **asked, newClientOrderId="bye").json
    assert (reply["origClientOrderId"], reply["clientOrderId"], reply["status"]) == ("c-1", "bye", "CANCELED")
    assert client.signed("DELETE", "/api/v3/order", **asked).error == (400, -2011, "Unknown order sent.")
    assert client.signed("DELETE", "/api/v3/order", symbol="ETHUSDT", orderId=placed["orderId"]).error[1] == -2011
    assert client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT").error == (
        400,
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
    )


def test_orders_that_do_not_exist_are_not_found(client: Client) -> None:
    """A query for an unknown id, or a known one under another symbol, is -2013."""
    placed = client.order().json
    for asked in ({"orderId": 1}, {"origClientOrderId": "never"}, {"orderId": placed["orderId"], "symbol": "ETHUSDT"}):
        reply = client.signed("GET", "/api/v3/order", **({"symbol": "BTCUSDT"} | asked))
        assert reply.error == (400, -2013, "Order does not exist.")


def test_order_history_pages_by_id_time_and_limit(client: Client) -> None:
    """allOrders gives the newest up to the limit in order, or those from an id on; a span over a day is refused."""
    ids = [client.order().json["orderId"] for _ in range(5)]

    def listed(**asked: Any) -> list[int]:
        return [row["orderId"] for row in client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", **asked).json]

    assert listed() == ids
    assert listed(limit=2) == ids[-2:]
    assert listed(orderId=ids[2]) == ids[2:]
    assert listed(orderId=ids[1], limit=2) == ids[1:3]
    assert listed(startTime=1, endTime=1000) == []
    too_long = client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", startTime=1, endTime=86_400_002)
    assert too_long.error == (400, -1127, "More than 24 hours between startTime and endTime.")
    assert client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1001).error[1] == -1130
    assert client.signed("GET", "/api/v3/allOrders").error[1] == -1102


def test_test_orders_are_judged_and_not_placed(paper: PaperServer, client: Client) -> None:
    """order/test applies parameters and filters, answers {}, and leaves no trace."""
    terms: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    terms["price"] = "50000"
    assert client.signed("POST", "/api/v3/order/test", quantity="0.001", **terms).json == {}
    assert (
        client.signed("POST", "/api/v3/order/test", quantity="0.000001", **terms).error[2] == "Filter failure: LOT_SIZE"
    )
    assert client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json == []
    assert paper.controls.orders_received() == []


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"price": "50000.001"}, "PRICE_FILTER"),
        ({"price": "1000000.01"}, "PRICE_FILTER"),
        ({"price": "11999.99"}, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "300000.01", "side": "SELL"}, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000011"}, "LOT_SIZE"),
        ({"quantity": "9000.00001"}, "LOT_SIZE"),
        ({"quantity": "0.00009"}, "NOTIONAL"),
        ({"quantity": "181"}, "NOTIONAL"),
        ({"type": "MARKET", "quantity": "120.48711"}, "MARKET_LOT_SIZE"),
        ({"type": "MARKET", "quantity": "0.00008"}, "NOTIONAL"),
        ({"type": "MARKET", "quoteOrderQty": "4.99"}, "NOTIONAL"),
        ({"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "59000.005"}, "PRICE_FILTER"),
    ],
)
def test_filters_refuse_by_name(unchanged: Client, terms: dict[str, str], name: str) -> None:
    """An order that breaks a filter is -1013 with the filter's name."""
    assert unchanged.order(**terms).error == (400, -1013, f"Filter failure: {name}")


def test_the_bounds_of_filters_pass(client: Client) -> None:
    """What lies exactly on a bound or a step is taken."""
    assert client.order(price="12000", quantity="0.001").status == 200
    assert client.order(price="50000", quantity="0.0001").status == 200
    assert client.order(type="MARKET", quoteOrderQty="5").status == 200


def test_open_orders_are_counted(paper: PaperServer, client: Client) -> None:
    """The sixth waiting stop and the 201st open order are refused."""
    paper.controls.set_balance("USDT", "1000000")
    for _ in range(5):
        client.order(type="STOP_LOSS_LIMIT", side="SELL", stopPrice="59000", price="58000")
    sixth = client.order(type="STOP_LOSS_LIMIT", side="SELL", stopPrice="59000", price="58000")
    assert sixth.error == (400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS")
    for _ in range(195):
        assert client.order().status == 200
    assert client.order().error == (400, -1013, "Filter failure: MAX_NUM_ORDERS")


@pytest.mark.parametrize(
    ("terms", "code", "text"),
    [
        ({"symbol": "NOPE1"}, -1121, "Invalid symbol."),
        (
            {"symbol": "btcusdt"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'.",
        ),
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"side": None}, -1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "ODD"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
        ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"price": "0.00"}, -1013, "Invalid price."),
        ({"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"stopPrice": "10"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"type": "LIMIT_MAKER", "timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
        (
            {"type": "MARKET", "quantity": "1", "timeInForce": "GTC"},
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        ({"type": "MARKET", "quantity": "1", "price": "1"}, -1106, "Parameter 'price' sent when not required."),
        ({"type": "MARKET"}, -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
        (
            {"type": "MARKET", "quantity": "1", "quoteOrderQty": "9"},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            {"type": "STOP_LOSS_LIMIT"},
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        ),
        ({"newClientOrderId": "a b"}, -1100, None),
        ({"newClientOrderId": "a" * 37}, -1100, None),
        ({"strategyType": "999999"}, -1134, "`strategyType` was less than 1000000."),
        ({"newOrderRespType": "ALL"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ({"selfTradePreventionMode": "X"}, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
        ({"unheardOf": "1"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
    ],
)
def test_malformed_orders_are_refused_in_binances_words(
    unchanged: Client, terms: dict[str, str | None], code: int, text: str | None
) -> None:
    """What is missing, empty, extra or malformed is named with Binance's code and message, and nothing is placed."""
    reply = unchanged.order(**terms)
    assert reply.error[:2] == (400, code)
    assert text is None or reply.error[2] == text
    assert unchanged.signed("GET", "/api/v3/openOrders").json == []


@pytest.mark.parametrize(
    "quantity", ["1e-5", "-1", "+1", "NaN", "Infinity", "0x1", "1_0", " 1", "1.", ".5", "\uff11\uff12", "1\n", "9" * 21]
)
def test_numbers_are_plain_or_refused(unchanged: Client, quantity: str) -> None:
    """Anything but plain ASCII decimal notation is -1100, with the legal range."""
    reply = unchanged.order(quantity=quantity)
    assert reply.error == (
        400,
        -1100,
        "Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
    )


def test_error_answers_are_reproduced(client: Client) -> None:
    """The refusals of Binance that this exchange can give are given to the letter."""
    real = error_answers()
    client.order(newClientOrderId="dup")
    given = {
        client.order(quantity="1e-5").error,
        client.order(quantity="0.3").error,
        client.order(newClientOrderId="dup").error,
        client.order(price="0.01", quantity="9000").error,
        client.order(quantity="0.00001").error,
        client.order(quantity="0.000011").error,
        client.signed("GET", "/api/v3/account", timestamp=1).error,
        client.signed("GET", "/api/v3/account", timestamp=10**14).error,
        client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1).error,
        client.raw("GET", "/api/v3/account").error,
        client.raw(
            "GET", f"/api/v3/account?timestamp=1&signature={'0' * 64}", headers={"X-MBX-APIKEY": client.key}
        ).error,
    }
    assert len(given) == 10
    assert given <= real, given - real
