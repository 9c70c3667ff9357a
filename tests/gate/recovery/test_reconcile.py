"""Reconciliation: what the exchange has against what the store says, and the fees that nobody reported."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.money import plain
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    NoCredentials,
    OutcomeUnknown,
    PolicyInvalid,
)
from guardian.gate.base.order_views import view_of_row
from guardian.gate.recovery import reconcile as reconciling
from guardian.gate.recovery.background import RECONCILE_PERIOD_S, RECONCILE_RETRY_S, RecoveryTask
from guardian.gate.recovery.order_reports import LISTS_LAG_MS, DifferenceKind
from guardian.gate.recovery.poll import ARCHIVED_AFTER_MS
from guardian.gate.recovery.reconcile import BETWEEN_SYMBOLS_S, Reconciled, Reconciler
from guardian.gate.recovery.schedule import BACK_OFF_S, PERIOD_S
from tests.gate.support.fakes import D, Lost, Placed, Room, limit


def reconcile(room: Room, symbols: Iterable[str] | None = None) -> Reconciled:
    return room.run(Reconciler(room.context).run(symbols))


def kinds(found: Reconciled) -> list[tuple[str, str]]:
    return [(one.kind.value, one.client_order_id) for one in found.differences]


def events(room: Room) -> list[str]:
    bodies = room.sql("SELECT body FROM audit WHERE phase='event' ORDER BY seq")
    return [json.loads(body)["data"]["kind"] for (body,) in bodies]


def opened(room: Room, price: str = "60000") -> str:
    room.ask(price=price)
    assert room.last().state is OrderState.OPEN
    return room.last().client_order_id


def lost(room: Room, price: str = "60000") -> str:
    """An order that is not known, and did not arrive."""
    room.exchange.script = [OutcomeUnknown("lost")]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.ask(price=price)
    del room.exchange.fails["order"]
    assert room.last().state is OrderState.UNKNOWN
    return room.last().client_order_id


def trading(room: Room) -> TradingState:
    with room.journal.transaction() as tx:
        return tx.trading.status().state


def test_both_sides_agree(room: Room) -> None:
    """Where nothing differs there is no event, and the symbols are those of the policy and of the store."""
    opened(room)
    found = reconcile(room)
    assert found.symbols == ("BTCUSDT", "ETHUSDT")
    assert (found.agreed, found.differences, found.foreign) == (1, (), ())
    assert (found.environment, found.account) == ("paper", room.connector.account)
    assert events(room) == []
    assert found.is_whole
    ((first,),) = room.sql("SELECT ts_ms FROM marks")
    room.clock.forward(10)
    assert not reconcile(room, ("ETHUSDT",)).is_whole
    assert room.sql("SELECT ts_ms FROM marks") == [(first,)]
    assert reconcile(room).is_whole
    assert room.sql("SELECT ts_ms FROM marks") == [(first + 10_000,)]
    assert reconcile(room, ("ETHUSDT",)).symbols == ("ETHUSDT",)


def test_symbols_of_the_store_are_compared_without_a_policy(room: Room) -> None:
    """A broken policy, and one of another environment, do not keep guardian's own orders from being looked at."""
    opened(room)
    room.policy({"environment": "testnet"})
    assert reconcile(room).symbols == ("BTCUSDT",)
    room.policy_file.current = lambda: (_ for _ in ()).throw(PolicyInvalid(()))
    assert reconcile(room).symbols == ("BTCUSDT",)


def test_order_that_moved_on_is_taken_over_with_an_event(room: Room) -> None:
    """A fill that nobody reported is a difference once, and a row."""
    name = opened(room)
    room.exchange.becomes(name, "FILLED", "0.001")
    found = reconcile(room)
    assert kinds(found) == [("moved", name)]
    assert (found.differences[0].store, found.differences[0].exchange) == (OrderState.OPEN, OrderState.FILLED)
    assert room.row(name).state is OrderState.FILLED
    assert events(room) == ["resolved"]
    assert kinds(reconcile(room)) == []


def test_guardians_order_without_an_intent_is_loud(room: Room) -> None:
    """An order with guardian's mark that the log does not have is reported every time, and written down once."""
    name = opened(room)
    other = "g1-" + "0" * 32
    room.exchange.reports[other] = replace(room.exchange.reports[name], client_order_id=other, order_id=99)
    for _ in range(2):
        found = reconcile(room)
        assert kinds(found) == [("not_in_log", other)]
        assert (found.differences[0].store, found.differences[0].exchange) == (None, OrderState.OPEN)
    assert found.agreed == 1
    assert events(room) == ["order_not_in_log", "halted"]


def test_orders_of_others_are_shown_and_not_counted(room: Room) -> None:
    """What the owner placed by hand is foreign while it is open, no difference, and in no budget."""
    name = opened(room)
    report = room.exchange.reports[name]
    room.exchange.reports["web_1"] = replace(report, client_order_id="web_1", order_id=99)
    room.exchange.reports["web_2"] = replace(report, client_order_id="web_2", order_id=98, status="FILLED")
    found = reconcile(room)
    assert [(view.client_order_id, view.placed_by) for view in found.foreign] == [("web_1", "other")]
    assert found.differences == ()
    assert room.entered() == 60


def test_order_that_the_exchange_does_not_know_is_missing_and_keeps_counting(room: Room) -> None:
    """One look proves nothing: it is reported, and its state stays until the bounds of absence are met."""
    name = lost(room)
    found = reconcile(room)
    assert kinds(found) == [("missing", name)]
    assert room.row(name).state is OrderState.UNKNOWN
    assert room.entered() == 60
    assert events(room) == []


def test_order_beyond_the_lists_is_asked_for_by_its_id(room: Room) -> None:
    """An old order that the lists no longer reach is found by its client order id."""
    name = opened(room)
    room.exchange.unlisted.add(name)
    assert kinds(reconcile(room)) == []
    room.exchange.becomes(name, "EXPIRED")
    assert kinds(reconcile(room)) == [("moved", name)]
    assert room.row(name).state is OrderState.EXPIRED


def test_status_that_is_not_known_moves_nothing(room: Room) -> None:
    """A word of the exchange's that guardian does not know is kept beside the state; what was executed counts."""
    name = opened(room)
    room.exchange.becomes(name, "SOMETHING_NEW", "0.0004")
    assert kinds(reconcile(room)) == [("moved", name)]
    assert reconcile(room).differences == ()
    row = room.row(name)
    assert (row.state, row.exchange_status, row.executed_quantity) == (OrderState.OPEN, "SOMETHING_NEW", D("0.0004"))
    assert view_of_row(row).exchange_status == "SOMETHING_NEW"
    assert room.ask(side="SELL", quantity="0.0004").outcome is Outcome.DONE


def test_order_that_is_just_being_sent_is_no_difference(room: Room) -> None:
    """What another process is sending now is found at the exchange, and is neither missing nor a surprise."""
    found: list[Reconciled] = []

    async def look() -> None:
        found.append(await Reconciler(room.context).run())

    room.exchange.script = [look, Placed("NEW")]
    room.ask()
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.during["order"] = look
    room.ask(price="59999")
    assert [one.differences for one in found] == [(), ()]
    assert room.last().state is OrderState.OPEN


@pytest.mark.parametrize("executed", ["0", "0.001"])
def test_order_that_was_taken_for_not_placed_and_is_there_halts(room: Room, executed: str) -> None:
    """Trading halts until a person has looked, the log says which order, and it counts as the exchange has it."""
    room.exchange.script = [Lost(ExchangeRejected(-1013, "no", http_status=400), "NEW")]
    room.ask()
    name = room.last().client_order_id
    assert (room.entered(), counted(room)) == (D(0), ("0", "0", "0"))
    assert room.row(name).state is OrderState.REJECTED
    room.exchange.becomes(name, "FILLED" if executed != "0" else "NEW", executed)
    assert reconcile(room).differences == ()  # the lists may lag
    assert trading(room) is TradingState.ACTIVE
    room.clock.forward(LISTS_LAG_MS / 1000)
    assert kinds(reconcile(room)) == [("contradicted", name)]
    assert trading(room) is TradingState.HALTED
    assert events(room) == ["order_contradicted", "halted"]
    assert room.entered() == 60
    assert counted(room) == (("0.001", "0", "0") if executed != "0" else ("0", "60", "0.001"))
    assert reconcile(room).differences == ()
    resumed(room)
    room.exchange.becomes(name, "FILLED", "0.001")
    reconcile(room)
    assert counted(room) == ("0.001", "0", "0")
    assert trading(room) is TradingState.ACTIVE
    assert room.ask(side="SELL", quantity="0.001").outcome is Outcome.DONE
    assert room.last().is_exit  # what was found out can be sold back


def resumed(room: Room) -> None:
    """The owner has looked, and lets trading go on."""
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="a person has looked", by="owner")


def counted(room: Room) -> tuple[str, str, str]:
    """What counts: position, open notional, and what open BUYs would add to the position."""
    usage = room.usage(limit(side="SELL"))
    return plain(usage.position), plain(usage.open_notional), plain(usage.open_buys)


def test_each_contradiction_halts_again(room: Room) -> None:
    """Another order, or the same one once more: each has its row and its halt, and each is set right."""
    names = [opened(room, price) for price in ("60000", "59999")]
    for number, name in enumerate((names[0], names[1], names[0]), 1):
        room.cancel(client_order_id=name)
        room.clock.forward(LISTS_LAG_MS / 1000)
        room.exchange.becomes(name, "NEW")
        assert kinds(reconcile(room)) == [("contradicted", name)]
        assert trading(room) is TradingState.HALTED
        assert room.row(name).state is OrderState.OPEN
        assert events(room).count("order_contradicted") == number
        assert events(room).count("halted") == number
        resumed(room)
    assert room.row(names[0]).corrections == 2


@pytest.mark.parametrize("change", [{"order_id": 99}, {"status": "NEW"}])
def test_contradiction_that_is_no_correction_halts_and_changes_nothing(room: Room, change: dict[str, Any]) -> None:
    """Another order under the same id, and a filled one that is open again, are for a person: reported once."""
    name = opened(room)
    if "status" in change:
        room.exchange.becomes(name, "FILLED", "0.001")
        reconcile(room)
    else:
        room.cancel(client_order_id=name)
    before = room.row(name).state
    room.clock.forward(LISTS_LAG_MS / 1000)
    room.exchange.reports[name] = replace(room.exchange.reports[name], **{"status": "NEW", **change})
    kind = "contradicted" if "status" in change else "impossible"
    for _ in range(2):
        assert kinds(reconcile(room)) == [(kind, name)]
    assert trading(room) is TradingState.HALTED
    assert events(room).count(f"order_{kind}") == 1
    assert (room.row(name).state, room.row(name).corrections) == (before, 0)


def test_cancelled_order_that_is_still_open_halts_and_a_late_fill_is_noted(room: Room) -> None:
    """An end that was none is loud; that more was executed before the end is only news."""
    name = opened(room)
    room.cancel(client_order_id=name)
    room.clock.forward(LISTS_LAG_MS / 1000)
    room.exchange.becomes(name, "CANCELED", "0.0004")
    assert kinds(reconcile(room)) == [("moved", name)]
    assert str(room.row(name).executed_quantity) == "0.0004"
    room.exchange.becomes(name, "EXPIRED", "0.0005")  # by another name, but ended
    assert kinds(reconcile(room)) == [("moved", name)]
    assert room.row(name).state is OrderState.CANCELLED
    assert trading(room) is TradingState.ACTIVE
    room.clock.forward(LISTS_LAG_MS / 1000)
    room.exchange.becomes(name, "NEW")
    assert [one.kind for one in reconcile(room).differences] == [DifferenceKind.CONTRADICTED]
    assert trading(room) is TradingState.HALTED


# -- a wiped testnet


def test_wiped_exchange_wedges_nothing(room: Room) -> None:
    """Open orders that the exchange forgot end as expired, unknown ones as not placed; each event says why."""
    name = opened(room)
    unknown = lost(room, "59995")
    room.exchange.reports.clear()
    assert set(kinds(reconcile(room))) == {("missing", name), ("missing", unknown)}
    for _ in range(16):
        assert room.row(unknown).state is OrderState.UNKNOWN
        room.run(room.resolver.run_once())
        room.clock.forward(60)
    assert room.row(name).state is OrderState.EXPIRED
    assert room.row(unknown).state is OrderState.NOT_PLACED
    assert room.entered() == 60  # what was entered stays entered; what never came to be does not
    assert "it was deleted, as the testnet does" in room.log_text()
    assert "long after it could have arrived" in room.log_text()
    assert reconcile(room).differences == ()
    room.ask(price="59990")
    assert room.last().state is OrderState.OPEN


def test_archived_order_ends_as_expired(room: Room) -> None:
    """The exchange's word for what ended long ago without a fill ends the asking."""
    name = opened(room)
    room.exchange.fails["order"] = ExchangeRejected(-2026, "Order was archived.", http_status=400)
    room.run(room.resolver.run_once())
    assert room.row(name).state is OrderState.OPEN  # a young order is in no archive
    room.clock.forward(ARCHIVED_AFTER_MS / 1000)
    room.run(room.resolver.run_once())
    assert room.row(name).state is OrderState.EXPIRED
    assert "archive" in room.log_text()


# -- fees


def fill(quantity: str, commission: str, asset: str = "BTC") -> Fill:
    return Fill(price=D("60000"), quantity=D(quantity), commission=D(commission), commission_asset=asset)


def filled_without_fills(room: Room, executed: str = "0.001") -> str:
    """An order that filled after its answer: what it cost was in no report."""
    name = opened(room)
    room.exchange.becomes(name, "FILLED" if executed == "0.001" else "PARTIALLY_FILLED", executed)
    return name


def position(room: Room) -> str:
    """What the store says is held."""
    usage = room.usage(limit(side="SELL"))
    return str(usage.position)


def test_fees_of_an_order_that_filled_later_are_found_out(room: Room) -> None:
    """What was taken of the base asset lessens the position, dust and all; BNB takes nothing of it. Asked once."""
    name = filled_without_fills(room)
    room.exchange.trades[1] = (fill("0.0006", "0.0000006"), fill("0.0004", "0.00001", "BNB"))
    room.run(room.resolver.run_once())
    assert room.fees(name) == {"BTC": D("0.0000006"), "BNB": D("0.00001")}
    assert room.row(name).fee_quantity == D("0.001")
    assert position(room) == "0.0009994"
    before = room.exchange.names().count("my_trades")
    assert before == 1
    room.run(room.resolver.run_once())
    assert reconcile(room).fees == 0
    assert room.exchange.names().count("my_trades") == before


def test_reconciliation_finds_out_fees_too(room: Room) -> None:
    """The fees that were not known are found with the fill that nobody reported."""
    name = filled_without_fills(room)
    room.exchange.trades[1] = (fill("0.001", "0.000001"),)
    assert reconcile(room).fees == 1
    assert room.fees(name) == {"BTC": D("0.000001")}


def test_trades_that_lag_are_asked_for_again(room: Room) -> None:
    """Fewer trades than executed are taken for what they are; the rest is queried with back-off."""
    name = filled_without_fills(room)
    room.exchange.trades[1] = (fill("0.0006", "0.0000006"),)
    room.run(room.resolver.run_once())
    assert room.row(name).fee_quantity == D("0.0006")
    room.exchange.trades[1] += (fill("0.0004", "0.0000004"),)
    room.run(room.resolver.run_once())
    assert room.fees(name) == {"BTC": D("0.000001")}


@pytest.mark.parametrize("what", ["earlier", "more"])
def test_trades_of_another_order_with_the_same_number_are_not_taken(room: Room, what: str) -> None:
    """Order ids start again on a wiped testnet: trades from before it was sent, or more than it, are not its own."""
    name = filled_without_fills(room)
    room.exchange.trades[1] = (fill("0.001" if what == "earlier" else "0.002", "0.000001"),)
    room.exchange.traded_ms = room.row(name).sent_ms - 60_001 if what == "earlier" else None
    room.run(room.resolver.run_once())
    assert (room.fees(name), room.row(name).fee_quantity) == ({}, D(0))


# -- back-off, and when it is reconciled


def ticks(room: Room, background: RecoveryTask, seconds: float) -> list[float]:
    """When, in seconds from now, orders are queried within N seconds of ticking."""
    began = room.clock.monotonic()
    asked: list[float] = []
    while room.clock.monotonic() - began < seconds:
        before = room.exchange.names().count("order")
        pause = room.run(background.tick())
        if room.exchange.names().count("order") > before:
            asked.append(round(room.clock.monotonic() - began))
        room.clock.forward(pause)
    return asked


def steady(room: Room, chance: bytes = b"\x80\x00") -> RecoveryTask:
    """A background task whose dice always fall in the middle, and that has been reconciled already."""
    background = RecoveryTask(context=replace(room.context, random_bytes=lambda n: chance * (n // 2)))
    background.reconciliation.due = room.clock.monotonic() + 1e9
    return background


def test_order_that_is_not_known_is_asked_for_with_growing_pauses(room: Room) -> None:
    """After 1, 2, 5, 10, 30 and 60 s, and then every 60 s for as long as it takes."""
    lost(room)
    room.exchange.reports["other"] = replace(report_of(room), client_order_id=room.last().client_order_id)
    room.exchange.hidden.add(room.last().client_order_id)
    asked = ticks(room, steady(room), 400)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    wanted = [*BACK_OFF_S, 60, 60, 60]
    assert asked[0] == 0
    assert all(want <= gap <= want + 1 for gap, want in zip(gaps, wanted, strict=False)), gaps
    assert room.last().state is OrderState.UNKNOWN


def report_of(room: Room) -> OrderReport:
    """A report of the last order as if it had arrived."""
    order, name, _ = room.exchange.placed[-1]
    return room.exchange._report(order, name, "NEW", D(0))


@pytest.mark.parametrize(("chance", "first"), [(b"\x00\x00", 0.75), (b"\xff\xff", 1.25)])
def test_pauses_are_jittered_by_a_quarter(room: Room, chance: bytes, first: float) -> None:
    """Processes and orders do not fall into step."""
    lost(room)
    resolver = steady(room, chance).resolver
    began = room.clock.monotonic()
    room.run(resolver.run_once(only_due=True))
    (asked,) = resolver._schedule.states.values()
    assert asked.due - began == pytest.approx(first)
    count = room.exchange.names().count("order")
    room.clock.forward(first - 0.01)
    assert room.run(resolver.run_once(only_due=True)) == ()
    room.clock.forward(0.02)
    room.run(resolver.run_once(only_due=True))
    assert room.exchange.names().count("order") == count + 1


def test_open_orders_are_asked_for_at_a_steady_pace(room: Room) -> None:
    """An open order is looked at every 10 s."""
    opened(room)
    asked = ticks(room, steady(room), 60)
    assert len(asked) in range(5, 8)
    assert all(PERIOD_S <= later - earlier <= PERIOD_S + 1 for earlier, later in itertools.pairwise(asked))


def test_it_is_reconciled_at_start_and_every_five_minutes(room: Room) -> None:
    """A server compares by itself, gently, where there are keys to ask with."""
    room.connector.failure = NoCredentials("none yet")
    background = RecoveryTask(context=room.context)
    looks: list[float] = []
    for _ in range(500):
        before = room.exchange.names().count("open_orders")
        at = room.clock.monotonic()
        pause = room.run(background.tick())
        if room.exchange.names().count("open_orders") > before:
            looks.append(at)
            assert BETWEEN_SYMBOLS_S in room.clock.pauses
        if room.clock.monotonic() < 1060:
            assert looks == []
        else:
            room.connector.failure = None
        room.clock.forward(pause)
    assert looks[0] - 1000 <= 2 * RECONCILE_RETRY_S + 2
    assert RECONCILE_PERIOD_S <= looks[1] - looks[0] <= RECONCILE_PERIOD_S + 2


def refusing(room: Room, symbol: str, code: int = -1121) -> None:
    """The exchange refuses to tell of this symbol."""
    listed = room.exchange.open_orders

    async def open_orders(asked: str | None) -> tuple[OrderReport, ...]:
        if asked == symbol:
            raise ExchangeRejected(code, "Invalid symbol.", http_status=400)
        return await listed(asked)

    room.exchange.open_orders = open_orders  # type: ignore[assignment]  # fits the calls that are made


def listing(room: Room, *symbols: str) -> None:
    """The policy lists these symbols too."""
    caps = {"max_notional": "100", "max_quantity": "1", "max_position": "1"}
    room.policy({"symbols": dict.fromkeys(symbols, caps)})


def test_symbol_that_the_exchange_refuses_keeps_no_other_from_being_compared(room: Room) -> None:
    """A symbol of the policy that a testnet lacks is noted, with why; the order of another one is taken over."""
    listing(room, "AAAUSDT")
    name = opened(room)
    refusing(room, "AAAUSDT")
    room.exchange.becomes(name, "FILLED", "0.001")
    found = reconcile(room)
    assert found.symbols == ("AAAUSDT", "BTCUSDT", "ETHUSDT")
    assert [(one.symbol, one.exchange_code, one.exchange_text) for one in found.refused] == [
        ("AAAUSDT", -1121, "Invalid symbol.")
    ]
    assert "-1121" in found.refused[0].why
    assert kinds(found) == [("moved", name)]
    assert not found.is_whole
    assert reconcile(room, ("BTCUSDT",)).refused == ()


def test_order_that_the_exchange_refuses_to_tell_of_hides_no_other_of_its_symbol(room: Room) -> None:
    """The symbol is noted as refused, and what the lists have of it is compared all the same."""
    hidden = opened(room)
    name = opened(room, "59999")
    room.exchange.unlisted.add(hidden)
    room.exchange.fails["order"] = ExchangeRejected(-2026, "Order was archived.", http_status=400)
    room.exchange.becomes(name, "CANCELED")
    found = reconcile(room)
    assert [one.exchange_code for one in found.refused] == [-2026]
    assert kinds(found) == [("moved", name)]


@pytest.mark.parametrize(
    "failure",
    [
        ExchangeUnavailable("down"),
        ExchangeRateLimited(5),
        ExchangeRejected(-2015, "Invalid API-key", http_status=401),
    ],
)
def test_failure_that_is_not_about_the_symbol_ends_the_reconciliation(room: Room, failure: ExchangeError) -> None:
    """An exchange that does not answer, or that asks to slow down, or that refuses the key, is asked no more."""
    room.exchange.fails["open_orders"] = failure
    with pytest.raises(type(failure)):
        reconcile(room)
    assert room.exchange.names().count("open_orders") == 1


def test_reconciliation_in_the_background_says_once_why_it_could_not_compare_all(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning for each cause, when it begins, and again only after it was gone; the next run comes as always."""
    listing(room, "AAAUSDT")
    refusing(room, "AAAUSDT")
    background = RecoveryTask(context=room.context)

    def looked(seconds: float) -> list[str]:
        caplog.clear()
        room.clock.forward(seconds)
        room.run(background.tick())
        return [record.getMessage() for record in caplog.records]

    assert looked(0) == ["reconciliation: AAAUSDT: the exchange refused the request (code -1121)"]
    count = room.exchange.names().count("all_orders")
    assert looked(RECONCILE_RETRY_S + 1) == []
    assert room.exchange.names().count("all_orders") == count
    assert looked(RECONCILE_PERIOD_S) == []
    assert room.exchange.names().count("all_orders") == 2 * count
    room.exchange.fails["all_orders"] = ExchangeUnavailable("down")
    for seconds, told in ((RECONCILE_PERIOD_S, 1), (RECONCILE_RETRY_S, 0), (RECONCILE_RETRY_S, 0)):
        assert [line.endswith("could not all be compared with the exchange's: down") for line in looked(seconds)] == [
            True
        ] * told
    del room.exchange.fails["all_orders"]
    assert len(looked(RECONCILE_RETRY_S)) == 1
    room.exchange.fails["all_orders"] = ExchangeUnavailable("down")
    assert len(looked(RECONCILE_PERIOD_S)) == 1


def test_orders_are_asked_for_between_the_symbols(room: Room) -> None:
    """Minutes of reconciling keep no unknown order from being queried when it is due, and nobody takes over."""
    listing(room, *(f"{a}{b}CUSDT" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ"))
    lost(room)
    other = steady(room, b"\x11\x11").resolver
    asked: list[float] = []
    began = room.clock.monotonic()

    async def order(*_: object, **__: object) -> None:
        asked.append(round(room.clock.monotonic() - began))
        other._schedule.keep_only(())
        assert await other.run_once(only_due=True) == ()

    room.exchange.order = order
    background = steady(room)
    background.reconciliation.due = 0
    room.run(background.tick())
    assert room.clock.monotonic() - began > 100
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(gaps) >= len(BACK_OFF_S)
    assert all(gap <= want + 2 for gap, want in zip(gaps, BACK_OFF_S, strict=False)), gaps


def test_reconciliation_ends_where_another_process_took_over(room: Room) -> None:
    """One that was held up for longer than a lease leaves the rest to whoever asks now, and is not taken for whole."""
    listing(room, "AAAUSDT", "ZZZUSDT")
    name = opened(room)
    first, other = steady(room), steady(room, b"\x11\x11").resolver
    first.reconciliation.due = 0

    async def held_up() -> None:
        room.clock.forward(60)
        assert await other.run_once(only_due=True)

    room.exchange.during["all_orders"] = held_up
    room.run(first.tick())
    assert room.exchange.names().count("all_orders") == 1
    assert first.reconciliation.due < room.clock.monotonic() + RECONCILE_RETRY_S
    assert room.sql("SELECT * FROM marks") == []
    assert room.row(name).state is OrderState.OPEN


def test_symbol_is_told_as_refused_once(room: Room) -> None:
    """Several questions about one symbol may be refused; the first says why."""
    tally = reconciling._Tally()
    for code in (-1121, -1100):
        tally.note_refusal("XUSDT", ExchangeRejected(code, "Invalid symbol.", http_status=400))
    assert [(one.symbol, one.exchange_code) for one in tally.refused] == [("XUSDT", -1121)]
