"""Rate limits as the exchange keeps them: weights, headers, fixed windows, 429, 418, orders."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.rate_limits import BANS_S, PATIENCE, Meter, RateLimitSettings, TooMuch
from guardian.paper.rest.weights import API, Cost, WeightBudget, cost_of
from tests.paper.support.client import ClientFor, Reply
from tests.support.fixtures import fixture, recording

MINUTE = 60_000
ADVICE = "Please use WebSocket Streams for live updates to avoid "
NOON = 1_795_000_020_000 // MINUTE * MINUTE
"""The beginning of a minute, of ten seconds, and not of a day."""


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def limited(hand: Hand, **limits: int) -> PaperServer:
    return PaperServer(seed=7, clock=hand, limits=RateLimitSettings(**limits))


@pytest.mark.parametrize(
    ("method", "path", "sent", "weight"),
    [
        ("GET", "/api/v3/depth", {}, 5),
        ("GET", "/api/v3/depth", {"limit": "100"}, 5),
        ("GET", "/api/v3/depth", {"limit": "101"}, 25),
        ("GET", "/api/v3/depth", {"limit": "501"}, 50),
        ("GET", "/api/v3/depth", {"limit": "5000"}, 250),
        ("GET", "/api/v3/depth", {"limit": "９９９９"}, 5),
        ("GET", "/api/v3/ticker/24hr", {"symbol": "BTCUSDT"}, 2),
        ("GET", "/api/v3/ticker/24hr", {"symbols": '["BTCUSDT","ETHUSDT"]'}, 2),
        ("GET", "/api/v3/ticker/24hr", {"symbols": str([f"A{n}" for n in range(21)]).replace("'", '"')}, 40),
        ("GET", "/api/v3/ticker/24hr", {}, 80),
        ("GET", "/api/v3/ticker/price", {"symbol": "BTCUSDT"}, 2),
        ("GET", "/api/v3/ticker/price", {}, 4),
        ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET", "/api/v3/openOrders", {}, 80),
        ("GET", "/api/v3/myTrades", {"orderId": "1"}, 5),
        ("POST", "/api/v3/order/test", {"computeCommissionRates": "true"}, 20),
        ("GET", "/api/v3/account", {}, 20),
        ("GET", "/no/such/path", {}, 1),
    ],
)
def test_each_request_weighs_what_the_documentation_says(
    method: str, path: str, sent: dict[str, str], weight: int
) -> None:
    """Weights follow the parameters as documented."""
    assert cost_of(method, path, sent) == Cost(WeightBudget.API, weight)


def test_weights_of_the_documented_endpoints_are_the_documented_ones() -> None:
    """Where the documentation gives one number for an endpoint that is in the table, the table has it."""
    compared = 0
    for endpoint, weight in fixture("documented/weights").items():
        if endpoint in API:
            method, path = endpoint.split()
            assert cost_of(method, path, {"symbol": "BTCUSDT"}).weight == weight, endpoint
            compared += 1
    assert compared >= 15


@pytest.mark.recorded
def test_the_fixtures_weights_are_the_documented_ones() -> None:
    """The weights of the fixtures are all that the documentation gives as one number."""
    sections = recording("docs_samples/spot_rest_api_samples_2026-07-21.json").values()
    assert fixture("documented/weights") == {
        row["endpoint"]: int(row["weight_text"])
        for row in sections
        if row["weight_text"] is not None and row["weight_text"].isdigit()
    }


def test_used_weight_is_told_and_starts_again_with_the_clocks_minute(hand: Hand, client_for: ClientFor) -> None:
    """Both weight headers rise by each request's weight, also of refused ones, and fall to nothing with the minute."""
    hand.now = NOON + 59_000
    with limited(hand) as server:
        client = client_for(server.endpoint)
        assert client.public("/api/v3/ping").headers["x-mbx-used-weight-1m"] == "1"
        reply = client.signed("GET", "/api/v3/account", timestamp=hand.now)
        assert (reply.headers["x-mbx-used-weight"], reply.headers["x-mbx-used-weight-1m"]) == ("21", "21")
        refused = client.public("/api/v3/depth", symbol="NOTLISTED")
        assert (refused.status, refused.headers["x-mbx-used-weight-1m"]) == (400, "26")
        hand.now += 1000
        assert client.public("/api/v3/ping").headers["x-mbx-used-weight-1m"] == "1"


def test_an_order_that_is_placed_weighs_nothing_and_a_refused_one_weighs_one(hand: Hand, client_for: ClientFor) -> None:
    """Placing and cancelling cost weight only when they are refused."""
    with limited(hand) as server:
        client = client_for(server.endpoint)
        placed = client.order(price="40000", timestamp=hand.now)
        assert (placed.status, placed.headers["x-mbx-used-weight-1m"]) == (200, "0")
        gone = client.signed(
            "DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed.json["orderId"], timestamp=hand.now
        )
        assert (gone.status, gone.headers["x-mbx-used-weight-1m"]) == (200, "0")
        refused = client.order(price="0.001", timestamp=hand.now)
        assert (refused.status, refused.headers["x-mbx-used-weight-1m"]) == (400, "1")


def test_too_much_weight_is_429_until_the_minute_ends_and_418_for_who_goes_on(
    hand: Hand, client_for: ClientFor
) -> None:
    """Over the limit: 429 with Retry-After up to the minute's end; after N more: 418 for two minutes."""
    hand.now = NOON + 15_500
    with limited(hand, weight_per_minute=30) as server:
        client = client_for(server.endpoint)
        assert client.public("/api/v3/exchangeInfo").status == 200
        assert client.public("/api/v3/depth", symbol="BTCUSDT").status == 200
        over = client.public("/api/v3/exchangeInfo")
        assert over.error == (
            429,
            -1003,
            "Too much request weight used; current limit is 30 request weight per 1 MINUTE. "
            + ADVICE
            + "polling the API.",
        )
        assert over.headers["retry-after"] == "45"
        for _ in range(PATIENCE - 1):
            assert client.public("/api/v3/ping").status == 429
        banned = client.public("/api/v3/ping")
        assert banned.error == (
            418,
            -1003,
            f"Way too much request weight used; IP banned until {hand.now + 120_000}. {ADVICE}bans.",
        )
        assert banned.headers["retry-after"] == "120"
        hand.now += 119_999
        assert client.public("/api/v3/ping").status == 418
        assert client.order(timestamp=hand.now).status == 418
        hand.now += 1
        assert client.public("/api/v3/ping").status == 200
        assert server.controls.orders() == []


def test_who_heeds_a_429_is_never_banned(hand: Hand) -> None:
    """Waiting as long as Retry-After says is enough, however often it happens."""
    meter, now = Meter(RateLimitSettings(weight_per_minute=10)), NOON
    for _ in range(50):
        for _ in range(2):
            meter.enter("GET", "/api/v3/depth", {}, now)
        with pytest.raises(TooMuch) as caught:
            meter.enter("GET", "/api/v3/depth", {}, now)
        assert caught.value.http_status == 429
        now += caught.value.retry_after_s * 1000


def test_bans_grow_for_who_goes_on_during_them(hand: Hand) -> None:
    """Going on during a ban makes it longer, from two minutes to three days and no further."""
    meter, now, seen = Meter(RateLimitSettings(weight_per_minute=1)), NOON, []
    for _ in range(500):
        try:
            meter.enter("GET", "/api/v3/ping", {}, now)
        except TooMuch as no:
            if no.http_status == 418 and no.retry_after_s not in seen:
                seen.append(no.retry_after_s)
    assert tuple(seen) == BANS_S
    with pytest.raises(TooMuch):
        meter.enter("GET", "/api/v3/ping", {}, now + BANS_S[-1] * 1000 - 1)
    meter.enter("GET", "/api/v3/ping", {}, now + BANS_S[-1] * 1000)


def test_raw_requests_are_counted_over_five_minutes(hand: Hand) -> None:
    """Whatever they weigh, more requests than the raw limit are refused until the five minutes are over."""
    meter, start = Meter(RateLimitSettings(raw_requests_per_5_minutes=4)), NOON // 300_000 * 300_000
    for minute in range(4):
        meter.enter("GET", "/fapi/v1/time" if minute % 2 else "/api/v3/time", {}, start + minute * MINUTE)
    with pytest.raises(TooMuch) as caught:
        meter.enter("GET", "/api/v3/time", {}, start + 4 * MINUTE)
    assert (caught.value.http_status, caught.value.retry_after_s) == (429, 60)
    meter.enter("GET", "/api/v3/time", {}, start + 5 * MINUTE)


def test_orders_are_counted_on_placed_orders_and_too_many_are_1015(hand: Hand, client_for: ClientFor) -> None:
    """Order counts are reported with placed orders alone; the one beyond the limit is -1015 and is not placed."""
    with limited(hand, orders_per_10_seconds=2) as server:
        client = client_for(server.endpoint)
        first = client.order(price="40000", timestamp=hand.now)
        assert (first.headers["x-mbx-order-count-10s"], first.headers["x-mbx-order-count-1d"]) == ("1", "1")
        assert "x-mbx-order-count-10s" not in client.order(price="0.001", timestamp=hand.now).headers
        assert "x-mbx-order-count-10s" not in client.public("/api/v3/time").headers
        hand.now += 4000
        assert client.order(price="40000", timestamp=hand.now).headers["x-mbx-order-count-10s"] == "2"
        over = client.order(price="40000", timestamp=hand.now)
        assert over.error == (429, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.")
        assert over.headers["retry-after"] == "6"
        assert len(server.controls.orders()) == 2
        hand.now += 6000
        assert client.order(price="40000", timestamp=hand.now).headers["x-mbx-order-count-10s"] == "1"
        told = client.signed("GET", "/api/v3/rateLimit/order", timestamp=hand.now).json
        assert [(row["interval"], row["limit"], row["count"]) for row in told] == [
            ("SECOND", 2, 1),
            ("DAY", 200_000, 3),
        ]


def test_orders_that_fill_do_not_count(hand: Hand, client_for: ClientFor) -> None:
    """Only unfilled orders are counted: ten market orders in a row are no problem under a limit of two."""
    with limited(hand, orders_per_10_seconds=2) as server:
        client = client_for(server.endpoint)
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        for _ in range(10):
            reply = client.order(type="MARKET", quantity="0.001", timestamp=hand.now)
            assert (reply.status, reply.headers["x-mbx-order-count-10s"]) == (200, "0")


def test_wallet_paths_have_budgets_and_headers_of_their_own_and_never_ban(hand: Hand, client_for: ClientFor) -> None:
    """Each /sapi path counts alone, by address or by account; over its budget it is 429 however often it is asked."""
    with limited(hand) as server:
        client = client_for(server.endpoint)

        def ask(path: str, **params: Any) -> Reply:
            return client.signed("GET", path, timestamp=hand.now, **params)

        snapshots = [ask("/sapi/v1/accountSnapshot", type="SPOT") for _ in range(6)]
        assert [reply.status for reply in snapshots] == [200] * 5 + [429]
        assert snapshots[4].headers["x-sapi-used-ip-weight-1m"] == "12000"
        assert "x-mbx-used-weight-1m" not in snapshots[4].headers
        assert ask("/sapi/v1/capital/deposit/hisrec").headers["x-sapi-used-ip-weight-1m"] == "1"
        history = [ask("/sapi/v1/capital/withdraw/history") for _ in range(11)]
        assert [reply.status for reply in history] == [200] * 10 + [429]
        assert history[9].headers["x-sapi-used-uid-weight-1m"] == "180000"
        assert {ask("/sapi/v1/accountSnapshot", type="SPOT").status for _ in range(3 * PATIENCE)} == {429}
        hand.now += MINUTE
        assert ask("/sapi/v1/accountSnapshot", type="SPOT").status == 200


def test_futures_have_a_budget_of_their_own(hand: Hand, client_for: ClientFor) -> None:
    """What is used of /fapi is reported there and not counted against /api."""
    with limited(hand) as server:
        client = client_for(server.endpoint)
        assert client.signed("GET", "/fapi/v1/income", timestamp=hand.now).headers["x-mbx-used-weight-1m"] == "30"
        assert client.public("/api/v3/time").headers["x-mbx-used-weight-1m"] == "1"


def test_the_limits_that_are_in_force_are_told(hand: Hand, client_for: ClientFor) -> None:
    """exchangeInfo returns the limits that were requested."""
    with limited(hand, weight_per_minute=50, orders_per_10_seconds=3) as server:
        told = client_for(server.endpoint).public("/api/v3/exchangeInfo", symbol="BTCUSDT").json["rateLimits"]
        assert [(row["rateLimitType"], row["limit"]) for row in told] == [
            ("REQUEST_WEIGHT", 50),
            ("ORDERS", 3),
            ("ORDERS", 200_000),
            ("RAW_REQUESTS", 300_000),
        ]
