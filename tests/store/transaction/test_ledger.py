"""The ledger: what orders brought and cost, by asset, dated to when guardian learnt of it."""

from __future__ import annotations

import sqlite3
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fees, OrderSide
from guardian.errors import StoreConflict
from guardian.policy.facts import DayTrading
from guardian.store.database import Transaction
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.records import Phase, Record, Scope
from tests.store.support.store_world import MINUTE, World
from tests.support.profiles import tries

D = Decimal


def fill(world: World, name: str, executed: str, quote: str, fees: dict[str, str] | None = None) -> bool:
    """So much is executed by now, and these fees were taken for all of it."""
    known = None if fees is None else {asset: D(taken) for asset, taken in fees.items()}
    return world.attempt(
        lambda tx: tx.orders.move(
            name,
            OrderState.PART_FILLED,
            report=world.report(executed=executed, quote=quote),
            fees=None if known is None else Fees(quantity=D(executed), by_asset=known),
        )
    )


def day(world: World, scope: Scope | None = None) -> DayTrading:
    """The one symbol that was traded."""
    (found,) = world.attempt(lambda tx: tx.ledger.traded(scope or world.scope))
    return found


def test_what_a_fill_brought_and_cost_is_kept_by_asset(world: World) -> None:
    """The base asset is held, the quote asset was paid, and fees are taken of what they were taken of."""
    name = world.place()
    fill(world, name, "0.002", "100", {"BTC": "0.000002", "BNB": "0.01", "USDT": "0.5"})
    found = day(world)
    assert (found.symbol, found.quote_asset) == ("BTCUSDT", "USDT")
    assert (found.position, found.position_before) == (D("0.001998"), D(0))
    assert found.cash == {"USDT": D("-100.5"), "BNB": D("-0.01")}


def test_fills_that_become_known_bit_by_bit_are_counted_once(world: World) -> None:
    """Each report says all that was executed so far; what is new of it is appended, and a report again is nothing."""
    name = world.place()
    for executed, quote in (("0.0005", "25"), ("0.0005", "25"), ("0.002", "99")):
        fill(world, name, executed, quote)
    fill(world, name, "0.002", "99", {"USDT": "0.1"})
    fill(world, name, "0.002", "99", {"USDT": "0.1"})
    assert day(world).cash == {"USDT": D("-99.1")}
    assert day(world).position == D("0.002")


def test_sale_brings_quote_asset(world: World) -> None:
    """The other way round."""
    name = world.place(spec=world.spec(side=OrderSide.SELL))
    fill(world, name, "0.002", "100")
    assert day(world).cash == {"USDT": D(100)}
    assert day(world).position == D("-0.002")


@pytest.mark.parametrize(("side", "cash"), [(OrderSide.BUY, {"USDT": D(-100)}), (OrderSide.SELL, {})])
def test_fill_without_its_worth_counts_at_its_worst_until_it_is_known(
    world: World, side: OrderSide, cash: dict[str, Decimal]
) -> None:
    """The exchange has no quote quantity for some orders: a BUY cost its price then, and a SELL brought nothing."""
    name = world.place(spec=world.spec(side=side))  # 0.002 at 50000
    fill(world, name, "0.002", "0")
    assert day(world).cash == cash
    fill(world, name, "0.002", "98")
    assert day(world).cash == {"USDT": D(98) if side is OrderSide.SELL else D(-98)}


def test_newest_executed_price_of_a_symbol_is_kept_with_what_is_held_of_it(world: World) -> None:
    """What is left of a holding counts at it where the market has no price: of the order that was executed last."""
    first = world.place()
    fill(world, first, "0.0005", "25")
    assert day(world).last_price == D(50000)
    fill(world, first, "0.002", "98")
    assert day(world).last_price == D(49000)
    fill(world, world.place(spec=world.spec(side=OrderSide.SELL)), "0.0003", "14.1", {"USDT": "0.1"})
    assert day(world).last_price == D(47000)
    fill(world, world.place(quantity="0.003"), "0.0003", "14.2222222")
    assert day(world).last_price == D("47407.40733334")


def test_fill_without_its_worth_changes_no_last_price(world: World) -> None:
    """An order of which the exchange does not say what it brought has no price."""
    name = world.place()
    fill(world, name, "0.002", "0")
    assert day(world).last_price is None
    fill(world, name, "0.002", "98")
    assert day(world).last_price == D(49000)


def test_flows_leave_the_window_and_the_position_stays(world: World) -> None:
    """After 24 hours a fill is no trading of the day any more; what it bought was held all along."""
    fill(world, world.place(), "0.002", "100")
    world.clock_ms += DAY_MS - 1
    assert day(world).position_before == 0
    world.clock_ms += 1
    assert (day(world).position, day(world).position_before) == (D("0.002"), D("0.002"))
    assert day(world).cash == {}


def test_symbol_that_is_neither_held_nor_traded_is_left_out(world: World) -> None:
    """Bought and sold again, a day ago."""
    fill(world, world.place(), "0.002", "100")
    fill(world, world.place(spec=world.spec(side=OrderSide.SELL)), "0.002", "101")
    assert day(world).cash == {"USDT": D(1)}
    world.clock_ms += DAY_MS
    assert world.attempt(lambda tx: tx.ledger.traded(world.scope)) == ()


def test_scopes_have_ledgers_of_their_own(world: World) -> None:
    """What was traded in one environment is no position of another."""
    fill(world, world.place(scope=world.other), "0.002", "100")
    assert world.attempt(lambda tx: tx.ledger.traded(world.scope)) == ()
    assert day(world, world.other).position == D("0.002")


@pytest.mark.parametrize("statement", ["UPDATE flows SET change = '0'", "DELETE FROM flows"])
def test_flows_are_append_only(world: World, statement: str) -> None:
    """By a trigger of the file."""
    fill(world, world.place(), "0.002", "100")
    world.store.close()
    connection = sqlite3.connect(world.home / "guardian.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # which order
        st.integers(1, 20),  # how much of it is executed by now, in twentieths
        st.sampled_from(["BTC", "USDT", "BNB", None]),  # the asset of its fees, where they are known
        st.integers(0, 30 * 60),  # minutes until then
    ),
    max_size=12,
)


@given(steps=steps)
@settings(max_examples=tries(60), deadline=None)
def test_ledger_is_that_of_a_naive_model(steps: list[tuple[int, int, str | None, int]]) -> None:
    """Whatever is reported in whatever order, each asset's sum, now and of the day, is what a list of fills gives."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        sides = [OrderSide.BUY, OrderSide.SELL, OrderSide.BUY]
        names = [world.place(spec=world.spec(side=side, price=f"5000{n}")) for n, side in enumerate(sides)]
        done, charged, flows = [0, 0, 0], [dict.fromkeys(("BTC", "USDT", "BNB"), 0) for _ in sides], []
        known_fees = [0, 0, 0]
        for which, twentieths, asset, minutes in steps:
            world.clock_ms += minutes * MINUTE
            executed, sign = max(twentieths, done[which]), 1 if sides[which] is OrderSide.BUY else -1
            fees = None if asset is None else {asset: f"0.0{twentieths:02}"}
            fill(world, names[which], f"{D(twentieths) / 10000}", f"{twentieths * 5}", fees)
            flows.append((world.clock_ms, "BTC", Fraction(sign * (executed - done[which]), 10000)))
            flows.append((world.clock_ms, "USDT", Fraction(-sign * 5 * (executed - done[which]))))
            if asset is not None and twentieths > known_fees[which]:
                more = max(twentieths - charged[which][asset], 0)
                flows.append((world.clock_ms, asset, -Fraction(more, 1000)))
                charged[which][asset] += more
                known_fees[which] = twentieths
            done[which] = executed
        now = world.clock_ms
        expected = {asset: sum(q for _, a, q in flows if a == asset) for asset in ("BTC", "USDT", "BNB")}
        today = {asset: sum(q for t, a, q in flows if a == asset and t > now - DAY_MS) for asset in expected}
        found = world.attempt(lambda tx: tx.ledger.traded(world.scope))
        if not found:
            assert expected["BTC"] == 0
            assert not any(t > now - DAY_MS and q for t, _, q in flows)
        else:
            (one,) = found
            assert Fraction(one.position) == expected["BTC"]
            assert Fraction(one.position_before) == expected["BTC"] - today["BTC"]
            for asset in ("USDT", "BNB"):
                assert Fraction(one.cash.get(asset, D(0))) == today[asset]
        world.store.close()


def trade(
    world: World, symbol: str, side: OrderSide, quantity: str, quote: str, fees: dict[str, str] | None = None
) -> None:
    """An order that is filled at once."""
    name = world.place(spec=world.spec(symbol=symbol, side=side, quantity=quantity))
    known = Fees(quantity=D(quantity), by_asset={asset: D(taken) for asset, taken in (fees or {}).items()})
    report = world.report(executed=quantity, quote=quote)
    world.attempt(lambda tx: tx.orders.move(name, OrderState.FILLED, report=report, fees=known))


def test_position_is_by_asset_over_all_symbols_and_kinds(world: World) -> None:
    """Bought and sold as base asset, brought and spent as quote asset, and taken as a fee on whatever symbol.

    Before, each symbol had a position of its own: 1 BTC bought on BTCUSDT and sold on BTCFDU left 1 BTC to sell.
    """
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000", {"BTC": "0.001"})
    trade(world, "BTCFDU", OrderSide.SELL, "0.4", "20000", {"BNB": "0.01"})
    trade(world, "ETHBTC", OrderSide.BUY, "2", "0.1", {"ETH": "0.002"})
    trade(world, "ETHBTC", OrderSide.SELL, "0.5", "0.026", {"BTC": "0.00002"})
    with world.store.transaction() as tx:
        assert tx.ledger.positions(world.scope) == {
            "BNB": D("-0.01"),
            "BTC": D("0.52498"),
            "ETH": D("1.498"),
            "FDU": D(20000),
            "USDT": D(-50000),
        }
        assert tx.ledger.position(world.scope, "BTC") == D("0.52498")
        assert tx.ledger.position(world.scope, "XRP") == 0
        assert tx.ledger.positions(world.other) == {}


def correct(
    world: World, asset: str, quantity: str, prices: dict[str, str] | None = None, *, key: str | None = None
) -> None:
    """The owner sets a position, with its row in the log."""

    def work(tx: Transaction) -> None:
        name = key or f"position/{tx.head.seq + 1}"
        tx.audit.append(Record(phase=Phase.EVENT, key=name, body={"kind": "position_set"}))
        known = {symbol: D(price) for symbol, price in (prices or {}).items()}
        tx.corrections.set_position(world.scope, asset, D(quantity), known, name)

    world.attempt(work)


def gain(world: World, price: str, then: str) -> Decimal:
    """What the day gained in the quote assets, at these prices of BTC."""
    days = world.attempt(lambda tx: tx.ledger.traded(world.scope))
    return sum((sum(d.cash.values(), D(0)) + d.position * D(price) - d.position_before * D(then) for d in days), D(0))


def test_correction_is_neither_gain_nor_loss(world: World) -> None:
    """Bought today at 50000 and sold by hand at 40000: the loss of 10000 a BTC stays, and nothing is added to it."""
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000")
    assert gain(world, "40000", "0") == -10000
    correct(world, "BTC", "0", {"BTCUSDT": "40000"})
    assert gain(world, "40000", "0") == -10000
    assert gain(world, "90000", "0") == -10000
    with world.store.transaction() as tx:
        assert tx.ledger.positions(world.scope) == {"USDT": D(-50000)}
    world.clock_ms += DAY_MS + 1
    assert world.attempt(lambda tx: tx.ledger.traded(world.scope)) == ()


def test_correction_of_what_was_held_before_keeps_the_loss_of_the_day(world: World) -> None:
    """Held for days, worth 45000 a day ago and 40000 now: the day lost 5000, before the correction and after."""
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000")
    world.clock_ms += 3 * DAY_MS
    assert gain(world, "40000", "45000") == -5000
    correct(world, "BTC", "0.25", {"BTCUSDT": "40000"})
    assert gain(world, "40000", "45000") == -5000
    with world.store.transaction() as tx:
        assert tx.ledger.position(world.scope, "BTC") == D("0.25")


def test_correction_takes_from_the_symbols_that_hold_and_adds_to_none(world: World) -> None:
    """What is taken off is taken off where it is held; what is added belongs to no symbol, so no price moves it."""
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000")
    trade(world, "BTCFDU", OrderSide.SELL, "0.4", "20000")
    correct(world, "BTC", "0.1", {"BTCUSDT": "50000", "BTCFDU": "50000"})
    held = {day.symbol: day.position for day in world.attempt(lambda tx: tx.ledger.traded(world.scope))}
    assert held == {"BTCUSDT": D("0.5"), "BTCFDU": D("-0.4")}
    correct(world, "BTC", "2", {"BTCUSDT": "50000", "BTCFDU": "50000"})
    held = {day.symbol: day.position for day in world.attempt(lambda tx: tx.ledger.traded(world.scope))}
    assert held == {"BTCUSDT": D("0.5"), "BTCFDU": D(0)}
    correct(world, "XRP", "7")
    with world.store.transaction() as tx:
        assert tx.ledger.position(world.scope, "BTC") == 2
        assert tx.ledger.position(world.scope, "XRP") == 7


def test_correction_needs_its_row_and_its_prices(world: World) -> None:
    """Nothing is corrected without a row of the log and the price of each symbol that it is taken off."""
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000")
    for key, prices in (("other", {"BTCUSDT": "1"}), (None, {})):
        with pytest.raises(StoreConflict):
            correct(world, "BTC", "0", prices, key=key)
    with world.store.transaction() as tx:
        assert tx.ledger.position(world.scope, "BTC") == 1


def test_corrected_ledger_adds_up_and_one_by_hand_does_not(world: World) -> None:
    """Corrections with their rows are intact; one that no row reports is found, by the log (STATE) and by LEDGER."""
    trade(world, "BTCUSDT", OrderSide.BUY, "1", "50000")
    correct(world, "BTC", "0.5", {"BTCUSDT": "40000"})
    assert verify(world.home).is_intact
    world.store.close()
    connection = sqlite3.connect(world.home / "guardian.db")
    connection.execute(
        "INSERT INTO flows (environment, account, symbol, client_order_id, ts_ms, clock_ms, kind, asset, change) "
        "VALUES ('paper', 'a1', 'BTCUSDT', 'position/999', 0, 0, 'worth', 'USDT', '1000000')"
    )
    connection.commit()
    connection.close()
    of_state, of_ledger = verify(world.home).findings
    assert (of_state.kind, of_ledger.kind) == (FindingKind.STATE, FindingKind.LEDGER)
    assert of_state.message.startswith("flow `")
    assert of_state.message.endswith("` is not in the log")
