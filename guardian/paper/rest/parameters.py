"""The parameters of one request: read by name, checked as Binance checks them, and all of them accounted for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from guardian.domain.milliseconds import HOUR_MS
from guardian.paper.engine.refusals import illegal, invalid_data, missing, neither, not_wanted, refusal

AMOUNT: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
SYMBOL: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
"""As Binance states it since names may be in any script: letters of any script but a to z."""
WHOLE: Final = r"^[0-9]{1,20}$"
CLIENT_ORDER_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
_LIST: Final = r"^\[(\"[\w\-._&&[^a-z]]{1,50}\"(,\"[\w\-._&&[^a-z]]{1,50}\"){0,}){0,1}\]$"

_JAVA_NAME: Final = r"[\w\-._&&[^a-z]]"
_NAME: Final = r"(?:(?![a-z])[\w.-])"
"""The same class of characters for Python, which knows no `&&`."""

MAX_DECIMALS: Final = 8
MICROSECONDS: Final = 10**15
"""A time from here on is in microseconds: Binance takes both."""
_LONGEST: Final = (1 << 63) - 1
_FOREVER: Final = 1 << 62
_SIGNING: Final = frozenset({"timestamp", "recvWindow", "signature"})


class Parameters:
    """What came in the query and the body. Where a name is in both, the query wins."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._read: set[str] = set()

    @classmethod
    def parse(cls, query: bytes, body: bytes) -> Parameters:
        """From the raw bytes as sent.

        Raises:
            ExchangeRejected: -1101, a name comes twice in one place.
        """
        values: dict[str, str] = {}
        for raw in (body, query):
            pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
            names = [name for name, _ in pairs]
            if len(names) != len(set(names)):
                raise refusal(-1101, "Duplicate values for a parameter detected.")
            values.update(pairs)
        return cls(values)

    @property
    def everything(self) -> dict[str, str]:
        """All of them, as sent."""
        return dict(self._values)

    def text(self, name: str, legal: str | None = None) -> str | None:
        """Returns the value, or None where it was not sent.

        Raises:
            ExchangeRejected: -1105 where it is empty, -1100 where it does not fit the pattern `legal`.
        """
        self._read.add(name)
        value = self._values.get(name)
        if value is None:
            return None
        if value == "":
            raise refusal(-1105, f"Parameter '{name}' was empty.")
        if legal is not None and not _fits(value, legal):
            raise illegal(name, legal)
        return value

    def needed(self, name: str, legal: str | None = None) -> str:
        """As `text`, and -1102 where it was not sent."""
        value = self.text(name, legal)
        if value is None:
            raise missing(name)
        return value

    def one_of(self, name: str, choices: Iterable[str], *, code: int, text: str) -> str | None:
        """As `text`, for a value that is one of the choices.

        Raises:
            ExchangeRejected: with this code and text, for any other value.
        """
        value = self.text(name)
        if value is not None and value not in choices:
            raise refusal(code, text)
        return value

    def integer(self, name: str, *, least: int = 0, most: int | None = None) -> int | None:
        """Returns a whole number.

        Raises:
            ExchangeRejected: -1100 where it is not a number, -1108 where it is more than 64 bits hold, -1130 where it
                is out of its range.
        """
        value = self.text(name, WHOLE)
        if value is None:
            return None
        number = int(value)
        if number > _LONGEST:
            raise refusal(-1108, f"Parameter '{name}' overflowed.")
        if number < least or (most is not None and number > most):
            raise invalid_data(name)
        return number

    def flag(self, name: str) -> bool:
        """Returns a truth value, false where it was not sent."""
        value = self.text(name)
        if value is not None and value.lower() not in {"true", "false"}:
            raise invalid_data(name)
        return value is not None and value.lower() == "true"

    def amount(self, name: str) -> Decimal | None:
        """Returns a price or a quantity, never zero.

        Raises:
            ExchangeRejected: -1100 where it is not a plain number, -1111 beyond eight decimals, -1013 for zero.
        """
        value = self.text(name, AMOUNT)
        if value is None:
            return None
        if len(value.partition(".")[2].rstrip("0")) > MAX_DECIMALS:
            raise refusal(-1111, f"Parameter '{name}' has too much precision.")
        number = Decimal(value)
        if number == 0:
            raise refusal(-1013, f"Invalid {'price' if 'rice' in name else 'quantity'}.")
        return number

    def needed_amount(self, name: str) -> Decimal:
        """As `amount`, and -1102 where it was not sent."""
        value = self.amount(name)
        if value is None:
            raise missing(name)
        return value

    def symbols(self) -> tuple[str, ...] | None:
        """Returns the symbols in `symbol` or `symbols` (a JSON list); None where neither was sent.

        Raises:
            ExchangeRejected: -1128 for both, -1100 for what is not a list of symbols, -1151 for one named twice.
        """
        one, many = self.text("symbol", SYMBOL), self.text("symbols", _LIST)
        if one is not None and many is not None:
            raise refusal(-1128, "Combination of optional parameters invalid.")
        if one is not None:
            return (one,)
        if many is None:
            return None
        names = tuple(json.loads(many))
        if len(names) != len(set(names)):
            raise refusal(-1151, "Symbol is present multiple times in the list.")
        if not names:
            raise refusal(-1105, "Parameter 'symbols' was empty.")
        return names

    def either(self, first: str, second: str) -> None:
        """Refuses (-1102) where neither was sent."""
        if not self._values.get(first) and not self._values.get(second):
            raise neither(first, second)

    def refuse(self, *names: str) -> None:
        """Refuses (-1106) what this request does not take."""
        for name in names:
            if name in self._values:
                raise not_wanted(name)

    def period(self, *, longest_ms: int | None = None, default_ms: int | None = None, now: int = 0) -> tuple[int, int]:
        """`startTime` and `endTime`, both included; where both are absent, the last `default_ms`, or all there is.

        Raises:
            ExchangeRejected: -1127 where they are further apart than `longest_ms`, -1128 where they are reversed.
        """
        start, end = self._moment("startTime"), self._moment("endTime")
        if start is not None and end is not None:
            if start > end:
                raise refusal(-1128, "Start time is greater than end time.")
            if longest_ms is not None and end - start > longest_ms:
                hours = longest_ms // HOUR_MS
                raise refusal(-1127, f"More than {hours} hours between startTime and endTime.")
        if start is None:
            span = default_ms if end is None else longest_ms
            start = 0 if span is None else max(0, (now if end is None else end) - span)
        # The default end is unlimited: after the clock was put back, later rows are still shown.
        return start, _FOREVER if end is None else end

    def _moment(self, name: str) -> int | None:
        """Returns a time in milliseconds, which may have been sent in microseconds."""
        number = self.integer(name)
        return number if number is None or number < MICROSECONDS else number // 1000

    def finish(self, *, signed: bool) -> None:
        """Refuses what nobody read: -1104 for signed requests, -1101 for others."""
        read = self._read | (_SIGNING if signed else frozenset())
        unread = set(self._values) - read
        if not unread:
            return
        understood, sent = len(self._values) - len(unread), len(self._values)
        if signed:
            raise refusal(
                -1104, f"Not all sent parameters were read; read '{understood}' parameter(s) but was sent '{sent}'."
            )
        raise refusal(-1101, f"Too many parameters; expected '{understood}' and received '{sent}'.")


def _fits(value: str, legal: str) -> bool:
    # `$` would let a newline at the end pass: the whole has to match.
    pattern = legal.removesuffix("$").replace(_JAVA_NAME, _NAME)
    return re.fullmatch(pattern, value, re.NOFLAG if _NAME in pattern else re.ASCII) is not None
