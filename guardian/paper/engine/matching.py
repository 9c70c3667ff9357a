"""Plans what an order does to a book, without changing anything: a pure function of the queue that it meets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.instruments import largest_quantity
from guardian.domain.money import ZERO, minus, times, total
from guardian.paper.engine.book import Offer
from guardian.paper.engine.orders import Order, is_worse, quote_value


@dataclass(frozen=True, slots=True)
class PlannedFill:
    """A planned trade with the market, or with one of the account's own orders."""

    price: Decimal
    quantity: Decimal
    maker: Order | None = None


@dataclass(frozen=True, slots=True)
class Prevention:
    """A prevented trade with an own order, and what each side gives up for it (None: nothing)."""

    price: Decimal
    maker: Order
    taker_quantity: Decimal | None
    maker_quantity: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps in their order, and what is left afterwards."""

    steps: tuple[PlannedFill | Prevention, ...]
    left: Decimal
    """Of the wanted quantity (of the quote asset, where that was wanted)."""
    thin: bool
    """The book ended before the order did."""

    @property
    def fills(self) -> tuple[PlannedFill, ...]:
        """The trades alone."""
        return tuple(step for step in self.steps if isinstance(step, PlannedFill))

    @property
    def quantity(self) -> Decimal:
        """What trades, in the base asset."""
        return total(fill.quantity for fill in self.fills)

    @property
    def cost(self) -> Decimal:
        """What trades, in the quote asset."""
        return total(quote_value(fill.price, fill.quantity) for fill in self.fills)

    @property
    def given_up(self) -> Decimal:
        """What the taker gives up so as not to trade with itself, in the base asset."""
        prevented = (step.taker_quantity for step in self.steps if isinstance(step, Prevention))
        return total(quantity for quantity in prevented if quantity is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakerRequest:
    """What a taker takes: `amount` of the base or, where `by_quote`, of the quote asset, at `worst` or better."""

    side: str
    amount: Decimal
    by_quote: bool = False
    worst: Decimal | None = None
    step: Decimal = ZERO
    """What a quantity by quote is rounded down to."""
    self_trade_mode: str


def plan(queue: Iterable[Offer], taker: TakerRequest) -> Plan:
    """Plans what a taker takes, and what happens to the own orders that it meets."""
    steps: list[PlannedFill | Prevention] = []
    left, met = taker.amount, set[int]()
    for offer in queue:
        if left == 0 or (taker.worst is not None and is_worse(taker.side, offer.price, taker.worst)):
            return Plan(steps=tuple(steps), left=left, thin=False)
        want = largest_quantity(left, offer.price, taker.step) if taker.by_quote else left
        if want == 0:
            return Plan(steps=tuple(steps), left=left, thin=False)
        if offer.order is None or taker.self_trade_mode == "NONE":
            taken = min(want, offer.quantity)
            steps.append(PlannedFill(offer.price, taken, offer.order))
            left = minus(left, times(offer.price, taken) if taker.by_quote else taken)
            if taker.by_quote and taken < offer.quantity:
                return Plan(steps=tuple(steps), left=left, thin=False)
            continue
        if offer.order.order_id in met:
            continue  # a hidden part of an order that has ended
        met.add(offer.order.order_id)
        step = _prevention(offer.order, offer.price, want, taker.self_trade_mode)
        steps.append(step)
        if step.taker_quantity is not None:
            left = minus(left, times(offer.price, step.taker_quantity) if taker.by_quote else step.taker_quantity)
            if step.taker_quantity == want:
                # It ends here, even if the rest of a quote amount would buy a step further down.
                return Plan(steps=tuple(steps), left=left, thin=False)
    return Plan(steps=tuple(steps), left=left, thin=left > 0)


def _prevention(maker: Order, price: Decimal, want: Decimal, mode: str) -> Prevention:
    if mode == "EXPIRE_TAKER":
        return Prevention(price, maker, want, None)
    if mode == "EXPIRE_BOTH":
        return Prevention(price, maker, want, maker.remaining)
    if mode == "DECREMENT":
        both = min(want, maker.remaining)
        return Prevention(price, maker, both, both)
    return Prevention(price, maker, None, maker.remaining)
