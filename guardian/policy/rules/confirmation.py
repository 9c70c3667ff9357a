"""The rule on an order that a person confirmed, and what a session mandate takes the place of."""

from __future__ import annotations

from collections.abc import Iterator

from guardian.domain.codes import Code
from guardian.domain.money import ONE, minus, plain, plus, times
from guardian.domain.orders import BUY, MARKET
from guardian.policy.case import Case, Counted
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
    if case.spec.order_type is not MARKET or case.book is None or not case.book.is_usable:
        return
    drift = case.policy.confirmation.max_drift
    if case.spec.side is BUY:
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


def covering_mandate(case: Case, counted: Counted) -> str | None:
    """Returns the id of the mandate that covers an order; None where a person has to be asked as the policy says.

    It covers orders for its symbols while it has time and budget left; an exit spends no budget. An order whose value
    is in doubt, or for a symbol without limits, always goes to a person. Every other rule holds besides.
    """
    mandate = case.facts.mandate
    if mandate is None or case.limits is None or counted.is_value_unknown:
        return None
    if case.facts.now_ms >= mandate.expires_ms or case.spec.symbol not in mandate.symbols:
        return None
    if mandate.currency != case.policy.accounting.currency:
        return None
    if mandate.max_order is not None and counted.notional > mandate.max_order:
        return None
    has_budget = mandate.left is not None and counted.notional <= mandate.left
    return mandate.id if case.is_exit or has_budget else None
