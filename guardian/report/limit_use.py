"""How near the orders of a period came to each limit of the policy that was in force. Pure.

Each order's intent row has what was counted when it was judged and the digest of the policy; an order uses a limit with
what was counted before and with itself. Exits use the limits of a single order alone, as the policy has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, plus
from guardian.policy.model import Limits, Policy
from guardian.report.time_steps import TimeSteps

ROLLING: Final = "rolling_notional"
ORDERS: Final = "orders"
"""The unit of a limit that counts orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOrder:
    """An order that was reserved: when, and what its intent row has of how it was judged."""

    time_ms: int
    environment: str
    account: str
    symbol: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """How much of a limit an order used, at most."""

    name: str
    """The key of the policy, with the window or the symbol: `rolling_notional 24h`."""
    used: Decimal
    limit: Decimal
    unit: str
    time_ms: int

    @property
    def share(self) -> Decimal:
        """Of the limit; 1 is all of it."""
        return self.used / self.limit if self.limit else Decimal(1)


def highest_uses(orders: Iterable[JudgedOrder], policies: Mapping[str, Policy]) -> tuple[LimitUse, ...]:
    """Returns for each limit the order that came nearest to it, in the order of the policy's keys.

    Orders whose policy is not known, or whose row cannot be read, are left out.
    """
    highest: dict[str, LimitUse] = {}
    for order in orders:
        for use in uses_of(order, policies):
            known = highest.get(use.name)
            if known is None or use.share > known.share:
                highest[use.name] = use
    return tuple(highest[name] for name in sorted(highest, key=_place))


def uses_of(order: JudgedOrder, policies: Mapping[str, Policy]) -> Iterator[LimitUse]:
    """Yields how much of each limit one order used."""
    policy = policies.get(str(order.data.get("policy")))
    judged = _part(order.data, "judged")
    notional, usage = _amount(judged.get("notional")), _part(judged, "usage")
    sent = _part(order.data, "order")
    quantity, side = _amount(sent.get("quantity")), sent.get("side")
    if policy is None or notional is None or quantity is None:
        return
    currency, symbol = policy.accounting.currency, policy.symbols.get(order.symbol)

    def use(name: str, used: Decimal | None, limit: Decimal | int, unit: str) -> Iterator[LimitUse]:
        if used is not None:
            yield LimitUse(name=name, used=used, limit=Decimal(limit), unit=unit, time_ms=order.time_ms)

    if symbol is not None:
        yield from use(f"max_notional {order.symbol}", notional, symbol.max_notional, currency)
        yield from use(f"max_quantity {order.symbol}", quantity, symbol.max_quantity, "")
        if side == "BUY":
            held = _sum(_amount(usage.get("position")), _amount(usage.get("open_buys")))
            yield from use(f"max_position {order.symbol}", _sum(held, quantity), symbol.max_position, "")
    if judged.get("is_exit") is False:
        for name, used, limit, unit in _shared(policy.limits, usage, notional, currency):
            yield from use(name, used, limit, unit)


def _shared(
    limits: Limits, usage: Mapping[str, object], notional: Decimal, currency: str
) -> Iterator[tuple[str, Decimal | None, Decimal | int, str]]:
    """Yields the limits over all symbols together, with what is used of them."""
    one = Decimal(1)
    yield "max_open_notional", _sum(_amount(usage.get("open_notional")), notional), limits.max_open_notional, currency
    entered, ordered = _part(usage, "entered"), _part(usage, "ordered")
    for window in limits.rolling_notional:
        used = _sum(_amount(entered.get(str(window.window_ms))), notional)
        yield f"{ROLLING} {duration_text(window.window_ms)}", used, window.maximum, currency
    for counted in limits.max_orders:
        used = _sum(_amount(ordered.get(str(counted.window_ms))), one)
        yield f"max_orders {duration_text(counted.window_ms)}", used, counted.maximum, ORDERS
    yield "max_open_orders", _sum(_amount(usage.get("open_orders")), one), limits.max_open_orders, ORDERS
    since = _sum(_amount(usage.get("orders_since_person")), one)
    yield "halt_after_orders", since, limits.halt_after_orders, ORDERS


_ORDER: Final = (
    ROLLING, "max_open_notional", "max_orders", "max_open_orders", "halt_after_orders", "max_notional", "max_quantity",
    "max_position",
)  # fmt: skip


def _place(name: str) -> tuple[int, int, str]:
    key, _, rest = name.partition(" ")
    return _ORDER.index(key), len(rest), name


def _part(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _sum(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else plus(first, second)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSeries:
    """How much of the budget of the longest window was used, by step: the highest that an order brought it to."""

    name: str
    """Empty where no order used one."""
    used: tuple[Decimal | None, ...]
    limit: tuple[Decimal | None, ...]


def budget_by_step(orders: Iterable[JudgedOrder], policies: Mapping[str, Policy], steps: TimeSteps) -> BudgetSeries:
    """Returns the use of the budget of the longest window in each step, and its limit at that time.

    In a step without orders nothing was used, and the limit is the last that is known.
    """
    highest: dict[tuple[str, int], LimitUse] = {}
    for order in orders:
        for use in uses_of(order, policies):
            key = use.name, steps.index(order.time_ms)
            if use.name.startswith(ROLLING) and (key not in highest or use.used > highest[key].used):
                highest[key] = use
    if not highest:
        return BudgetSeries(name="", used=(), limit=())
    name = max((name for name, _ in highest), key=_window_ms)
    limits = [highest[name, at].limit for at in range(len(steps.starts_ms)) if (name, at) in highest]
    used, limit, known = [], [], limits[0]
    for at in range(len(steps.starts_ms)):
        use_then = highest.get((name, at))
        known = known if use_then is None else use_then.limit
        used.append(ZERO if use_then is None else use_then.used)
        limit.append(known)
    return BudgetSeries(name=name, used=tuple(used), limit=tuple(limit))


_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def _window_ms(name: str) -> int:
    window = name.rpartition(" ")[2]
    digits = window.rstrip("msh")
    return int(digits) * _UNITS[window.removeprefix(digits)]
