"""A case: one order with the derived values that several rules use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from guardian.domain.instruments import Instrument
from guardian.domain.market import AveragePrice, BookTop
from guardian.domain.money import ZERO, minus, round_up, times
from guardian.domain.orders import BUY, MARKET, SELL, OrderSpec, ResolvedOrder
from guardian.policy.conversion import PricedLeg, Rate, Unpriced, dearer_rate, dearest_known_rate, priced_path
from guardian.policy.facts import Confirmed, Facts, Usage
from guardian.policy.model import Policy, SymbolLimits
from guardian.policy.notional import no_worse_price, resolve, worst_price
from guardian.policy.prices import PriceFault, price_faults


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
    rate: Rate
    notional: Decimal
    is_value_unknown: bool = False
    """An exit that counts as the whole cap of one order, since its value is unknown: a person has to confirm it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order, the facts and the policy, and what follows from them. None means unknown."""

    spec: OrderSpec
    facts: Facts
    policy: Policy
    limits: SymbolLimits | None
    instrument: Instrument | None
    book: BookTop | None
    average: AveragePrice | None
    faults: tuple[PriceFault, ...]
    """The checks that the price of the order's own symbol does not pass."""
    order: ResolvedOrder | None
    path: tuple[PricedLeg, ...] | Unpriced | None
    """From the quote asset to the accounting currency; None where the quote asset is not known."""
    priced: Priced | None
    counted: Counted | None
    is_exit: bool

    @property
    def sellable(self) -> Decimal | None:
        """Base asset that can be sold back as an exit; None where it is unknown."""
        return None if self.instrument is None else free_to_sell_back(self.instrument.base_asset, self.facts)


def build_case(spec: OrderSpec, facts: Facts, policy: Policy) -> Case:
    """Builds a case. Nothing is decided here, and whatever is unknown stays None."""
    symbol = spec.symbol
    instrument, book, limits = facts.instruments.get(symbol), facts.books.get(symbol), policy.symbols.get(symbol)
    faults = price_faults(symbol, facts, policy)
    order, path, priced, counted, is_exit = None, None, None, None, False
    if instrument is not None:
        order = _order(spec, instrument, facts, policy)
        path = priced_path(instrument.quote_asset, facts, policy)
        priced = None if order is None else _price(order, instrument, book, facts.confirmed)
        if order is not None and spec.side is SELL:
            is_exit = ZERO < order.quantity <= (free_to_sell_back(instrument.base_asset, facts) or ZERO)
    if priced is not None and path is not None:
        cap = policy.limits.max_open_notional if limits is None else limits.max_notional
        counted = _count_exit(priced, path, faults, cap, facts, policy) if is_exit else _count(priced, path, facts)
    return Case(
        spec=spec,
        facts=facts,
        policy=policy,
        limits=limits,
        instrument=instrument,
        book=book,
        average=facts.averages.get(symbol),
        faults=faults,
        order=order,
        path=path,
        priced=priced,
        counted=counted,
        is_exit=is_exit,
    )


def _order(spec: OrderSpec, instrument: Instrument, facts: Facts, policy: Policy) -> ResolvedOrder | None:
    """Returns the exact order.

    A MARKET order that a person confirmed is sent at the price that they saw or a better one.
    """
    book, average, confirmed = facts.books.get(spec.symbol), facts.averages.get(spec.symbol), facts.confirmed
    agreed = None if confirmed is None else confirmed.protected_price
    order = resolve(spec, instrument, book, policy.prices.market_buffer, agreed)
    if order is None or agreed is None or spec.order_type is not MARKET:
        return order
    usable = book if book is not None and book.is_usable else None
    reference = None if average is None or average.price <= 0 else average.price
    return replace(order, price=no_worse_price(order, instrument, usable, reference, policy.prices.collar))


def _price(
    order: ResolvedOrder, instrument: Instrument, book: BookTop | None, confirmed: Confirmed | None
) -> Priced | None:
    unit_price = worst_price(order, book)
    if unit_price is None:
        return None
    quote_notional = round_up(times(unit_price, order.quantity))
    if confirmed is not None and order.side is SELL:
        # What a SELL brings beyond what the person saw is theirs, and no reason to deny what they confirmed.
        quote_notional = min(quote_notional, confirmed.quote_notional)
    return Priced(instrument=instrument, order=order, unit_price=unit_price, quote_notional=quote_notional)


def _count(priced: Priced, path: tuple[PricedLeg, ...] | Unpriced, facts: Facts) -> Counted | None:
    """Returns the order in the accounting currency, at usable prices alone; None where a leg has none."""
    if isinstance(path, Unpriced):
        return None
    rate = dearer_rate(path)
    return Counted(priced=priced, rate=rate, notional=_notional(priced, rate, priced.quote_notional, facts.confirmed))


def _count_exit(
    priced: Priced,
    path: tuple[PricedLeg, ...] | Unpriced,
    faults: tuple[PriceFault, ...],
    cap: Decimal,
    facts: Facts,
    policy: Policy,
) -> Counted:
    """Returns an exit in the accounting currency; it is not held back by its market.

    Where a price is not usable, an exit counts at the dearest price known, and at most as `cap`, that of one order.
    """
    counted = _count(priced, path, facts)
    if counted is not None and (not faults or counted.notional > cap):
        return counted
    rate = dearest_known_rate(priced.instrument.quote_asset, facts, policy) if counted is None else counted.rate
    if rate is not None:
        average = facts.averages.get(priced.order.symbol)
        unit_price = priced.unit_price if average is None else max(priced.unit_price, average.price)
        notional = _notional(priced, rate, round_up(times(unit_price, priced.order.quantity)), facts.confirmed)
        if notional <= cap:
            return Counted(priced=priced, rate=rate, notional=notional)
    whole = Rate(multiplier=cap, divisor=priced.quote_notional)
    return Counted(priced=priced, rate=whole, notional=cap, is_value_unknown=True)


def _notional(priced: Priced, rate: Rate, amount: Decimal, confirmed: Confirmed | None) -> Decimal:
    """Returns what an amount of the quote asset counts for; of a SELL that a person confirmed no more than they saw."""
    notional = rate.convert(amount)
    return notional if confirmed is None or priced.order.side is BUY else min(notional, confirmed.notional)


def sellable(usage: Usage) -> Decimal:
    """Returns what an exit can sell at most: what guardian bought and has neither sold nor offered."""
    return max(minus(usage.position, usage.offered), ZERO)


def may_be_exit(spec: OrderSpec, held: Decimal) -> bool:
    """Whether an order can turn out to be an exit when `held` is sellable, before the exchange is queried.

    Its quantity may still be unknown: `quote_quantity` is worked out from the market.
    """
    if spec.side is not SELL:
        return False
    return held > 0 and (spec.quantity is None or spec.quantity <= held)


def free_to_sell_back(base_asset: str, facts: Facts) -> Decimal | None:
    """Returns what guardian bought of the asset, has neither sold nor offered, and the account really has free.

    None where the account's balances or guardian's own orders are not known: then nothing is known to be an exit.
    """
    if facts.usage is None or facts.free is None:
        return None
    return max(min(sellable(facts.usage), free_now(base_asset, facts)), ZERO)


def free_now(asset: str, facts: Facts) -> Decimal:
    """Returns the free balance as it was fetched, less what orders may have taken of it since.

    The balances must be known.
    """
    free = {} if facts.free is None else facts.free
    taken = {} if facts.usage is None else facts.usage.taken
    return minus(free.get(asset, ZERO), taken.get(asset, ZERO))
