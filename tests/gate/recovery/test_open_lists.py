"""Open orders are polled with lists; a list shows that an order is there, and never that it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.domain.trading import TradingState
from guardian.errors import ExchangeRejected, ExchangeUnavailable, OutcomeUnknown
from guardian.exchange.limits.weights import ONE_ORDER
from guardian.gate.recovery.background import RecoveryTask
from guardian.gate.recovery.resolve import Resolver
from guardian.gate.recovery.schedule import KEPT_FOR_LISTS, MOST_AT_ONCE, OPEN_WEIGHT_A_MINUTE, WEIGHT_PER_S
from tests.gate.recovery.test_resolve import lost_together, once
from tests.gate.support.fakes import D, FakeExchange, Lost, Room
from tests.support.profiles import tries
from tests.support.world import BASE

SYMBOLS = tuple(f"{first}{second}AUSDT" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJKLMNOPQRST")


def opened(room: Room, count: int, symbol: str = "BTCUSDT") -> list[str]:
    """Orders that are open, as guardian knows."""
    names = []
    for _ in range(count):
        room.ask(price=str(60000 - len(room.exchange.placed)), symbol=symbol)  # the same again would be a duplicate
        assert room.last().state is OrderState.OPEN
        names.append(room.last().client_order_id)
    room.exchange.asked.clear()
    return names


def on_symbols(room: Room, symbols: tuple[str, ...], count: int = 1) -> list[str]:
    """Open orders on each of these symbols, which the policy lists."""
    room.exchange.books |= dict.fromkeys(symbols, ("60000", "60001"))
    room.policy({"symbols": dict.fromkeys(symbols, BASE["symbols"]["BTCUSDT"])})
    return [name for symbol in symbols for name in opened(room, count, symbol)]


def background(room: Room) -> RecoveryTask:
    """The background task of this process, whose orders have been compared already."""
    task = RecoveryTask(context=room.context)
    task.reconciliation.due = room.clock.monotonic() + 1e9
    return task


def run_for(room: Room, task: RecoveryTask, seconds: float, each_tick: Callable[[], object] = lambda: None) -> None:
    """The task repeats what is due for so long."""
    ends = room.clock.mono + seconds
    while room.clock.mono < ends:
        room.clock.forward(room.run(task.tick()))
        each_tick()


def weight(room: Room) -> int:
    """The weight of what was asked since the list of requests was emptied."""
    weights = {"order": 4, "open_orders": 6, "all_orders": 20, "my_trades": 5, "instruments": 20}
    return sum(
        80 if name == "open_orders" and fields["symbol"] is None else weights[name]
        for name, fields in room.exchange.asked
    )


def answered_with(room: Room, change: Callable[[tuple[OrderReport, ...]], tuple[OrderReport, ...]]) -> None:
    """From now on the list of open orders is what `change` makes of the true one."""
    real = FakeExchange.open_orders

    async def open_orders(symbol: str | None, *, only_readable: bool = False) -> tuple[OrderReport, ...]:
        return change(await real(room.exchange, symbol, only_readable=only_readable))

    exchange: Any = room.exchange
    exchange.open_orders = open_orders


# -- which request


def test_one_order_of_a_symbol_is_queried_and_several_are_listed(room: Room) -> None:
    """The query of one order weighs 4, the list of its symbol 6."""
    (name,) = opened(room, 1)
    assert once(room) == {name: OrderState.OPEN}
    assert room.exchange.names() == ["order"]
    names = [name, *opened(room, 4)]
    assert once(room) == dict.fromkeys(names, OrderState.OPEN)
    assert room.exchange.asked == [("open_orders", {"symbol": "BTCUSDT"})]


def test_list_that_changes_nothing_writes_nothing_and_takes_no_further_transaction(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred open orders that rest are a hundred comparisons, not a hundred transactions."""
    opened(room, 5)
    once(room)
    rows = room.sql("SELECT count(*) FROM audit")
    transactions: list[object] = []
    real = room.journal.transaction

    def counted(*given: Any, **named: Any) -> Any:
        transactions.append(given)
        return real(*given, **named)

    monkeypatch.setattr(room.journal, "transaction", counted)
    assert len(once(room)) == 5
    assert len(transactions) <= 5  # whether any is pending, which, the lease and its return, and the fees
    assert room.sql("SELECT count(*) FROM audit") == rows


def test_orders_on_many_symbols_are_listed_with_one_request(room: Room) -> None:
    """The list of all symbols weighs 80, whatever their number: less than 14 lists, or 21 queries."""
    names = on_symbols(room, SYMBOLS[:21])
    assert once(room) == dict.fromkeys(names, OrderState.OPEN)
    assert room.exchange.asked == [("open_orders", {"symbol": None})]
    for name in names[5:]:
        room.exchange.becomes(name, "CANCELED")
    once(room)
    room.exchange.asked.clear()
    assert len(once(room)) == 5
    assert room.exchange.names() == ["order"] * 5


def test_order_that_fills_partly_in_a_list_is_recorded_and_those_that_rest_are_not(room: Room) -> None:
    """What was recorded already is compared and passed over, also in the transaction of an order that changed."""
    first, *others = opened(room, 3)
    once(room)
    rows = [room.row(name) for name in others]
    room.clock.forward(20)
    room.exchange.becomes(first, "PARTIALLY_FILLED", "0.0004")
    assert once(room) == {first: OrderState.PART_FILLED, **dict.fromkeys(others, OrderState.OPEN)}
    assert room.row(first).executed_quantity == D("0.0004")
    assert [room.row(name) for name in others] == rows


# -- what a list lacks


def test_order_that_a_list_lacks_is_queried_before_anything_is_believed(room: Room) -> None:
    """It was filled, cancelled or has expired: its own report says which, and its fees are fetched."""
    filled, cancelled, expired, stays = opened(room, 4)
    room.exchange.becomes(filled, "FILLED", "0.001")
    room.exchange.becomes(cancelled, "CANCELED")
    room.exchange.becomes(expired, "EXPIRED", "0.0004")
    room.exchange.trades[1] = (
        Fill(price=D("60000"), quantity=D("0.001"), commission=D("0.06"), commission_asset="USDT"),
    )
    assert once(room) == {
        filled: OrderState.FILLED,
        cancelled: OrderState.CANCELLED,
        expired: OrderState.EXPIRED,
        stays: OrderState.OPEN,
    }
    assert room.exchange.names() == ["open_orders", "order", "order", "order", "my_trades", "my_trades"]
    assert room.fees(filled) == {"USDT": D("0.06")}


def test_order_that_fills_between_the_list_and_the_query_is_filled(room: Room) -> None:
    """One list is stale as soon as it is answered; what it lacks is asked later, and counts."""
    first, second = opened(room, 2)
    room.exchange.becomes(second, "CANCELED")

    async def fills() -> None:
        room.exchange.becomes(first, "FILLED", "0.001")

    room.exchange.during["order"] = fills
    assert once(room) == {first: OrderState.OPEN, second: OrderState.CANCELLED}
    assert once(room) == {first: OrderState.FILLED}


def test_absence_from_lists_alone_is_no_evidence(room: Room) -> None:
    """A list that lacks orders for an hour ends none of them while the query of each still has it."""
    names = opened(room, 3)
    room.exchange.unlisted |= set(names)
    for _ in range(60):
        assert once(room) == dict.fromkeys(names, OrderState.OPEN)
        room.clock.forward(60)
    assert {(room.row(name).state, room.row(name).absent_ms) for name in names} == {(OrderState.OPEN, 0)}


def test_unknown_order_that_a_list_lacks_is_not_absent_until_its_query_says_so(room: Room) -> None:
    """An order that was just sent is in no list yet. Only answers about itself count as absence."""
    room.policy({"limits": {"absence_window": "5m"}})
    names = lost_together(room, False, False, False)
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    for _ in range(30):
        with pytest.raises(ExchangeUnavailable):
            once(room)
        room.clock.forward(60)
    assert {(room.row(name).state, room.row(name).absent_ms) for name in names} == {(OrderState.UNKNOWN, 0)}
    assert "open_orders" in room.exchange.names()


def test_unknown_orders_that_a_list_has_are_open(room: Room) -> None:
    """The replies of three orders were lost: one list resolves those that arrived."""
    first, second, third = lost_together(room, True, False, True)
    assert once(room) == {first: OrderState.OPEN, third: OrderState.OPEN, second: None}
    assert room.row(second).state is OrderState.UNKNOWN


def test_many_orders_that_end_at_once_are_found_with_one_list_of_recent_orders(room: Room) -> None:
    """From six on the list of the symbol's newest orders weighs less than queries. It counts for what has ended."""
    names = opened(room, 30)
    for name in names[:20]:
        room.exchange.becomes(name, "FILLED", "0.001")
    room.exchange.unlisted.add(names[20])
    found = once(room)
    assert [state for name, state in found.items() if name in names[:20]] == [OrderState.FILLED] * 20
    assert room.exchange.names()[:3] == ["open_orders", "all_orders", "order"]
    assert room.exchange.names().count("order") == 1


# -- strange lists


def test_order_that_its_owner_amended_is_known_in_a_list_by_its_order_id(room: Room) -> None:
    """It has another client order id there, and a smaller quantity; no query is needed, and nothing is contradicted."""
    first, second = opened(room, 2)
    amended = replace(room.exchange.reports[first], client_order_id="of-the-owner", quantity=D("0.0007"))
    del room.exchange.reports[first]
    room.exchange.reports["of-the-owner"] = amended
    assert once(room) == {first: OrderState.OPEN, second: OrderState.OPEN}
    assert room.exchange.names() == ["open_orders"]
    assert room.row(first).amended_quantity == D("0.0007")
    assert room.exchange.reports["of-the-owner"].status == "NEW"


def test_orders_of_others_in_a_list_change_nothing(room: Room) -> None:
    """Another's order is not taken for guardian's, also where it has the order id of one of another time."""
    first, second = opened(room, 2)
    others = replace(room.exchange.reports[first], client_order_id="web_1", created_ms=1, price=D("1"))
    answered_with(room, lambda listed: (others, replace(others, order_id=99), *listed))
    assert once(room) == {first: OrderState.OPEN, second: OrderState.OPEN}
    with room.journal.transaction() as tx:
        assert tx.trading.status().state is TradingState.ACTIVE


def test_list_that_contradicts_an_order_halts_as_its_own_report_would(room: Room) -> None:
    """The same checks: another price under guardian's id is believed of no order."""
    first, second = opened(room, 2)
    answered_with(
        room,
        lambda listed: tuple(replace(one, price=D("1")) if one.client_order_id == first else one for one in listed),
    )
    assert once(room) == {first: None, second: OrderState.OPEN}
    assert room.row(first).state is OrderState.UNKNOWN
    with room.journal.transaction() as tx:
        assert tx.trading.status().state is TradingState.HALTED


@pytest.mark.parametrize("same", [True, False])
def test_order_that_a_list_has_twice_is_queried_unless_both_say_the_same(room: Room, same: bool) -> None:
    """Of two different reports neither can be preferred."""
    first, second = opened(room, 2)

    def twice(listed: tuple[OrderReport, ...]) -> tuple[OrderReport, ...]:
        half = replace(listed[0], executed_quantity=D("0.0005"), executed_quote_quantity=D("30"))
        return (*listed, listed[0] if same else half)

    answered_with(room, twice)
    assert once(room) == {first: OrderState.OPEN, second: OrderState.OPEN}
    assert room.exchange.names() == (["open_orders"] if same else ["open_orders", "order"])
    assert room.row(first).executed_quantity == 0


def test_stale_list_takes_back_nothing(room: Room) -> None:
    """An order that has ended, or is filled further, while an old list was on its way stays so, without a halt."""
    first, second = opened(room, 2)
    before = tuple(room.exchange.reports.values())
    room.exchange.becomes(first, "PARTIALLY_FILLED", "0.0005")
    room.exchange.becomes(second, "CANCELED")
    once(room)
    answered_with(room, lambda _: before)
    room.ask(price="50000")
    once(room)
    assert (room.row(first).state, room.row(first).executed_quantity) == (OrderState.PART_FILLED, D("0.0005"))
    assert room.row(second).state is OrderState.CANCELLED
    with room.journal.transaction() as tx:
        assert tx.trading.status().state is TradingState.ACTIVE


def test_order_that_ends_in_the_store_while_its_list_is_on_its_way_is_not_contradicted(room: Room) -> None:
    """A cancel of another call is newer than the list that still has the order."""
    first, second = opened(room, 2)
    before = tuple(room.exchange.reports.values())

    async def cancelled() -> None:
        with room.journal.transaction() as tx:
            tx.orders.move(first, OrderState.CANCELLED)

    room.exchange.during["open_orders"] = cancelled
    answered_with(room, lambda _: before)
    once(room)
    assert room.row(first).state is OrderState.CANCELLED
    assert room.row(second).state is OrderState.OPEN
    with room.journal.transaction() as tx:
        assert tx.trading.status().state is TradingState.ACTIVE


# -- lists that fail


def test_list_that_fails_is_replaced_by_queries(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed list hides no order: each is queried, and one warning an hour says why."""
    names = opened(room, 3)
    room.exchange.becomes(names[0], "FILLED", "0.001")
    room.exchange.fails["open_orders"] = ExchangeUnavailable("the answer does not have the expected shape")
    with caplog.at_level(logging.WARNING):
        assert once(room) == {names[0]: OrderState.FILLED, names[1]: OrderState.OPEN, names[2]: OrderState.OPEN}
        once(room)
    assert len([one for one in caplog.records if "the list of open orders failed" in one.getMessage()]) == 2
    assert room.exchange.names().count("order") == 5


def test_exchange_that_is_down_is_not_asked_for_every_order(room: Room) -> None:
    """After the list and one query have failed, the other orders of the symbol are left for the next round."""
    names = opened(room, 20)
    room.exchange.fails |= {"open_orders": ExchangeUnavailable("down"), "order": ExchangeUnavailable("down")}
    with pytest.raises(ExchangeUnavailable):
        once(room)
    assert room.exchange.names() == ["open_orders", "order"]
    room.exchange.fails.clear()
    assert once(room) == dict.fromkeys(names, OrderState.OPEN)


def test_symbol_that_fails_keeps_no_other_from_being_polled(room: Room) -> None:
    """The exchange refuses the list of one symbol; the orders of the others are found."""
    first = on_symbols(room, ("AAAUSDT", "BBBUSDT"), 2)

    def refused(listed: tuple[OrderReport, ...]) -> tuple[OrderReport, ...]:
        if room.exchange.asked[-1][1]["symbol"] == "AAAUSDT":
            raise ExchangeRejected(-1121, "Invalid symbol.", http_status=400)
        return listed

    answered_with(room, refused)
    room.exchange.becomes(first[3], "FILLED", "0.001")
    assert once(room) == {
        first[0]: OrderState.OPEN, first[1]: OrderState.OPEN, first[2]: OrderState.OPEN, first[3]: OrderState.FILLED,
    }  # fmt: skip


# -- pace and weight


@pytest.mark.unmeasured
def test_fill_is_noticed_within_fourteen_seconds_or_twentysix_after_ten_quiet_minutes(room: Room) -> None:
    """The periods are 10 s and 20 s, a quarter longer at most, and one tick."""
    for quiet_s, most_s in ((0, 14), (700, 26)):
        for _ in range(tries(5, least=2)):
            *names, name = opened(room, 3)
            task = background(room)
            run_for(room, task, 3 + quiet_s)
            room.exchange.becomes(name, "FILLED", "0.001")
            filled = room.clock.mono
            while room.row(name).state is OrderState.OPEN:
                room.clock.forward(room.run(task.tick()))
            assert room.clock.mono - filled <= most_s
            room.run(task.resolver.leaseholder.release())
            del names


@pytest.mark.unmeasured
def test_new_order_ends_the_long_period_of_its_symbol(room: Room) -> None:
    """An order that was just sent is polled as one is, whatever has rested beside it."""
    opened(room, 2)
    task = background(room)
    run_for(room, task, 900)
    name = opened(room, 1)[0]
    room.exchange.becomes(name, "FILLED", "0.001")
    run_for(room, task, 14)
    assert room.row(name).state is OrderState.FILLED


@pytest.mark.unmeasured
@pytest.mark.parametrize(("symbols", "each"), [(1, 100), (50, 2), (200, 1)])
def test_weight_of_polling_open_orders_is_bounded_whatever_their_number(room: Room, symbols: int, each: int) -> None:
    """36 a minute for one symbol; 240 for any number of them, and a third more by chance; every fill is noticed."""
    names = opened(room, each) if symbols == 1 else on_symbols(room, SYMBOLS[:symbols], each)
    task = background(room)
    run_for(room, task, 60)
    room.exchange.asked.clear()
    run_for(room, task, 300)
    allowed = 36 if symbols == 1 else OPEN_WEIGHT_A_MINUTE
    assert weight(room) <= 5 * allowed * 1.34
    room.exchange.becomes(names[-1], "FILLED", "0.001")
    run_for(room, task, 26)
    assert room.row(names[-1]).state is OrderState.FILLED


@pytest.mark.unmeasured
def test_background_stays_within_its_budget_while_hundreds_of_orders_are_unknown(room: Room) -> None:
    """What does not fit waits for its turn, the longest due first; open orders are noticed in time all the same."""
    room.exchange.books["ETHUSDT"] = ("60000", "60001")
    live = opened(room, 3, "ETHUSDT")
    unknown = lost_together(room, *[False] * 150)
    task = background(room)
    room.exchange.asked.clear()
    began, spent = room.clock.mono, []
    run_for(room, task, 600, lambda: spent.append((room.clock.mono - began, weight(room))))
    assert all(used <= MOST_AT_ONCE + WEIGHT_PER_S * seconds + 80 for seconds, used in spent)
    polled = {fields["client_order_id"] for name, fields in room.exchange.asked if name == "order"}
    assert set(unknown) <= polled
    room.exchange.becomes(live[0], "FILLED", "0.001")
    run_for(room, task, 26)
    assert room.row(live[0]).state is OrderState.FILLED


def test_orders_of_another_account_are_neither_listed_nor_changed(room: Room) -> None:
    """The keys answer for another account now: its list says nothing about these orders."""
    names = opened(room, 2)
    room.connector.account = "account-2"
    assert once(room) == {}
    assert room.exchange.asked == []
    assert {room.row(name).state for name in names} == {OrderState.OPEN}


def test_two_processes_poll_no_more_than_one(room: Room) -> None:
    """The lease lets one of them list, so that the weight is that of one."""
    opened(room, 10)
    first, second = background(room), background(room)
    for _ in range(120):
        for task in (first, second):
            room.run(task.tick())
        room.clock.forward(1)
    assert room.exchange.names().count("open_orders") <= 17
    assert set(room.exchange.names()) == {"open_orders"}


def test_fees_that_are_missing_are_fetched_more_and_more_rarely(room: Room) -> None:
    """A list of trades that lags is asked again at once, and one that stays empty once a minute."""
    first, second = opened(room, 2)
    room.exchange.becomes(first, "FILLED", "0.001")
    task = background(room)
    run_for(room, task, 600)
    assert 10 <= room.exchange.names().count("my_trades") <= 20
    room.exchange.trades[room.row(first).order_id or 0] = (
        Fill(price=D("60000"), quantity=D("0.001"), commission=D("0.06"), commission_asset="USDT"),
    )
    run_for(room, task, 80)
    assert room.fees(first) == {"USDT": Decimal("0.06")}
    del second


def test_resolver_of_a_command_polls_everything_at_once(room: Room) -> None:
    """It has no budget: a person waits for it."""
    unknown = lost_together(room, *[False] * 90)
    room.exchange.asked.clear()
    found = room.run(Resolver(context=room.context).run_once())
    assert {result.client_order_id for result in found} == set(unknown)


def test_reply_that_is_lost_with_the_order_open_is_found_in_the_list(room: Room) -> None:
    """The unknown order is in the list that is asked for the open ones."""
    opened(room, 2)
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.ask(price="50000")
    name = room.last().client_order_id
    assert room.row(name).state is OrderState.UNKNOWN
    assert once(room)[name] is OrderState.OPEN


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room that may hold much."""
    limits = {"max_position": "1000", "max_quantity": "1"}
    made = Room(tmp_path, {"symbols": dict.fromkeys(("BTCUSDT", "ETHUSDT"), limits)})
    try:
        yield made
    finally:
        made.close()


# -- what waits, and what fails on the way


def test_without_any_weight_left_nothing_is_asked_and_all_of_it_stays_due(room: Room) -> None:
    """The list of open orders waits for weight as queries do, and is sent once there is some."""
    names = opened(room, 2)
    task = background(room)
    task.resolver.budget._left_s = -1000.0
    room.run(task.tick())
    assert room.exchange.asked == []
    task.resolver.budget._left_s = MOST_AT_ONCE / WEIGHT_PER_S
    room.exchange.becomes(names[0], "FILLED", "0.001")
    room.run(task.tick())
    assert room.row(names[0]).state is OrderState.FILLED


def test_order_that_a_list_lacks_is_queried_as_soon_as_there_is_weight(room: Room) -> None:
    """A list may be sent with the last of the weight; what it lacks stays wanted until it is known."""
    names = opened(room, 2)
    room.exchange.becomes(names[0], "FILLED", "0.001")
    task = background(room)
    task.resolver.budget._left_s = 2.0
    room.run(task.tick())
    assert room.exchange.names() == ["open_orders"]
    assert room.row(names[0]).state is OrderState.OPEN
    task.resolver.budget._left_s = MOST_AT_ONCE / WEIGHT_PER_S
    room.run(task.tick())
    assert "order" in room.exchange.names()
    assert room.row(names[0]).state is OrderState.FILLED


def test_fees_wait_for_weight(room: Room) -> None:
    """The query of a filled order takes the last that queries may use; its trades are fetched once there is more."""
    (name,) = opened(room, 1)
    room.exchange.becomes(name, "FILLED", "0.001")
    task = background(room)
    task.resolver.budget._left_s = (KEPT_FOR_LISTS + ONE_ORDER) / WEIGHT_PER_S
    room.run(task.tick())
    assert room.exchange.names() == ["order"]
    assert room.row(name).state is OrderState.FILLED
    task.resolver.budget._left_s = MOST_AT_ONCE / WEIGHT_PER_S
    room.run(task.tick())
    assert room.exchange.names() == ["order", "my_trades"]


def test_list_that_is_refused_is_asked_as_seldom_as_for_an_unknown_order(room: Room) -> None:
    """Once in 45 s at the most; another symbol's keeps its pace."""
    opened(room, 2)
    room.exchange.fails["open_orders"] = ExchangeRejected(-1121, "Invalid symbol.", http_status=400)
    run_for(room, background(room), 300)
    assert 3 <= room.exchange.names().count("open_orders") <= 8


def test_list_of_recent_orders_that_fails_is_replaced_by_queries(room: Room) -> None:
    """Every order that has ended is found by its own query."""
    names = opened(room, 8)
    for name in names[:7]:
        room.exchange.becomes(name, "CANCELED")
    room.exchange.fails["all_orders"] = ExchangeUnavailable("the answer does not have the expected shape")
    found = once(room)
    assert [found[name] for name in names] == [OrderState.CANCELLED] * 7 + [OrderState.OPEN]
    assert room.exchange.names().count("order") == 7


def test_trades_that_cannot_be_fetched_take_back_nothing_of_the_round(room: Room) -> None:
    """The fill is recorded, the failure is raised at the end, and the fees are fetched later."""
    (name,) = opened(room, 1)
    room.exchange.becomes(name, "FILLED", "0.001")
    room.exchange.fails["my_trades"] = ExchangeUnavailable("down")
    with pytest.raises(ExchangeUnavailable):
        once(room)
    assert room.row(name).state is OrderState.FILLED
    assert room.fees(name) == {}
