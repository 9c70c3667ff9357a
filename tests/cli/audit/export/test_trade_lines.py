"""`guardian audit export --trades`: what an accountant needs of each trade, exact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fees, OrderSide
from guardian.store.transaction.ledger import FlowKind, Place
from tests.cli.audit.export.conftest import Exporting
from tests.store.support.store_world import START_MS
from tests.support.tamper import tamper


def test_buy_is_one_line_with_price_value_fee_and_ids(exporting: Exporting) -> None:
    """Every column, of an order that filled at once."""
    name = exporting.world.place(order_type="MARKET")
    exporting.world.move(name, OrderState.FILLED, executed="0.002", quote="101.5", fee="0.000002")
    (line,) = exporting.trades()
    assert line.pop("time_local")[:4] == "2027"
    assert line == {
        "time_utc": "2027-01-15T08:00:00.000Z", "type": "trade", "symbol": "BTCUSDT", "side": "BUY",
        "quantity": "0.002", "base_asset": "BTC", "price": "50750", "value": "101.5", "quote_asset": "USDT",
        "fee": "0.000002", "fee_asset": "BTC", "environment": "paper", "account": "a1", "order_type": "MARKET",
        "order_id": "7", "client_order_id": name, "proposal_id": "", "call_id": "call-1",
    }  # fmt: skip


def test_sale_has_quantity_and_value_above_zero(exporting: Exporting) -> None:
    """The side says in which direction they went."""
    world = exporting.world
    name = world.place(spec=world.spec(side=OrderSide.SELL))
    world.move(name, OrderState.FILLED, executed="0.002", quote="99")
    (line,) = exporting.trades()
    assert (line["side"], line["quantity"], line["value"], line["price"]) == ("SELL", "0.002", "99", "49500")
    assert (line["fee"], line["fee_asset"]) == ("", "")


def test_order_that_fills_in_parts_has_a_line_for_each(exporting: Exporting) -> None:
    """Each with what came then, at its own price; the lines add up to the order."""
    name = exporting.world.place()
    exporting.world.move(name, OrderState.PART_FILLED, executed="0.0005", quote="25", fee="0.0000005")
    exporting.world.clock_ms += 60_000
    exporting.world.move(name, OrderState.FILLED, executed="0.002", quote="97", fee="0.000002")
    first, second = exporting.trades()
    assert [(line["quantity"], line["value"], line["price"], line["fee"]) for line in (first, second)] == [
        ("0.0005", "25", "50000", "0.0000005"),
        ("0.0015", "72", "48000", "0.0000015"),
    ]


def test_fee_that_became_known_later_is_on_the_line_of_its_trade(exporting: Exporting) -> None:
    """Also where the window ended between the two."""
    world = exporting.world
    name = world.place()
    world.move(name, OrderState.FILLED, executed="0.002", quote="100")
    world.clock_ms += 60_000
    fees = Fees(quantity=Decimal("0.002"), by_asset={"BNB": Decimal("0.0001")})
    world.attempt(lambda tx: tx.orders.move(name, OrderState.FILLED, fees=fees))
    (line,) = exporting.trades("--until", "2027-01-15T08:00:30Z")
    assert (line["time_utc"], line["fee"], line["fee_asset"]) == ("2027-01-15T08:00:00.000Z", "0.0001", "BNB")


def test_second_fee_of_a_trade_has_its_own_line(exporting: Exporting) -> None:
    """Fees in two assets are never added, and the trade is not counted twice."""
    world = exporting.world
    name = world.place()
    fees = Fees(quantity=Decimal("0.002"), by_asset={"BTC": Decimal("0.000001"), "BNB": Decimal("0.00005")})
    report = world.report(executed="0.002", quote="100")
    world.attempt(lambda tx: tx.orders.move(name, OrderState.FILLED, report=report, fees=fees))
    trade, fee = exporting.trades()
    assert (trade["type"], trade["fee"], trade["fee_asset"], trade["value"]) == ("trade", "0.00005", "BNB", "100")
    assert (fee["type"], fee["fee"], fee["fee_asset"], fee["value"]) == ("fee", "0.000001", "BTC", "")
    assert fee["quantity"] == fee["price"] == ""


def test_window_is_of_the_trades(exporting: Exporting) -> None:
    """An order of before the window that filled within it is there; one that filled before it is not."""
    world = exporting.world
    early, late = world.place(), world.place()
    world.move(early, OrderState.FILLED, executed="0.002", quote="100")
    world.clock_ms += 3_600_000
    world.move(late, OrderState.FILLED, executed="0.001", quote="50")
    assert [line["client_order_id"] for line in exporting.trades()] == [early, late]
    assert [line["client_order_id"] for line in exporting.trades("--since", "2027-01-15T08:30:00Z")] == [late]
    assert [line["client_order_id"] for line in exporting.trades("--until", "2027-01-15T08:30:00Z")] == [early]


def test_correction_of_a_position_is_no_trade(exporting: Exporting) -> None:
    """The owner corrected what guardian counts; nothing was bought or sold."""
    world = exporting.world
    place = Place(world.scope, "BTCUSDT", "BTC", "USDT", "position/1")
    world.attempt(lambda tx: tx.ledger.add_flow(place, FlowKind.CORRECTION, "BTC", Decimal("-0.5")))
    assert exporting.trades() == []


def test_redacted_trades_have_no_account(exporting: Exporting) -> None:
    """The ids of the orders are still there."""
    name = exporting.world.place()
    exporting.world.move(name, OrderState.FILLED, executed="0.002", quote="100")
    (line,) = exporting.trades("--redact")
    assert line["account"] == "(left out)"
    assert line["client_order_id"] == name


def test_flow_that_is_no_number_is_reported(exporting: Exporting) -> None:
    """An amount that cannot be read is no zero."""
    name = exporting.world.place()
    exporting.world.move(name, OrderState.FILLED, executed="0.002", quote="100")
    tamper(exporting, "UPDATE flows SET change = 'abc' WHERE id = 1")
    code, _, err = exporting.run("--trades")
    assert code == 3
    assert "has no number" in err


@pytest.mark.parametrize("executed", ["0.002", "0.0013"])
def test_price_is_rounded_up_at_the_eighth_digit(exporting: Exporting, executed: str) -> None:
    """As everywhere in guardian; the value beside it is exact."""
    name = exporting.world.place()
    exporting.world.move(name, OrderState.FILLED, executed=executed, quote="33.333333333")
    (line,) = exporting.trades()
    assert line["value"] == "33.333333333"
    exact = Decimal(line["value"]) / Decimal(executed)
    assert Decimal(0) <= Decimal(line["price"]) - exact < Decimal("0.00000001")


def test_time_is_when_guardian_learnt_of_it_by_the_clock(exporting: Exporting) -> None:
    """In UTC, to the millisecond."""
    exporting.world.clock_ms = START_MS + 1_234
    name = exporting.world.place()
    exporting.world.move(name, OrderState.FILLED, executed="0.002", quote="100")
    assert exporting.trades()[0]["time_utc"] == "2027-01-15T08:00:01.234Z"
