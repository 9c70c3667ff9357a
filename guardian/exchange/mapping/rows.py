"""Reads fields out of Binance's JSON, strictly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from guardian.domain.milliseconds import LATEST_MS
from guardian.domain.money import parse_exchange_number
from guardian.domain.text.names import is_listed_name
from guardian.errors import ExchangeUnavailable
from guardian.exchange.clean_text import clean_text

NAME_LIMIT: Final = 64
LARGEST: Final = 2**63 - 1
"""JSON integers are the exchange's 64-bit ones."""


def malformed(what: str) -> ExchangeUnavailable:
    """Returns the exception for an answer that is not as documented; `what` is the field, in guardian's own words."""
    return ExchangeUnavailable(f"the exchange's answer does not have the expected shape ({what})")


class Row:
    """One JSON object. Every method raises ExchangeUnavailable where the field is missing or of another kind."""

    __slots__ = ("_fields",)

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise malformed("an object was expected")
        self._fields: Final[dict[str, object]] = value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(name) is not None

    def text(self, name: str, limit: int = NAME_LIMIT) -> str:
        """Non-empty text, cleaned and bounded."""
        found = self.optional_text(name, limit)
        if found is None:
            raise malformed(name)
        return found

    def optional_text(self, name: str, limit: int = NAME_LIMIT) -> str | None:
        """Returns text, cleaned and bounded; None where it is absent or empty."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise malformed(name)
        return clean_text(value, limit) or None

    def exact_text(self, name: str, limit: int) -> str | None:
        """Returns text that is of use only unaltered, such as an address: malformed where cleaning would change it."""
        value = self._fields.get(name)
        cleaned = self.optional_text(name, limit)
        if cleaned is not None and cleaned != value:
            raise malformed(name)
        return cleaned

    def listed_name(self, name: str) -> str | None:
        """Returns the name of a symbol or an asset, exactly as it came; None where the field holds no such name."""
        value = self._fields.get(name)
        return value if isinstance(value, str) and is_listed_name(value) else None

    def name(self, name: str) -> str:
        """As `listed_name`; malformed where it is missing."""
        found = self.listed_name(name)
        if found is None:
            raise malformed(name)
        return found

    def shown_name(self, name: str) -> str:
        """As `name`, for showing: text that is no such name is escaped, so that it does not look like another name."""
        value = self._fields.get(name)
        if not isinstance(value, str) or not value:
            raise malformed(name)
        if is_listed_name(value):
            return value
        return value[:NAME_LIMIT].encode("unicode_escape", "surrogatepass").decode("ascii")[:NAME_LIMIT]

    def optional_shown_name(self, name: str) -> str | None:
        """As `shown_name`; None where it is absent or empty."""
        return None if self._fields.get(name) in (None, "") else self.shown_name(name)

    def number(self, name: str) -> Decimal:
        """Returns a decimal string or an integer."""
        return exact_number(self._fields.get(name), name)

    def optional_number(self, name: str) -> Decimal | None:
        """As `number`; None where it is absent."""
        return self.number(name) if self.has(name) else None

    def integer(self, name: str) -> int:
        """Returns a JSON integer."""
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not -LARGEST <= value <= LARGEST:
            raise malformed(name)
        return value

    def optional_integer(self, name: str) -> int | None:
        """As `integer`; None where it is absent."""
        return self.integer(name) if self.has(name) else None

    def known_time(self, name: str) -> int | None:
        """Returns milliseconds since the epoch; None where it is absent, zero, or no time before the year 10000."""
        value = self._fields.get(name)
        is_time = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LATEST_MS
        return value if isinstance(value, int) and is_time else None

    def known_amount(self, name: str) -> Decimal | None:
        """Returns a number that is not below zero; None where it is absent or is no such number."""
        try:
            found = self.optional_number(name)
        except ExchangeUnavailable:
            return None
        return None if found is None or found < 0 else found

    def identifier(self, name: str) -> str:
        """Returns an id that is text in one place and an integer in another."""
        value = self._fields.get(name)
        return str(self.integer(name)) if isinstance(value, int) else self.text(name)

    def flag(self, name: str, *, absent: bool) -> bool:
        """Returns a boolean; `absent` where it is not there."""
        value = self._fields.get(name, absent)
        if not isinstance(value, bool):
            raise malformed(name)
        return value

    def time(self, name: str) -> str:
        """Returns milliseconds since the epoch as ISO 8601."""
        return iso_time(self.integer(name), name)

    def optional_time(self, name: str) -> str | None:
        """As `time`; None where it is absent, zero, or no time before the year 10000."""
        found = self.known_time(name)
        return None if found is None else iso_time(found, name)

    def row(self, name: str) -> Row:
        """Returns an object within."""
        return Row(self._fields.get(name))

    def rows(self, name: str) -> tuple[Row, ...]:
        """Returns a list of objects within; empty where it is absent."""
        return tuple(rows(self._fields.get(name, [])))

    def values(self, name: str) -> list[object]:
        """Returns a list within."""
        return listed(self._fields.get(name))


def exact_number(value: object, name: str) -> Decimal:
    """Returns a decimal string or an integer. Raises ExchangeUnavailable for all else, floats included."""
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise malformed(name)
    try:
        return parse_exchange_number(value)
    except ValueError:
        raise malformed(name) from None


def listed(value: object) -> list[object]:
    """Returns a JSON list."""
    if not isinstance(value, list):
        raise malformed("a list was expected")
    return value


def rows(value: object) -> Iterator[Row]:
    """Yields a JSON list of objects."""
    return map(Row, listed(value))


def iso_time(milliseconds: int, name: str) -> str:
    """Returns milliseconds since the epoch as ISO 8601 in UTC with milliseconds."""
    if not 0 <= milliseconds <= LATEST_MS:
        raise malformed(name)
    whole = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def iso_from_text(text: str, name: str) -> str:
    """`2019-10-12 11:12:02`, which Binance means as UTC, as ISO 8601."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise malformed(name) from None
    return f"{found:%Y-%m-%dT%H:%M:%S}.000Z"
