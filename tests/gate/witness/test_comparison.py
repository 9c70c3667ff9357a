"""One order held against the exchange's lists: each difference by name, and none where both say the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport, Trade
from guardian.domain.report_match import SentOrder
from guardian.gate.witness.comparison import LAG_MS, TIME_BOUND_MS, disagreements, is_behind, lacking, unlogged
from guardian.store.answers.witness_reader import LoggedOrder

D = Decimal
NOW = 1_800_000_000_000
SENT = NOW - 3_600_000
ORDER = LoggedOrder(
    sent=SentOrder(
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        client_order_id="g1-a",
        side="BUY",
        wire_type="LIMIT",
        quantity=D(2),
        price=D(100),
        stop_price=None,
        order_id=7,
        created_ms=SENT + 20,
    ),
    state=OrderState.FILLED,
    sent_ms=SENT,
    updated_ms=SENT + 100,
    executed_quantity=D(2),
    executed_quote_quantity=D(200),
    fee_quantity=D(2),
    fees={"BTC": D("0.002"), "BNB": D(0)},
    adopted=True,
    has_intent=True,
    was_found=False,
)
REPORT = OrderReport(
    symbol="BTCUSDT",
    order_id=7,
    client_order_id="g1-a",
    side="BUY",
    order_type="LIMIT",
    status="FILLED",
    time_in_force="GTC",
    price=D(100),
    stop_price=None,
    quantity=D(2),
    executed_quantity=D(2),
    executed_quote_quantity=D(200),
    time=SENT + 60,
    created_ms=SENT + 20,
)


def trade(quantity: str = "1", price: str = "100", fee: str = "0.001", asset: str = "BTC", time: int = SENT) -> Trade:
    return Trade(
        order_id=7,
        time=time,
        fill=Fill(price=D(price), quantity=D(quantity), commission=D(fee), commission_asset=asset),
    )


TRADES = (trade(), trade())


def kinds(
    order: LoggedOrder = ORDER, report: OrderReport = REPORT, trades: tuple[Trade, ...] | None = TRADES
) -> list[str]:
    return [one.kind.value for one in disagreements(order, report, trades, now_ms=NOW)]


def test_the_same_on_both_sides_is_no_disagreement() -> None:
    """Terms, end, executions, fees and times; a fee of nothing is no fee."""
    assert kinds() == []
    assert kinds(trades=None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price": D(101)}, "terms"),
        ({"side": "SELL"}, "terms"),
        ({"quantity": D(3)}, "terms"),
        ({"status": "CANCELED"}, "state"),
        ({"status": "NEW", "executed_quantity": D(2)}, "state"),
        ({"status": "REJECTED"}, "state"),
        ({"created_ms": SENT + TIME_BOUND_MS + 1}, "time"),
        ({"created_ms": SENT - TIME_BOUND_MS - 1}, "time"),
    ],
)
def test_a_report_that_says_otherwise_is_named(change: dict[str, object], said: str) -> None:
    """What the exchange has is not what the log has."""
    assert kinds(report=replace(REPORT, **change)) == [said]  # type: ignore[arg-type]  # fields of the report


@pytest.mark.parametrize("created_ms", [None, SENT + TIME_BOUND_MS, SENT - TIME_BOUND_MS])
def test_times_within_the_bound_agree(created_ms: int | None) -> None:
    """A missing time says nothing."""
    assert kinds(report=replace(REPORT, created_ms=created_ms)) == []


def test_the_time_of_an_order_that_guardian_found_is_the_exchanges_own() -> None:
    """It has no intent that a time could be compared with, neither of its creation nor of its executions."""
    found = replace(ORDER, has_intent=False, was_found=True, sent_ms=SENT - 10 * TIME_BOUND_MS)
    assert kinds(found) == []
    late = replace(found, sent_ms=SENT + 10 * TIME_BOUND_MS)
    assert kinds(late) == []


@pytest.mark.parametrize(
    ("trades", "said"),
    [
        ((), ["fills"]),
        ((trade(),), ["fills"]),
        ((*TRADES, trade()), ["fills"]),
        ((trade(price="99"), trade()), ["fills"]),
        ((trade(fee="0.002"), trade()), ["fees"]),
        ((trade(asset="BNB"), trade()), ["fees"]),
        ((trade(time=SENT - TIME_BOUND_MS - 1), trade()), ["time"]),
        ((trade(price="99", fee="0.5"), trade(time=0)), ["fills", "fees", "time"]),
    ],
)
def test_executions_that_differ_are_named(trades: tuple[Trade, ...], said: list[str]) -> None:
    """In number, in price, in fees and in time."""
    assert kinds(trades=trades) == said


def test_executed_quantities_that_differ_are_named_without_the_list() -> None:
    """The report alone shows it, and then its executions are not compared as well."""
    changed = replace(ORDER, executed_quantity=D(1), executed_quote_quantity=D(100))
    (found,) = disagreements(changed, REPORT, TRADES, now_ms=NOW)
    assert (found.kind.value, found.log, found.exchange, found.order_id) == ("fills", "1", "2", 7)


@pytest.mark.parametrize("change", [{"adopted": False}, {"fee_quantity": D(1)}])
def test_fees_that_the_log_does_not_have_yet_are_no_disagreement(change: dict[str, object]) -> None:
    """An order that waits for the owner, and one whose fees are not known for all of it."""
    assert kinds(replace(ORDER, fees={}, **change)) == []  # type: ignore[arg-type]  # fields of the order


def test_what_changed_a_moment_ago_is_not_compared() -> None:
    """The exchange's lists lag behind its engine."""
    fresh = replace(ORDER, updated_ms=NOW - LAG_MS + 1)
    assert kinds(fresh, replace(REPORT, status="NEW")) == []


@pytest.mark.parametrize(
    ("log", "exchange"),
    [("expired", "REJECTED"), ("not_placed", "REJECTED"), ("filled", "ODD"), ("rejected", "REJECTED")],
)
def test_ends_that_mean_the_same_agree(log: str, exchange: str) -> None:
    """What guardian took for expired or never placed may be `REJECTED` there; an unknown word says nothing."""
    order = replace(ORDER, state=OrderState(log), executed_quantity=D(0), executed_quote_quantity=D(0), fees={})
    order = order if log != "filled" else ORDER
    done, quote = order.executed_quantity, order.executed_quote_quantity
    report = replace(REPORT, status=exchange, executed_quantity=done, executed_quote_quantity=quote)
    assert kinds(order, report, TRADES if log == "filled" else ()) == []


def test_an_open_order_that_moved_on_is_behind_and_no_disagreement() -> None:
    """Guardian has not asked since; one that is contradicted is not behind."""
    opened = replace(ORDER, state=OrderState.OPEN, executed_quantity=D(0))
    assert is_behind(opened, REPORT)
    assert kinds(opened) == []
    assert is_behind(replace(opened, state=OrderState.PART_FILLED), replace(REPORT, status="PARTIALLY_FILLED"))
    same = replace(REPORT, status="NEW", executed_quantity=D(0))
    assert not is_behind(opened, same)
    assert not is_behind(opened, replace(REPORT, price=D(1)))
    assert not is_behind(ORDER, replace(REPORT, status="NEW"))


def test_what_one_side_lacks_is_named_with_what_the_other_has() -> None:
    """An order that the exchange lacks, and one that the log lacks."""
    there = lacking(ORDER)
    assert (there.kind.value, there.log, there.exchange, there.client_order_id) == (
        "not_at_exchange", "filled", None, "g1-a",
    )  # fmt: skip
    here = unlogged(REPORT)
    assert (here.kind.value, here.log, here.exchange, here.order_id) == ("not_in_log", None, "filled", 7)
