"""What the audit log is given of a call: bounded, writable as JSON, and without keys.

Confirmation tokens are recognised where the row is written (`guardian.store.log.redaction`); nothing here cuts one in
two.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from guardian.store.log.redaction import short_digest

MAX_TEXT: Final = 200
MAX_ITEMS: Final = 32
MAX_DEPTH: Final = 4
MAX_NAME: Final = 64
MAX_ROW: Final = 8000
"""Above this, lists and objects are left out altogether: no tool takes any."""
_SECRET_NAMES: Final = ("token", "secret", "passw", "apikey", "api_key", "private")
"""No tool but `create_order` has such an argument; a model may still put a token in a misspelt one."""
_KEY: Final = re.compile(r"[A-Za-z0-9+/=_-]{41,}")
"""What an API key, its secret or a private key looks like: longer than any name or id that a tool takes."""
_LONGEST_KEY: Final = 512
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_LAST_WORD: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def loggable_arguments(arguments: Mapping[str, object] | None) -> dict[str, Any]:
    """The raw arguments for the log: long ones cut, what is under a secret's name replaced by a short digest."""
    kept = _mapping(arguments or {}, MAX_DEPTH)
    if len(json.dumps(kept)) > MAX_ROW:
        kept = {
            name: f"(a {type(item).__name__})" if isinstance(item, dict | list) else item for name, item in kept.items()
        }
    return kept


def readable(text: str, most: int = MAX_NAME) -> str:
    """A name from outside as at most `most` printable ASCII characters; every other character becomes a `?`."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in _cut(text, most))


def _mapping(value: Mapping[Any, object], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for count, (name, item) in enumerate(value.items()):
        if count == MAX_ITEMS:
            kept["(cut)"] = f"{len(value) - MAX_ITEMS} more"
            break
        key = readable(str(name))
        secret = any(word in key.casefold() for word in _SECRET_NAMES)
        kept[key] = _digest(item) if secret else _value(item, depth - 1)
    return kept


def _value(value: object, depth: int) -> Any:  # noqa: ANN401 - JSON data has no narrower type
    match value:
        case None | bool():
            return value
        case int():
            # Python refuses to write integers of more than 4300 digits.
            return value if value.bit_length() <= 64 else f"(an integer of {value.bit_length()} bits)"
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            text = _cut(value, MAX_TEXT).encode("utf-8", "backslashreplace").decode()
            return text if len(value) <= MAX_TEXT else f"{text}(cut, {len(value)} characters)"
        case Mapping() if depth > 0:
            return _mapping(value, depth)
        case list() | tuple() if depth > 0:
            kept = [_value(item, depth - 1) for item in value[:MAX_ITEMS]]
            return kept if len(value) <= MAX_ITEMS else [*kept, f"(cut, {len(value)} items)"]
    return f"(a {type(value).__name__})"


def _cut(text: str, most: int) -> str:
    """At most `most` characters, with keys replaced. A word at the cut is left out: it may be the most of a token."""
    shown = _KEY.sub(
        lambda key: short_digest(key[0]) if _could_be_random(key[0]) else key[0], text[: most + _LONGEST_KEY]
    )
    kept = shown[:most]
    if not _WORD.match(shown[most : most + 1]):
        return kept
    return _LAST_WORD.sub(lambda word: "" if _could_be_random(word[0]) else word[0], kept)


def _could_be_random(word: str) -> bool:
    """Whether a word could be random: no number, and not a few characters over and over."""
    return not word.isdigit() and len(set(word)) >= 8


def _digest(value: object) -> str:
    return short_digest(value) if isinstance(value, str) else f"(a {type(value).__name__})"
