"""What each request costs of the exchange's limits."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.exchange.environments import ENDPOINTS, LIVE_ENDPOINTS
from guardian.exchange.limits.weights import costs_of, listed_limits
from tests.exchange.support.limits_setup import ACCOUNT, BY_NAME, CANCEL, ORDER


@pytest.mark.parametrize(
    ("name", "parameters", "weight"),
    [
        ("GET /api/v3/depth", {"symbol": "BTCUSDT"}, 5),
        ("GET /api/v3/depth", {"limit": 100}, 5),
        ("GET /api/v3/depth", {"limit": 101}, 25),
        ("GET /api/v3/depth", {"limit": 1000}, 50),
        ("GET /api/v3/depth", {"limit": 5000}, 250),
        ("GET /api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET /api/v3/openOrders", {}, 80),
        ("GET /api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("GET /api/v3/exchangeInfo", {}, 20),
        ("GET /api/v3/ticker/24hr", {}, 80),
        ("GET /fapi/v1/forceOrders", {"symbol": None}, 50),
        ("GET /sapi/v1/accountSnapshot", {}, 2400),
        ("GET /sapi/v1/capital/withdraw/history", {}, 18_000),
    ],
)
def test_cost_of_a_request_is_known_before_it_is_asked(name: str, parameters: dict[str, Any], weight: int) -> None:
    """Weights follow the endpoint and its parameters, as Binance documents them."""
    assert costs_of(BY_NAME[name], parameters)[0].amount == weight


def test_every_request_of_the_list_has_a_cost_that_the_paper_exchange_agrees_with() -> None:
    """No endpoint is without a weight, and the two tables, written apart, say the same of a plain request."""
    paper = pytest.importorskip("guardian.paper.rest.weights")
    for endpoint in (*ENDPOINTS, *LIVE_ENDPOINTS):
        theirs = paper.cost_of(endpoint.method, endpoint.path, {"symbol": "BTCUSDT"})
        assert costs_of(endpoint, {"symbol": "BTCUSDT"})[0].amount == theirs.weight, endpoint


def test_only_orders_count_as_orders() -> None:
    """A POST takes of the account's orders in 10 s and in a day; a cancel and a read do not."""
    assert [cost.budget.name for cost in costs_of(ORDER, {})] == ["weight", "orders in 10 s", "orders in a day"]
    assert len(costs_of(CANCEL, {})) == len(costs_of(ACCOUNT, {})) == 1


@pytest.mark.parametrize(
    "listing",
    [[], {}, {"rateLimits": 5}, {"rateLimits": [5, {}]}]
    + [
        {"rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}]}
        for limit in (0, -1, "6000", None, True, 1.5, 1, 20, 22)
    ]
    + [
        {"rateLimits": [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limit}]}
        for limit in (0, -1, 1)
    ],
)
def test_limit_that_makes_no_sense_is_not_taken_over(listing: Any) -> None:
    """What `exchangeInfo` says of limits is left out where it is no number, or lets nothing through ever again."""
    assert listed_limits(listing) == {}


def test_smallest_limits_that_let_anything_through_are_taken_over() -> None:
    """A small limit is believed as long as the listing itself and a single order fit."""
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 23}
    orders = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 2}
    assert listed_limits({"rateLimits": [weight, orders]}) == {"weight": 23, "orders in 10 s": 2}
