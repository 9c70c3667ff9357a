"""Unknown orders are polled as long as it takes, and absence is believed late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import Environment, TradingState
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    NoCredentials,
    OutcomeUnknown,
    PolicyInvalid,
)
from guardian.gate.base.context import GateContext
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.recovery.absence import ABSENT_AFTER_ANSWERS, LONGEST_GAP_MS
from guardian.gate.recovery.background import TICK_S, RecoveryTask
from guardian.gate.recovery.poll import PollResult
from guardian.gate.recovery.reconcile import Reconciler
from guardian.gate.recovery.resolve import Resolver
from guardian.gate.recovery.schedule import PERIOD_S
from guardian.store.schema.records import NewOrder, Phase, Record
from tests.gate.support.fakes import D, Lost, Placed, Room, denials, limit
from tests.support.clock import ClockOf


def lost(room: Room, price: str = "60000", *, arrives: bool) -> str:
    """An order of unknown fate; it arrived, or it did not."""
    failure = OutcomeUnknown("lost")
    room.exchange.script = [Lost(failure) if arrives else failure]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.ask(price=price)
    del room.exchange.fails["order"]
    assert room.last().state is OrderState.UNKNOWN
    return room.last().client_order_id


def lost_together(room: Room, *arrives: bool) -> list[str]:
    """Orders that were on their way at once, so that none held back another, and whose replies were all lost."""
    with pytest.MonkeyPatch.context() as patch:
        # As each is judged, the ones before it are still being sent.
        patch.setattr("guardian.store.budgets.usage.is_in_doubt", lambda _row, _now: False)
        for number, there in enumerate(arrives):
            failure = OutcomeUnknown("lost")
            room.exchange.script = [Lost(failure) if there else failure]
            room.exchange.fails["order"] = ExchangeUnavailable("down")
            room.ask(price=str(60000 - number))
    del room.exchange.fails["order"]
    names = [name for _, name, _ in room.exchange.placed[-len(arrives) :]]
    assert {room.row(name).state for name in names} == {OrderState.UNKNOWN}
    return names


def once(room: Room) -> dict[str, OrderState | None]:
    return {found.client_order_id: found.state for found in room.run(room.resolver.run_once())}


def pausing(room: Room, pause: Callable[[float], Awaitable[None]]) -> GateContext:
    """The context with another way to wait."""
    return replace(room.context, clock=ClockOf(room.clock.now_ms, room.clock.monotonic, pause))


def test_nothing_is_connected_where_nothing_is_pending(room: Room) -> None:
    """Without an open or unknown order the exchange and the keyring are left alone."""
    fill = Fill(price=D("60000"), quantity=D("0.001"), commission=D("0.06"), commission_asset="USDT")
    room.exchange.script = [Placed("FILLED", "0.001", (fill,))]
    room.ask(kind="MARKET")
    before = room.connector.connects
    assert once(room) == {}
    assert room.connector.connects == before


def test_unknown_order_is_found_and_told_in_the_log(room: Room) -> None:
    """What is found is the order's state, and an event row of the call that sent it."""
    name = lost(room, arrives=True)
    room.exchange.becomes(name, "FILLED", "0.001")
    assert once(room) == {name: OrderState.FILLED}
    row = room.row(name)
    assert (row.state, str(row.executed_quantity)) == (OrderState.FILLED, "0.001")
    ((call_id, body),) = room.sql("SELECT call_id, body FROM audit WHERE phase='event'")
    assert call_id == row.call_id
    assert b'"was":"unknown"' in body
    assert b'"is":"filled"' in body
    assert once(room) == {}


def test_live_orders_are_kept_up_to_date(room: Room) -> None:
    """An open order is queried until it is final; a change is an event, no change is none."""
    room.ask()
    name = room.last().client_order_id
    assert once(room) == {name: OrderState.OPEN}
    assert "event" not in room.phases()
    room.exchange.becomes(name, "PARTIALLY_FILLED", "0.0004")
    assert once(room) == {name: OrderState.PART_FILLED}
    room.exchange.hidden.add(name)
    assert once(room) == {name: None}  # that it is not known now takes nothing back
    assert room.row(name).state is OrderState.PART_FILLED
    room.exchange.hidden.clear()
    room.exchange.becomes(name, "CANCELED")
    assert once(room) == {name: OrderState.CANCELLED}
    assert room.phases().count("event") == 2


def test_status_that_is_not_known_changes_nothing(room: Room) -> None:
    """An order with a status that guardian does not know stays unknown, with that word, and is queried again."""
    name = lost(room, arrives=True)
    room.exchange.becomes(name, "SOMETHING_NEW")
    for _ in range(2):
        assert once(room) == {name: OrderState.UNKNOWN}
    assert (room.row(name).state, room.row(name).exchange_status) == (OrderState.UNKNOWN, "SOMETHING_NEW")
    assert room.phases().count("event") == 1


def test_absence_is_believed_only_after_the_window_answers_and_both_lists(room: Room) -> None:
    """`-2013` frees nothing before `limits.absence_window` of being asked, nor against a list that has the order."""
    room.policy({"limits": {"absence_window": "15m"}})
    name = lost(room, arrives=False)
    for _ in range(15):
        assert once(room) == {name: None}
        assert room.entered() == 60
        room.clock.forward(60)
    assert "open_orders" not in room.exchange.names()
    room.exchange.reports[name] = report_of(room)  # the lists have it, the question by its id does not
    room.exchange.hidden.add(name)
    assert once(room) == {name: None}
    assert room.exchange.names()[-2:] == ["open_orders", "all_orders"]
    del room.exchange.reports[name]
    assert once(room) == {name: OrderState.NOT_PLACED}
    assert (room.row(name).state, room.row(name).given_up) == (OrderState.NOT_PLACED, True)
    assert room.entered() == 0
    assert '"is":"not_placed"' in room.log_text()


def report_of(room: Room) -> OrderReport:
    """A report of the last order as if it had arrived."""
    order, name, _ = room.exchange.placed[-1]
    return room.exchange._report(order, name, "NEW", D(0))


def wait_out(room: Room, minutes: int) -> None:
    """One question a minute."""
    for _ in range(minutes):
        room.run(room.resolver.run_once())
        room.clock.forward(60)


def test_order_given_up_bars_its_duplicate_for_the_whole_window_and_is_set_right_if_it_shows_up(room: Room) -> None:
    """Absence is no proof: the identical order stays denied, and one that shows up after all halts and counts.

    Before, both were filled: 120 USDT of one intent.
    """
    room.policy({"limits": {"duplicate_window": "24h", "absence_window": "1m"}})
    name = lost(room, arrives=True)
    room.exchange.hidden.add(name)
    room.exchange.unlisted.add(name)
    wait_out(room, 4)
    assert room.row(name).state is OrderState.NOT_PLACED
    assert denials(room.ask()) == {"DUPLICATE_ORDER"}
    room.exchange.hidden.clear()
    room.exchange.unlisted.clear()
    room.exchange.becomes(name, "FILLED", "0.001")
    room.run(Reconciler(room.context).run())
    assert (room.row(name).state, room.entered()) == (OrderState.FILLED, D(60))
    with room.journal.transaction() as tx:
        assert tx.trading.status().state is TradingState.HALTED
    room.clock.forward(86_400)
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="a person has looked", by="owner")
    assert room.ask().outcome is Outcome.DONE  # the window is over


def test_time_in_which_nobody_asked_counts_little(room: Room) -> None:
    """Between two answers at most two minutes count, so that a sleep or a long outage is no absence."""
    room.policy({"limits": {"absence_window": "5m"}})
    name = lost(room, arrives=False)
    for _ in range(3):
        assert once(room) == {name: None}
        room.clock.forward(3600)
    assert room.row(name).absent_ms == 2 * LONGEST_GAP_MS
    assert once(room) == {name: OrderState.NOT_PLACED}


def test_order_that_only_the_lists_have_is_not_absent(room: Room) -> None:
    """The query by id lags; while a list has the order it stays unknown, and counts."""
    name = lost(room, arrives=True)
    room.exchange.hidden.add(name)
    for _ in range(6):
        assert once(room) == {name: None}
        room.clock.forward(60)
    room.exchange.becomes(name, "FILLED", "0.001")  # then only the list of all orders has it
    assert once(room) == {name: None}
    room.exchange.hidden.clear()
    assert once(room) == {name: OrderState.FILLED}


def test_time_alone_is_not_absence(room: Room) -> None:
    """However long ago it was sent, one answer or two are not enough."""
    room.policy({"limits": {"absence_window": "1m"}})
    name = lost(room, arrives=False)
    for _ in range(ABSENT_AFTER_ANSWERS - 1):
        assert once(room) == {name: None}
        room.clock.forward(3600)
    assert once(room) == {name: OrderState.NOT_PLACED}


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_clock_that_is_set_does_not_make_an_order_absent_sooner(room: Room, jump_ms: int) -> None:
    """Absence waits on the clock that only goes forward: setting the wall clock frees no budget."""
    name = lost(room, arrives=False)
    room.clock.wall += jump_ms
    for _ in range(6):
        assert once(room) == {name: None}
        room.clock.forward(5)
    assert room.row(name).state is OrderState.UNKNOWN


def test_restart_neither_shortens_nor_forgets_the_wait(room: Room) -> None:
    """What was waited is in the store; time in which no process asked adds nothing, and three answers are needed."""
    room.policy({"limits": {"absence_window": "10m"}})
    name = lost(room, arrives=False)
    wait_out(room, 6)
    assert room.row(name).absent_ms == 300_000
    room.again()
    room.clock.forward(86_400)
    room.clock.wall += 86_400_000
    assert once(room) == {name: None}
    assert room.row(name).absent_ms == 300_000
    room.clock.forward(60)
    wait_out(room, 4)
    assert room.row(name).state is OrderState.UNKNOWN
    assert once(room) == {name: OrderState.NOT_PLACED}


def test_order_found_between_absences_starts_the_wait_again(room: Room) -> None:
    """An order that was seen and is not seen again was there."""
    room.policy({"limits": {"absence_window": "5m"}})
    name = lost(room, arrives=True)
    room.exchange.hidden.add(name)
    wait_out(room, 4)
    assert room.row(name).absent_ms == 180_000
    room.exchange.becomes(name, "SOMETHING_NEW")
    room.exchange.hidden.clear()
    assert once(room) == {name: OrderState.UNKNOWN}
    assert room.row(name).absent_ms == 0


def test_order_that_cannot_be_asked_for_does_not_hide_the_others(room: Room) -> None:
    """One order that the exchange refuses to tell of keeps no other from being found."""
    first, second, third = lost_together(room, False, True, True)
    refusal: Exception = ExchangeRejected(-1121, "Invalid symbol.", http_status=400)

    async def refuse() -> None:
        raise refusal

    room.exchange.during["order"] = refuse
    assert once(room) == {first: None, second: OrderState.OPEN, third: OrderState.OPEN}
    room.exchange.becomes(second, "EXPIRED")
    room.exchange.becomes(third, "EXPIRED")
    refusal = ExchangeUnavailable("down for one")
    room.exchange.during["order"] = refuse
    with pytest.raises(ExchangeUnavailable):
        once(room)
    assert {room.row(second).state, room.row(third).state} == {OrderState.OPEN, OrderState.EXPIRED}
    once(room)
    assert {room.row(second).state, room.row(third).state} == {OrderState.EXPIRED}


@pytest.mark.parametrize("read", ["open_orders", "order"])
def test_rate_limit_ends_the_round(room: Room, read: str) -> None:
    """Asking on after the exchange asked to slow down would make it worse."""
    room.exchange.unlisted |= set(lost_together(room, True, True))
    room.exchange.fails[read] = ExchangeRateLimited(5)
    with pytest.raises(ExchangeRateLimited):
        once(room)
    assert room.exchange.names()[-2:] == (["open_orders", "order"] if read == "order" else ["order", "open_orders"])


def test_asking_goes_on_after_every_failure(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A failed round, even a bug, is tried again after a pause; nothing but the end of the process ends the asking."""
    name = lost(room, arrives=True)
    failures: list[Exception] = [
        ExchangeUnavailable("down"),
        ZeroDivisionError("a bug"),
        NoCredentials("the keyring is locked"),
    ]
    rounds: list[float] = []

    class Enough(BaseException):
        """Ends the test."""

    async def pause(seconds: float) -> None:
        rounds.append(seconds)
        if room.row(name).state is OrderState.OPEN:
            raise Enough
        room.clock.forward(seconds)

    class Failing(Resolver):
        async def run_once(self, *, only_due: bool = False) -> tuple[PollResult, ...]:
            if failures:
                raise failures.pop(0)
            return await Resolver.run_once(self, only_due=only_due)

    before = room.connector.losses
    background = RecoveryTask(context=pausing(room, pause))
    background.resolver = Failing(context=background.context)
    with caplog.at_level(logging.ERROR), pytest.raises(Enough):
        room.run(background.run_forever())
    assert rounds == [PERIOD_S] * 3 + [TICK_S]
    assert room.connector.losses == before + 2
    assert "a round of polling orders failed" in caplog.text


def test_restart_finds_what_was_on_its_way(room: Room) -> None:
    """An order that was reserved when the process died is queried at the next start, and is never sent again."""

    async def work() -> None:
        call = await room.gate.open_call("create_order", {})

        class Killed(BaseException):
            """The end of the process, as far as the store can tell."""

        room.exchange.script = [Lost(Killed())]
        with pytest.raises(Killed):
            await room.gate.handle(call, CreateOrder(order=limit()))

    asyncio.run(work())
    assert room.last().state is OrderState.RESERVED
    room.again()
    assert room.entered() == 60
    name = room.last().client_order_id
    assert once(room) == {name: OrderState.OPEN}
    assert len(room.exchange.placed) == 1


@pytest.mark.parametrize("status", ["NEW", "PARTIALLY_FILLED"])
def test_open_order_that_the_exchange_calls_rejected_later_has_expired(room: Room, status: str) -> None:
    """It was entered, so it keeps counting in the windows; it is open no more. The log has the exchange's word."""
    room.ask()
    name = room.last().client_order_id
    room.exchange.becomes(name, status, "0.0004" if status != "NEW" else "0")
    once(room)
    room.exchange.becomes(name, "REJECTED")
    assert once(room) == {name: OrderState.REJECTED}
    assert room.row(name).state is OrderState.EXPIRED
    assert room.entered() == 60
    assert '"status":"REJECTED"' in room.log_text()
    assert "reports it as rejected now" in room.log_text()
    assert once(room) == {}


# -- what is gone


def gone(room: Room) -> None:
    """The exchange lists the symbol no more, and refuses to tell of its orders."""
    room.exchange.books.clear()
    room.exchange.fails["order"] = ExchangeRejected(-1121, "Invalid symbol.", http_status=400)


def hours(room: Room, number: float) -> None:
    """Six rounds an hour."""
    for _ in range(round(number * 6)):
        room.run(room.resolver.run_once())
        room.clock.forward(600)


@pytest.mark.parametrize("known", [False, True])
def test_orders_of_a_symbol_that_is_gone_for_a_day_expire(
    room: Room, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    """Until then they count; then none is open, and what may have been entered stays so. One warning an hour."""
    if known:
        room.ask()
    name = room.last().client_order_id if known else lost(room, arrives=False)
    gone(room)
    hours(room, 24)
    assert room.row(name).state is (OrderState.OPEN if known else OrderState.UNKNOWN)
    assert len(caplog.records) in range(23, 26)
    hours(room, 1)
    assert room.row(name).state is OrderState.EXPIRED
    assert room.sql("SELECT count(*) FROM orders WHERE state = 'expired' AND notional = '60'") == [(1,)]
    assert "the exchange has not listed BTCUSDT nor returned its orders" in room.log_text()


def test_symbol_that_is_gone_is_remembered_over_restarts(room: Room) -> None:
    """A day of it is a day also for processes that live for an hour; each has to see it several times by itself."""
    name = lost(room, arrives=False)
    gone(room)
    hours(room, 1)
    room.again()
    room.clock.forward(86_400)
    for _ in range(5):
        assert once(room) == {name: None}
    hours(room, 1)
    assert room.row(name).state is OrderState.EXPIRED


@pytest.mark.parametrize("back", ["listed", "answers"])
def test_symbol_that_comes_back_is_not_gone(room: Room, back: str) -> None:
    """A day counts only where the symbol was gone all of it, as far as any process saw."""
    name = lost(room, arrives=True)
    gone(room)
    hours(room, 23)
    books, refusal = dict(room.exchange.books), room.exchange.fails["order"]
    room.again()
    if back == "listed":
        room.exchange.books["BTCUSDT"] = ("60000", "60001")
    else:
        del room.exchange.fails["order"]
        room.exchange.becomes(name, "SOMETHING_NEW")
    once(room)
    room.exchange.books, room.exchange.fails["order"] = books, refusal
    hours(room, 23)
    assert room.row(name).state is OrderState.UNKNOWN
    hours(room, 2)
    assert room.row(name).state is OrderState.EXPIRED


def on_live(room: Room) -> str:
    """An order that is open on live, as far as the store knows. Its client order id."""
    room.ask()
    placed = room.last()
    with room.journal.transaction() as tx:
        entry = tx.audit.append(Record(phase=Phase.INTENT, call_id="live", tool="create_order", environment="live"))
        assert entry.client_order_id is not None
        names = [one.name for one in fields(NewOrder)]
        values = {name: getattr(placed, name) for name in names} | {"environment": "live", "call_id": "live"}
        tx.orders.reserve(NewOrder(**values | {"client_order_id": entry.client_order_id, "reserved_ms": tx.now_ms}))
        tx.orders.move(entry.client_order_id, OrderState.OPEN, order_id=99)
    room.connector.environment = Environment.LIVE
    room.again()
    return entry.client_order_id


def test_order_that_vanished_on_live_goes_on_counting_and_is_told(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is wiped there: what was acknowledged is open for as long as nobody knows better; one row says so."""
    name = on_live(room)
    room.policy(
        {
            "limits": {"absence_window": "1m"},
            "environment": "live",
            "confirmation": {"channel": "terminal", "proof": "pin"},
        }
    )
    for _ in range(20):
        assert once(room) == {name: None}
        room.clock.forward(40)
    assert room.row(name).state is OrderState.OPEN
    assert room.log_text().count("order_vanished") == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}; the exchange had it and does not know it any more, in any of its lists; it still counts"
    ]
    assert room.exchange.names().count("all_orders") <= 7


# -- nothing ends the asking


def test_failures_on_the_way_out_of_a_failure_do_not_end_the_asking(room: Room) -> None:
    """A connection that cannot even be given up, and one whose making another task cut off, are tried again."""
    name = lost(room, arrives=True)
    room.connector.down = ExchangeUnavailable("down")
    rounds: list[float] = []
    given_up: list[int] = []

    async def lose() -> None:
        given_up.append(1)
        raise OSError("a bug in giving up")

    async def pause(seconds: float) -> None:
        rounds.append(seconds)
        room.clock.forward(seconds)
        if len(rounds) == 2:
            room.connector.down = asyncio.CancelledError()
        if len(rounds) == 4:
            room.connector.down = None
        await asyncio.sleep(0)

    room.connector.mark_disconnected = lose

    async def serve() -> None:
        task = asyncio.create_task(RecoveryTask(context=pausing(room, pause)).run_forever())
        while room.row(name).state is OrderState.UNKNOWN and not task.done():
            await asyncio.sleep(0.001)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    room.run(asyncio.wait_for(serve(), 20))
    assert rounds[:4] == [PERIOD_S] * 4
    assert len(given_up) == 2


@pytest.mark.parametrize("read", ["open_orders", "order"])
def test_no_to_the_key_ends_the_round(room: Room, read: str) -> None:
    """It refuses who asks: no order is held against it, and another process is let through."""
    room.exchange.unlisted |= set(lost_together(room, True, True))
    room.exchange.fails[read] = ExchangeRejected(-2015, "Invalid API-key", http_status=401)
    with pytest.raises(ExchangeRejected):
        once(room)
    assert room.exchange.names()[-2:] == (["open_orders", "order"] if read == "order" else ["order", "open_orders"])


def test_absence_window_without_a_policy_is_fifteen_minutes(room: Room) -> None:
    """A policy that is gone and was never good frees nothing sooner."""
    name = lost(room, arrives=False)

    def current() -> PolicyInForce:
        raise PolicyInvalid(())

    room.policy_file.current = current
    wait_out(room, 15)
    assert room.row(name).state is OrderState.UNKNOWN
    wait_out(room, 1)
    assert room.row(name).state is OrderState.NOT_PLACED
