"""Rules on an order that a person confirmed."""

from __future__ import annotations

from collections.abc import Iterator

from guardian.domain.codes import Code
from guardian.domain.money import ONE, minus, plain, plus, times
from guardian.domain.orders import OrderSide, OrderType
from guardian.policy.case import Case
from guardian.policy.verdict import Denial


def still_holds(case: Case) -> Iterator[Denial]:
    """Denies where the policy changed or the market moved against the order since a person confirmed it."""
    confirmed = case.facts.confirmed
    if confirmed is None:
        return
    if confirmed.policy_digest != case.policy.digest:
        yield Denial(
            code=Code.CONFIRMATION_POLICY_CHANGED,
            message="the policy was changed since this order was proposed",
            hint="request the order again",
        )
    if case.spec.order_type is not OrderType.MARKET or case.book is None or not case.book.is_usable:
        return
    drift = case.policy.confirmation.max_drift
    if case.spec.side is OrderSide.BUY:
        market, bound = case.book.ask, times(confirmed.shown_ask, plus(ONE, drift))
        adverse = market > bound
    else:
        market, bound = case.book.bid, times(confirmed.shown_bid, minus(ONE, drift))
        adverse = market < bound
    if adverse:
        yield Denial(
            code=Code.CONFIRMATION_PRICE_DRIFT,
            message="the market has moved against the order since the person saw the price",
            observed=plain(market),
            limit=plain(bound),
            hint="request the order again",
        )
