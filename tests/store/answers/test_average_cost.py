"""Profit by average cost: an oracle in whole numbers agrees on random trading, periods add up, nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.store.answers.average_cost import CostPool, pools_of
from guardian.store.transaction.ledger import Flow, FlowKind
from tests.gate.support.profit_oracle import UNIT, Step, books_of, flows_of

D = Decimal
ASSETS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT"), "ETHBTC": ("ETH", "BTC")}
AMOUNTS = ("bought", "bought_for", "sold", "sold_for", "realised", "unknown_cost", "unknown_cost_for")
END_MS = 10_000


@st.composite
def trading(draw: st.DrawFn) -> list[Step]:
    """Fills of several orders on three symbols, interleaved, some with fees that become known later."""
    steps: list[Step] = []
    sides: dict[str, tuple[str, str]] = {}
    time_ms, filled = 0, [""]
    for _ in range(draw(st.integers(1, 25))):
        time_ms += draw(st.integers(0, 400))
        order = draw(st.sampled_from([f"g1-{n}" for n in range(8)]))
        symbol, side = sides.setdefault(
            order, (draw(st.sampled_from(sorted(ASSETS))), draw(st.sampled_from(["BUY", "SELL"])))
        )
        if order in filled and draw(st.booleans()):
            asset = draw(st.sampled_from([*ASSETS[symbol], "BNB"]))
            steps.append(Step(time_ms, symbol, order, side, draw(st.integers(1, 10**6)), asset=asset))
        else:
            filled.append(order)
            quantity, amount = draw(st.integers(1, 10**10)), draw(st.integers(1, 10**13))
            steps.append(Step(time_ms, symbol, order, side, quantity, amount))
    return steps


def of(steps: list[Step], start_ms: int | None = None, end_ms: int | None = None) -> dict[str, CostPool]:
    return pools_of(flows_of(steps), ASSETS, start_ms=start_ms, end_ms=end_ms)


@given(trading(), st.integers(0, END_MS), st.integers(0, END_MS))
@settings(max_examples=300, deadline=None)
def test_random_trading_gains_what_the_oracle_says(steps: list[Step], start_ms: int, end_ms: int) -> None:
    """Every sum of every symbol is exactly the oracle's, for any period; what is held and its cost are those of now."""
    pools = of(steps, start_ms, end_ms)
    for symbol, book in books_of(steps, start_ms, end_ms).items():
        pool = pools[symbol]
        assert (pool.held, pool.cost) == (book.held * UNIT, book.cost * UNIT)
        assert {name: getattr(pool.gains, name) for name in AMOUNTS} == {n: book.sums[n] * UNIT for n in AMOUNTS}
        fees = {name.removeprefix("fee "): n * UNIT for name, n in book.sums.items() if name.startswith("fee ")}
        assert pool.gains.fees == fees
        assert pool.gains.fees_apart == {asset: n * UNIT for asset, n in book.apart.items() if n}


@given(trading(), st.integers(0, END_MS))
@settings(max_examples=150, deadline=None)
def test_two_periods_that_follow_one_another_add_up(steps: list[Step], split_ms: int) -> None:
    """A period's realised profit uses the cost of all earlier fills, so that its parts give the whole."""
    first, second, whole = of(steps, None, split_ms), of(steps, split_ms + 1, None), of(steps)
    for symbol in ASSETS:
        for name in AMOUNTS:
            parts = getattr(first[symbol].gains, name) + getattr(second[symbol].gains, name)
            assert parts == getattr(whole[symbol].gains, name)


@given(trading())
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_to_rounding(steps: list[Step]) -> None:
    """What came in less what was paid is what was realised and has no known cost, less the cost of what is held."""
    for pool in of(steps).values():
        gains = pool.gains
        cash = gains.sold_for - gains.bought_for - gains.fees.get(pool.quote_asset, D(0))
        assert cash == gains.realised + gains.unknown_cost_for - pool.cost


def flow(number: int, kind: FlowKind, asset: str, change: str, source: str = "a", time_ms: int = 0) -> Flow:
    return Flow(
        number=number, symbol="BTCUSDT", source=source, time_ms=time_ms, kind=kind, asset=asset, change=D(change)
    )


def pool_of(*flows: Flow, **period: Any) -> CostPool:
    return pools_of(flows, {"BTCUSDT": ("BTC", "USDT")}, **{"start_ms": None, "end_ms": None, **period})["BTCUSDT"]


BOUGHT = (flow(1, FlowKind.TRADE, "BTC", "2"), flow(2, FlowKind.TRADE, "USDT", "-100"))


def test_fee_in_the_base_asset_lessens_what_is_held_and_leaves_its_cost() -> None:
    """2 bought for 100, a fee of 1: the 1 that is left cost 100; sold for 90, that is a loss of 10."""
    sold = (flow(4, FlowKind.TRADE, "BTC", "-1", "b"), flow(5, FlowKind.TRADE, "USDT", "90", "b"))
    pool = pool_of(*BOUGHT, flow(3, FlowKind.FEE, "BTC", "-1"), *sold)
    assert (pool.held, pool.cost, pool.gains.realised) == (D(0), D(0), D("-10"))


def test_cost_that_nothing_is_held_for_any_more_is_a_loss() -> None:
    """A fee that takes all that was bought takes its cost too."""
    pool = pool_of(*BOUGHT, flow(3, FlowKind.FEE, "BTC", "-2"))
    assert (pool.held, pool.cost, pool.gains.realised, pool.gains.fees_apart) == (D(0), D(0), D("-100"), {})


def test_amount_that_is_corrected_later_counts_when_it_became_known() -> None:
    """A BUY counted at its worst cost until the exchange said what it was: the rest comes back to the cost."""
    later = flow(3, FlowKind.TRADE, "USDT", "20", time_ms=5)
    pool = pool_of(*BOUGHT, later)
    assert (pool.held, pool.cost, pool.gains.bought_for) == (D(2), D(80), D(80))
    assert pool_of(*BOUGHT, later, start_ms=1).gains.bought_for == D(-20)


def test_correction_of_a_cost_beyond_what_is_held_is_a_gain() -> None:
    """All but a hundredth is sold when the worst cost of 100 turns out to be 80: no cost falls below zero."""
    sold = (flow(3, FlowKind.TRADE, "BTC", "-1.98", "b"), flow(4, FlowKind.TRADE, "USDT", "99", "b"))
    pool = pool_of(*BOUGHT, *sold, flow(5, FlowKind.TRADE, "USDT", "20"))
    assert (pool.held, pool.cost, pool.gains.realised) == (D("0.02"), D(0), D(19))


def test_proceeds_that_are_reported_late_are_a_gain_by_the_share_that_guardian_had_bought() -> None:
    """4 sold of which 2 were bought; the 120 that come later are half profit, half of unknown cost."""
    pool = pool_of(*BOUGHT, flow(3, FlowKind.TRADE, "BTC", "-4", "b"), flow(4, FlowKind.TRADE, "USDT", "120", "b", 1))
    assert (pool.gains.realised, pool.gains.unknown_cost_for, pool.gains.unknown_cost) == (D(-40), D(60), D(2))
    assert pool.gains.sold_for == D(120)
    sold = (flow(3, FlowKind.TRADE, "BTC", "-4", "b"), flow(4, FlowKind.TRADE, "USDT", "120", "b", 1))
    later = pool_of(*BOUGHT, *sold, start_ms=1)
    assert (later.gains.sold, later.gains.sold_for) == (D(0), D(120))


def test_trade_without_a_reported_amount_is_no_pair_with_another_orders() -> None:
    """The next row belongs to another order: each is taken by itself."""
    pool = pool_of(
        flow(1, FlowKind.TRADE, "BTC", "1"),
        flow(2, FlowKind.TRADE, "USDT", "-7", "b"),
    )
    assert (pool.held, pool.cost, pool.gains.bought_for) == (D(1), D(7), D(7))


def test_owners_correction_is_neither_profit_nor_loss() -> None:
    """What leaves takes its share of the cost; what is added has none and is not held; its worth is not counted."""
    off = (flow(3, FlowKind.CORRECTION, "BTC", "-0.5", "c"), flow(4, FlowKind.WORTH, "USDT", "30", "c"))
    pool = pool_of(*BOUGHT, *off)
    assert (pool.held, pool.cost, pool.gains.realised, pool.gains.corrected) == (D("1.5"), D(75), D(0), D("-0.5"))
    added = pool_of(*BOUGHT, flow(3, FlowKind.CORRECTION, "BTC", "4", "c"))
    assert (added.held, added.cost, added.gains.corrected) == (D(2), D(100), D(4))


def test_share_of_a_cost_is_rounded_up_at_the_eighth_digit_and_the_rest_stays() -> None:
    """A third of 100 is 33.33333334, half of what is then left is 33.33333333, and that is left for the last."""
    bought = (flow(1, FlowKind.TRADE, "BTC", "3"), flow(2, FlowKind.TRADE, "USDT", "-100"))
    sales = [
        (flow(n, FlowKind.TRADE, "BTC", "-1", f"s{n}"), flow(n + 1, FlowKind.TRADE, "USDT", "40", f"s{n}"))
        for n in (3, 5, 7)
    ]
    gained = [pool_of(*bought, *(f for s in sales[:n] for f in s)).gains.realised for n in (1, 2, 3)]
    assert gained == [D("6.66666666"), D("13.33333333"), D(20)]


def test_fee_of_an_order_that_is_not_known_to_have_traded_is_kept_apart() -> None:
    """Nothing says whether it belongs to a cost or to proceeds."""
    pool = pool_of(flow(1, FlowKind.FEE, "USDT", "-1"))
    assert (pool.gains.realised, pool.gains.fees_apart) == (D(0), {"USDT": D(1)})
