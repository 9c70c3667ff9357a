"""The refusals of the paper exchange: Binance's codes and messages."""

from __future__ import annotations

from typing import Final

from guardian.errors import ExchangeRejected

BAD_REQUEST = 400
UNAUTHORISED = 401

TOO_MUCH_WEIGHT: Final = (
    "Too much request weight used; current limit is %s request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)
BANNED: Final = (
    "Way too much request weight used; IP banned until %s. Please use WebSocket Streams for live updates to avoid bans."
)


def refusal(code: int, text: str, *, http_status: int = BAD_REQUEST) -> ExchangeRejected:
    """Returns a refusal with one of Binance's codes."""
    return ExchangeRejected(code, text, http_status=http_status)


def filter_failure(name: str) -> ExchangeRejected:
    """Returns the refusal of an order that one of the symbol's filters does not admit."""
    return refusal(-1013, f"Filter failure: {name}")


def order_rejected(text: str) -> ExchangeRejected:
    """Returns the refusal of an order that the matching engine does not take."""
    return refusal(-2010, text)


def cancel_rejected(text: str = "Unknown order sent.") -> ExchangeRejected:
    """Returns the refusal of a cancel that the matching engine does not take."""
    return refusal(-2011, text)


def no_such_order() -> ExchangeRejected:
    """Returns the answer to a query for an order that is not there."""
    return refusal(-2013, "Order does not exist.")


def invalid_symbol() -> ExchangeRejected:
    """Returns the refusal of a symbol that is not listed."""
    return refusal(-1121, "Invalid symbol.")


def missing(name: str) -> ExchangeRejected:
    """Returns the refusal of a request without a mandatory parameter."""
    return refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def neither(first: str, second: str) -> ExchangeRejected:
    """Returns the refusal of a request with neither of two parameters of which it needs one."""
    return refusal(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def not_wanted(name: str) -> ExchangeRejected:
    """Returns the refusal of a parameter that this request does not take."""
    return refusal(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> ExchangeRejected:
    """Returns the refusal of a parameter with characters that it may not have."""
    return refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid_data(name: str) -> ExchangeRejected:
    """Returns the refusal of a parameter that is out of its range."""
    return refusal(-1130, f"Data sent for parameter '{name}' is not valid.")
