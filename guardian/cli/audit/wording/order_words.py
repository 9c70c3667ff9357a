"""An order in words: `BUY 0.0009 BTCUSDT at 59936 (53.94 USDT)`, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from guardian.cli.audit.wording.words import amount, joined, money, named, part, rounded_to_digits
from guardian.cli.support.render import Tone
from guardian.domain.money import plain, times
from guardian.domain.order_states import OrderState

STATE_TONES: Final = {
    OrderState.RESERVED: Tone.WAITING,
    OrderState.UNKNOWN: Tone.WAITING,
    OrderState.OPEN: Tone.WAITING,
    OrderState.PART_FILLED: Tone.WAITING,
    OrderState.FILLED: Tone.GOOD,
    OrderState.REJECTED: Tone.BAD,
}
"""How the state of an order is shown; a state that is missing has the terminal's own colour."""
_STATE_WORDS: Final = {
    OrderState.RESERVED: "may have been sent, not known yet",
    OrderState.UNKNOWN: "may be at the exchange, not known yet",
    OrderState.PART_FILLED: "part filled",
    OrderState.NOT_PLACED: "never arrived",
    OrderState.REJECTED: "rejected by the exchange",
}
_ASKED: Final = ("side", "quantity", "symbol", "price", "order_type", "type", "quote_quantity", "stop_price")


def order_fields(*sources: Mapping[str, object]) -> dict[str, object]:
    """Returns an order's fields, each from the first source that has it.

    A source is an order as it was asked, sent, proposed, reported or stored; `stopPrice` is the wire's stop price.
    """
    found: dict[str, object] = {}
    for source in sources:
        for name, value in source.items():
            known = "stop_price" if name == "stopPrice" else name
            if value is not None and known not in found:
                found[known] = value
    return found


def order_text(order: Mapping[str, object], *, with_worth: bool = True) -> str:
    """Returns what an order buys or sells, at which price, and for how much in all, as far as its fields say so."""
    if not any(order.get(name) for name in _ASKED):
        return "an order"
    what = joined(named(order, "side"), named(order, "quantity") or _base(order), named(order, "symbol"), by=" ")
    return joined(what, _price(order), _worth(order) if with_worth else "", by=" ")


def _base(order: Mapping[str, object]) -> str:
    spent = named(order, "quote_quantity")
    return f"for {joined(spent, named(order, 'quote_asset'), by=' ')} of" if spent else ""


def average_price(order: Mapping[str, object]) -> Decimal | None:
    """Returns at which price what is executed was executed; None where that is unknown."""
    executed, quote = amount(order.get("executed_quantity")), amount(order.get("executed_quote_quantity"))
    if executed is None or quote is None or executed <= 0:
        return None
    return rounded_to_digits(quote / executed)


def _price(order: Mapping[str, object]) -> str:
    average = average_price(order)
    if average is not None and _is_all(order):
        return f"at {plain(average)}"
    stop = named(order, "stop_price")
    stopped = f"stop {stop}" if stop else ""
    if named(order, "order_type") == "MARKET" or not named(order, "price"):
        at = "at market" if named(order, "order_type") == "MARKET" else ""
        return joined(stopped, at, by=" ")
    return joined(stopped, f"at {named(order, 'price')}", by=" ")


def _is_all(order: Mapping[str, object]) -> bool:
    return amount(order.get("executed_quantity")) == amount(order.get("quantity"))


def _worth(order: Mapping[str, object]) -> str:
    asset, quote = named(order, "quote_asset"), amount(order.get("executed_quote_quantity"))
    if not asset:
        return ""
    if average_price(order) is not None and quote is not None and _is_all(order):
        return f"({money(quote, asset)})"
    quantity, price = amount(order.get("quantity")), amount(order.get("price"))
    if quantity is None or price is None:
        return ""
    if named(order, "order_type") != "MARKET":
        return f"({money(times(quantity, price), asset)})"
    is_sell = named(order, "side") == "SELL"
    bound, rounding = ("min", ROUND_DOWN) if is_sell else ("max", ROUND_UP)
    return f"({bound} {money(times(quantity, price), asset, rounding)})"


def state_text(order: Mapping[str, object], state: str) -> tuple[str, Tone | None]:
    """Returns the state of an order in words, and their tone."""
    try:
        known = OrderState(state)
    except ValueError:
        return named({"state": state}, "state"), Tone.WAITING
    words = _STATE_WORDS.get(known, known.value)
    executed = amount(order.get("executed_quantity"))
    if known is OrderState.PART_FILLED or (known in {OrderState.CANCELLED, OrderState.EXPIRED} and executed):
        words = joined(words, _executed(order))
    elif known in {OrderState.CANCELLED, OrderState.EXPIRED}:
        words = f"{words}, nothing filled"
    return words, STATE_TONES.get(known)


def _executed(order: Mapping[str, object]) -> str:
    executed, average = amount(order.get("executed_quantity")), average_price(order)
    if executed is None:
        return ""
    at = "" if average is None else f" at {plain(average)}"
    return f"{plain(executed)} filled{at}"


def reported_order(data: Mapping[str, object]) -> dict[str, object]:
    """Returns the order of an event about one, as the exchange reported it or as it was to be sent."""
    return order_fields(part(data, "report"), part(data, "order"), data)
