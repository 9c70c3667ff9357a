"""The figures of trading: an oracle agrees first in, first out, sums are those of the entries, each gap is named."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.orders import BUY, SELL
from guardian.store.answers.past_prices import PricePoint, Rates
from guardian.store.answers.trades import AccountLedger, EntryKind, TradeFigures, figures_of
from guardian.store.schema.records import Scope
from guardian.store.transaction.ledger import Flow, FlowKind
from tests.gate.support.profit_oracle import UNIT, Step, books_of, flows_of
from tests.store.answers.test_average_cost import ASSETS, END_MS, trading
from tests.store.support.fifo_oracle import shelves_of

D = Decimal
SCOPE = Scope(environment="paper", account="a1")
RATES = Rates(
    currency="USDT",
    points={
        "BTC": [PricePoint(0, D(50_000)), PricePoint(3_000, D(60_000))],
        "ETH": [PricePoint(1_000, D("2000.5"))],
        "BNB": [PricePoint(500, D(600))],
    },
)


def ledger(flows: list[Flow], rates: Rates = RATES) -> AccountLedger:
    return AccountLedger(scope=SCOPE, flows=tuple(flows), pairs=ASSETS, rates=rates)


def of(steps: list[Step], since_ms: int | None = None, until_ms: int | None = None) -> TradeFigures:
    return figures_of(ledger(flows_of(steps)), since_ms=since_ms, until_ms=until_ms)


def corrected(flows: list[Flow], time_ms: int, symbol: str, asset: str, change: str) -> list[Flow]:
    """The flows, and after them that of a correction by the owner."""
    kind, number = FlowKind.CORRECTION, len(flows) + 1
    return [
        *flows,
        Flow(
            number=number,
            symbol=symbol,
            source=f"position/{number}",
            time_ms=time_ms,
            kind=kind,
            asset=asset,
            change=D(change),
        ),
    ]


def buy(time_ms: int, quantity: str, amount: str, order: str = "g1-a", symbol: str = "BTCUSDT") -> Step:
    return Step(time_ms, symbol, order, "BUY", int(D(quantity) / UNIT), int(D(amount) / UNIT))


def sell(time_ms: int, quantity: str, amount: str, order: str = "g1-s", symbol: str = "BTCUSDT") -> Step:
    return Step(time_ms, symbol, order, "SELL", int(D(quantity) / UNIT), int(D(amount) / UNIT))


def fee(time_ms: int, quantity: str, asset: str, order: str, side: str, symbol: str = "BTCUSDT") -> Step:
    return Step(time_ms, symbol, order, side, int(D(quantity) / UNIT), asset=asset)


@given(trading(), st.none() | st.integers(0, END_MS), st.none() | st.integers(0, END_MS))
@settings(max_examples=400, deadline=None)
def test_random_trading_gains_what_both_oracles_say(
    steps: list[Step], since_ms: int | None, until_ms: int | None
) -> None:
    """Realised, held and cost of every symbol are exactly the oracles', first in first out and by average cost."""
    found = {one.symbol: one for one in of(steps, since_ms, until_ms).symbols}
    before_end = [step for step in steps if until_ms is None or step.time_ms < until_ms]
    shelves = shelves_of(steps, since_ms, until_ms)
    for symbol, book in books_of(before_end, since_ms or 0, END_MS * 2).items():
        one = found.get(symbol)
        if one is None:
            assert not book.sums
            continue
        shelf = shelves[symbol]
        assert (one.fifo, one.held, one.fifo_cost) == (shelf.realised * UNIT, shelf.held * UNIT, shelf.cost * UNIT)
        assert (one.average, one.held, one.average_cost) == (
            book.sums["realised"] * UNIT,
            book.held * UNIT,
            book.cost * UNIT,
        )
        assert (one.bought_for, one.sold_for) == (book.sums["bought_for"] * UNIT, book.sums["sold_for"] * UNIT)


@given(trading(), st.none() | st.integers(0, END_MS))
@settings(max_examples=200, deadline=None)
def test_entries_and_sums_say_the_same(steps: list[Step], since_ms: int | None) -> None:
    """Whatever is summed by symbol is the sum of its entries, and the position follows from its parts."""
    figures = of(steps, since_ms)
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in figures.entries:
        sums[entry.symbol, "fifo"] += entry.fifo
        sums[entry.symbol, "average"] += entry.average
        sums[entry.symbol, entry.kind.value] += entry.quantity
        for asset, paid in entry.fees.items():
            sums[entry.symbol, f"fee {asset}"] += paid
    for one in figures.symbols:
        assert (sums[one.symbol, "fifo"], sums[one.symbol, "average"]) == (one.fifo, one.average)
        assert (sums[one.symbol, "buy"], sums[one.symbol, "sell"]) == (one.bought, one.sold)
        assert {asset: sums[one.symbol, f"fee {asset}"] for asset in one.fees} == dict(one.fees)
        in_base = one.fees.get(one.base_asset, D(0))
        assert one.opening + one.bought - one.sold - in_base + one.corrected == one.position


@given(trading())
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_to_rounding_first_in_first_out(steps: list[Step]) -> None:
    """What came in less what was paid is what was realised and has no known cost, less the cost of what is held."""
    for one in of(steps).symbols:
        cash = one.sold_for - one.bought_for - one.fees.get(one.quote_asset, D(0))
        assert cash == one.fifo + one.unknown_cost_for - one.fifo_cost


def test_the_first_bought_is_the_first_sold() -> None:
    """Bought 1 at 10 and 1 at 30, sold 1 for 40: 30 first in first out, 20 by average cost."""
    (one,) = of([buy(1, "1", "10"), buy(2, "1", "30", "g1-b"), sell(3, "1", "40")]).symbols
    assert (one.fifo, one.average) == (D(30), D(20))
    assert (one.fifo_cost, one.average_cost, one.held, one.orders) == (D(30), D(20), D(1), 3)


def test_a_late_fee_of_a_purchase_lessens_the_gain_of_what_was_sold_of_it() -> None:
    """Half of the lot was sold before its fee of 2 became known: 1 lessens the gain, 1 is a cost of the rest."""
    steps = [buy(1, "2", "20"), sell(2, "1", "15"), fee(3, "2", "USDT", "g1-a", "BUY")]
    (one,) = of(steps).symbols
    assert (one.fifo, one.fifo_cost) == (D(4), D(11))
    assert (one.average, one.average_cost) == (D(5), D(12))


def test_a_fee_in_the_base_asset_leaves_the_cost_to_the_rest_of_its_lot() -> None:
    """Bought 1 for 100 less 0.1 as fee, and 1 for 200: the first 0.9 cost 100."""
    steps = [buy(1, "1", "100"), fee(1, "0.1", "BTC", "g1-a", "BUY"), buy(2, "1", "200", "g1-b")]
    (one,) = of([*steps, sell(3, "0.9", "180")]).symbols
    assert (one.fifo, one.held, one.fifo_cost) == (D(80), D(1), D(200))


def test_a_lot_that_fees_used_up_leaves_its_cost_to_the_next() -> None:
    """Nothing of the first lot is left to be sold, and its cost is not lost."""
    steps = [buy(1, "1", "100"), buy(2, "1", "200", "g1-b"), fee(3, "1", "BTC", "g1-a", "BUY")]
    (one,) = of([*steps, sell(4, "0.5", "250")]).symbols
    assert (one.fifo, one.fifo_cost) == (D(100), D(150))


def test_an_order_that_paid_other_than_was_known_before_changes_its_lot() -> None:
    """What a purchase turns out to have cost less makes what is left of it cheaper, and gains for what was sold."""
    steps = [buy(1, "2", "20"), sell(2, "1", "15")]
    flows = flows_of(steps)
    flows.append(
        Flow(
            number=9, symbol="BTCUSDT", source="g1-a", time_ms=3, kind=FlowKind.TRADE, asset="USDT", change=D(4)
        )
    )  # fmt: skip
    figures = figures_of(ledger(flows))
    (one,) = figures.symbols
    assert (one.bought_for, one.fifo, one.fifo_cost) == (D(16), D(7), D(8))
    last = figures.entries[-1]
    assert (last.kind, last.side, last.amount, last.fifo) == (EntryKind.PRICE, BUY, D(-4), D(2))
    assert figures.total.bought == D(16)


def test_what_an_unknown_order_paid_is_no_gain_of_another() -> None:
    """A payment of an order without a lot is a loss at once, first in first out as by average cost."""
    flow = Flow(number=1, symbol="BTCUSDT", source="g1-x", time_ms=1, kind=FlowKind.TRADE, asset="USDT", change=D(-3))
    (one,) = figures_of(ledger([flow])).symbols
    assert (one.fifo, one.average, one.bought_for) == (D(-3), D(-3), D(3))


def test_fills_and_their_fees_are_one_entry_and_a_late_fee_its_own() -> None:
    """The fee that came with the fill stands beside it."""
    steps = [
        buy(1, "1", "100"),
        fee(1, "0.001", "BTC", "g1-a", "BUY"),
        fee(1, "0.5", "BNB", "g1-a", "BUY"),
        fee(2, "0.1", "BNB", "g1-a", "BUY"),
    ]
    first, late = of(steps).entries
    assert (first.kind, first.side, first.quantity, first.amount) == (EntryKind.BUY, BUY, D(1), D(100))
    assert first.fees == {"BTC": D("0.001"), "BNB": D("0.5")}
    assert first.fees_worth == {"BTC": D(50), "BNB": D(300)}
    assert first.fees_apart == {"BNB": D("0.5")}
    assert (late.kind, late.side, late.fees, late.quantity) == (EntryKind.FEE, BUY, {"BNB": D("0.1")}, D(0))


def test_totals_are_in_the_accounting_currency_at_the_price_of_their_time() -> None:
    """A purchase with bitcoin counts at the price of bitcoin then; a fee in a third asset lessens the gain in all."""
    steps = [
        buy(1, "1", "100"),
        buy(4_000, "2", "0.01", "g1-e", "ETHBTC"),
        sell(5_000, "1", "120", "g1-s"),
        fee(5_000, "0.01", "BNB", "g1-s", "SELL"),
    ]
    total = of(steps).total
    assert (total.bought, total.sold, total.fees) == (D(700), D(120), D(6))
    assert (total.fifo, total.average, total.unpriced) == (D(14), D(14), {})


def test_what_has_no_price_is_named_and_no_sum_pretends_to_have_it() -> None:
    """Without a price of bitcoin nothing bought with it is in a total; a fee without a price is named."""
    steps = [
        buy(1, "1", "0.5", "g1-e", "ETHBTC"),
        sell(2, "1", "0.6", "g1-f", "ETHBTC"),
        fee(2, "0.3", "BNB", "g1-f", "SELL", "ETHBTC"),
    ]
    figures = figures_of(ledger(flows_of(steps), Rates(currency="USDT")))
    total = figures.total
    assert (total.bought, total.sold, total.fifo, total.average, total.fees) == (None, None, None, None, D(0))
    assert total.unpriced == {"BTC": D("1.1"), "BNB": D("0.3")}
    assert [entry.amount_worth for entry in figures.entries] == [None, None]


def test_a_position_that_the_owner_took_off_leaves_with_its_oldest_cost() -> None:
    """It is neither gain nor loss, and what was sold after it had the cost of the next lot."""
    flows = corrected(flows_of([buy(1, "1", "10"), buy(2, "1", "30", "g1-b")]), 3, "BTCUSDT", "BTC", "-1")
    figures = figures_of(ledger(flows))
    (one,) = figures.symbols
    assert (one.fifo, one.held, one.fifo_cost, one.average_cost) == (D(0), D(1), D(30), D(20))
    assert (one.corrected, one.position) == (D(-1), D(1))
    last = figures.entries[-1]
    assert (last.kind, last.side, last.quantity) == (EntryKind.CORRECTION, None, D(-1))
    assert one.orders == 2


def test_an_opening_position_that_the_owner_entered_has_no_cost() -> None:
    """It belongs to no symbol; what is sold of it is no gain, and the position in the asset has it."""
    flows = corrected([], 1, "", "BTC", "2")
    sold = [
        Flow(number=2, symbol="BTCUSDT", source="g1-s", time_ms=2, kind=FlowKind.TRADE, asset="BTC", change=D(-1)),
        Flow(number=3, symbol="BTCUSDT", source="g1-s", time_ms=2, kind=FlowKind.TRADE, asset="USDT", change=D(50)),
    ]
    figures = figures_of(ledger([*flows, *sold]))
    (one,) = figures.symbols
    assert (one.fifo, one.average, one.unknown_cost, one.unknown_cost_for) == (D(0), D(0), D(1), D(50))
    assert figures.positions == {"BTC": D(1), "USDT": D(50)}
    assert figures.entries[0].side is SELL


def test_what_a_correction_was_worth_is_no_position() -> None:
    """The ledger's flow for the loss of the day moves nothing here."""
    worth = Flow(
        number=1, symbol="BTCUSDT", source="position/1", time_ms=1, kind=FlowKind.WORTH, asset="USDT", change=D(5)
    )
    figures = figures_of(ledger([worth]))
    assert (figures.positions, figures.symbols, figures.entries) == ({}, (), ())


@pytest.mark.parametrize(("time_ms", "price"), [(0, 1), (9, 1), (10, 2), (25, 3), (-5, 1)])
def test_the_price_is_the_newest_at_the_time_else_the_first(time_ms: int, price: int) -> None:
    """Prices are of when guardian traded; the first serves for what came before it."""
    rates = Rates(currency="USDT", points={"BNB": [PricePoint(t, D(p)) for t, p in ((0, 1), (10, 2), (20, 3))]})
    assert rates.worth("BNB", D(2), time_ms) == D(2 * price)
    assert rates.worth("USDT", D("0.123456789"), time_ms) == D("0.123456789")
    assert (rates.worth("DOGE", D(1), time_ms), rates.worth("DOGE", D(0), time_ms)) == (None, D(0))


def test_only_the_wanted_symbol_is_answered() -> None:
    """Its entries, totals and positions alone."""
    steps = [buy(1, "1", "100"), buy(2, "1", "50", "g1-e", "ETHUSDT")]
    figures = figures_of(ledger(flows_of(steps)), symbol="ETHUSDT")
    assert [one.symbol for one in figures.symbols] == ["ETHUSDT"]
    assert [entry.symbol for entry in figures.entries] == ["ETHUSDT"]
    assert (figures.total.bought, figures.positions) == (D(50), {"ETH": D(1), "USDT": D(-50)})
