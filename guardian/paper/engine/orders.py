"""Orders and trades as the paper exchange keeps them, the commands that come in and the events that come out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, minus, round_down, round_up, times
from guardian.domain.orders import STOP_TYPES

OPEN_STATUSES: Final = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The current version of an order: quantities in the base asset, times in milliseconds, unset numbers zero."""

    order_id: int
    symbol: str
    client_order_id: str
    side: str
    order_type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    stop_price: Decimal
    self_trade_mode: str
    strategy_id: int | None
    strategy_type: int | None
    iceberg_quantity: Decimal
    """How much of it a book shows at a time; zero: all of it."""
    executed: Decimal
    executed_quote: Decimal
    prevented: Decimal
    """What was given up to prevent trades with the account's own orders."""
    prevented_match_id: int | None
    status: str
    reserved: Decimal
    """What it locks now: of the quote asset for a BUY, of the base asset for a SELL."""
    created: int
    updated: int
    working_since: int
    """When it came onto the book; -1 for a stop that has not been triggered."""
    shown: Decimal
    """What the book shows of it now, if it rests: never more than what remains."""
    priority: int
    """Its place in time among the orders at its price: the lower number goes first."""

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN_STATUSES

    @property
    def is_buy(self) -> bool:
        """Whether it buys the base asset."""
        return self.side == "BUY"

    @property
    def is_stop(self) -> bool:
        """Whether it waits, or has waited, for a trigger."""
        return self.order_type in STOP_TYPES

    @property
    def is_priced(self) -> bool:
        """Whether it has a worst price; MARKET, STOP_LOSS and TAKE_PROFIT take whatever there is."""
        return self.price > 0

    @property
    def remaining(self) -> Decimal:
        """What can still trade."""
        return minus(minus(self.quantity, self.executed), self.prevented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution of an order."""

    trade_id: int
    order_id: int
    symbol: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the account holds of an asset, and what the exchange has kept of it as commissions so far."""

    asset: str
    free: Decimal = ZERO
    locked: Decimal = ZERO
    fees: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Places a well-formed order. `quantity` is zero where `quote_quantity` is set."""

    symbol: str
    side: str
    order_type: str
    client_order_id: str
    time_in_force: str = "GTC"
    quantity: Decimal = ZERO
    quote_quantity: Decimal = ZERO
    price: Decimal = ZERO
    stop_price: Decimal = ZERO
    iceberg_quantity: Decimal = ZERO
    self_trade_mode: str = "EXPIRE_MAKER"
    strategy_id: int | None = None
    strategy_type: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOne:
    """Cancels an order, by its id or its client order id (at least one is set)."""

    symbol: str
    order_id: int | None
    client_order_id: str | None
    only_status: str | None = None
    """Cancel it in this status only: `NEW` or `PARTIALLY_FILLED`."""


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancels all open orders of a symbol."""

    symbol: str


@dataclass(frozen=True, slots=True)
class PayFeesInBnb:
    """Switches commissions in BNB, at a discount, on or off."""

    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBalance:
    """Sets the free amount of an asset; only tests send it, never a request."""

    asset: str
    free: Decimal


@dataclass(frozen=True, slots=True)
class Advance:
    """Applies the market's movements until now, and nothing else."""


@dataclass(frozen=True, slots=True)
class Rematch:
    """Matches open orders against a symbol's book that a test has replaced."""

    symbol: str


Command = PlaceOrder | CancelOne | CancelAll | PayFeesInBnb | SetBalance | Advance | Rematch


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order is new or has changed; holds the new version."""

    order: Order


@dataclass(frozen=True, slots=True)
class Traded:
    """An order traded."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A balance has changed; holds the new one."""

    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Prevented:
    """Two orders of the account would have traded with one another and did not."""

    match_id: int
    symbol: str
    taker_order_id: int
    maker_order_id: int
    price: Decimal
    mode: str
    taker_quantity: Decimal | None
    """What the taker gave up, where its mode makes it."""
    maker_quantity: Decimal | None
    """What the maker gave up, where the taker's mode makes it."""
    time: int


@dataclass(frozen=True, slots=True)
class FeesInBnb:
    """Whether commissions are taken in BNB has changed; holds the new value."""

    enabled: bool


Event = OrderChanged | Traded | BalanceChanged | Prevented | FeesInBnb


def quote_value(price: Decimal, quantity: Decimal) -> Decimal:
    """Returns a trade's value in the quote asset, rounded down at the eighth digit: no asset is divided further."""
    return round_down(times(price, quantity))


def is_worse(side: str, price: Decimal, worst: Decimal) -> bool:
    """Whether a price is worse than the worst one that this side accepts."""
    return price > worst if side == "BUY" else price < worst


def is_triggered(order_type: str, side: str, stop_price: Decimal, last: Decimal) -> bool:
    """Whether a trade triggers a stop; STOP_LOSS BUY and TAKE_PROFIT SELL wait above the market, the others below."""
    above = order_type.startswith("STOP_LOSS") == (side == "BUY")
    return last >= stop_price if above else last <= stop_price


def reservation(side: str, price: Decimal, remaining: Decimal) -> Decimal:
    """Returns what an order with a price locks for what remains of it; never less than what it may still spend."""
    return round_up(times(price, remaining)) if side == "BUY" else remaining
