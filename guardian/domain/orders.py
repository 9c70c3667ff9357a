"""Orders as they are requested, sent and reported by the exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.money import ZERO, plain, plus
from guardian.domain.order_states import STATE_OF_STATUS, OrderState

CLIENT_ORDER_ID_PREFIX: Final = "g1-"
"""Every order that guardian sends carries a client order id that starts with this: see `store.log.encoding`."""


class OrderSide(StrEnum):
    """Which way an order goes, seen from the base asset."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """The order types that guardian knows. STOP_LOSS and TAKE_PROFIT have no worst price and are always refused."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"


BUY: Final = OrderSide.BUY
SELL: Final = OrderSide.SELL
MARKET: Final = OrderType.MARKET
"""What judging an order compares with most. Python 3.11 takes longer to look a member up than to compare it."""

STOP_LIMIT_TYPES: Final = frozenset({OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
PRICED_TYPES: Final = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER}) | STOP_LIMIT_TYPES
"""The types that carry a limit price, and so have a worst price."""
UNPRICED_STOP_TYPES: Final = frozenset({OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
STOP_TYPES: Final = STOP_LIMIT_TYPES | UNPRICED_STOP_TYPES
"""The types that wait until the market trades at their stop price."""


class TimeInForce(StrEnum):
    """How long an order stays: until cancelled, immediate or cancel, fill or kill."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSpec:
    """An order as it was requested: complete and well-formed, not judged yet.

    Exactly one of `quantity` (base asset) and `quote_quantity` (quote asset, MARKET only) is set; `price` for every
    type but MARKET, `stop_price` for the stop-limit types, `time_in_force` for the limit types but LIMIT_MAKER.
    """

    symbol: str
    side: OrderSide
    order_type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None

    def as_dict(self) -> dict[str, str]:
        """Returns the fields that are set, as plain strings: what is logged, compared and fingerprinted."""
        named: dict[str, str | Decimal | None] = {
            "symbol": self.symbol,
            "side": self.side.value,
            "order_type": self.order_type.value,
            "quantity": self.quantity,
            "quote_quantity": self.quote_quantity,
            "price": self.price,
            "stop_price": self.stop_price,
            "time_in_force": None if self.time_in_force is None else self.time_in_force.value,
        }
        return {
            key: plain(value) if isinstance(value, Decimal) else value
            for key, value in named.items()
            if value is not None
        }

    @property
    def fingerprint(self) -> str:
        """Equal for equal orders: symbol, side, type, quantity and prices, in plain notation."""
        fields = self.as_dict()
        fields.pop("time_in_force", None)  # the same order with another time in force is still the same order
        return "|".join(f"{key}={value}" for key, value in sorted(fields.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedOrder:
    """The exact order that is judged and, unchanged, sent.

    A MARKET order is resolved to a LIMIT IOC at its protected price, so `wire_type` and `price` are always set.
    """

    spec: OrderSpec
    wire_type: OrderType
    quantity: Decimal
    price: Decimal
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None

    @property
    def symbol(self) -> str:
        """The spec's symbol."""
        return self.spec.symbol

    @property
    def side(self) -> OrderSide:
        """The spec's side."""
        return self.spec.side

    def as_dict(self) -> dict[str, str]:
        """Returns what goes to the exchange, as plain strings, without the client order id."""
        fields = {
            "symbol": self.symbol,
            "side": self.side.value,
            "type": self.wire_type.value,
            "quantity": plain(self.quantity),
            "price": plain(self.price),
        }
        if self.stop_price is not None:
            fields["stopPrice"] = plain(self.stop_price)
        if self.time_in_force is not None:
            fields["timeInForce"] = self.time_in_force.value
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order: price in the quote asset, quantity in the base asset."""

    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What the exchange took, by asset, for the first `quantity` (base asset) of an order that were executed."""

    quantity: Decimal
    by_asset: Mapping[str, Decimal]


def fees_of(fills: Iterable[Fill]) -> Fees:
    """Returns the fees of these executions together."""
    by_asset: dict[str, Decimal] = {}
    quantity = ZERO
    for fill in fills:
        quantity = plus(quantity, fill.quantity)
        by_asset[fill.commission_asset] = plus(by_asset.get(fill.commission_asset, ZERO), fill.commission)
    return Fees(quantity=quantity, by_asset=by_asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A fill as the exchange lists it afterwards: with its order, and when it was (ms since the epoch)."""

    order_id: int
    time: int
    fill: Fill
    trade_id: int = 0
    """The exchange's own number of it, which grows on a symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as the exchange reports it."""

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    order_type: str
    status: str
    """Binance's own word, for instance PARTIALLY_FILLED."""
    time_in_force: str | None
    price: Decimal
    stop_price: Decimal | None
    quantity: Decimal
    executed_quantity: Decimal
    executed_quote_quantity: Decimal | None
    """Quote asset spent or received so far (`cummulativeQuoteQty`); None where the exchange does not know it."""
    time: int | None
    """When the exchange last touched it, in milliseconds since the epoch."""
    created_ms: int | None = None
    """When the exchange created it, in milliseconds since the epoch; None where the answer does not say."""
    fills: tuple[Fill, ...] = ()
    prevented_quantity: Decimal | None = None
    """What did not trade because the other side was the account's own order; None where the answer does not say."""
    flaw: str | None = None
    """Why the amounts cannot be those of any order; they are zero then and must not be used."""

    @property
    def state(self) -> OrderState:
        """Binance's status in guardian's words; a status that is not known is `unknown`, which counts in full."""
        return STATE_OF_STATUS.get(self.status, OrderState.UNKNOWN)
