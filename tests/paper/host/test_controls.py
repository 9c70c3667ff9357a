"""What tests can see and do: the journal, the controls, the faults."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.paper.support.client import Client, ClientFor

ORDER = "/api/v3/order"


def test_every_request_is_in_the_journal_whatever_became_of_it(paper: PaperServer, client: Client) -> None:
    """Refused and accepted requests are journaled with their parameters, orders apart from the rest."""
    client.public("/api/v3/time")
    client.order(newClientOrderId="j-1")
    client.order(newClientOrderId="j-2", quantity="NaN")
    client.raw("POST", ORDER, "symbol=BTCUSDT")
    assert [order.get("newClientOrderId") for order in paper.controls.orders_received()] == ["j-1", "j-2", None]
    first = paper.controls.journal[0]
    assert (first.method, first.path, dict(first.params)) == ("GET", "/api/v3/time", {})
    assert abs(first.time - time.time() * 1000) < 5000
    assert [row["clientOrderId"] for row in paper.controls.orders()] == ["j-1"]


def test_averages_and_balances_can_be_set(paper: PaperServer, client: Client) -> None:
    """A set average is reported with its close time; a set balance is free at once."""
    paper.controls.set_average("BTCUSDT", "61000", 1_700_000_000_000)
    told = client.public("/api/v3/avgPrice", symbol="BTCUSDT").json
    assert told == {"mins": 5, "price": "61000.00000000", "closeTime": 1_700_000_000_000}
    paper.controls.set_average("BTCUSDT", "61000")
    assert client.public("/api/v3/avgPrice", symbol="BTCUSDT").json["closeTime"] > 1_790_000_000_000
    paper.controls.set_balance("USDT", "12.5")
    assert client.balances()["USDT"] == ("12.50000000", "0.00000000")


@pytest.mark.parametrize("kind", ["reply_lost", "reset_before"])
def test_a_connection_can_be_cut_after_or_before_execution(paper: PaperServer, client: Client, kind: str) -> None:
    """A lost reply leaves the order placed, a reset before leaves none; the next request is answered as ever."""
    paper.controls.fault("POST", ORDER, kind)
    with pytest.raises((http.client.HTTPException, OSError)):
        client.order(newClientOrderId="cut")
    assert [row["clientOrderId"] for row in paper.controls.orders()] == (["cut"] if kind == "reply_lost" else [])
    assert client.order(newClientOrderId="next").status == 200


@pytest.mark.parametrize(
    ("kind", "args", "status", "placed"),
    [
        ("status", {"status": 503}, 503, False),
        ("status", {"status": 500, "execute": True}, 500, True),
        ("html_502", {}, 502, False),
        ("html_502", {"execute": True}, 502, True),
        ("empty_200", {}, 200, True),
        ("empty_200", {"execute": False}, 200, False),
        ("bad_json", {}, 200, True),
        ("retry_after_429", {"seconds": 7}, 429, False),
        ("ban_418", {"seconds": 90}, 418, False),
    ],
)
def test_a_reply_can_be_spoiled_with_or_without_execution(
    paper: PaperServer, client: Client, kind: str, args: dict[str, Any], status: int, placed: bool
) -> None:
    """Each fault answers as its name says, once, and the order is there or not as documented."""
    paper.controls.fault("POST", ORDER, kind, **args)
    reply = client.order(newClientOrderId="x")
    assert reply.status == status
    assert [row["clientOrderId"] for row in paper.controls.orders()] == (["x"] if placed else [])
    if kind == "empty_200":
        assert reply.text == ""
    if kind == "bad_json":
        with pytest.raises(ValueError, match="Expecting"):
            _ = reply.json
    if kind == "html_502":
        assert reply.headers["content-type"].startswith("text/html")
    if status in {429, 418}:
        assert reply.headers["retry-after"] == str(args["seconds"])
        assert reply.json["code"] == -1003
    assert client.order(newClientOrderId="y").status == 200


def test_replies_can_be_late_and_connections_can_hang(paper: PaperServer, client: Client) -> None:
    """A delayed reply comes late and complete; a hanging one never comes and nothing is placed."""
    paper.controls.fault("POST", ORDER, "delay", seconds=0.3)
    started = time.monotonic()
    assert client.order().json["status"] == "NEW"
    assert time.monotonic() - started >= 0.3
    paper.controls.fault("POST", ORDER, "hang", seconds=0.3)
    with pytest.raises((http.client.HTTPException, OSError)):
        client.order()
    assert len(paper.controls.orders()) == 1


def test_a_server_with_a_hanging_request_still_ends(client_for: ClientFor) -> None:
    """Leaving the server does not wait for a request that hangs on purpose."""
    started = time.monotonic()
    with PaperServer() as server, ThreadPoolExecutor(1) as pool:
        server.controls.fault("POST", ORDER, "hang", seconds=60)
        hanging = pool.submit(client_for(server.endpoint).order)
        while not server.controls.orders_received():
            time.sleep(0.01)
        server.__exit__(None, None, None)
        with pytest.raises((http.client.HTTPException, OSError)):
            hanging.result(10)
    assert time.monotonic() - started < 8


def test_an_order_can_be_invisible_for_some_requests_or_some_time(paper: PaperServer, client: Client) -> None:
    """-2013 can be answered for an order that is there, N times or for so long, and then it is seen."""
    client.order(newClientOrderId="seen")

    def look() -> int:
        return client.signed("GET", ORDER, symbol="BTCUSDT", origClientOrderId="seen").status

    paper.controls.fault("GET", ORDER, "not_found_2013", times=2)
    assert [look(), look(), look()] == [400, 400, 200]
    paper.controls.fault("GET", ORDER, "not_found_2013", seconds=0.2)
    assert look() == 400
    time.sleep(0.25)
    assert look() == 200


def test_faults_hit_only_what_they_are_meant_for_and_can_be_cleared(paper: PaperServer, client: Client) -> None:
    """A fault of another method or path waits; an unknown kind is refused; cleared faults are gone."""
    paper.controls.fault("DELETE", ORDER, "status")
    assert client.order().status == 200
    paper.controls.clear_faults()
    assert client.signed("DELETE", ORDER, symbol="BTCUSDT", orderId=1).error[1] == -2011
    with pytest.raises(ValueError, match="nonsense"):
        paper.controls.fault("GET", ORDER, "nonsense")


def test_many_clients_at_once_lose_nothing(paper: PaperServer, client: Client) -> None:
    """Forty orders sent from eight threads are forty orders, each with an id of its own, and the locks add up."""
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: client.order(price=str(40000 + n), quantity="0.001").json, range(40)))
    assert len({reply["orderId"] for reply in replies}) == 40
    free, locked = paper.controls.balance("USDT")
    assert (free + locked, locked) == (Decimal(10000), Decimal("1600.78"))


def test_a_bug_of_the_exchanges_own_is_a_5xx_and_is_told_to_who_runs_it(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen exception answers -1000 with nothing of its own text, and is kept for the one who runs it."""
    with PaperServer() as server:

        def broken(symbol: str, at: int) -> None:
            raise RuntimeError("inner text")

        monkeypatch.setattr(server.venue.feed, "average", broken)
        reply = client_for(server.endpoint).public("/api/v3/avgPrice", symbol="BTCUSDT")
        assert reply.error == (500, -1000, "An unknown error occurred while processing the request.")
        assert [str(trouble) for trouble in server.troubles] == ["inner text"]
        assert client_for(server.endpoint).public("/api/v3/time").status == 200


def test_a_body_that_is_longer_than_any_request_is_not_read(paper: PaperServer, client: Client) -> None:
    """More than 64 KiB is refused with 413, and is not journaled."""
    assert client.raw("POST", ORDER, "x" * 70_000).status == 413
    assert paper.controls.orders_received() == []
