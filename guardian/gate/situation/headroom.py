"""What is left of each cap of the policy, by its key. What is not known of a cap is None, never a guess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, minus, plain, plus
from guardian.domain.orders import OrderSide
from guardian.gate.base.order_views import iso
from guardian.policy.case import Case, free_now
from guardian.policy.conversion import Unpriced
from guardian.policy.facts import Facts, Usage
from guardian.policy.loss import day_loss
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope, StatusUsage


@dataclass(frozen=True, slots=True)
class CapLeft:
    """What is left of a cap, or above a floor; None where that is unknown."""

    left: Decimal | None
    of: Decimal
    is_floor: bool = False

    def in_words(self) -> str | None:
        """Returns `140 of 500`, of a floor `90 above 10`; None where what is left is unknown."""
        if self.left is None:
            return None
        return f"{plain(self.left)} {'above' if self.is_floor else 'of'} {plain(self.of)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapWindow:
    """A cap over time. `is_count` is that of `max_orders`, which counts orders."""

    cap: str
    window_ms: int
    is_count: bool


def caps_of_order(case: Case) -> dict[str, CapLeft]:
    """The caps that the judged order counts against: those of its symbol and side, then the global ones.

    An exit is held to the cap of one order alone.
    """
    usage, limits, is_buy = case.facts.usage, case.limits, case.spec.side is OrderSide.BUY
    caps: dict[str, CapLeft] = {}
    if usage is None:
        return caps
    if limits is not None:
        caps["max_notional"] = cap_left(limits.max_notional, _sliced(case, usage))
    if case.is_exit:
        return caps
    if limits is not None and is_buy:
        counted = None if case.instrument is None else plus(usage.position, usage.open_buys)
        caps["max_position"] = cap_left(limits.max_position, counted)
    caps |= global_caps(case.policy, usage, lost(usage, case.facts, case.policy))
    if case.instrument is not None and is_buy:
        floor = case.policy.limits.min_free_quote
        free = None if case.facts.free is None else free_now(case.instrument.quote_asset, case.facts)
        caps["min_free_quote"] = above_floor(floor, free)
    return caps


def _sliced(case: Case, usage: Usage) -> Decimal | None:
    """What counts against the cap of one order: what was entered since a larger one was denied here."""
    if usage.sliced_since_ms is None or case.is_exit:
        return ZERO
    return None if usage.uncounted else usage.sliced_entered


def global_caps(policy: Policy, usage: Usage | StatusUsage, loss: Decimal | None) -> dict[str, CapLeft]:
    """The caps over all symbols; `loss` is that of the last 24 hours, None where it is unknown.

    `required_above` is what can be sent before a person is asked, and is left out where every order is put to one.
    """
    limits, is_known = policy.limits, not usage.uncounted
    caps = {"max_open_notional": cap_left(limits.max_open_notional, usage.open_notional if is_known else None)}
    for spent in limits.rolling_notional:
        entered = usage.entered.get(spent.window_ms) if is_known else None
        caps[_over("rolling_notional", spent.window_ms)] = cap_left(spent.maximum, entered)
    for sent in limits.max_orders:
        caps[_over("max_orders", sent.window_ms)] = cap_left(sent.maximum, usage.ordered.get(sent.window_ms))
    caps["max_open_orders"] = cap_left(limits.max_open_orders, usage.open_orders)
    caps["halt_after_orders"] = cap_left(limits.halt_after_orders, usage.orders_since_person)
    caps["max_daily_loss"] = cap_left(limits.max_daily_loss, loss)
    if policy.confirmation.required_above > 0:
        unconfirmed = usage.unconfirmed_since_person if usage.is_unconfirmed_known else None
        caps["required_above"] = cap_left(policy.confirmation.required_above, unconfirmed)
    return caps


def lost(usage: Usage, facts: Facts, policy: Policy) -> Decimal | None:
    """What was lost within 24 hours, in the accounting currency, below zero for a gain; None where it is unknown."""
    loss = day_loss(usage.traded, facts, policy)
    return None if isinstance(loss, Unpriced) else loss


def cap_left(limit: Decimal | int, used: Decimal | int | None) -> CapLeft:
    """What is left of a cap, of which `used` counts; never below zero."""
    of = Decimal(limit)
    return CapLeft(None if used is None else max(minus(of, Decimal(used)), ZERO), of)


def above_floor(floor: Decimal, free: Decimal | None) -> CapLeft:
    """What may be spent so that the floor is left."""
    return CapLeft(None if free is None else max(minus(free, floor), ZERO), floor, is_floor=True)


def in_words(caps: Mapping[str, CapLeft]) -> dict[str, str | None]:
    """The caps as a reply has them."""
    return {key: cap.in_words() for key, cap in caps.items()}


def full_windows(policy: Policy, caps: Mapping[str, CapLeft], needed: Decimal | None) -> tuple[CapWindow, ...]:
    """The windows among these caps with no room, or none for what the order at hand counts as (`needed`)."""
    notional = [(_over("rolling_notional", one.window_ms), one.window_ms) for one in policy.limits.rolling_notional]
    counts = [(_over("max_orders", one.window_ms), one.window_ms) for one in policy.limits.max_orders]
    return tuple(
        CapWindow(cap=cap, window_ms=window_ms, is_count=is_count)
        for windows, is_count in ((notional, False), (counts, True))
        for cap, window_ms in windows
        if cap in caps and _has_no_room(caps[cap].left, None if is_count else needed)
    )


def _has_no_room(left: Decimal | None, needed: Decimal | None) -> bool:
    return left is not None and (left <= 0 or (needed is not None and left < needed))


def frees(tx: Transaction, scope: Scope, full: tuple[CapWindow, ...]) -> dict[str, str]:
    """By cap, when the oldest order that counts in its window leaves it; one read each. Raises StoreError."""
    found: Iterator[tuple[str, int | None]] = (
        (one.cap, tx.usage.frees_ms(scope, one.window_ms, is_count=one.is_count)) for one in full
    )
    return {cap: iso(moment) for cap, moment in found if moment is not None}


def _over(key: str, window_ms: int) -> str:
    return f"{key} {duration_text(window_ms)}"
