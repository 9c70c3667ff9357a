"""How much of a position can be sold back, and in which MARKET orders: what one SELL may carry, net of fees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from guardian.domain.instruments import Instrument
from guardian.domain.market import BookTop
from guardian.domain.money import ZERO, floor_to
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.gate.base.replies import HeldPosition
from guardian.policy.case import Case, build_case
from guardian.policy.conversion import Rate
from guardian.policy.exits import exit_orders, orders_to_sell
from guardian.policy.model import Policy
from guardian.policy.notional import protected_price


@dataclass(frozen=True, slots=True, kw_only=True)
class SellMarket:
    """A symbol on which an asset is sold; without a book where the exchange did not give a usable one."""

    instrument: Instrument
    book: BookTop | None


def unsold(asset: str, held: Decimal) -> HeldPosition:
    """A position of which nothing is known that could be sold."""
    return HeldPosition(asset=asset, held=held, sell_back=None, symbol=None, orders=None)


def sold_in_case(case: Case, asset: str, held: Decimal) -> HeldPosition:
    """The position in the base asset of a judged order: sold back at the prices that the order was judged on."""
    instrument, symbol = case.instrument, case.spec.symbol
    if instrument is None or case.sellable is None:
        return unsold(asset, held)
    back = most_on(case.sellable, SellMarket(instrument=instrument, book=case.book))
    orders: tuple[Decimal, ...] | None = ()
    if back > 0:
        spec = OrderSpec(symbol=symbol, side=OrderSide.SELL, order_type=OrderType.MARKET, quantity=back)
        sale = build_case(spec, replace(case.facts, confirmed=None), case.policy)
        orders = None if sale.counted is None else exit_orders(sale)
    return HeldPosition(asset=asset, held=held, sell_back=back, symbol=symbol, orders=orders)


def sold_on_any(
    asset: str, held: Decimal, sellable: Decimal, markets: Mapping[str, SellMarket], policy: Policy
) -> HeldPosition:
    """The position in an asset, sold on that of the symbols which takes the most of it in orders that are known.

    `sellable` is what is neither sold nor offered and is free. All of it can be sold as far as is known where no symbol
    trades it.
    """
    found = [
        _sold_on(market, asset, held, sellable, policy)
        for market in markets.values()
        if market.instrument.base_asset == asset
    ]
    unknown = HeldPosition(asset=asset, held=held, sell_back=sellable, symbol=None, orders=None)
    return max(found, key=lambda one: (one.sell_back or ZERO, one.orders is not None), default=unknown)


def _sold_on(market: SellMarket, asset: str, held: Decimal, sellable: Decimal, policy: Policy) -> HeldPosition:
    back, symbol = most_on(sellable, market), market.instrument.symbol
    orders = _orders_on(back, market, policy)
    return HeldPosition(asset=asset, held=held, sell_back=back, symbol=symbol, orders=orders)


def most_on(quantity: Decimal, market: SellMarket) -> Decimal:
    """In whole steps; zero where that is less than LOT_SIZE and NOTIONAL admit at the bid, as far as that is known."""
    whole, book = floor_to(quantity, market.instrument.lot.step), market.book
    if book is None or not book.is_usable:
        return whole
    least = market.instrument.smallest_valid(book.bid)
    return ZERO if least is None or whole < least else whole


def _orders_on(quantity: Decimal, market: SellMarket, policy: Policy) -> tuple[Decimal, ...] | None:
    """The orders that sell it back; None where that depends on a price or a conversion that is not known."""
    if quantity == 0:
        return ()
    instrument, book = market.instrument, market.book
    if book is None or not book.is_usable or instrument.quote_asset != policy.accounting.currency:
        return None
    price = protected_price(OrderSide.SELL, instrument, book, policy.prices.market_buffer)
    limits = policy.symbols.get(instrument.symbol)
    return orders_to_sell(quantity, instrument, limits, Rate(), price=price, worst=max(price, book.bid))
