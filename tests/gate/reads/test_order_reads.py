"""What the exchange says of orders arrives: why one ended, what is not known, one time, and what one read left out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.domain.requests import GetOrders, OrdersWanted
from guardian.errors import ExchangeUnavailable
from guardian.gate.base.order_views import average_price, iso, known_moment, note_on, view_of_row
from guardian.gate.base.replies import OrderCancelled, OrderPlaced, Orders, OrderView, Reply
from tests.gate.support.fakes import Placed, Room

D = Decimal
OPEN = GetOrders(symbol="BTCUSDT", status=OrdersWanted.OPEN)
ALL = GetOrders(symbol="BTCUSDT")


def listed(reply: Reply) -> Orders:
    assert isinstance(reply.data, Orders), reply
    return reply.data


def placed(reply: Reply) -> OrderView:
    assert isinstance(reply.data, OrderPlaced), reply
    return reply.data.order


# -- what one read does not show


@pytest.mark.parametrize(
    "request_",
    [
        OPEN,
        ALL,
        GetOrders(status=OrdersWanted.OPEN),
        GetOrders(symbol="BTCUSDT", order_id=1),
        "by client order id",
    ],
)
def test_open_order_that_one_read_does_not_show_is_given_from_the_log(room: Room, request_: GetOrders | str) -> None:
    """An order that the log has open is given with the log's state, and a note says that the answer did not show it.

    Before: an empty list, from which an assistant concludes that there is no order.
    """
    view = placed(room.ask())
    room.exchange.hidden.add(view.client_order_id)
    room.exchange.unlisted.add(view.client_order_id)
    if isinstance(request_, str):
        request_ = GetOrders(symbol="BTCUSDT", client_order_id=view.client_order_id)
    found = listed(room.call(request_))
    (given,) = found.orders
    assert (given.client_order_id, given.state, given.source) == (view.client_order_id, "open", "log")
    assert "did not show it" in (found.note or "")
    assert found.unresolved == ()


@pytest.mark.parametrize("request_", [OPEN, ALL, GetOrders(status=OrdersWanted.OPEN)])
def test_list_is_empty_where_both_have_nothing(room: Room, request_: GetOrders) -> None:
    """Without an order there is none to give, and no note."""
    assert listed(room.call(request_)) == Orders(unresolved=(), orders=(), note=None)


def test_order_that_is_shown_is_given_once_and_without_a_note(room: Room) -> None:
    """What the exchange shows is its own word."""
    view = placed(room.ask())
    for request_ in (OPEN, ALL, GetOrders(status=OrdersWanted.OPEN)):
        found = listed(room.call(request_))
        assert [(one.client_order_id, one.source) for one in found.orders] == [(view.client_order_id, "exchange")]
        assert found.note is None


def test_filled_order_that_one_read_does_not_show_is_in_the_list_of_all(room: Room) -> None:
    """What the log knows to have ended is not open, and is not lost either."""
    name = placed(room.ask()).client_order_id
    room.exchange.becomes(name, "FILLED", "0.001")
    room.call(OPEN)
    room.call(ALL)
    assert room.row(name).state is OrderState.FILLED
    room.exchange.unlisted.add(name)
    assert listed(room.call(OPEN)).orders == ()
    (given,) = listed(room.call(ALL)).orders
    assert (given.state, given.source) == ("filled", "log")


def test_only_what_belongs_on_the_page_is_added(room: Room) -> None:
    """Orders of another symbol, outside of the period, or before a full page are not what was requested."""
    first = placed(room.ask())
    room.clock.forward(3600)
    second = placed(room.ask(price="59000"))
    room.exchange.unlisted |= {first.client_order_id, second.client_order_id}
    sent = room.row(second.client_order_id).sent_ms
    later = replace(ALL, start_time=sent - 1000, end_time=sent + 1000)
    assert [one.client_order_id for one in listed(room.call(later)).orders] == [second.client_order_id]
    earlier = replace(ALL, end_time=sent - 1000)
    assert [one.client_order_id for one in listed(room.call(earlier)).orders] == [first.client_order_id]
    both = listed(room.call(ALL))
    assert [one.client_order_id for one in both.orders] == [first.client_order_id, second.client_order_id]
    assert (both.note or "").startswith("2 orders are")
    assert listed(room.call(replace(OPEN, symbol="ETHUSDT"))).orders == ()
    room.exchange.unlisted.remove(second.client_order_id)
    full = listed(room.call(replace(ALL, limit=1)))
    assert [one.client_order_id for one in full.orders] == [second.client_order_id]
    assert full.note is None


def test_full_page_of_a_period_is_added_to_within_its_own_ends(room: Room) -> None:
    """A page from a start on is the oldest of the period: what is later than its last order comes on the next page."""
    first = placed(room.ask())
    room.clock.forward(60)
    second = placed(room.ask(price="59000"))
    room.exchange.unlisted.add(second.client_order_id)
    start = room.row(first.client_order_id).sent_ms - 1000
    page = listed(room.call(replace(ALL, start_time=start, limit=1)))
    assert [one.client_order_id for one in page.orders] == [first.client_order_id]


def test_order_of_anothers_id_is_not_given_for_the_one_asked_for(room: Room) -> None:
    """An id that neither the exchange nor the log has is nothing, and so is one on another symbol."""
    view = placed(room.ask())
    room.exchange.hidden.add(view.client_order_id)
    assert listed(room.call(GetOrders(symbol="ETHUSDT", client_order_id=view.client_order_id))).orders == ()
    assert listed(room.call(GetOrders(symbol="BTCUSDT", order_id=4711))).orders == ()


# -- one time


def test_same_order_has_one_time_in_every_reply(room: Room) -> None:
    """Create, both lists, by either id, from the log, the status and the cancel give the same `time`.

    Before: `time` was the last change in the exchange's replies, and guardian's own clock in the status.
    """
    view = placed(room.ask())
    name = view.client_order_id
    room.clock.forward(5)
    room.exchange.reports[name] = replace(room.exchange.reports[name], time=room.clock.now_ms())
    wanted = (OPEN, ALL, GetOrders(symbol="BTCUSDT", order_id=1), GetOrders(symbol="BTCUSDT", client_order_id=name))
    seen = [listed(room.call(request_)).orders[0] for request_ in wanted]
    assert [one.updated for one in seen] == [iso(room.clock.now_ms())] * 4
    seen.append(view_of_row(room.row(name)))
    cancelled = room.cancel(client_order_id=name).data
    assert isinstance(cancelled, OrderCancelled)
    seen.append(cancelled.order)
    assert {one.time for one in seen} == {view.time} == {iso(room.row(name).sent_ms)}


# -- why it ended, and what is not known


@pytest.mark.parametrize(
    ("status", "executed", "prevented", "words"),
    [
        ("EXPIRED_IN_MATCH", "0", "0.001", "nothing was filled; the exchange prevented 0.001 from trading with the"),
        ("EXPIRED_IN_MATCH", "0.0004", None, "0.0004 of 0.001 was filled at 59990 on average, the rest was not; the"),
        ("EXPIRED", "0", None, "nothing was filled; the exchange ended it by its own rules"),
        ("CANCELED", "0", None, "cancelled: nothing was filled"),
        ("FILLED", "0.001", "0.0001", "filled: 0.001 at 59990 on average; the exchange prevented 0.0001"),
    ],
)
def test_why_an_order_ended_reaches_the_reply(
    room: Room, status: str, executed: str, prevented: str | None, words: str
) -> None:
    """The exchange's own word and what self-trade prevention held back are in the view, and in the note in words."""
    room.exchange.script = [Placed(status, executed)]
    room.exchange.prevented = None if prevented is None else D(prevented)
    reply = room.ask(price="59990")
    view = placed(reply)
    assert isinstance(reply.data, OrderPlaced)
    assert (view.exchange_status, view.prevented_quantity) == (status, room.exchange.prevented)
    assert words in reply.data.note
    # The log keeps the word for whoever asks again.
    assert view_of_row(room.row(view.client_order_id)).exchange_status == status


@pytest.mark.parametrize(("tif", "words"), [("IOC", "what an IOC does not fill"), ("FOK", "an FOK that cannot fill")])
def test_order_that_lapsed_by_its_own_time_in_force_says_so(room: Room, tif: str, words: str) -> None:
    """An IOC and an FOK end by what they are, not by a fault."""
    room.ask(price="59990")
    row = replace(room.last(), state=OrderState.EXPIRED, exchange_status="EXPIRED", time_in_force=tif)
    assert words in note_on(view_of_row(row))


def test_amounts_and_fees_that_are_not_known_are_null(room: Room) -> None:
    """No quote amount is null, not zero, and gives no average; fees are null until all of them are known.

    Before: `executed_quote_quantity` was "0", and `commissions` an empty object.
    """
    view = placed(room.ask(price="59990"))
    assert view.commissions == {}  # nothing is executed, so nothing was taken
    name = view.client_order_id
    room.exchange.becomes(name, "FILLED", "0.001")
    room.exchange.reports[name] = replace(room.exchange.reports[name], executed_quote_quantity=None)
    (given,) = listed(room.call(ALL)).orders
    assert (given.executed_quote_quantity, given.average_price, given.commissions) == (None, None, None)
    of_log = view_of_row(room.row(name))
    assert (of_log.executed_quote_quantity, of_log.average_price, of_log.commissions) == (None, None, None)
    # Without a quote amount a BUY cost its worst.
    scope = room.row(name).scope
    with room.journal.transaction() as tx:
        (day,) = tx.ledger.traded(scope)
    assert day.cash == {"USDT": D("-59.99")}


def test_fees_that_the_ledger_has_are_given_by_a_read(room: Room) -> None:
    """A list states no fills; where the ledger has the fees of all that is executed, they are in the view."""
    fills = (Fill(price=D(59990), quantity=D("0.001"), commission=D("0.000001"), commission_asset="BTC"),)
    room.exchange.script = [Placed("FILLED", "0.001", fills)]
    view = placed(room.ask(price="59990"))
    (given,) = listed(room.call(ALL)).orders
    assert given.source == "exchange"
    assert given.commissions == view.commissions == {"BTC": D("0.000001")}
    room.exchange.unlisted.add(view.client_order_id)
    assert listed(room.call(ALL)).orders[0].commissions == {"BTC": D("0.000001")}


@pytest.mark.parametrize("time", [None, 0, -1, 10**18, 253_402_300_800_000])
def test_time_out_of_range_is_null(time: int | None) -> None:
    """A time that no calendar has is not known, and breaks nothing."""
    assert known_moment(time) is None


def test_average_of_huge_numbers_is_exact() -> None:
    """Thirty digits are what the mapping lets through; before, an average of them raised."""
    assert average_price(D("0." + "0" * 29 + "1"), D("9" * 30)) == D("9" * 30 + "0" * 30)
    assert average_price(D(3), D(1)) == D("0.33333333")
    assert average_price(D(0), D(1)) is None
    assert average_price(D(1), None) is None


# -- an answer that makes no sense, and a log that cannot be read


def test_answer_about_another_order_is_no_answer(room: Room) -> None:
    """An order that was requested by its id and is not the one that came is not given as if it were."""
    placed(room.ask())
    room.exchange.reports["web_1"] = replace(
        room.exchange.reports[room.last().client_order_id], client_order_id="web_1", order_id=99
    )

    async def of_another(*_: object, **__: object) -> OrderReport:
        return room.exchange.reports["web_1"]

    room.exchange.order = of_another  # the exchange answers with another order
    with pytest.raises(ExchangeUnavailable, match="about another order"):
        room.run(room.gate._reader.read(GetOrders(symbol="BTCUSDT", order_id=98), room.policy_file.current().policy))


def test_flawed_and_impossible_reports_are_not_shown_as_they_are(room: Room) -> None:
    """Of guardian's own order the log's view is given; a foreign one without sense makes the read unavailable."""
    name = placed(room.ask()).client_order_id
    report = room.exchange.reports[name]
    room.exchange.reports[name] = replace(report, side="SELL")
    (given,) = listed(room.call(ALL)).orders
    assert (given.source, given.side, given.state) == ("log", "BUY", "unknown")
    room.exchange.reports[name] = report
    room.exchange.reports["web_1"] = replace(report, client_order_id="web_1", order_id=99, flaw="1 was executed of 0")
    reply = room.call(ALL)
    assert reply.error is not None
    assert "makes no sense" in reply.error.message


def test_orders_are_read_where_the_log_cannot_be(room: Room) -> None:
    """Without the log the exchange's own answer is given, whichever way the orders are requested."""
    name = placed(room.ask()).client_order_id
    call = room.open("get_orders")
    (room.home / "guardian.db").rename(room.home / "away.db")
    for request_ in (ALL, GetOrders(symbol="BTCUSDT", client_order_id=name)):
        found = listed(room.run(room.gate.handle(call, request_)))
        assert [(one.client_order_id, one.placed_by) for one in found.orders] == [(name, "guardian")]
