"""Instruments: a symbol's trading rules, and the exact arithmetic of the exchange's filters.

Source of the formulas: Binance spot `filters.md`. A bound or a step of zero is disabled, as on the exchange; nothing is
rounded, a breach names the nearest value that would pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import (
    EIGHTH_DIGIT,
    ZERO,
    ceil_to,
    divided_down,
    divided_up,
    floor_to,
    is_multiple,
    minus,
    plain,
    times,
)
from guardian.domain.orders import BUY, OrderSide, ResolvedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values that a filter admits: from a minimum to a maximum in steps; each is disabled where it is zero."""

    minimum: Decimal = ZERO
    maximum: Decimal = ZERO
    step: Decimal = ZERO

    def admits(self, value: Decimal) -> bool:
        """Whether the value is above zero, within the bounds and a whole number of steps."""
        if value <= ZERO or value < self.minimum:
            return False
        if ZERO < self.maximum < value:
            return False
        return is_multiple(value, self.step)

    def nearest(self, value: Decimal) -> Decimal | None:
        """Returns the valid value nearest to `value`, the lower one of two that are as near.

        None where nothing is valid.
        """
        least = ceil_to(self.minimum, self.step) if self.minimum > 0 else self.step or EIGHTH_DIGIT
        most = floor_to(self.maximum, self.step) if self.maximum > 0 else None
        if most is not None and most < least:
            return None
        below, above = floor_to(value, self.step), ceil_to(value, self.step)
        # Both bounds are whole steps now, so a value that is moved to one is a whole number of steps too.
        nearest = max(below if minus(value, below) <= minus(above, value) else above, least)
        return nearest if most is None else min(nearest, most)

    def narrowed(self, minimum: Decimal, maximum: Decimal) -> Range:
        """Returns these values within tighter bounds; a bound of zero is disabled.

        Where there is no step, the eighth digit is one: no amount of the exchange's is finer.
        """
        greatest = [bound for bound in (self.maximum, maximum) if bound > 0]
        return Range(
            minimum=max(self.minimum, minimum),
            maximum=min(greatest, default=ZERO),
            step=self.step or EIGHTH_DIGIT,
        )

    def describe(self) -> str:
        """Returns the bounds in words, for a denial."""
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
        """Returns the prices that the exchange takes on that side; a factor of zero is disabled."""
        up, down = (self.bid_up, self.bid_down) if side is BUY else (self.ask_up, self.ask_down)
        return Range(minimum=times(average, down), maximum=times(average, up))


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBreach:
    """An exchange filter that an order would break: what was seen, what it admits, and the nearest valid value.

    `nearest` is None where no value of this field alone would pass.
    """

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
        """Returns every filter that the order would break at this average price, in the exchange's order."""
        return tuple(self._breaches(order, average_price))

    def _breaches(self, order: ResolvedOrder, average_price: Decimal) -> Iterator[FilterBreach]:
        if not self.price.admits(order.price):
            yield _breach("PRICE_FILTER", "price", order.price, self.price)
        if order.stop_price is not None and not self.price.admits(order.stop_price):
            yield _breach("PRICE_FILTER", "stop_price", order.stop_price, self.price)
        if self.percent_price is not None:
            band = self.percent_price.band(order.side, average_price)
            if not band.admits(order.price):
                valid = self.price.narrowed(band.minimum, band.maximum)
                yield _breach("PERCENT_PRICE_BY_SIDE", "price", order.price, band, valid)
        if not self.lot.admits(order.quantity):
            yield _breach("LOT_SIZE", "quantity", order.quantity, self.lot)
        notional = times(order.price, order.quantity)
        if ZERO < self.min_notional > notional:
            yield self._notional_breach(order, notional, f"at least {plain(self.min_notional)}")
        if ZERO < self.max_notional < notional:
            yield self._notional_breach(order, notional, f"at most {plain(self.max_notional)}")

    def _notional_breach(self, order: ResolvedOrder, notional: Decimal, limit: str) -> FilterBreach:
        valid = self._valid_quantities(order.price)
        nearest = None if valid is None else valid.nearest(order.quantity)
        return FilterBreach(
            filter="NOTIONAL",
            field="quantity",
            observed=plain(notional),
            limit=limit,
            nearest=None if nearest is None else plain(nearest),
        )

    def largest_valid(self, quantity: Decimal, price: Decimal) -> Decimal | None:
        """Returns the largest quantity, not above `quantity`, that LOT_SIZE and NOTIONAL admit at `price`.

        None where no quantity fits.
        """
        valid = self._valid_quantities(price)
        if valid is None:
            return None
        largest = floor_to(quantity if valid.maximum == 0 else min(quantity, valid.maximum), valid.step)
        return largest if valid.admits(largest) else None

    def valid_prices(self, side: OrderSide, quantity: Decimal, average_price: Decimal | None) -> Range:
        """Returns the prices that the filters admit for `quantity` on that side, at this average price.

        Where the average price is missing, PERCENT_PRICE_BY_SIDE is left out.
        """
        minimum, maximum = ZERO, ZERO
        if quantity > 0:
            minimum, maximum = divided_up(self.min_notional, quantity), divided_down(self.max_notional, quantity)
        valid = self.price.narrowed(minimum, maximum)
        if self.percent_price is None or average_price is None:
            return valid
        band = self.percent_price.band(side, average_price)
        return valid.narrowed(band.minimum, band.maximum)

    def smallest_valid(self, price: Decimal) -> Decimal | None:
        """Returns the smallest quantity that LOT_SIZE and NOTIONAL admit at `price`; None for none."""
        valid = self._valid_quantities(price)
        return None if valid is None else valid.nearest(ZERO)

    def _valid_quantities(self, price: Decimal) -> Range | None:
        """Returns the quantities that LOT_SIZE and NOTIONAL both admit at `price`; None where that is no price."""
        if price <= 0:
            return None
        return self.lot.narrowed(divided_up(self.min_notional, price), divided_down(self.max_notional, price))


def _breach(name: str, field: str, value: Decimal, allowed: Range, valid: Range | None = None) -> FilterBreach:
    """Returns a breach of `allowed`.

    The nearest value is looked for in `valid`, where other filters narrow it further.
    """
    nearest = (valid or allowed).nearest(value)
    return FilterBreach(
        filter=name,
        field=field,
        observed=plain(value),
        limit=allowed.describe(),
        nearest=None if nearest is None else plain(nearest),
    )


def largest_quantity(notional: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """Returns the largest quantity, in whole steps, that costs no more than `notional` at `price`.

    With a step of zero (disabled) it is cut at the eighth digit, as the exchange's own assets are.
    """
    if price <= 0 or notional <= 0:
        return ZERO
    return floor_to(divided_down(notional, price), step or EIGHTH_DIGIT)
