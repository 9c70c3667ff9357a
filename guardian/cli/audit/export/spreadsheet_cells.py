"""Cells of a CSV file that no spreadsheet runs, and that no terminal obeys.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula; a tab or a line end before it is dropped
first. Text that a model or the exchange wrote is in the log, so such a cell gets an apostrophe in front of it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from guardian.domain.money import plain
from guardian.domain.text.escaping import clean

_STARTS_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  full-width forms start a formula as well
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def spreadsheet_cell(value: object) -> str:
    """Returns a value as a cell: numbers as they are, text on one line with hidden characters escaped, None empty."""
    if value is None:
        return ""
    text = plain(value) if isinstance(value, Decimal) else str(value)
    if _NUMBER.fullmatch(text):
        return text
    # A spreadsheet skips blanks as well: what it sees first decides.
    is_formula = text[:1] in _STARTS_FORMULA or text.lstrip()[:1] in _STARTS_FORMULA
    return f"'{clean(text)}" if is_formula else clean(text)
