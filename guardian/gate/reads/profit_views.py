"""The reply to `get_pnl` on the spot account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCost:
    """What was sold that guardian had not bought: its cost is not known, so it is no profit."""

    sold: Decimal
    sold_for: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolProfit:
    """One symbol: quantities in the base asset, all else in `quote_asset`. `held` and what follows are now."""

    symbol: str
    quote_asset: str
    bought: Decimal
    bought_for: Decimal
    """Before fees, as `sold_for`."""
    sold: Decimal
    sold_for: Decimal
    fees: dict[str, Decimal]
    """By asset."""
    realised: Decimal
    """By average cost, after the fees in the base and the quote asset."""
    unknown_cost: UnknownCost | None
    held: Decimal
    cost: Decimal
    """Of what is held."""
    bid: Decimal | None
    unrealised: Decimal | None
    """`held` at the bid, less its cost."""
    unpriced: str | None
    """Why that is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalProfit:
    """All symbols, in `currency`; null where something of it has no usable price."""

    currency: str
    bought: Decimal | None
    sold: Decimal | None
    fees: Decimal | None
    realised: Decimal | None
    """After all fees but those in `unpriced_fees`; that of each symbol is before fees in a third asset."""
    unrealised: Decimal | None
    unpriced_fees: dict[str, Decimal]
    """By asset: fees that `fees` lacks, and `realised` if it is a third asset: no usable price of it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncountedOrder:
    """An order of guardian's that is not counted, or not whole, and why."""

    client_order_id: str
    symbol: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotProfit:
    """What guardian's trading brought in the period of `meta.period`; without one, since it began."""

    market: str
    """`spot`."""
    total: TotalProfit
    symbols: tuple[SymbolProfit, ...]
    complete: bool
    """False where a fee is not priced or not known yet, an order is not counted, or a total is null."""
    not_counted: tuple[UncountedOrder, ...]
    note: str
