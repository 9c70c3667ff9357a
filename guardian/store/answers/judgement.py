"""What each rule saw when an order was judged: repeated from the facts of the log and the policy that they name. Pure.

A row of the log has the facts and the digest of the policy. Whoever has that policy's text can say for each rule what
was observed, what the limit was and how much was left: nothing here is a memory of its own that could differ from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ONE, absolute_difference, minus, plus, times
from guardian.policy.model import Policy
from guardian.policy.prices import CLOCK_LIMIT_MS, percent_text

_HALF: Final = Decimal("0.5")
Data = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRule:
    """One rule: its key in the policy, what was observed with the order, the limit, and the headroom that is left.

    `observed`, `limit` and `headroom` are in `unit`; below zero the headroom says by how much the order was over.
    """

    rule: str
    observed: Decimal
    limit: Decimal
    headroom: Decimal
    unit: str


def judged_rules(judged: Data, policy: Policy) -> tuple[JudgedRule, ...]:
    """Returns the rules with a limit in numbers, as far as the facts of the log say what they saw.

    An exit is held to the rules on one order and its price alone.
    """
    return tuple(rule for rule in _rules(judged, policy) if rule is not None)


def _rules(judged: Data, policy: Policy) -> Iterator[JudgedRule | None]:
    order, usage = _table(judged, "order"), _table(judged, "usage")
    symbol, is_buy = str(order.get("symbol")), order.get("side") == "BUY"
    limits, currency = policy.symbols.get(symbol), policy.accounting.currency
    quantity, notional = _number(order, "quantity"), _number(judged, "notional")
    is_exit = judged.get("is_exit") is True
    if limits is not None:
        yield _up_to("max_notional", notional, limits.max_notional, currency)
        yield _up_to("max_quantity", quantity, limits.max_quantity, "base asset")
    if not is_exit:
        if limits is not None and is_buy:
            held = _sum(_number(usage, "position"), _number(usage, "open_buys"), quantity)
            yield _up_to("max_position", held, limits.max_position, "base asset")
        yield from _budgets(usage, notional, policy, None if limits is None else limits.max_notional)
    yield from _prices(judged, order, symbol, policy)
    yield _skew(judged)
    if is_buy:
        yield _free_quote(judged, usage, symbol, policy)


def _budgets(
    usage: Data, notional: Decimal | None, policy: Policy, most: Decimal | None
) -> Iterator[JudgedRule | None]:
    limits, currency = policy.limits, policy.accounting.currency
    entered, ordered = _table(usage, "entered"), _table(usage, "ordered")
    for spent in limits.rolling_notional:
        name = f"rolling_notional in {duration_text(spent.window_ms)}"
        yield _up_to(name, _sum(_number(entered, str(spent.window_ms)), notional), spent.maximum, currency)
    yield _up_to(
        "max_open_notional", _sum(_number(usage, "open_notional"), notional), limits.max_open_notional, currency
    )
    for sent in limits.max_orders:
        name = f"max_orders in {duration_text(sent.window_ms)}"
        yield _up_to(name, _sum(_number(ordered, str(sent.window_ms)), ONE), Decimal(sent.maximum), "orders")
    yield _up_to("max_open_orders", _sum(_number(usage, "open_orders"), ONE), Decimal(limits.max_open_orders), "orders")
    sliced = _number(usage, "sliced_entered") if usage.get("sliced_since_ms") is not None else None
    if sliced is not None and most is not None:
        yield _up_to("max_notional, sliced", _sum(sliced, notional), most, currency)
    since = _sum(_number(usage, "orders_since_person"), ONE)
    yield _up_to("halt_after_orders", since, Decimal(limits.halt_after_orders), "orders")
    calls = _number(usage, "calls_last_minute")
    yield _up_to("max_calls_per_minute", calls, Decimal(limits.max_calls_per_minute), "calls")


def _prices(judged: Data, order: Data, symbol: str, policy: Policy) -> Iterator[JudgedRule | None]:
    book, average = _table(judged, "books", symbol), _table(judged, "averages", symbol)
    bid, ask, price = _number(book, "bid"), _number(book, "ask"), _number(order, "price")
    clock, mean = _number(judged, "clock_ms"), _number(average, "price")
    if bid is None or ask is None:
        return
    rules, is_buy = policy.prices, order.get("side") == "BUY"
    market = _number(order, "stopPrice") or (ask if is_buy else bid)
    if price is not None:
        bound = times(market, plus(ONE, rules.collar) if is_buy else minus(ONE, rules.collar))
        left = minus(bound, price) if is_buy else minus(price, bound)
        name = f"collar {percent_text(rules.collar)}"
        yield JudgedRule(rule=name, observed=price, limit=bound, headroom=left, unit="quote asset")
    if clock is not None:
        yield _up_to("max_age", _difference(clock, _number(book, "fetched_ms")), Decimal(rules.max_age_ms), "ms")
        traded = _difference(clock, _number(average, "traded_ms"))
        yield _up_to("max_trade_age", traded, Decimal(rules.max_trade_age_ms), "ms")
    if mean is not None:
        apart = absolute_difference(times(plus(bid, ask), _HALF), mean)
        name = f"max_divergence {percent_text(rules.max_divergence)}"
        yield _up_to(name, apart, times(mean, rules.max_divergence), "quote asset")


def _skew(judged: Data) -> JudgedRule | None:
    skew = _number(judged, "clock_skew_ms")
    return _up_to("clock", None if skew is None else skew.copy_abs(), Decimal(CLOCK_LIMIT_MS), "ms")


def _free_quote(judged: Data, usage: Data, symbol: str, policy: Policy) -> JudgedRule | None:
    """What a BUY leaves free of the quote asset; the log names it by what was taken of it."""
    limits = [asset for asset in _table(usage, "taken") if symbol.endswith(asset)]
    cost = _number(judged, "quote_notional")
    if len(limits) != 1 or cost is None or not isinstance(judged.get("free"), Mapping):
        return None
    (asset,) = limits
    free = _number(_table(judged, "free"), asset) or Decimal(0)
    left = minus(minus(free, _number(_table(usage, "taken"), asset) or Decimal(0)), cost)
    floor = policy.limits.min_free_quote
    return JudgedRule(rule="min_free_quote", observed=left, limit=floor, headroom=minus(left, floor), unit=asset)


def _up_to(rule: str, observed: Decimal | None, limit: Decimal, unit: str) -> JudgedRule | None:
    """A rule that the observed value stays at or below its limit; None where it was not observed."""
    if observed is None:
        return None
    return JudgedRule(rule=rule, observed=observed, limit=limit, headroom=minus(limit, observed), unit=unit)


def _sum(*amounts: Decimal | None) -> Decimal | None:
    """The sum; None where one of them is not known."""
    found = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        found = plus(found, amount)
    return found


def _difference(first: Decimal, second: Decimal | None) -> Decimal | None:
    return None if second is None else minus(first, second)


def _table(data: Data, *names: str) -> Data:
    for name in names:
        found = data.get(name)
        data = found if isinstance(found, Mapping) else {}
    return data


def _number(data: Data, name: str) -> Decimal | None:
    """A number of the log, of whatever type it is there; None for anything else."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 60:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and -40 < found.adjusted() < 40 else None
