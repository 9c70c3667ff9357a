"""An answer of the exchange and its meaning: JSON, or one of guardian's exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from guardian.errors import ExchangeError
from guardian.exchange.http.error_mapping import from_status, no_usable_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body, and the few headers that matter. `body` is as it came, decompressed."""

    status: int
    body: bytes
    retry_after: str | None = None
    used: Mapping[str, int] = field(default_factory=dict)
    """How much of each limit is used, by the header that says so."""


def decoded(answer: Answer, *, write: bool, now_ms: int) -> object | ExchangeError:
    """Returns the JSON of a success, else the exception for the answer, which the caller raises.

    The content type is ignored: what counts is whether the body is JSON.
    """
    body = _json(answer.body)
    code, text = _refusal(body)
    if answer.status != 200:
        return from_status(answer.status, code, text, write=write, retry_after=answer.retry_after, now_ms=now_ms)
    if not isinstance(body, dict | list):
        return no_usable_answer("the exchange's answer is not what it should be", write=write)
    if code is not None:
        # A refusal under a 200: for a read it is one; a write answers with an order or with a status.
        if write:
            return no_usable_answer("the exchange's answer contradicts itself", write=True)
        return from_status(400, code, text, write=False, now_ms=now_ms)
    return body


def refusal_code(answer: Answer) -> int | None:
    """Returns Binance's own code in an answer; None where it has none."""
    return _refusal(_json(answer.body))[0]


def used_of(headers: Mapping[str, str], names: Iterable[str]) -> dict[str, int]:
    """Returns the numbers in those headers; a missing one, and one that is not a number, is left out."""
    found = {name: headers.get(name, "") for name in names}
    return {name: int(text) for name, text in found.items() if text.isascii() and text.isdigit() and len(text) <= 12}


def _json(body: bytes) -> object:
    """Returns the body as JSON; None for everything that is not JSON, and for `null`."""
    try:
        parsed: object = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _refusal(body: object) -> tuple[int | None, str]:
    """Binance's `{"code": -1121, "msg": "..."}`; every other shape is no code."""
    if not isinstance(body, dict):
        return None, ""
    code, text = body.get("code"), body.get("msg", "")
    if not isinstance(code, int) or isinstance(code, bool) or code >= 0:
        return None, text if isinstance(text, str) else ""
    return code, text if isinstance(text, str) else ""
