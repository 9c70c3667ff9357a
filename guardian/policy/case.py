"""A case: one order with everything worked out that several rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.instruments import Instrument
from guardian.domain.money import ZERO, minus, round_up, times
from guardian.domain.orders import OrderSide, OrderSpec, ResolvedOrder
from guardian.policy.facts import BookTop, Facts
from guardian.policy.model import Policy, SymbolLimits
from guardian.policy.notional import Leg, conversion_path, convert, resolve, worst_price


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
    unit_price: Decimal | None
    """What one unit of the base asset counts for, in the quote asset."""
    quote_notional: Decimal | None
    notional: Decimal | None
    is_exit: bool


def build_case(spec: OrderSpec, facts: Facts, policy: Policy) -> Case:
    """Work out a case. Nothing is decided here, and whatever cannot be told stays None."""
    instrument = facts.instruments.get(spec.symbol)
    book = facts.books.get(spec.symbol)
    order = _resolve(spec, facts, policy, instrument, book)
    unit_price = None if order is None else worst_price(order, book)
    quote_notional = None
    if order is not None and unit_price is not None:
        quote_notional = round_up(times(unit_price, order.quantity))
    legs = "the symbol's rules could not be had" if instrument is None else _legs(instrument, facts, policy)
    notional = None
    if quote_notional is not None and not isinstance(legs, str):
        notional = convert(quote_notional, legs, facts.books)
    return Case(
        spec=spec,
        facts=facts,
        policy=policy,
        limits=policy.symbols.get(spec.symbol),
        instrument=instrument,
        book=book,
        order=order,
        legs=legs,
        unit_price=unit_price,
        quote_notional=quote_notional,
        notional=notional,
        is_exit=_is_exit(order, facts),
    )


def _resolve(
    spec: OrderSpec, facts: Facts, policy: Policy, instrument: Instrument | None, book: BookTop | None
) -> ResolvedOrder | None:
    if instrument is None:
        return None
    fixed = None if facts.confirmed is None else facts.confirmed.protected_price
    return resolve(spec, instrument, book, policy.prices.market_buffer, fixed)


def _legs(instrument: Instrument, facts: Facts, policy: Policy) -> tuple[Leg, ...] | str:
    """The conversion path with a usable, fresh book on each leg, or why there is none."""
    path = conversion_path(instrument.quote_asset, policy.accounting, facts.instruments)
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


def _is_exit(order: ResolvedOrder | None, facts: Facts) -> bool:
    """Whether it sells no more than guardian bought and has neither sold nor offered."""
    if order is None or facts.usage is None or order.side is not OrderSide.SELL:
        return False
    held = max(minus(facts.usage.position, facts.usage.offered), ZERO)
    return 0 < order.quantity <= held
