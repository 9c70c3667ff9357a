"""What is reported of an order, held against the order that was sent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from guardian.domain.orders import Fill, OrderReport
from guardian.domain.report_match import SentOrder, contradiction


def sent(price: str | None = "100", side: str = "BUY", order_id: int | None = None) -> SentOrder:
    return SentOrder(
        symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        client_order_id="g1-a",
        side=side,
        wire_type="LIMIT",
        quantity=Decimal(2),
        price=None if price is None else Decimal(price),
        stop_price=None,
        order_id=order_id,
    )


def told(executed: str, quote: str, side: str = "BUY", order_id: int = 7) -> OrderReport:
    return OrderReport(
        symbol="BTCUSDT",
        order_id=order_id,
        client_order_id="g1-a",
        side=side,
        order_type="LIMIT",
        status="NEW",
        time_in_force="GTC",
        price=Decimal(100),
        stop_price=None,
        quantity=Decimal(2),
        executed_quantity=Decimal(executed),
        executed_quote_quantity=Decimal(quote),
        time=None,
    )


def test_a_sell_brings_no_less_than_its_price_and_nothing_many_times_more() -> None:
    """The other way round than a BUY, which costs no more than its price."""
    assert contradiction(sent(side="SELL"), told("1", "100", "SELL")) is None
    assert contradiction(sent(side="SELL"), told("1", "99", "SELL")) is not None
    assert contradiction(sent(side="SELL"), told("1", "1001", "SELL")) is not None
    assert contradiction(sent(), told("1", "99")) is None
    assert contradiction(sent(), told("1", "101")) is not None


@pytest.mark.parametrize(
    ("quantity", "quote", "is_possible"),
    [("1", "99", True), ("1", "99.005", True), ("1", "98", False), ("1", "100", False),
     ("0.5", "98", True), ("0.5", "49.5", True), ("0.5", "49", False)],
)  # fmt: skip
def test_quote_amount_is_that_of_the_fills(quantity: str, quote: str, is_possible: bool) -> None:
    """Within rounding it is what all fills are worth, and no less than what some are; the list may lag."""
    fill = Fill(price=Decimal(99), quantity=Decimal(quantity), commission=Decimal(0), commission_asset="BNB")
    report = replace(told("1", quote), fills=(fill,))
    assert (contradiction(sent(), report) is None) is is_possible


def test_order_without_a_price_is_not_held_to_one() -> None:
    """One that was found at the exchange may have none."""
    assert contradiction(sent(price=None), told("1", "12345")) is None


def test_another_order_id_under_the_same_client_order_id_contradicts() -> None:
    """An order keeps its order id for as long as it lives."""
    assert contradiction(sent(order_id=7), told("0", "0")) is None
    assert contradiction(sent(order_id=8), told("0", "0")) == "the order id is 7, and was 8"
    assert "101 was executed of 2" in str(contradiction(sent(), told("101", "10100")))
