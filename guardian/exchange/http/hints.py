"""The next step after the exchange said no: by its code, and for codes with several causes by its text as well.

Binance lists the texts under "Messages for -1010 ERROR_MSG_RECEIVED, -2010 NEW_ORDER_REJECTED, and -2011
CANCEL_REJECTED" in its `errors.md`. A text that is not known here names no cause.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_BY_CODE: Final = MappingProxyType(
    {
        -1021: "this machine's clock is off; let the system set the time by itself, then try again",
        -1022: "the stored key does not sign as the exchange expects; see `guardian keys list`, then "
        "`guardian keys add`",
        -1100: "an argument holds a character that the exchange does not take",
        -1111: "too many decimal places for this symbol",
        -1121: "the exchange does not list this symbol; get_available_assets lists what it has",
        -1127: "the period between start_time and end_time is longer than the exchange allows",
        -2008: "this key is not one of this environment's; `guardian keys add` stores the right one",
        -2013: "no such order; it may have been archived, or be too new to be found",
        -2014: "the stored key is malformed; `guardian keys add` stores another",
        -2015: "the key, its permissions or this address are not right; check at the exchange, then "
        "`guardian keys add`",
    }
)
"""Codes with one cause, or with causes that have one next step."""

_SEE_TEXT: Final = "the exchange's text says why"
_BY_TEXT: Final = MappingProxyType(
    {
        -1013: (
            ("filter failure", "an exchange filter refused it; get_available_assets shows the symbol's rules"),
            ("market is closed", "the symbol is not trading now; get_available_assets shows its status"),
        ),
        -2010: (
            ("insufficient balance", "too little of the asset is free; see get_balance and the open orders"),
            (
                "immediately match and take",
                "as a LIMIT_MAKER it would have filled at once; see get_order_book for a price that does not cross",
            ),
            (
                "trigger immediately",
                "the market is already past stop_price: a stop-loss SELL triggers below the market, a BUY above it",
            ),
            ("market is closed", "the symbol is not trading now; get_available_assets shows its status"),
            ("duplicate order", "an open order has this id already; get_orders shows it"),
            ("not supported for this symbol", "get_available_assets shows the symbol's order types"),
            ("this account", "the account may not do this at the exchange; its owner can find out why there"),
            ("trading is not enabled", "the owner can allow trading for the account or the key at the exchange"),
            ("order book liquidity", "the book is too thin for this order; see get_order_book"),
        ),
        -2011: (
            ("unknown order", "no open order has this id; get_orders shows its status"),
            ("cancel restrictions", "its state is not one that the cancel was limited to; see get_orders"),
            ("this account", "the account may not do this at the exchange; its owner can find out why there"),
        ),
    }
)
"""Codes with several causes: a part of the text in small letters, and the next step."""


def hint_for(code: int, text: str) -> str | None:
    """Returns the next step; None for a code that is not known. Never names a cause that the text does not name."""
    known = _BY_TEXT.get(code)
    if known is None:
        return _BY_CODE.get(code)
    lowered = text.lower()
    return next((hint for part, hint in known if part in lowered), _SEE_TEXT if lowered else None)
