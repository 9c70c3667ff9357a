"""What `--grep` looks for: an expression, in the words of each line and in what its rows hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from guardian.cli.audit.wording.call_words import read_text
from guardian.store.history.call_filter import WRITES, Pattern
from guardian.store.history.history_lines import HistoryLine

_PLAIN_PATTERN: Final = re.compile(r"[\w .,:@/=-]*", re.ASCII)
_RUN: Final = re.compile(r"[A-Za-z0-9_]+")
_SHORTEST_NEEDLE: Final = 3
_TEXTS_KEPT: Final = 20_000
_VALUE: Final = rb'(?:"[A-Za-z0-9_.:-]*"|-?[0-9]+(?:\.[0-9]+)?|true|false|null)'
_ARGUMENTS: Final = re.compile(
    rb'"data":\{"arguments":(\{(?:"[a-z_]+":' + _VALUE + rb'(?:,"[a-z_]+":' + _VALUE + rb")*)?\})[,}]"
)
"""The arguments of a read as guardian writes them, where they are names and numbers alone."""


def pattern_of(expression: re.Pattern[str], text_of: Callable[[HistoryLine], str]) -> Pattern:
    """Returns what looks for an expression. `text_of` gives the words of a line."""
    runs = _RUN.findall(expression.pattern) if _PLAIN_PATTERN.fullmatch(expression.pattern) else []
    longest = max(runs, key=len, default="")
    needle = longest.encode() if len(longest) >= _SHORTEST_NEEDLE else b""

    def has_it(body: object) -> bool:
        if isinstance(body, bytes):
            # Looking for a few bytes first is much quicker than an expression.
            return needle in body and expression.search(body.decode("utf-8", "replace")) is not None
        return expression.search(str(body)) is not None

    def matches(line: HistoryLine) -> bool:
        bodies = [row.body for row in (line.row, line.intent_row, line.outcome_row) if row is not None]
        return any(map(has_it, bodies)) or expression.search(text_of(line)) is not None

    @lru_cache(maxsize=_TEXTS_KEPT)
    def in_read(tool: str, symbol: str | None, arguments: bytes) -> bool:
        return expression.search(read_text(tool, symbol, json.loads(arguments))) is not None

    def may_be_in_words(tool: object, symbol: object, body: object) -> bool:
        if not isinstance(tool, str) or tool in WRITES or not isinstance(symbol, str | None):
            return True
        found = _ARGUMENTS.search(body) if isinstance(body, bytes) else None
        return found is None or in_read(tool, symbol, found[1])

    return Pattern(matches=matches, has_it=has_it, may_be_in_words=may_be_in_words)
