"""Pages of `get_orders`: together they are the exchange's orders of the period, none lost and none twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderReport
from guardian.domain.requests import GetOrders, OrdersWanted
from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping import orders as mapping
from guardian.gate.base.replies import Orders
from guardian.gate.reads import order_pages, order_reads
from guardian.gate.reads.order_pages import Position, fetch_page
from guardian.paper.engine.orders import PlaceOrder
from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.order_json import whole
from guardian.paper.storage import Page
from tests.gate.support.fakes import Room
from tests.support.profiles import tries

HOUR_MS = 3_600_000
BEGIN_MS = 1_700_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class PaperList:
    """The paper exchange's list of orders by the words of its interface, without HTTP."""

    def __init__(self, server: PaperServer) -> None:
        self.server = server
        self.requests = 0

    async def all_orders(self, symbol: str, *, order_id: int | None = None, limit: int) -> tuple[OrderReport, ...]:
        self.requests += 1
        page = Page(start=0, end=1 << 62, first_id=order_id, limit=limit, newest=order_id is None)
        return mapping.orders([whole(order) for order in self.server.venue.history.orders(symbol, page)])


def place(server: PaperServer, symbol: str, at_ms: int, number: int) -> None:
    command = PlaceOrder(
        symbol=symbol,
        side="BUY",
        order_type="LIMIT",
        client_order_id=f"order-{number}",
        self_trade_mode="EXPIRE_MAKER",
        quantity=Decimal("0.01"),
        price=Decimal("2900.00" if symbol == "ETHUSDT" else "59000.00"),
        time_in_force="IOC",
    )
    server.venue.execute(command, at_ms)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the exchange listed four orders with one request, and a page took three requests at most."""
    monkeypatch.setattr(order_pages, "ROWS", 4)
    monkeypatch.setattr(order_pages, "MAX_REQUESTS", 3)


async def pages_of(
    listed: Any, symbol: str, start_ms: int, end_ms: int | None, limits: Iterator[int]
) -> list[list[OrderReport]]:
    """Every page, one after another, each with the next limit."""
    found: list[list[OrderReport]] = []
    position: Position | None = None
    while True:
        before, limit = listed.requests, next(limits)
        page = await fetch_page(listed, symbol, start_ms=start_ms, end_ms=end_ms, position=position, limit=limit)
        assert listed.requests - before <= order_pages.MAX_REQUESTS
        assert len(page.reports) <= limit
        found.append(list(page.reports))
        assert len(found) < 500, "it does not end"
        if page.next is None:
            return found
        assert page.next != position
        position = page.next


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Orders of two symbols with gaps of none to many days; many at one moment."""
    count = draw(st.sampled_from([0, 3, 20, 45, 70]))
    gap = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from([0, 0, 0, 1, 1000, HOUR_MS, 50 * HOUR_MS]))
    gaps = draw(st.lists(gap, min_size=count, max_size=count))
    return list(zip([one for one, _ in gaps], itertools.accumulate(gap for _, gap in gaps), strict=True))


@settings(max_examples=tries(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    history=histories(),
    span=st.tuples(st.integers(-1, 70), st.integers(-1, 70), st.sampled_from([-1, 0, 1])),
    is_open=st.booleans(),
    limits=st.lists(st.integers(1, 12), min_size=1, max_size=5),
)
def test_pages_together_are_the_period_exactly(
    history: list[tuple[str, int]], span: tuple[int, int, int], is_open: bool, limits: list[int]
) -> None:
    """Whatever the orders, the period and the limits: each order of it is on one page, in order, and no other is.

    The period begins and ends at, just before or just after an order, so that its ends are tried too.
    """
    server = PaperServer(clock=lambda: BEGIN_MS)
    server.controls.set_book("BTCUSDT", "60000", "60001")
    server.controls.set_book("ETHUSDT", "3000", "3000.10")
    for number, (symbol, after_ms) in enumerate(history):
        place(server, symbol, BEGIN_MS + after_ms, number)
    times = [BEGIN_MS + after_ms for _, after_ms in history] or [BEGIN_MS]
    start_ms, end = (times[max(0, min(at, len(times) - 1))] + span[2] for at in span[:2])
    end_ms = None if is_open else end
    truth = [
        number
        for number, (symbol, after_ms) in enumerate(history)
        if symbol == "BTCUSDT" and start_ms <= BEGIN_MS + after_ms and (is_open or BEGIN_MS + after_ms <= end)
    ]
    found = asyncio.run(pages_of(PaperList(server), "BTCUSDT", start_ms, end_ms, itertools.cycle(limits)))
    assert [row.client_order_id for page in found for row in page] == [f"order-{number}" for number in truth]


def test_every_beginning_of_a_long_history_is_found() -> None:
    """Each of 40 orders in turn is the first of the period, found within a few requests a page."""
    server = PaperServer(clock=lambda: BEGIN_MS)
    server.controls.set_book("BTCUSDT", "60000", "60001")
    for number in range(40):
        place(server, "BTCUSDT", BEGIN_MS + number * HOUR_MS, number)
    for first in range(41):
        start_ms = BEGIN_MS + first * HOUR_MS
        found = asyncio.run(pages_of(PaperList(server), "BTCUSDT", start_ms, None, itertools.repeat(7)))
        assert [row.client_order_id for page in found for row in page] == [f"order-{n}" for n in range(first, 40)]


# -- joined with the log


def listed(room: Room, request: GetOrders) -> Orders:
    reply = room.call(request)
    assert reply.outcome is Outcome.DONE, reply
    assert isinstance(reply.data, Orders)
    return reply.data


def all_pages(room: Room, request: GetOrders) -> list[Orders]:
    found = [listed(room, request)]
    while found[-1].cut:
        assert found[-1].next_cursor is not None
        assert "`cursor` = `next_cursor`" in (found[-1].note or "")
        found.append(listed(room, replace(request, cursor=found[-1].next_cursor)))
        assert len(found) < 100
    assert found[-1].next_cursor is None
    return found


def traded(room: Room, count: int, symbols: tuple[str, ...] = ("BTCUSDT",)) -> list[str]:
    """So many orders of guardian's, a minute apart, by turns on the symbols."""
    room.exchange.books |= dict.fromkeys(symbols, ("60000", "60001"))
    names = []
    for number in range(count):
        room.ask(symbol=symbols[number % len(symbols)], price=str(59000 - number), quantity="0.0001")
        names.append(room.last().client_order_id)
        room.clock.forward(60)
    return names


@pytest.mark.parametrize("unlisted", [{0}, {3, 4, 5}, {9}, set(range(10)), {1, 3, 5, 7, 9}])
@pytest.mark.parametrize("limit", [1, 3, 20])
def test_what_the_exchange_does_not_show_is_on_its_own_page_from_the_log(
    room: Room, unlisted: set[int], limit: int
) -> None:
    """Orders that the list leaves out for now are filled in from the log: each once, in their place among the pages."""
    names = traded(room, 10)
    room.exchange.unlisted |= {names[number] for number in unlisted}
    start = room.row(names[0]).sent_ms
    found = all_pages(room, GetOrders(symbol="BTCUSDT", start_time=start, limit=limit))
    assert [view.client_order_id for page in found for view in page.orders] == names
    assert {view.client_order_id for page in found for view in page.orders if view.source == "log"} == {
        names[number] for number in unlisted
    }
    assert all(len(page.orders) <= limit for page in found)


def test_unresolved_orders_are_on_the_first_page_alone(room: Room) -> None:
    """They are said once, and first of all."""
    names = traded(room, 3)
    start = room.row(names[0]).sent_ms
    with room.journal.transaction() as tx:
        tx.orders.move(names[2], OrderState.UNKNOWN)
    room.exchange.unlisted.add(names[2])
    for request in (GetOrders(symbol="BTCUSDT", start_time=start, limit=1), GetOrders(start_time=start, limit=1)):
        found = all_pages(room, request)
        assert [[view.client_order_id for view in page.unresolved] for page in found] == [[names[2]], []]
        assert [view.client_order_id for page in found for view in page.orders] == names[:2]


def test_page_whose_beginning_is_not_found_yet_is_empty_and_says_so(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search goes on with the next call: nothing is listed before, from the log neither."""
    monkeypatch.setattr(order_pages, "ROWS", 1)
    names = traded(room, 12)
    start = room.row(names[5]).sent_ms
    found = all_pages(room, GetOrders(symbol="BTCUSDT", start_time=start))
    assert found[0].orders == ()
    assert "the first order of the period is not found yet" in (found[0].note or "")
    assert [view.client_order_id for page in found for view in page.orders] == names[5:]


def test_order_from_before_the_period_that_changed_within_it_is_not_listed(room: Room) -> None:
    """The time of creation counts, not that of the last change; so it does for the log."""
    first, second = traded(room, 2)
    room.exchange.becomes(first, "FILLED", "0.0001")
    start = room.row(second).sent_ms
    room.exchange.reports[first] = replace(room.exchange.reports[first], time=start + 1)
    for request in (GetOrders(symbol="BTCUSDT", start_time=start), GetOrders(start_time=start)):
        assert [view.client_order_id for view in listed(room, request).orders] == [second]


def test_order_that_its_owner_amended_is_listed_once(room: Room) -> None:
    """It keeps its order id and its time, and so its place; it is guardian's under its new name."""
    names = traded(room, 3)
    report = room.exchange.reports.pop(names[1])
    room.exchange.reports["amended"] = replace(report, client_order_id="amended", quantity=Decimal("0.00005"))
    request = GetOrders(symbol="BTCUSDT", start_time=room.row(names[0]).sent_ms, limit=1)
    found = [view for page in all_pages(room, request) for view in page.orders]
    assert [(view.client_order_id, view.placed_by) for view in found] == [(name, "guardian") for name in names]


def test_only_an_end_means_the_day_before_it_and_is_said(room: Room) -> None:
    """As the exchange takes it, which says nothing of it."""
    names = traded(room, 2)
    room.clock.forward(2 * 86_400)
    (late,) = traded(room, 1)
    end = room.row(late).sent_ms
    for request in (GetOrders(symbol="BTCUSDT", end_time=end), GetOrders(end_time=end)):
        found = listed(room, request)
        assert [view.client_order_id for view in found.orders] == [late]
        assert "start_time was left out" in (found.note or "")
    assert len(names) == 2


def test_list_of_the_newest_says_that_it_is_cut_and_how_to_go_on(room: Room) -> None:
    """Without times there is no cursor: a start is needed to page."""
    names = traded(room, 3)
    whole_list = listed(room, GetOrders(symbol="BTCUSDT", limit=3))
    assert (len(whole_list.orders), whole_list.cut, whole_list.note) == (3, False, None)
    for request in (GetOrders(symbol="BTCUSDT", limit=2), GetOrders(limit=2)):
        found = listed(room, request)
        assert [view.client_order_id for view in found.orders] == names[1:]
        assert (found.cut, found.next_cursor) == (True, None)
        assert "give start_time to go through the earlier ones in pages" in (found.note or "")
    opened = listed(room, GetOrders(status=OrdersWanted.OPEN, limit=2, is_status_assumed=True))
    assert (opened.cut, [view.client_order_id for view in opened.orders]) == (True, names[1:])
    assert "status was left out" in (opened.note or "")
    assert "the newest 2 of 3" in (opened.note or "")


# -- what guardian placed on any symbol


def test_orders_of_every_symbol_are_listed_from_the_log_in_pages(room: Room) -> None:
    """All that guardian placed in the period, by turns on two symbols, each once; those that ended by the log."""
    names = traded(room, 9, ("BTCUSDT", "ETHUSDT"))
    room.cancel(client_order_id=names[0])
    request = GetOrders(start_time=room.row(names[0]).sent_ms, limit=4)
    found = all_pages(room, request)
    assert [[view.client_order_id for view in page.orders] for page in found] == [names[:4], names[4:8], names[8:]]
    assert [view.source for view in found[0].orders] == ["log", "exchange", "exchange", "exchange"]
    assert "orders that guardian placed, of every symbol" in (found[0].note or "")
    end = room.row(names[6]).sent_ms
    bounded = all_pages(room, GetOrders(start_time=room.row(names[3]).sent_ms, end_time=end, limit=2))
    assert [view.client_order_id for page in bounded for view in page.orders] == names[3:7]


def test_open_orders_of_the_log_are_asked_of_the_exchange_up_to_a_bound(room: Room) -> None:
    """What filled meanwhile is known from then on; the ones over the bound are given as the log has them."""
    names = traded(room, order_reads.MAX_QUERIES + 1)
    room.exchange.becomes(names[0], "FILLED", "0.0001")
    room.exchange.hidden.add(names[1])
    before = len(room.exchange.asked)
    found = listed(room, GetOrders())
    assert [view.state for view in found.orders[:2]] == ["filled", "open"]
    assert [view.source for view in found.orders] == ["exchange", "log", *["exchange"] * 8, "log"]
    assert room.row(names[0]).state is OrderState.FILLED
    assert [name for name, _ in room.exchange.asked[before:]].count("order") == order_reads.MAX_QUERIES + 1


def test_log_is_listed_also_where_the_exchange_gives_no_or_an_impossible_answer(room: Room) -> None:
    """An answer that contradicts the order that was sent is not believed, and the order is given as the log has it."""
    silent, false = traded(room, 2)
    room.exchange.fails["order"] = ExchangeUnavailable("no network")
    assert [view.source for view in listed(room, GetOrders()).orders] == ["log", "log"]
    room.exchange.fails.clear()
    room.exchange.reports[false] = replace(room.exchange.reports[false], side="SELL")
    found = listed(room, GetOrders())
    assert [view.client_order_id for view in found.orders] == [silent, false]
    assert [(view.side, view.source) for view in found.orders] == [("BUY", "exchange"), ("BUY", "log")]


# -- the cursor


def test_cursor_that_was_altered_or_is_of_another_query_is_refused(room: Room) -> None:
    """A cursor continues its own query and nothing else: any other is a mistake with its hint, never another page."""
    names = traded(room, 5)
    start = room.row(names[0]).sent_ms
    request = GetOrders(symbol="BTCUSDT", start_time=start, limit=2)
    of_log = GetOrders(start_time=start, limit=2)
    cursor, log_cursor = listed(room, request).next_cursor, listed(room, of_log).next_cursor
    assert cursor is not None
    assert log_cursor is not None
    assert len(listed(room, replace(request, cursor=cursor, limit=3)).orders) == 3
    wrong = [
        replace(request, cursor=cursor[:1] + "9" + cursor[1:]),
        replace(request, cursor=cursor[:-1] + ("0" if cursor[-1] != "0" else "1")),
        replace(request, cursor="nonsense"),
        replace(request, cursor=log_cursor),
        replace(of_log, cursor=cursor),
        replace(request, cursor=cursor, symbol="ETHUSDT"),
        replace(request, cursor=cursor, start_time=start + 1),
        replace(request, cursor=cursor, end_time=start + 1),
    ]
    for one in wrong:
        reply = room.call(one)
        assert (reply.outcome, reply.data) == (Outcome.INVALID, None), one
        assert reply.error is not None
        assert reply.error.message.startswith("cursor: is not `next_cursor` of a page of this query")
        assert "leave it out to start over" in (reply.error.hint or "")
    room.connector.account = "account-2"
    assert room.call(replace(request, cursor=cursor)).outcome is Outcome.INVALID


@pytest.mark.parametrize("body", ["b5", "o5-6", "l5", "l5-6"])
def test_cursor_of_a_form_that_no_page_has_is_refused(room: Room, body: str) -> None:
    """Also where its seal fits: nobody makes such a one by mistake, and it is no page."""
    request = GetOrders(symbol="BTCUSDT", start_time=BEGIN_MS)
    seal = order_pages._seal(body, request, room.scope)
    assert room.call(replace(request, cursor=f"{body}.{seal}")).outcome is Outcome.INVALID
