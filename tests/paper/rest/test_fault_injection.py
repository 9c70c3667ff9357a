"""Faults to rehearse with: those beyond the first ones, the lines that ask for them, and the control endpoint."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer, Rehearsal, Serving, serve
from guardian.paper.rest.faults import ALWAYS, FaultKind, read_spec
from tests.paper.support.client import Client, ClientFor
from tests.paper.support.error_answers import documented_messages, error_answers, recorded_answers
from tests.support.fixtures import fixture
from tests.support.present import present

ORDER = "/api/v3/order"


def test_a_connection_can_be_reset_after_the_work_is_done(paper: PaperServer, client: Client) -> None:
    """After a reset the order is there, and what the client sees is an error of the connection."""
    paper.controls.fault("POST", ORDER, "reset_after")
    with pytest.raises(ConnectionResetError):
        client.order(newClientOrderId="cut")
    assert [row["clientOrderId"] for row in paper.controls.orders()] == ["cut"]
    paper.controls.fault("POST", ORDER, "reset_before")
    with pytest.raises(ConnectionResetError):
        client.order(newClientOrderId="never")
    assert len(paper.controls.orders()) == 1


def test_the_firewall_and_the_timeout_speak_as_documented(paper: PaperServer, client: Client) -> None:
    """The 403 page is HTML without any JSON, and -1007 has Binance's words; only the latter's order is placed."""
    paper.controls.fault("POST", ORDER, "html_403")
    blocked = client.order(newClientOrderId="a")
    page = fixture("errors")["firewall"]
    assert (blocked.status, blocked.headers["content-type"]) == (page["http"], page["content_type"])
    assert all(part in blocked.text for part in page["holds"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(blocked.text)
    paper.controls.fault("POST", ORDER, "timeout_1007")
    unknown = client.order(newClientOrderId="b")
    assert unknown.error in error_answers()
    assert unknown.error[1] == -1007
    assert [row["clientOrderId"] for row in paper.controls.orders()] == ["b"]


@pytest.mark.recorded
def test_the_firewalls_page_is_the_recorded_one(paper: PaperServer, client: Client) -> None:
    """The 403 page is the recorded one up to the number of its request."""
    paper.controls.fault("POST", ORDER, "html_403")
    blocked = client.order(newClientOrderId="a")
    page = next(row for row in recorded_answers() if row.get("http") == 403)
    assert blocked.headers["content-type"] == page["content_type"] == fixture("errors")["firewall"]["content_type"]
    assert blocked.text.split("Generated")[0].strip() == page["body_text"].split("Generated")[0].strip()


def test_a_ban_speaks_as_documented(paper: PaperServer, client: Client) -> None:
    """The 418 of a fault has Binance's words of today."""
    paper.controls.fault("POST", ORDER, "ban_418", seconds=60)
    banned = client.order()
    assert banned.error[:2] == (418, -1003)
    until = banned.json["msg"].split("until ")[1].split(".")[0]
    assert banned.json["msg"].replace(until, "%s") in documented_messages(-1003)


@pytest.mark.recorded
def test_a_bans_words_differ_from_older_ones_in_the_advice_alone(paper: PaperServer, client: Client) -> None:
    """The recorded bans of 2021 and 2022 begin as this one does."""
    paper.controls.fault("POST", ORDER, "ban_418", seconds=60)
    text = client.order().json["msg"]
    older = [row["body"]["msg"] for row in recorded_answers() if row.get("http") == 418]
    assert len(older) == 2
    assert {one.split(" until ")[0] for one in older} == {text.split(" until ")[0]}


def test_an_order_can_be_unseen_for_its_first_seconds(paper: PaperServer, client: Client) -> None:
    """Queried too early an order does not exist, later it does; older orders are seen all the time."""
    client.order(newClientOrderId="old")
    time.sleep(0.6)
    paper.controls.fault("GET", ORDER, "unseen_2013", times=ALWAYS, seconds=0.5)
    client.order(newClientOrderId="young")

    def look(name: str) -> int:
        return client.signed("GET", ORDER, symbol="BTCUSDT", origClientOrderId=name).status

    assert (look("old"), look("young")) == (200, 400)
    time.sleep(0.6)
    assert (look("old"), look("young")) == (200, 200)
    assert client.signed("GET", ORDER, symbol="BTCUSDT", origClientOrderId="none").error[1] == -2013


@pytest.mark.parametrize(("side", "price"), [("BUY", "50000"), ("BUY", "60000"), ("SELL", "70000")])
def test_an_order_can_fill_in_part_and_be_cancelled(paper: PaperServer, client: Client, side: str, price: str) -> None:
    """Half of it fills at its price, the reply says so, and then the rest is gone without anybody asking for it."""
    paper.controls.fault("POST", ORDER, "partial_fill")
    placed = client.order(side=side, price=price, quantity="0.003").json
    assert (placed["status"], placed["executedQty"]) == ("PARTIALLY_FILLED", "0.00150000")
    assert {Decimal(fill["price"]) for fill in placed["fills"]} == {Decimal(price)}
    found = client.signed("GET", ORDER, symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert (found["status"], found["executedQty"]) == ("CANCELED", "0.00150000")
    assert all(locked == "0.00000000" for _, locked in client.balances().values())
    assert client.public("/api/v3/ticker/bookTicker", symbol="BTCUSDT").json["bidPrice"] == "59999.99000000"
    assert client.order(side=side, price=price, quantity="0.003").json["executedQty"] != "0.00150000"


def test_a_market_order_can_find_half_a_book(paper: PaperServer, client: Client) -> None:
    """A market order on such a book is EXPIRED half filled, by quantity and by amount."""
    for terms in ({"quantity": "0.002"}, {"quoteOrderQty": "120"}):
        paper.controls.fault("POST", ORDER, "partial_fill")
        placed = client.order(type="MARKET", **terms).json
        assert placed["status"] == "EXPIRED"
        assert placed["executedQty"] == "0.00100000"


def test_a_malformed_order_is_refused_under_a_partial_fill_too(paper: PaperServer, client: Client) -> None:
    """The fault changes nothing for what is no order."""
    for terms in ({"quantity": "NaN"}, {"symbol": "NOTLISTED"}, {"price": "x"}, {"side": None}):
        paper.controls.fault("POST", ORDER, "partial_fill")
        assert client.order(**terms).status == 400
    assert paper.controls.orders() == []


def test_the_clock_can_be_put_wrong_and_right_by_a_fault(paper: PaperServer, client: Client) -> None:
    """A skew holds at once for everything, until the faults are cleared."""
    paper.controls.fault("*", "*", "clock_skew", seconds=-7)
    assert client.signed("GET", "/api/v3/account").error[1] == -1021
    paper.controls.clear_faults()
    assert client.signed("GET", "/api/v3/account").status == 200


def test_faults_can_be_meant_for_anything_and_can_let_some_pass(paper: PaperServer, client: Client) -> None:
    """`*` represents any method or path, and `skip` lets N requests go first."""
    paper.controls.fault("*", "*", "status", skip=2)
    seen = [client.public("/api/v3/time").status, client.order().status, client.public("/api/v3/ping").status]
    assert seen == [200, 200, 500]
    assert paper.controls.faults() == []


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ("reply_lost", {"method": "POST", "path": ORDER, "kind": "reply_lost"}),
        (
            "unseen_2013,seconds=5",
            {"method": "GET", "path": ORDER, "kind": "unseen_2013", "times": ALWAYS, "seconds": 5.0},
        ),
        (
            "status, status=503, execute=yes, times=4, skip=2",
            {"method": "POST", "path": ORDER, "kind": "status", "status": 503, "execute": True, "times": 4, "skip": 2},
        ),
        (
            "delay,method=get,path=/api/v3/account,seconds=0.5,times=3",
            {"method": "GET", "path": "/api/v3/account", "kind": "delay", "seconds": 0.5, "times": 3},
        ),
        ("clock_skew,seconds=-5", {"method": "POST", "path": ORDER, "kind": "clock_skew", "seconds": -5.0}),
    ],
)  # fmt: skip
def test_lines_that_ask_for_faults_are_read(paper: PaperServer, spec: str, asked: dict[str, Any]) -> None:
    """A line names a kind and what it needs, and is taken by the same controls that tests use."""
    assert read_spec(spec) == asked
    paper.controls.fault(**read_spec(spec))
    paper.controls.clear_faults()


def test_every_kind_of_fault_can_be_asked_for_by_a_line(paper: PaperServer) -> None:
    """There is no kind that only a test can ask for."""
    for kind in FaultKind:
        paper.controls.fault(**read_spec(kind.value))
    assert {row["kind"] for row in paper.controls.faults()} == set(FaultKind) - {FaultKind.CLOCK_SKEW}
    paper.controls.clear_faults()


@pytest.mark.parametrize(
    "spec",
    ["", "nonsense", "delay,seconds=nan", "delay,seconds=inf", "delay,seconds", "delay,times=-1", "delay,when=now",
     "status,status=99", "status,status=x", "delay,method=STEAL", "delay,path=nowhere", "delay,execute=perhaps"],
)  # fmt: skip
def test_lines_that_make_no_sense_are_refused(spec: str) -> None:
    """What is not a fault is an error that says what is wrong."""
    with pytest.raises(ValueError, match=r"is no fault|is not"):
        read_spec(spec)


class Running:
    """A standalone exchange in a thread, with what it printed when it was up."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._ready = threading.Event()
        self.told: Serving
        self._thread = threading.Thread(
            target=serve, args=("127.0.0.1", 0, 5, None), kwargs={"rehearsal": rehearsal, "on_ready": self._note}
        )
        self._thread.daemon = True
        self._thread.start()
        assert self._ready.wait(10)

    def _note(self, told: Serving) -> None:
        self.told = told
        self._ready.set()


@pytest.fixture(scope="module")
def rehearsing() -> Serving:
    """A standalone exchange with a fault and a control endpoint; it ends with the process."""
    return Running(Rehearsal(control_port=0, faults=("html_502",))).told


def control(
    told: Serving,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = None,
    host: str = "",
    more: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    assert told.control_url is not None
    assert told.control_token is not None
    where = told.control_url.removeprefix("http://")
    connection = http.client.HTTPConnection(where, timeout=10)
    headers = {"Authorization": f"Bearer {told.control_token.reveal() if token is None else token}"}
    headers |= more or {}
    if host:
        headers["Host"] = host
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["Origin", "Referer", "Sec-Fetch-Site"])
def test_controls_answer_no_web_page(rehearsing: Serving, name: str) -> None:
    """A request that a page sent is refused at the control port too, although it has the token."""
    assert control(rehearsing, "GET", "/")[0] == 200
    assert control(rehearsing, "GET", "/", more={name: "https://evil.example"})[0] == 403


def test_a_standalone_exchange_can_be_controlled_while_it_runs(rehearsing: Serving, client_for: ClientFor) -> None:
    """A fault given at the start and one given later hit as asked; books, balances and orders are at hand."""
    client = client_for(rehearsing)
    assert client.order(price="40000").status == 502
    assert client.order(price="40000").status == 200
    status, told = control(rehearsing, "POST", "/fault", {"fault": "bad_json,times=2"})
    assert (status, told["faults"]) == (200, [{"kind": "bad_json", "method": "POST", "path": ORDER, "times": 2}])
    assert client.order(price="40000").text.endswith('"orderId":')
    status, told = control(rehearsing, "POST", "/fault", {"fault": "unseen_2013"})
    assert (status, told["faults"][-1]["times"]) == (200, "always")
    assert control(rehearsing, "DELETE", "/fault") == (200, {"faults": [], "clock_skew_ms": 0})
    assert client.order(price="40000").json["status"] == "NEW"
    assert control(rehearsing, "POST", "/balance", {"asset": "USDT", "free": "77.5"}) == (200, {})
    assert client.balances()["USDT"][0] == "77.50000000"
    book = {"symbol": "ETHUSDT", "bid": "1000", "ask": "1000.01", "quantity": "2"}
    assert control(rehearsing, "POST", "/book", book) == (200, {})
    assert client.public("/api/v3/ticker/bookTicker", symbol="ETHUSDT").json["askQty"] == "2.00000000"
    assert control(rehearsing, "DELETE", "/book", {"symbol": "ETHUSDT"}) == (200, {})
    assert client.public("/api/v3/ticker/bookTicker", symbol="ETHUSDT").json["askPrice"] != "1000.01000000"
    assert len(control(rehearsing, "GET", "/orders")[1]) == 3
    assert ORDER in [row["path"] for row in control(rehearsing, "GET", "/requests")[1]]


def test_the_control_endpoint_answers_nobody_without_its_token(rehearsing: Serving, client_for: ClientFor) -> None:
    """A wrong token, no token and a foreign host name are refused, and the trading port knows no controls."""
    assert control(rehearsing, "GET", "/", token="")[0] == 403
    assert control(rehearsing, "DELETE", "/fault", token="x" * 64)[0] == 403
    assert control(rehearsing, "GET", "/", host="evil.example")[0] == 403
    client = client_for(rehearsing)
    token = {"Authorization": f"Bearer {present(rehearsing.control_token).reveal()}"}
    for path in ("/fault", "/book", "/orders", "/requests", "/balance"):
        assert client.raw("POST", path, "{}", token).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/fault", {"fault": "nonsense"}, 400),
        ("POST", "/fault", {}, 400),
        ("POST", "/fault", ["reply_lost"], 400),
        ("POST", "/balance", {"asset": "USDT", "free": 5}, 400),
        ("POST", "/balance", {"asset": "USDT", "free": "NaN"}, 400),
        ("POST", "/book", {"symbol": "NOPE", "bid": "1", "ask": "2", "quantity": "1"}, 400),
        ("GET", "/nothing", None, 404),
    ],
)
def test_the_control_endpoint_says_what_is_wrong(
    rehearsing: Serving, method: str, path: str, body: Any, status: int
) -> None:
    """Mistakes are reported as JSON and change nothing."""
    got, told = control(rehearsing, method, path, body)
    assert got == status
    assert "error" in told


def test_without_being_asked_there_is_neither_a_fault_nor_a_control_endpoint(
    client_for: ClientFor,
) -> None:
    """A standalone exchange has no control port unless one was requested."""
    told = Running(Rehearsal()).told
    assert (told.control_url, told.control_token, told.other_keys, told.replay_end) == (None, None, (), None)
    assert client_for(told).order(price="40000").status == 200


def test_faults_do_not_cost_weight(client_for: ClientFor) -> None:
    """A request that a fault answers in the exchange's place is not counted."""
    with PaperServer() as server:
        client = client_for(server.endpoint)
        server.controls.fault("GET", "/api/v3/exchangeInfo", "status", times=3)
        assert {client.public("/api/v3/exchangeInfo").status for _ in range(3)} == {500}
        assert client.public("/api/v3/ping").headers["x-mbx-used-weight-1m"] == "1"
