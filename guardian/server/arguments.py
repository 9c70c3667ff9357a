"""From arguments to requests: what a JSON schema cannot say. Pure functions; each error lists every mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from guardian.domain.market import CandleInterval, CandleSpan
from guardian.domain.milliseconds import DAY_MS
from guardian.domain.money import parse_positive, plain
from guardian.domain.orders import (
    PRICED_TYPES,
    STOP_LIMIT_TYPES,
    STOP_TYPES,
    OrderType,
    TimeInForce,
)
from guardian.errors import ArgumentMistake, InvalidArguments
from guardian.system.local_moments import LocalMoment

MAX_AMOUNT_LENGTH: Final = 41
"""Twenty digits, a point, twenty digits."""
MAX_TIME_LENGTH: Final = 35
DEFAULT_CANDLES: Final = 24
MAX_CANDLES: Final = 96
"""Four days of hours; as text they stay under 8 KB."""
MIN_TIME_MS: Final = 1_483_228_800_000
"""2017-01-01, before the exchange opened: a smaller number is seconds, not milliseconds."""
MAX_TIME_MS: Final = 4_102_444_800_000
"""2100-01-01: a larger number is microseconds."""

MIN_YEAR: Final = 2017
MAX_YEAR: Final = 2100
_NO_TIME: Final = (
    'must be a day such as "2026-11-22", "today" or "monday", ISO 8601 such as "2026-11-22T10:00:00Z", or milliseconds'
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT_DIGITS: Final = 15
"""As many significant decimal digits survive the way through a double."""
_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
TIME_IN_FORCE_TYPES: Final = frozenset({OrderType.LIMIT}) | STOP_LIMIT_TYPES
"""The order types that take a time in force."""


def parse_amount_argument(value: object) -> Decimal:
    """An amount greater than zero from a decimal string, or from a JSON number taken as its shortest decimal text.

    Raises:
        ValueError: anything else; a number with more than 15 significant digits, a boolean, `NaN` and the infinities.
    """
    if isinstance(value, str):
        if len(value) > MAX_AMOUNT_LENGTH:
            raise ValueError("has more than 20 digits on a side of the point")
        return parse_positive(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('must be a decimal string such as "0.001"')  # noqa: TRY004 - pydantic catches no TypeError
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if value <= 0:
        raise ValueError("must be greater than zero")
    if value >= 10**_EXACT_DIGITS:
        raise ValueError('has more than 15 digits; send it as a decimal string such as "0.001"')
    exact = Decimal(repr(value))
    if len(exact.normalize().as_tuple().digits) > _EXACT_DIGITS:
        raise ValueError('has more than 15 significant digits; send it as a decimal string such as "0.001"')
    return parse_positive(plain(exact))


def parse_time_argument(value: object, *, is_end: bool = False) -> int | LocalMoment:
    """Milliseconds since the epoch, from an integer of them or from ISO 8601 with `Z` or an offset.

    A day (`today`, `monday`, `2026-11-22`) and a time without an offset become a LocalMoment, which is resolved in the
    time zone of this machine when the call is served. With `is_end` a day is meant up to its end.

    Raises:
        ValueError: anything else, and times before 2017 or after 2099.
    """
    if isinstance(value, str):
        if len(value) <= MAX_TIME_LENGTH and _ISO.fullmatch(value) is None:
            return _local_moment(value, is_end)
        if len(value) > MAX_TIME_LENGTH:
            raise ValueError(_NO_TIME)
        try:
            value = (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            raise ValueError("is not a date and time that exists") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be ISO 8601 text or whole milliseconds")  # noqa: TRY004 - pydantic catches no TypeError
    if not MIN_TIME_MS <= value < MAX_TIME_MS:
        raise ValueError("must lie between 2017 and 2099; a number is milliseconds since 1970, not seconds")
    return value


def _local_moment(text: str, is_end: bool) -> LocalMoment:
    try:
        moment = LocalMoment(text=text, is_end=is_end)
    except ValueError:
        is_date = text[:4].isdigit() and text[4:5] == "-"
        raise ValueError("is not a date and time that exists" if is_date else _NO_TIME) from None
    if text[0].isdigit() and not MIN_YEAR <= int(text[:4]) < MAX_YEAR:
        raise ValueError("must lie between 2017 and 2099")
    return moment


def parse_candles_argument(value: object) -> CandleSpan:
    """The candles of `{"interval": "1h", "count": 24}`, where the count may be left out.

    Raises:
        ValueError: anything else, and more candles than `MAX_CANDLES`.
    """
    if not isinstance(value, dict) or not value.keys() <= {"interval", "count"}:
        raise ValueError('must be an object such as {"interval": "1h", "count": 24}')
    interval, count = value.get("interval"), value.get("count", DEFAULT_CANDLES)
    if interval not in tuple(CandleInterval):
        raise ValueError(f"interval must be one of {', '.join(CandleInterval)}")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_CANDLES:
        raise ValueError(f"count must be a whole number from 1 to {MAX_CANDLES}")
    return CandleSpan(interval=CandleInterval(interval), count=count)


def check_period(start_time: int | None, end_time: int | None, *, most_days: int | None = None) -> None:
    """Raises InvalidArguments where the end lies before the start, or more than `most_days` after it."""
    mistakes = period_mistakes(start_time, end_time, most_days)
    if mistakes:
        raise InvalidArguments(tuple(mistakes))


def stated(fields: Mapping[str, str | Decimal | None]) -> tuple[tuple[str, str], ...]:
    """The fields that were given, in plain notation."""
    return tuple(
        (name, plain(value) if isinstance(value, Decimal) else value)
        for name, value in fields.items()
        if value is not None
    )


def quantity_mistakes(
    order_type: OrderType | None, quantity: Decimal | None, quote_quantity: Decimal | None
) -> list[ArgumentMistake]:
    """What is wrong with the two quantities of an order, of which one is required."""
    mistakes = []
    if quantity is None and quote_quantity is None:
        mistakes.append(ArgumentMistake("quantity", "give quantity (base asset), or for MARKET quote_quantity instead"))
    if quantity is not None and quote_quantity is not None:
        mistakes.append(ArgumentMistake("quantity", "give either quantity or quote_quantity, not both"))
    if quote_quantity is not None and order_type is not None and order_type is not OrderType.MARKET:
        mistakes.append(ArgumentMistake("quote_quantity", f"only for MARKET; {order_type} takes quantity"))
    return mistakes


def price_mistakes(
    order_type: OrderType, price: Decimal | None, stop_price: Decimal | None, time_in_force: TimeInForce | None
) -> list[ArgumentMistake]:
    """What is wrong with the prices and the time in force of an order of this type."""
    mistakes = []
    if order_type in PRICED_TYPES and price is None:
        mistakes.append(ArgumentMistake("price", f"is required for {order_type}"))
    if order_type not in PRICED_TYPES and price is not None:
        mistakes.append(ArgumentMistake("price", f"not for {order_type}"))
    if order_type in STOP_TYPES and stop_price is None:
        mistakes.append(ArgumentMistake("stop_price", f"is required for {order_type}"))
    if order_type not in STOP_TYPES and stop_price is not None:
        mistakes.append(ArgumentMistake("stop_price", f"not for {order_type}"))
    if order_type not in TIME_IN_FORCE_TYPES and time_in_force is not None:
        mistakes.append(ArgumentMistake("time_in_force", f"not for {order_type}"))
    return mistakes


def period_mistakes(start_time: int | None, end_time: int | None, most_days: int | None) -> list[ArgumentMistake]:
    """What is wrong with a period, in milliseconds since the epoch, that may be at most `most_days` long."""
    if start_time is None or end_time is None:
        return []
    if start_time > end_time:
        return [ArgumentMistake("start_time", "must not be after end_time")]
    if most_days is not None and end_time - start_time > most_days * DAY_MS:
        unit = "24 hours" if most_days == 1 else f"{most_days} days"
        return [ArgumentMistake("end_time", f"must be at most {unit} after start_time")]
    return []
