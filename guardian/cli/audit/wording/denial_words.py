"""Why something was not done, in words: `606.01 USDT over max_notional 100 USDT`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from guardian.cli.audit.wording.words import joined, listed, named
from guardian.domain.codes import Code

OVER: Final = {
    Code.NOTIONAL_EXCEEDS_MAX: "max_notional",
    Code.SLICING_EXCEEDS_MAX: "max_notional, held against the sum,",
    Code.QUANTITY_EXCEEDS_MAX: "max_quantity",
    Code.POSITION_EXCEEDS_MAX: "max_position",
    Code.OPEN_NOTIONAL_EXCEEDS_MAX: "max_open_notional",
    Code.OPEN_ORDERS_EXCEED_MAX: "max_open_orders",
    Code.ROLLING_NOTIONAL_EXCEEDS_MAX: "rolling_notional",
    Code.ORDER_COUNT_EXCEEDS_MAX: "max_orders",
    Code.DAILY_LOSS_EXCEEDS_MAX: "max_daily_loss",
    Code.CALLS_EXCEED_MAX: "max_calls_per_minute",
    Code.PROPOSALS_EXCEED_MAX: "max_outstanding",
}
"""The key of the policy that a denial names as its limit."""
_OVER: Final = {code.name: key for code, key in OVER.items()}
_WINDOWED: Final = frozenset({Code.ROLLING_NOTIONAL_EXCEEDS_MAX.name, Code.ORDER_COUNT_EXCEEDS_MAX.name})
"""The denials by a limit that holds within a window, which their sentence names."""
_WINDOW: Final = re.compile(r"\b[0-9]+(?:ms|s|m|h|d)\b", re.ASCII)


def denials_of(error: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Returns every rule's no in the error of an outcome row."""
    return [one for one in listed(error.get("denials")) if isinstance(one, dict)]


def codes_of(error: Mapping[str, object]) -> frozenset[str]:
    """Returns the code of an error and those of all its denials."""
    return frozenset(str(one.get("code")) for one in (error, *denials_of(error)) if one.get("code"))


def error_text(error: Mapping[str, object]) -> str:
    """Returns why a call was not done: the first rule's no, and how many more said no."""
    denials = denials_of(error)
    if not denials:
        return joined(named(error, "message") or named(error, "code"), _exchange(error), by=": ")
    more = f" (and {len(denials) - 1} more)" if len(denials) > 1 else ""
    return denial_text(denials[0]) + more


def denial_text(denial: Mapping[str, object]) -> str:
    """Returns one rule's no: what was seen over or under which limit, else its sentence with both."""
    code, seen, limit = named(denial, "code"), named(denial, "observed"), named(denial, "limit")
    if code in _OVER and seen and limit:
        return f"{seen} over {_OVER[code]} {limit}{_window(denial)}"
    if code == Code.FREE_QUOTE_BELOW_MIN.name and seen and limit:
        return f"{seen} left free, under min_free_quote {limit}"
    figures = f"{seen}, limit {limit}" if seen and limit else seen or limit
    said = named(denial, "message") or code
    return f"{said} ({figures})" if figures and figures not in said else said


def _window(denial: Mapping[str, object]) -> str:
    """Returns ` in 24h` for a limit that has that window."""
    found = _WINDOW.search(named(denial, "message")) if named(denial, "code") in _WINDOWED else None
    return f" in {found[0]}" if found else ""


def _exchange(error: Mapping[str, object]) -> str:
    return joined(named(error, "exchange_text"), named(error, "exchange_code"), by=", code ")
