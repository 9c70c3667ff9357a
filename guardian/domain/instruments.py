"""Instruments: a symbol's trading rules, and the exact arithmetic of the exchange's filters.

Source of the formulas: Binance spot `filters.md`. A bound or a step of zero is disabled, as on the exchange; nothing is
rounded, a breach names the nearest value that would pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import EIGHTH_DIGIT, ZERO, ceil_to, divided_down, floor_to, is_multiple, plain, times
from guardian.domain.orders import OrderSide, ResolvedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A least, a greatest and a step; each is disabled where it is zero."""

    minimum: Decimal = ZERO
    maximum: Decimal = ZERO
    step: Decimal = ZERO

    def admits(self, value: Decimal) -> bool:
        """Whether the value is within the bounds and a whole number of steps."""
        if self.minimum > 0 and value < self.minimum:
            return False
        if self.maximum > 0 and value > self.maximum:
            return False
        return is_multiple(value, self.step)

    def nearest(self, value: Decimal) -> Decimal:
        """The valid value nearest to `value`, the lower one of two that are as near."""
        if self.minimum > 0 and value < self.minimum:
            return ceil_to(self.minimum, self.step)
        if self.maximum > 0 and value > self.maximum:
            return floor_to(self.maximum, self.step)
        below, above = floor_to(value, self.step), ceil_to(value, self.step)
        if below <= 0 or (self.minimum > 0 and below < self.minimum):
            return above
        return below if value - below <= above - value else above

    def describe(self) -> str:
        """The bounds in words, for a denial."""
        parts = []
        if self.minimum > 0:
            parts.append(f"at least {plain(self.minimum)}")
        if self.maximum > 0:
            parts.append(f"at most {plain(self.maximum)}")
        if self.step > 0:
            parts.append(f"a multiple of {plain(self.step)}")
        return ", ".join(parts) or "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentPrice:
    """The exchange's own price band, as factors of its average price, for each side."""

    bid_up: Decimal
    bid_down: Decimal
    ask_up: Decimal
    ask_down: Decimal

    def band(self, side: OrderSide, average: Decimal) -> Range:
        """The prices that the exchange takes on that side; a factor of zero is disabled."""
        up, down = (self.bid_up, self.bid_down) if side is OrderSide.BUY else (self.ask_up, self.ask_down)
        return Range(minimum=times(average, down), maximum=times(average, up))


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBreach:
    """An exchange filter that an order would break: what was seen, what it admits, and the nearest valid value."""

    filter: str
    field: str
    observed: str
    limit: str
    nearest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A symbol's trading rules as the exchange lists them."""

    symbol: str
    base_asset: str
    quote_asset: str
    status: str
    """`TRADING` is the only status in which orders are created."""
    order_types: frozenset[str]
    price: Range = Range()
    lot: Range = Range()
    percent_price: PercentPrice | None = None
    min_notional: Decimal = ZERO
    max_notional: Decimal = ZERO
    max_orders: int | None = None
    max_stop_orders: int | None = None
    max_position: Decimal = ZERO

    @property
    def is_trading(self) -> bool:
        """Whether the exchange takes new orders for it; an unknown status is no."""
        return self.status == "TRADING"

    def breaches(self, order: ResolvedOrder, average_price: Decimal) -> tuple[FilterBreach, ...]:
        """Every filter that the order would break at this average price, in the exchange's order."""
        return tuple(self._breaches(order, average_price))

    def _breaches(self, order: ResolvedOrder, average_price: Decimal) -> Iterator[FilterBreach]:
        if not self.price.admits(order.price):
            yield _breach("PRICE_FILTER", "price", order.price, self.price)
        if order.stop_price is not None and not self.price.admits(order.stop_price):
            yield _breach("PRICE_FILTER", "stop_price", order.stop_price, self.price)
        if self.percent_price is not None:
            band = self.percent_price.band(order.side, average_price)
            if not band.admits(order.price):
                yield _breach("PERCENT_PRICE_BY_SIDE", "price", order.price, band, grid=self.price.step)
        if not self.lot.admits(order.quantity):
            yield _breach("LOT_SIZE", "quantity", order.quantity, self.lot)
        notional = times(order.price, order.quantity)
        if self.min_notional > 0 and notional < self.min_notional:
            yield self._notional_breach(order, notional, f"at least {plain(self.min_notional)}", self.min_notional)
        if self.max_notional > 0 and notional > self.max_notional:
            yield self._notional_breach(order, notional, f"at most {plain(self.max_notional)}", self.max_notional)

    def _notional_breach(self, order: ResolvedOrder, notional: Decimal, limit: str, bound: Decimal) -> FilterBreach:
        quantity = largest_quantity(bound, order.price, self.lot.step)
        if notional < bound and times(quantity, order.price) < bound:
            quantity += self.lot.step
        return FilterBreach(
            filter="NOTIONAL", field="quantity", observed=plain(notional), limit=limit, nearest=plain(quantity)
        )


def _breach(name: str, field: str, value: Decimal, allowed: Range, grid: Decimal = ZERO) -> FilterBreach:
    on_grid = allowed if grid == 0 else Range(minimum=allowed.minimum, maximum=allowed.maximum, step=grid)
    return FilterBreach(
        filter=name,
        field=field,
        observed=plain(value),
        limit=allowed.describe(),
        nearest=plain(on_grid.nearest(value)),
    )


def largest_quantity(notional: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """The largest quantity, in whole steps, that costs no more than `notional` at `price`.

    With a step of zero (disabled) it is cut at the eighth digit, as the exchange's own assets are.
    """
    if price <= 0 or notional <= 0:
        return ZERO
    return floor_to(divided_down(notional, price), step if step > 0 else EIGHTH_DIGIT)
