"""Rules on sizes and budgets: this order alone, and together with what was entered before."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.instruments import Instrument
from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, minus, plain, plus
from guardian.domain.orders import BUY, SELL
from guardian.policy.case import Case, Counted, Priced, free_now
from guardian.policy.conversion import Rate, Unpriced, largest_passing
from guardian.policy.facts import Fact
from guardian.policy.loss import day_loss
from guardian.policy.verdict import Denial

_NOT_FOR_EXITS: Final = "selling what guardian bought is not held back by this"


def countable(case: Case) -> Denial | None:
    """Every order that counts in a budget was judged in the accounting currency, or has a worth in it."""
    usage, currency = case.facts.usage, case.policy.accounting.currency
    if usage is None or not usage.uncounted or case.is_exit:
        return None
    others = " and ".join(usage.uncounted)
    return Denial(
        code=Code.USAGE_UNKNOWN,
        message=f"orders that still count were judged in {others}, and what they are worth in {currency} is not known",
        observed=others,
        limit=currency,
        hint=f"the owner can set `[accounting] currency` back to {usage.uncounted[0]}, "
        f"or the orders leave the windows with time; {_NOT_FOR_EXITS}",
    )


def convertible(case: Case) -> Denial | None:
    """There is a declared path with usable prices to the accounting currency; nothing is taken to be 1:1.

    An exit is not held back by the market of another symbol; what it counts for then is worked out in the case.
    """
    if case.instrument is not None and isinstance(case.path, Unpriced) and not case.is_exit:
        return Denial(
            code=Code.CONVERSION_UNAVAILABLE,
            message=f"no way from {case.instrument.quote_asset} to {case.policy.accounting.currency}: "
            f"{case.path.reason}",
            hint=f"{case.path.hint}; {_NOT_FOR_EXITS}",
        )
    return None


def max_notional(case: Case) -> Denial | None:
    """The order costs no more at worst than the symbol's `max_notional`."""
    counted = case.counted
    if case.limits is None or counted is None:
        return None
    most = case.limits.max_notional
    if counted.notional > most:
        is_buy = counted.priced.order.side is BUY
        # What a SELL counts as is no cost: the bid, or its own price where that is higher.
        message = "the order costs too much at worst" if is_buy else "the order counts as too much, at the bid or above"
        return _over_limit(case, counted, Code.NOTIONAL_EXCEEDS_MAX, message, ZERO, most)
    return None


def slicing(case: Case) -> Denial | None:
    """After an order over `max_notional`, the sum entered on that symbol and side is held to it for a while."""
    usage, counted = case.facts.usage, case.counted
    if case.limits is None or counted is None or usage is None or case.is_exit:
        return None
    if usage.sliced_since_ms is None or counted.notional > case.limits.max_notional:
        return None
    if plus(usage.sliced_entered, counted.notional) > case.limits.max_notional:
        return _over_limit(
            case,
            counted,
            Code.SLICING_EXCEEDS_MAX,
            "an order over the cap was denied here a while ago, and with this one its parts would exceed it",
            usage.sliced_entered,
            case.limits.max_notional,
        )
    return None


def max_quantity(case: Case) -> Denial | None:
    """The base quantity is no more than the symbol's `max_quantity`: it catches a value in the quantity field."""
    quantity = case.spec.quantity if case.order is None else case.order.quantity
    if case.limits is not None and quantity is not None and quantity > case.limits.max_quantity:
        base = case.instrument.base_asset if case.instrument is not None else "the base asset"
        return Denial(
            code=Code.QUANTITY_EXCEEDS_MAX,
            message=f"the quantity is in {base}, and this is more of it than the policy allows in one order",
            observed=plain(quantity),
            limit=plain(case.limits.max_quantity),
            hint="if a value was meant, use `quote_quantity` with a MARKET order",
        )
    return None


def max_position(case: Case) -> Denial | None:
    """A BUY leaves guardian with no more of the base asset than `max_position`, open and unknown orders included.

    What guardian holds of an asset is held to it over all symbols.
    """
    usage, priced = case.facts.usage, case.priced
    # A BUY's worst case is known whenever the order is known, so no BUY escapes here.
    if case.limits is None or usage is None or priced is None or priced.order.side is not BUY:
        return None
    before = plus(usage.position, usage.open_buys)
    after = plus(before, priced.order.quantity)
    if after > case.limits.max_position:
        return Denial(
            code=Code.POSITION_EXCEEDS_MAX,
            message="guardian would hold more than the policy allows",
            observed=plain(after),
            limit=plain(case.limits.max_position),
            hint=_at_most_hint(priced, minus(case.limits.max_position, before)),
        )
    return None


def max_open_notional(case: Case) -> Denial | None:
    """Open and unknown orders, this one included, are worth no more than `limits.max_open_notional`."""
    usage, counted = case.facts.usage, case.counted
    if counted is None or usage is None or case.is_exit:
        return None
    spent, most = usage.open_notional, case.policy.limits.max_open_notional
    if plus(spent, counted.notional) > most:
        message = "open orders would be worth too much"
        return _over_limit(case, counted, Code.OPEN_NOTIONAL_EXCEEDS_MAX, message, spent, most)
    return None


def max_open_orders(case: Case) -> Denial | None:
    """No more orders are open or unknown, this one included, than `limits.max_open_orders`."""
    usage, most = case.facts.usage, case.policy.limits.max_open_orders
    if usage is not None and not case.is_exit and usage.open_orders >= most:
        return Denial(
            code=Code.OPEN_ORDERS_EXCEED_MAX,
            message="as many orders as the policy allows are open or unknown",
            observed=str(usage.open_orders + 1),
            limit=str(most),
            hint="cancel one with `cancel_order` first",
        )
    return None


def rolling_notional(case: Case) -> Iterator[Denial]:
    """Within every rolling window, no more is entered than it allows, this order included."""
    usage, counted = case.facts.usage, case.counted
    if counted is None or usage is None or case.is_exit:
        return
    for window in case.policy.limits.rolling_notional:
        # A window that was not counted is not an empty one: the whole of it counts as spent.
        entered = usage.entered.get(window.window_ms, window.maximum)
        if plus(entered, counted.notional) > window.maximum:
            yield _over_limit(
                case,
                counted,
                Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
                f"too much would be entered within {duration_text(window.window_ms)}",
                entered,
                window.maximum,
            )


def max_orders(case: Case) -> Iterator[Denial]:
    """Within every window, no more orders are sent than it allows, this one included."""
    usage = case.facts.usage
    if usage is None or case.is_exit:
        return
    for window in case.policy.limits.max_orders:
        sent = usage.ordered.get(window.window_ms, window.maximum)
        if sent >= window.maximum:
            yield Denial(
                code=Code.ORDER_COUNT_EXCEEDS_MAX,
                message=f"too many orders within {duration_text(window.window_ms)}",
                observed=str(sent + 1),
                limit=str(window.maximum),
                hint="wait until the window has moved on; selling what guardian bought needs no budget",
            )


def daily_loss(case: Case) -> Denial | None:
    """What guardian's trading lost within 24 hours, marked to market, is no more than `limits.max_daily_loss`."""
    usage, most = case.facts.usage, case.policy.limits.max_daily_loss
    if usage is None or case.is_exit:
        return None
    loss = day_loss(usage.traded, case.facts, case.policy)
    if isinstance(loss, Unpriced):
        return Denial(
            code=Code.DAILY_LOSS_UNKNOWN,
            message=f"what guardian's trading lost within 24h is not known: {loss.reason}",
            hint=f"{loss.hint}; {_NOT_FOR_EXITS}",
        )
    if loss > most:
        return Denial(
            code=Code.DAILY_LOSS_EXCEEDS_MAX,
            message="guardian's trading has lost too much within 24h, open positions at today's prices included",
            observed=f"{plain(loss)} {case.policy.accounting.currency}",
            limit=f"{plain(most)} {case.policy.accounting.currency}",
            hint="the loss counts for 24h; selling what guardian bought passes, "
            "and all else after the owner runs `guardian resume`",
        )
    return None


def duplicate(case: Case) -> Denial | None:
    """The same order was not sent within `limits.duplicate_window`, and none like it is unknown.

    An exit passes: what was sold or may have been sold is no longer held, so nothing is sold twice.
    """
    usage = case.facts.usage
    if usage is not None and usage.duplicate_of is not None and not case.is_exit:
        return Denial(
            code=Code.DUPLICATE_ORDER,
            message=f"the same order was sent a moment ago as `{usage.duplicate_of}`, or its fate is not known yet",
            observed=usage.duplicate_of,
            limit=duration_text(case.policy.limits.duplicate_window_ms),
            hint="look at it with `get_orders` before asking again",
        )
    return None


def unresolved(case: Case) -> Denial | None:
    """While an order of the symbol may exist or not, the symbol takes no new ones.

    An exit passes: what an unknown SELL may have sold is deducted in full from what is held, and an unknown BUY adds
    nothing to it.
    """
    usage = case.facts.usage
    if usage is None or usage.unresolved_on_symbol is None or case.is_exit:
        return None
    return Denial(
        code=Code.ORDER_UNRESOLVED,
        message=f"the fate of the order `{usage.unresolved_on_symbol}` is not known yet; guardian keeps asking for it",
        observed=usage.unresolved_on_symbol,
        hint="wait, and look at it with `get_orders`; other symbols, exits and cancels are not held back; "
        f"the owner can end the wait with `guardian settle {usage.unresolved_on_symbol}`",
    )


def free_quote(case: Case) -> Denial | None:
    """After a BUY, at least `limits.min_free_quote` of the quote asset is left free.

    A SELL is an exit only of what the account really has, so its balances are needed as well.
    """
    priced = case.priced
    if case.facts.free is None:
        return Denial(
            code=Code.BALANCE_UNAVAILABLE,
            message=f"the account's balances are unavailable: {case.facts.why_missing(Fact.BALANCES)}",
            hint="try again in a moment",
        )
    if priced is None or priced.order.side is not BUY:
        return None
    asset, floor = priced.instrument.quote_asset, case.policy.limits.min_free_quote
    free = free_now(asset, case.facts)
    left = minus(free, priced.quote_notional)
    if left < floor:
        return Denial(
            code=Code.FREE_QUOTE_BELOW_MIN,
            message=f"{plain(free)} {asset} is free, and the order takes {plain(priced.quote_notional)} at worst",
            observed=plain(left),
            limit=plain(floor),
            hint=_largest_hint(priced, Rate(), minus(free, floor)),
        )
    return None


def free_base(case: Case) -> Denial | None:
    """A SELL sells no more than the account has free: the exchange would refuse it.

    After a purchase whose fee was taken of what was bought that is less than the quantity of the purchase.
    """
    order, instrument = case.order, case.instrument
    if order is None or instrument is None or order.side is not SELL or case.facts.free is None:
        return None
    asset = instrument.base_asset
    free = max(free_now(asset, case.facts), ZERO)
    if order.quantity > free:
        return Denial(
            code=Code.FREE_BASE_BELOW_QUANTITY,
            message=f"the account has less {asset} free than the order sells",
            observed=plain(order.quantity),
            limit=plain(free),
            hint=_largest_valid_hint(instrument, free, order.price),
        )
    return None


def calls(case: Case) -> Denial | None:
    """No more calls of `create_order` within a minute than `limits.max_calls_per_minute`; exits pass."""
    usage, most = case.facts.usage, case.policy.limits.max_calls_per_minute
    if usage is not None and not case.is_exit and usage.calls_last_minute > most:
        return calls_denial(usage.calls_last_minute, most)
    return None


def calls_denial(seen: int, most: int) -> Denial:
    """Returns the denial of a call over the budget of calls."""
    return Denial(
        code=Code.CALLS_EXCEED_MAX,
        message="too many calls within a minute",
        observed=str(seen),
        limit=str(most),
        hint="wait a minute; `cancel_order` is never counted, and selling what guardian bought is not held to this",
    )


def _over_limit(case: Case, counted: Counted, code: Code, message: str, spent: Decimal, most: Decimal) -> Denial:
    """Returns the denial of a sum over a limit: what it would come to, and the largest quantity that would pass."""
    return Denial(
        code=code,
        message=message,
        observed=f"{plain(plus(spent, counted.notional))} {case.policy.accounting.currency}",
        limit=f"{plain(most)} {case.policy.accounting.currency}",
        hint=_largest_hint(counted.priced, counted.rate, minus(most, spent)),
    )


def _largest_hint(priced: Priced, rate: Rate, budget: Decimal) -> str:
    """Returns the hint with the largest quantity whose worst case, converted at the rate, fits the budget."""
    step = priced.instrument.lot.step
    return _at_most_hint(priced, largest_passing(priced.unit_price, rate, step, max(budget, ZERO)))


def _at_most_hint(priced: Priced, quantity: Decimal) -> str:
    """Returns a hint with a quantity; it names none that the exchange would not take either."""
    return _largest_valid_hint(priced.instrument, quantity, priced.order.price)


def _largest_valid_hint(instrument: Instrument, quantity: Decimal, price: Decimal) -> str:
    largest = instrument.largest_valid(quantity, price)
    return "no quantity passes now" if largest is None else f"the largest quantity that passes is {plain(largest)}"
