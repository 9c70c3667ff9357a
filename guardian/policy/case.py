"""A case: one order with everything worked out that several rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.instruments import Instrument
from guardian.domain.money import ZERO, minus, round_up, times
from guardian.domain.orders import OrderSide, OrderSpec, ResolvedOrder
from guardian.policy.facts import BookTop, Facts, Usage
from guardian.policy.model import Policy, SymbolLimits
from guardian.policy.notional import Leg, conversion_path, convert, resolve, worst_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """An order whose worst price is known."""

    instrument: Instrument
    order: ResolvedOrder
    unit_price: Decimal
    """What one unit of the base asset counts for, in the quote asset."""
    quote_notional: Decimal
    """In the quote asset, rounded up at the eighth digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A priced order whose worst case is known in the accounting currency."""

    priced: Priced
    legs: tuple[Leg, ...]
    notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order, the facts and the policy, and what follows from them. None is what cannot be told."""

    spec: OrderSpec
    facts: Facts
    policy: Policy
    limits: SymbolLimits | None
    instrument: Instrument | None
    book: BookTop | None
    order: ResolvedOrder | None
    legs: tuple[Leg, ...] | str
    priced: Priced | None
    counted: Counted | None
    is_exit: bool


def build_case(spec: OrderSpec, facts: Facts, policy: Policy) -> Case:
    """Work out a case. Nothing is decided here, and whatever cannot be told stays None."""
    instrument = facts.instruments.get(spec.symbol)
    book = facts.books.get(spec.symbol)
    order, priced = None, None
    legs: tuple[Leg, ...] | str = "the symbol's rules could not be had"
    if instrument is not None:
        fixed = None if facts.confirmed is None else facts.confirmed.protected_price
        order = resolve(spec, instrument, book, policy.prices.market_buffer, fixed)
        priced = None if order is None else _price(order, instrument, book)
        legs = fresh_path(instrument.quote_asset, facts, policy)
    return Case(
        spec=spec,
        facts=facts,
        policy=policy,
        limits=policy.symbols.get(spec.symbol),
        instrument=instrument,
        book=book,
        order=order,
        legs=legs,
        priced=priced,
        counted=None if priced is None else _count(priced, legs, facts),
        is_exit=_is_exit(order, facts),
    )


def _price(order: ResolvedOrder, instrument: Instrument, book: BookTop | None) -> Priced | None:
    unit_price = worst_price(order, book)
    if unit_price is None:
        return None
    quote_notional = round_up(times(unit_price, order.quantity))
    return Priced(instrument=instrument, order=order, unit_price=unit_price, quote_notional=quote_notional)


def _count(priced: Priced, legs: tuple[Leg, ...] | str, facts: Facts) -> Counted | None:
    if isinstance(legs, str):
        return None
    return Counted(priced=priced, legs=legs, notional=convert(priced.quote_notional, legs, facts.books))


def fresh_path(asset: str, facts: Facts, policy: Policy) -> tuple[Leg, ...] | str:
    """The way from an asset to the accounting currency, with a usable, fresh book on each leg; or why there is none."""
    path = conversion_path(asset, policy.accounting, facts.instruments)
    if isinstance(path, str):
        return path
    for leg in path:
        book = facts.books.get(leg.symbol)
        if book is None or not book.is_usable:
            return f"no usable price of {leg.symbol}"
        if not is_fresh(book, facts, policy):
            return f"the price of {leg.symbol} is older than `prices.max_age`"
    return path


def is_fresh(book: BookTop, facts: Facts, policy: Policy) -> bool:
    """Whether a book was fetched within `prices.max_age`; a time in the future is not fresh either."""
    return 0 <= facts.clock_ms - book.fetched_ms <= policy.prices.max_age_ms


def sellable(usage: Usage) -> Decimal:
    """What an exit can sell at most: what guardian bought and has neither sold nor offered."""
    return max(minus(usage.position, usage.offered), ZERO)


def may_be_exit(spec: OrderSpec, usage: Usage | None) -> bool:
    """Whether an order can turn out to be an exit, before anything was asked of the exchange.

    Its quantity may still be unknown: `quote_quantity` is worked out from the market.
    """
    if usage is None or spec.side is not OrderSide.SELL:
        return False
    held = sellable(usage)
    return held > 0 and (spec.quantity is None or spec.quantity <= held)


def _is_exit(order: ResolvedOrder | None, facts: Facts) -> bool:
    """Whether it sells no more than guardian bought and has neither sold nor offered."""
    if order is None or facts.usage is None or order.side is not OrderSide.SELL:
        return False
    return 0 < order.quantity <= sellable(facts.usage)
