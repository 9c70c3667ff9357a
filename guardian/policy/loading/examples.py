"""Examples: cases in the policy file and what must come of them, judged by the real engine at every load.

An example is an order, the market and the past that it meets (`given`), and the decision that is expected. Whatever
`given` leaves out has the default of `GIVEN`; prices alone have none, so an order without them meets no price.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.instruments import Instrument, Range
from guardian.domain.market import AveragePrice, BookTop
from guardian.domain.milliseconds import DAY_MS
from guardian.domain.money import ZERO, negated, plus, times
from guardian.domain.orders import (
    STOP_LIMIT_TYPES,
    UNPRICED_STOP_TYPES,
    OrderSide,
    OrderSpec,
    OrderType,
    TimeInForce,
)
from guardian.domain.text.names import is_name
from guardian.domain.trading import Environment, TradingState
from guardian.policy.facts import DayTrading, Facts, ListedOrders, Usage
from guardian.policy.loading.reader import TomlTable
from guardian.policy.loading.values import amount, asset, choice, count, duration, one_of, positive, symbol, text
from guardian.policy.model import Example, Policy
from guardian.policy.verdict import Decision, Verdict

NOW_MS: Final = 1_750_000_000_000
"""When every example happens. Nothing depends on it; there is no clock here."""

_age = duration(366 * DAY_MS, least_ms=0)
_tally = partial(count, least=0)

GIVEN: Final[Mapping[str, tuple[Callable[[object], object], str | None]]] = {
    "bid": (positive, None),
    "ask": (positive, None),
    "average": (positive, None),
    "price_age": (_age, "0ms"),
    "average_age": (_age, "0ms"),
    "tick": (amount, "0.01"),
    "step": (amount, "0.00001"),
    "min_notional": (amount, "5"),
    "base": (asset, None),
    "quote": (asset, None),
    "entered": (amount, "0"),
    "ordered": (_tally, "0"),
    "open": (amount, "0"),
    "open_orders": (_tally, "0"),
    "sliced": (amount, None),
    "position": (amount, "0"),
    "open_buys": (amount, "0"),
    "offered": (amount, "0"),
    "free": (amount, "1000000000"),
    "since_person": (_tally, "0"),
    "unconfirmed": (amount, "0"),
    "calls": (_tally, "1"),
    "loss": (amount, "0"),
    "trading": (choice(TradingState), "active"),
}
"""What an example may be given: how each is read, and its default. `guardian policy example` explains them."""

_RATE: Final = re.compile(r"rate_(.{1,40})_(bid|ask)")
"""The best prices of a symbol on the conversion path, such as `rate_BTCUSDT_ask`."""

_ORDER: Final[Mapping[str, Callable[[object], object]]] = {
    "symbol": symbol,
    "side": choice(OrderSide),
    "order_type": choice(OrderType),
    "quantity": positive,
    "quote_quantity": positive,
    "price": positive,
    "stop_price": positive,
    "time_in_force": choice(TimeInForce),
}
_NUMBERS: Final = ("quantity", "quote_quantity", "price", "stop_price")
_DENIALS: Final = [code.name for code in Code if code.outcome is Outcome.DENIED]


def read_example(row: TomlTable) -> Example:
    """Checks the shape of one `[[examples]]` and keeps its plain strings; every mistake is noted in the row."""
    name = row.required("name", text(200), "unnamed")
    given = _read_given(row.table("given"))
    order = _read_order(row.table("order"))
    expect = row.table("expect")
    decision = expect.required("decision", choice(Decision), "deny")
    code = expect.optional("code", one_of(_DENIALS))
    if code is not None and decision is not Decision.DENY:
        expect.mistake("code", f'nothing is denied where the decision is "{decision.value}"')
    expect.done()
    return Example(name=name, given=given, order=order, decision=decision.value, code=code)


def _read_given(table: TomlTable) -> dict[str, str]:
    readers = {key: read for key, (read, _) in GIVEN.items()}
    readers |= {key: positive for key in table.data if _rate_of(key) is not None}
    given = _plain_values(table, readers)
    for key in given:
        start, end = key[:-3], key[-3:]
        if (end == "bid" and start + "ask" not in given) or (end == "ask" and start + "bid" not in given):
            table.mistake(key, "a price needs both its bid and its ask")
    table.done()
    return given


def _read_order(table: TomlTable) -> dict[str, str]:
    order = _plain_values(table, _ORDER)
    for key in ("symbol", "side", "order_type"):
        if key not in table.data:
            table.mistake(key, "is required and missing")
    table.done()
    if {"symbol", "side", "order_type"} <= order.keys():
        kind = OrderType(order["order_type"])
        for key, message in _misfits(kind, order):
            table.mistake(key, message)
    return order


def _plain_values(table: TomlTable, readers: Mapping[str, Callable[[object], object]]) -> dict[str, str]:
    """Returns the values that fit, as the strings that they are read from again when the example is judged."""
    return {key: str(table.data[key]) for key, read in readers.items() if table.optional(key, read) is not None}


def _misfits(kind: OrderType, order: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns what is missing or too much for this order type."""
    market, stops = kind is OrderType.MARKET, kind in STOP_LIMIT_TYPES | UNPRICED_STOP_TYPES
    needs = {
        "price": not market and kind not in UNPRICED_STOP_TYPES,
        "stop_price": stops,
    }
    found = [
        (key, f"{kind.value} {'needs one' if needed else 'has none'}")
        for key, needed in needs.items()
        if needed != (key in order)
    ]
    if ("quantity" in order) == ("quote_quantity" in order):
        found.append(("quantity", "an order has either `quantity` or `quote_quantity`"))
    elif "quote_quantity" in order and not market:
        found.append(("quote_quantity", "is for MARKET only"))
    if "time_in_force" in order and not _has_time_in_force(kind):
        found.append(("time_in_force", f"{kind.value} has none"))
    return found


def _has_time_in_force(kind: OrderType) -> bool:
    return kind is OrderType.LIMIT or kind in STOP_LIMIT_TYPES


def why_it_fails(example: Example, policy: Policy) -> str | None:
    """Returns what was expected and what came, or None where the example holds."""
    try:
        verdict = judge_example(example, policy)
    except ValueError as error:
        return str(error)
    except ArithmeticError as error:
        return f"its numbers cannot be worked with ({type(error).__name__})"
    as_denied = example.code is None or verdict.denied_by(Code[example.code])
    if verdict.decision.value == example.decision and as_denied:
        return None
    expected = example.decision if example.code is None else f"{example.decision} with {example.code}"
    codes = ", ".join(dict.fromkeys(denial.code.name for denial in verdict.denials))
    return f"expected {expected}, and it came to {verdict.decision.value}{f' with {codes}' if codes else ''}"


def judge_example(example: Example, policy: Policy) -> Verdict:
    """Judges an example whose shape has been checked.

    Raises ValueError where the assets of its symbol, or of a symbol on the conversion path, are unknown.
    """
    if policy.environment is Environment.LIVE:
        # An example tests the limits. Whether this machine may trade live now is no part of the file.
        policy = replace(policy, environment=Environment.TESTNET)
    # Here and not at the top: most policies have no examples, and a status judges nothing.
    from guardian.policy.engine import judge_order

    return judge_order(spec_of(example), facts_of(example, policy), policy)


def spec_of(example: Example) -> OrderSpec:
    """Returns the order of an example, with the same default for `time_in_force` as the tool has."""
    order = example.order
    kind = OrderType(order["order_type"])
    in_force = order.get("time_in_force", "GTC" if _has_time_in_force(kind) else None)
    numbers = {key: Decimal(order[key]) for key in _NUMBERS if key in order}
    return OrderSpec(
        symbol=order["symbol"],
        side=OrderSide(order["side"]),
        order_type=kind,
        time_in_force=None if in_force is None else TimeInForce(in_force),
        **numbers,
    )


def facts_of(example: Example, policy: Policy) -> Facts:
    """Returns the facts that an example gives. Raises ValueError as `judge_example` does."""
    given = {key: default for key, (_, default) in GIVEN.items() if default is not None} | dict(example.given)
    listed = example.order["symbol"]
    instruments = {symbol: _instrument(symbol, assets, given) for symbol, assets in _path_assets(policy).items()}
    if listed in policy.symbols or Decimal(given["position"]) > 0:
        instruments[listed] = _instrument(listed, _assets(listed, given, policy), given)
    fetched_ms = NOW_MS - _age(given["price_age"])
    books = {
        rate[0]: BookTop(bid=Decimal(bid), ask=Decimal(given[f"rate_{rate[0]}_ask"]), fetched_ms=fetched_ms)
        for key, bid in given.items()
        if (rate := _rate_of(key)) is not None and rate[1] == "bid"
    }
    if "bid" in given:
        books[listed] = BookTop(bid=Decimal(given["bid"]), ask=Decimal(given["ask"]), fetched_ms=fetched_ms)
    position = Decimal(given["position"])
    instrument = instruments.get(listed)
    return Facts(
        now_ms=NOW_MS,
        clock_ms=NOW_MS,
        environment=policy.environment,
        policy_problems=(),
        unapproved=None,
        uncompared=None,
        instruments=instruments,
        statuses_known=True,
        books=books,
        averages=_averages(given, books, listed),
        free={}
        if instrument is None
        else {instrument.quote_asset: Decimal(given["free"]), instrument.base_asset: position},
        held={} if instrument is None else {instrument.base_asset: position},
        listed_orders=ListedOrders(),
        clock_skew_ms=0,
        usage=_usage(given, policy),
    )


def _averages(given: Mapping[str, str], books: Mapping[str, BookTop], listed: str) -> dict[str, AveragePrice]:
    """By symbol: the middle of its book; of the order's own symbol the average price that is given."""
    prices = {symbol: times(plus(book.bid, book.ask), Decimal("0.5")) for symbol, book in books.items()}
    if "average" in given:
        prices[listed] = Decimal(given["average"])
    traded_ms = NOW_MS - _age(given["average_age"])
    return {symbol: AveragePrice(price=price, traded_ms=traded_ms) for symbol, price in prices.items()}


def _usage(given: Mapping[str, str], policy: Policy) -> Usage:
    sliced = given.get("sliced")
    open_orders = int(given["open_orders"])
    return Usage(
        trading=TradingState(given["trading"]),
        halt_reason=None if given["trading"] == TradingState.ACTIVE else "the example says so",
        entered={window.window_ms: Decimal(given["entered"]) for window in policy.limits.rolling_notional},
        ordered={window.window_ms: int(given["ordered"]) for window in policy.limits.max_orders},
        open_notional=Decimal(given["open"]),
        open_orders=open_orders,
        open_orders_on_symbol=open_orders,
        sliced_since_ms=None if sliced is None else NOW_MS,
        sliced_entered=Decimal(sliced or 0),
        position=Decimal(given["position"]),
        open_buys=Decimal(given["open_buys"]),
        offered=Decimal(given["offered"]),
        orders_since_person=int(given["since_person"]),
        unconfirmed_since_person=Decimal(given["unconfirmed"]),
        calls_last_minute=int(given["calls"]),
        traded=_lost(Decimal(given["loss"]), policy.accounting.currency),
    )


def _lost(loss: Decimal, currency: str) -> tuple[DayTrading, ...]:
    """Returns a day on which `lost` was lost, and after which nothing is held."""
    if loss == 0:
        return ()
    return (
        DayTrading(
            symbol="", quote_asset=currency, position=ZERO, position_before=ZERO, cash={currency: negated(loss)}
        ),
    )


def _instrument(name: str, assets: tuple[str, str], given: Mapping[str, str]) -> Instrument:
    return Instrument(
        symbol=name,
        base_asset=assets[0],
        quote_asset=assets[1],
        status="TRADING",
        order_types=frozenset(kind.value for kind in OrderType),
        price=Range(step=Decimal(given["tick"])),
        lot=Range(step=Decimal(given["step"])),
        min_notional=Decimal(given["min_notional"]),
    )


def _assets(name: str, given: Mapping[str, str], policy: Policy) -> tuple[str, str]:
    """Returns base and quote of the example's symbol.

    As given, else by how it is spelt, as there is no exchange to ask.
    """
    if "base" in given and "quote" in given:
        return given["base"], given["quote"]
    known = {policy.accounting.currency, *policy.accounting.conversions}
    quotes = [quote for quote in sorted(known, key=len) if name.endswith(quote) and name != quote]
    if not quotes:
        raise ValueError(f"the assets of {name} are unknown; give `base` and `quote`")
    return name.removesuffix(quotes[-1]), quotes[-1]


def _path_assets(policy: Policy) -> dict[str, tuple[str, str]]:
    return {symbol: split_symbol(symbol, asset) for asset, symbol in policy.accounting.conversions.items()}


def _rate_of(key: str) -> tuple[str, str] | None:
    """Returns the symbol and the side that a key such as `rate_BTCUSDT_ask` names; None for every other key."""
    found = _RATE.fullmatch(key)
    return (found[1], found[2]) if found is not None and is_name(found[1]) else None


def split_symbol(name: str, one: str) -> tuple[str, str]:
    """Returns base and quote of a symbol that trades this asset, by its spelling.

    Raises ValueError where the symbol neither begins nor ends with the asset.
    """
    if name.startswith(one) and name != one:
        return one, name.removeprefix(one)
    if name.endswith(one) and name != one:
        return name.removesuffix(one), one
    raise ValueError(f"{name} does not trade {one}")
