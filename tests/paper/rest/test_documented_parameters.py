"""Every parameter that the official SDK's samples document is understood, for each endpoint that is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.app import ENDPOINTS
from guardian.paper.rest.endpoint import Security
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.client import Client, ClientFor
from tests.support.documented import documented

HOUR_MS = 3_600_000

VALUES: dict[str, object] = {
    "amount": "1.0",
    "autoCloseType": "LIQUIDATION",
    "cancelRestrictions": "ONLY_NEW",
    "coin": "BTC",
    "computeCommissionRates": "true",
    "current": 1,
    "fromId": 1,
    "fromSymbol": "BTCUSDT",
    "icebergQty": "0.0005",
    "idList": "1",
    "includeSource": "true",
    "incomeType": "TRANSFER",
    "interval": "1m",
    "limit": 5,
    "network": "BTC",
    "newClientOrderId": "named",
    "newOrderRespType": "RESULT",
    "offset": 0,
    "omitZeroBalances": "true",
    "page": 1,
    "pegOffsetType": "PRICE_LEVEL",
    "pegOffsetValue": 1,
    "pegPriceType": "PRIMARY_PEG",
    "permissions": "SPOT",
    "price": "50000",
    "quantity": "0.001",
    "recvWindow": 5000,
    "selfTradePreventionMode": "EXPIRE_TAKER",
    "showPermissionSets": "false",
    "side": "BUY",
    "size": 10,
    "status": 1,
    "stopPrice": "61000",
    "strategyId": 1,
    "strategyType": 1_000_000,
    "symbol": "BTCUSDT",
    "symbolStatus": "TRADING",
    "symbols": '["BTCUSDT"]',
    "timeInForce": "GTC",
    "timeZone": "0",
    "toSymbol": "BTCUSDT",
    "trailingDelta": 100,
    "txId": "1",
    "type": "FULL",
    "withdrawOrderId": "1",
}
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "50000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
STOP = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_LOSS", "quantity": "0.001"}
SYMBOL = {"symbol": "BTCUSDT"}
NEEDED: dict[str, dict[str, Any]] = {
    "GET /api/v3/account/commission": SYMBOL,
    "GET /api/v3/allOrders": SYMBOL,
    "GET /api/v3/avgPrice": SYMBOL,
    "GET /api/v3/depth": SYMBOL,
    "GET /api/v3/klines": {"symbol": "BTCUSDT", "interval": "1m"},
    "GET /api/v3/myTrades": SYMBOL,
    "GET /api/v3/order": SYMBOL,
    "DELETE /api/v3/order": SYMBOL,
    "POST /api/v3/order": LIMIT,
    "POST /api/v3/order/test": LIMIT,
    "GET /fapi/v1/commissionRate": SYMBOL,
    "GET /sapi/v1/accountSnapshot": {"type": "SPOT"},
    "GET /sapi/v1/asset/transfer": {"type": "ISOLATEDMARGIN_MARGIN"},
    "GET /sapi/v1/capital/deposit/address": {"coin": "BTC"},
}
"""What each endpoint must be sent, whatever else is."""
FITTING: dict[str, dict[str, Any]] = {
    "quoteOrderQty": MARKET | {"quoteOrderQty": "50"},
    "stopPrice": STOP | {"stopPrice": "61000"},
    "trailingDelta": STOP | {"trailingDelta": 100},
}
"""Parameters that only fit an order of another type."""
REFUSED = {
    "trailingDelta": "trailing stops are not part of the paper exchange",
    "pegPriceType": "pegged orders are not part of the paper exchange",
    "pegOffsetType": "pegged orders are not part of the paper exchange",
    "pegOffsetValue": "pegged orders are not part of the paper exchange",
}
"""What is refused as a parameter that is not wanted (-1106), with the reason."""


PARAMETERS = [
    (f"{sample.method} {sample.path}", name) for sample in documented().values() for name in sample.parameters
]
"""Every endpoint that is there, with every parameter that a sample of it has."""


@pytest.fixture(scope="module")
def open_exchange(client_for: ClientFor) -> Iterator[Client]:
    """A client that the tests of this module share; they place orders and look at nothing but refusals."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield client_for(server.endpoint)
        assert server.troubles == []


def request_with(client: Any, endpoint: str, name: str) -> dict[str, Any]:
    """Parameters that make a good request of which one is `name`."""
    hour_ago = time.time_ns() // 1_000_000 - HOUR_MS
    params = {**NEEDED.get(endpoint, {})}
    if endpoint.startswith("POST"):
        params = {**FITTING.get(name, params)}
    if endpoint in {"GET /api/v3/order", "DELETE /api/v3/order"}:
        placed = client.order().json
        which = "clientOrderId" if name == "origClientOrderId" else "orderId"
        return params | {
            "origClientOrderId" if name == "origClientOrderId" else "orderId": placed[which],
            **({name: VALUES[name]} if name in VALUES else {}),
        }
    values = VALUES | {"startTime": hour_ago, "endTime": hour_ago + HOUR_MS, "orderId": 1}
    if "accountSnapshot" in endpoint:
        values |= {"limit": 7}
    return {name: values.get(name), **params} if name in params else params | {name: values[name]}


@pytest.mark.parametrize(("endpoint", "name"), PARAMETERS, ids=lambda value: value)
def test_every_documented_parameter_is_understood(open_exchange: Client, endpoint: str, name: str) -> None:
    """A good request with it is answered; the few that are refused each have a reason."""
    method, path = endpoint.split(" ")
    params = request_with(open_exchange, endpoint, name)
    if ENDPOINTS[(method, path)].security is Security.SIGNED:
        reply = open_exchange.signed(method, path, **params)
    else:
        reply = open_exchange.public(path, **params)
    if name in REFUSED:
        assert reply.error == (400, -1106, f"Parameter '{name}' sent when not required.")
    else:
        assert reply.status == 200, (params, reply.text)


def test_parameters_were_found_in_the_samples() -> None:
    """The samples are there and were read: an empty list would prove nothing."""
    assert len(PARAMETERS) > 140


def test_symbols_of_another_status_are_left_out_or_refused(unchanged: Client) -> None:
    """A list has only symbols of the status requested; one symbol of another status is refused with -1220."""
    mismatch = (400, -1220, "The symbol's status does not match the requested symbolStatus.")

    def listed(path: str, **asked: str) -> list[str]:
        return [row["symbol"] for row in unchanged.public(path, **asked).json]

    for path in ("/api/v3/ticker/price", "/api/v3/ticker/24hr", "/api/v3/ticker/bookTicker"):
        assert listed(path, symbolStatus="TRADING") == listed(path) != []
        assert listed(path, symbolStatus="HALT") == []
        assert listed(path, symbols='["BTCUSDT"]', symbolStatus="BREAK") == []
        assert unchanged.public(path, symbol="BTCUSDT", symbolStatus="HALT").error == mismatch
        assert unchanged.public(path, symbolStatus="OPEN").error == (400, -1122, "Invalid symbolStatus.")
    assert unchanged.public("/api/v3/depth", symbol="BTCUSDT", symbolStatus="HALT").error == mismatch
