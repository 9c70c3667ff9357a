"""Translates everything that can go wrong with a request into guardian's own exceptions.

Two questions decide: was it a write, and is it certain that nothing happened? A write that may have happened is always
OutcomeUnknown. No text, address or signature of python-binance or aiohttp is taken over: their exceptions hold the
whole signed address, and through their frames the API key. So every function here returns the exception, and the caller
raises it after its own `except` block has ended; `raise ... from None` would keep the old one, frames and all, in
`__context__`.
"""

from __future__ import annotations

import re
import socket
from typing import Final

import aiohttp

from guardian.errors import (
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    NotSent,
    OutcomeUnknown,
)
from guardian.exchange.clean_text import clean_text
from guardian.exchange.error_codes import NEW_ORDER_REJECTED, OUTCOME_UNKNOWN, TOO_MANY_ORDERS, TOO_MANY_REQUESTS
from guardian.exchange.http.hints import hint_for

TEXT_LIMIT: Final = 200

DEFAULT_RETRY_AFTER_S: Final = 10
LONGEST_RETRY_AFTER_S: Final = 3600
"""No weight is counted over more than a minute. An hour is far above that: a proxy in between may have its own ideas,
and one made-up header must not keep guardian from the exchange for days."""
LONGEST_ORDERS_RETRY_AFTER_S: Final = 24 * 3600
"""The longest window of an account's orders."""
DEFAULT_BAN_S: Final = 120
LONGEST_BAN_S: Final = 3 * 24 * 3600
"""Binance: "IP bans are tracked and scale in duration for repeat offenders, from 2 minutes to 3 days"."""

# Raised while a connection is being made, so before a byte of the request is written.
_BEFORE_SENDING: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    ConnectionRefusedError,
    socket.gaierror,
)
LONGEST_NUMBER: Final = 20
"""Digits of a Retry-After that are read; a longer number is above every bound either way."""
_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})(?![0-9])")


def from_exception(problem: BaseException, *, write: bool) -> ExchangeError:
    """Returns the translation of any exception that was raised while a request was made."""
    if isinstance(problem, ExchangeError):
        return problem
    status, code = getattr(problem, "status_code", None), getattr(problem, "code", None)
    if isinstance(status, int) and type(problem).__module__.startswith("binance."):
        text = getattr(problem, "message", "")
        is_ours = isinstance(code, int) and code < 0 and isinstance(text, str)
        return from_status(status, code if is_ours else None, text if is_ours else "", write=write)
    if isinstance(problem, _BEFORE_SENDING):
        return _not_sent("no connection to the exchange could be made", write=write)
    if isinstance(problem, TimeoutError):
        return no_usable_answer("the exchange did not answer in time", write=write)
    if isinstance(problem, aiohttp.ClientError | OSError):
        return no_usable_answer("the connection to the exchange broke", write=write)
    return no_usable_answer("the exchange gave no usable answer", write=write)


def from_status(
    status: int, code: int | None, text: str, *, write: bool, retry_after: str | None = None, now_ms: int | None = None
) -> ExchangeError:
    """Returns the translation of an answer that is not a success; `code` is Binance's, None where the body has none."""
    refused = 400 <= status < 500
    if status in {418, 429} or (refused and code == TOO_MANY_REQUESTS):
        banned = status == 418
        default, longest = (DEFAULT_BAN_S, LONGEST_BAN_S) if banned else (DEFAULT_RETRY_AFTER_S, LONGEST_RETRY_AFTER_S)
        if code == TOO_MANY_ORDERS:
            longest = max(longest, LONGEST_ORDERS_RETRY_AFTER_S)
        wait_s = min(max(_retry_after_s(retry_after, text, now_ms) or default, 1), longest)
        return ExchangeRateLimited(wait_s, banned=banned, hint="do not call again before that")
    is_certain = code not in OUTCOME_UNKNOWN and not (write and _may_have_happened(status, code, text))
    if refused and code is not None and is_certain:
        return ExchangeRejected(code, clean_text(text, TEXT_LIMIT), http_status=status, hint=hint_for(code, text))
    if status in {403, 451}:
        # The firewall in front of the exchange, and its refusal of a region: no code, and nothing behind ran.
        hint = "the exchange's firewall or region rules refuse this address; waiting or another network may help"
        return ExchangeRejected(code or 0, clean_text(text, TEXT_LIMIT), http_status=status, hint=hint)
    return no_usable_answer(f"the exchange answered with HTTP status {status}", write=write)


def no_usable_answer(what: str, *, write: bool) -> ExchangeError:
    """Returns the error of a missing or unusable answer: for a read nothing happened, for a write that is unknown."""
    if write:
        return OutcomeUnknown(f"{what}; the request may have been carried out")
    return ExchangeUnavailable(what, hint="try again in a while")


def closed(*, write: bool) -> ExchangeError:
    """Returns the error of a request that would have to open a closed connection again."""
    what = "guardian has closed its connection to the exchange"
    return NotSent(f"{what}; nothing was sent") if write else ExchangeUnavailable(what)


def _not_sent(what: str, *, write: bool) -> ExchangeError:
    if write:
        return NotSent(f"{what}; nothing was sent", hint="try again when the exchange can be reached")
    return ExchangeUnavailable(what, hint="is this machine online, and the exchange up?")


def _may_have_happened(status: int, code: int | None, text: str) -> bool:
    # 408 is a time-out and 409 a partial success. A client order id is used once, so an order that is called a
    # duplicate is there already, by whatever way it came.
    return status in {408, 409} or (code == NEW_ORDER_REJECTED and text.startswith("Duplicate order"))


def _retry_after_s(header: str | None, text: str, now_ms: int | None) -> int | None:
    """Returns the seconds given, however absurd; None for anything else (also a date: Binance sends seconds)."""
    if header is not None and header.isascii() and header.isdigit():
        return int(header[:LONGEST_NUMBER]) or 1
    ban = _BANNED_UNTIL.search(text)
    if ban is not None and now_ms is not None:
        return max(-(-(int(ban[1]) - now_ms) // 1000), 1)
    return None
