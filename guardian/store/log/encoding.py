"""The bytes of the log: canonical bodies, digests, client order ids. Everything here is pure.

    digest = SHA256("guardian/audit/entry/v1\\0" || previous digest || seq (8, big endian) || len(body) (4) || body)

A body is canonical JSON: sorted keys, no spaces, UTF-8, no NaN. It is stored as bytes and never written again to be
verified. It repeats every column, so that a changed column shows.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.schema.records import Phase, Record

GENESIS: Final = bytes(32)
"""Used as the digest of the row before the first."""
BODY_VERSION: Final = 1
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DOMAIN: Final = b"guardian/audit/entry/v1\0"

COLUMNS: Final = ("call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account", "key")
"""The columns that a body repeats."""

STATE: Final = Phase.STATE.value

MAX_COLUMN: Final = 128
"""Characters; what is longer in a model's words (the name of a tool that does not exist) is cut."""
MAX_BODY: Final = 65_536
_LARGEST_EXACT: Final = 2**53 - 1
"""Beyond this, JSON readers round integers; they are written as strings."""


@dataclass(slots=True)
class _Bounds:
    """How much of a body is kept, and how much was cut so far."""

    text: int
    items: int
    depth: int = 16
    cut: int = field(default=0)


_TRIES: Final = ((8192, 1024), (512, 128), (64, 16))
"""Characters of a text and items of a list or object that are kept: the first that fits into MAX_BODY."""


def digest_of(previous: bytes, seq: int, body: bytes) -> bytes:
    """Returns the digest of a row, from the digest of the row before it."""
    return sha256(b"".join((_DOMAIN, previous, seq.to_bytes(8, "big"), len(body).to_bytes(4, "big"), body))).digest()


_SEQ_AND_LENGTH: Final = struct.Struct(">QI")
_columns_in: Final = itemgetter(*COLUMNS)
_read_json: Final = json.JSONDecoder().raw_decode


def count_intact(
    rows: Sequence[tuple[Any, ...]],
    start: int,
    seq: int,
    digest: object,
    on_state: Callable[[int, Mapping[str, Any]], None] | None = None,
) -> int:
    """Returns how many of the rows, beginning at `start`, are as they were written after row `seq` with that digest.

    A row is its number, the digest of the row before it, its own digest, COLUMNS and its body. The count ends before
    the first row of which this could not be proven, whatever the reason: it may be intact nevertheless. `on_state` is
    called with the number and the data of each row that says what other tables hold.

    Verifying a log is little else than this, so there is no object for a row and no call for each check of it.
    """
    at = start
    try:
        for at in range(start, len(rows)):
            row = rows[at]
            number, previous, own, body = row[0], row[1], row[2], row[-1]
            if number != seq + 1 or previous != digest:
                return at - start
            place = _SEQ_AND_LENGTH.pack(number, len(body))
            if sha256(b"".join((_DOMAIN, previous, place, body))).digest() != own:
                return at - start
            # As `json.loads` would, which takes a body for another encoding only where this finds no object in it.
            text = body.decode("utf-8", "surrogatepass")
            document, end = _read_json(text)
            if end != len(text) or _columns_in(document) != row[3:-1]:
                return at - start
            seq, digest = number, own
            if on_state is not None and row[4] == STATE:
                on_state(number, document["data"])
    except (KeyError, RecursionError, TypeError, ValueError, struct.error):
        return at - start  # a cell holds something of another type, or the body is not JSON
    return len(rows) - start


def client_order_id(digest: bytes) -> str:
    """Returns the id that an order carries to the exchange: `g1-` and 32 hex digits of its intent row's digest."""
    return CLIENT_ORDER_ID_PREFIX + digest.hex()[:32]


def column(text: str | None) -> str | None:
    """Returns a text as it is in a column: at most MAX_COLUMN characters, writable as UTF-8, no NUL."""
    if text is None:
        return None
    if len(text) <= MAX_COLUMN and text.isascii() and "\0" not in text:  # nearly all are so
        return str(text)
    kept = _writable(str(text[:MAX_COLUMN])).replace("\0", "\\x00")
    return kept if len(text) <= MAX_COLUMN else f"{kept}(cut, {len(text)} characters)"


def columns_of(record: Record, ts_ms: int) -> dict[str, str | int | None]:
    """Returns the columns of a row, as they are stored and as its body repeats them."""
    return {
        "call_id": column(record.call_id),
        "phase": record.phase.value,
        "ts_ms": ts_ms,
        "tool": column(record.tool),
        "symbol": column(record.symbol),
        "outcome": column(record.outcome),
        "environment": column(record.environment),
        "account": column(record.account),
        "key": column(record.key),
    }


def body_of(columns: Mapping[str, str | int | None], data: Mapping[str, object]) -> bytes:
    """Returns the canonical body of a row. There is one for whatever `data` holds; what was cut is said in `cut`."""
    for text, items in _TRIES:
        bounds = _Bounds(text=text, items=items)
        document: dict[str, object] = {"v": BODY_VERSION, **columns, "data": _object(data, bounds, 0)}
        if bounds.cut:
            document["cut"] = bounds.cut
        body = canonical(document)
        if len(body) <= MAX_BODY:
            return body
    names = [_text(str(name), _Bounds(text=64, items=16)) for name in list(data)[:16]]
    return canonical({"v": BODY_VERSION, **columns, "data": {}, "cut": len(data), "cut_names": names})


def canonical(document: Mapping[str, object]) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8. Raises ValueError for NaN and for lone surrogates."""
    return _CANONICAL.encode(document).encode("utf-8")


def _json_value(value: object, bounds: _Bounds, depth: int) -> object:
    """JSON data for any value; what JSON has no exact form for becomes text."""
    kind: type[Any] = type(value)
    if kind is str:  # nearly everything in a body is a text, an object or null: comparing types is the quickest
        return _text(value, bounds)  # type: ignore[arg-type]  # the type that was just compared
    if kind is dict and depth < bounds.depth:
        return _object(value, bounds, depth + 1)  # type: ignore[arg-type]
    return None if value is None else _other_value(value, bounds, depth)


def _other_value(value: object, bounds: _Bounds, depth: int) -> object:
    if isinstance(value, Enum):
        value = value.value
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) <= _LARGEST_EXACT else _integer(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return _text(value, bounds)
        case Decimal():
            small = value.is_finite() and -64 < value.adjusted() < 64
            return _text(format(value, "f") if small else str(value), bounds)
        case Mapping() | list() | tuple() if depth >= bounds.depth:
            bounds.cut += 1
            return f"(nested deeper than {bounds.depth})"
        case Mapping():
            return _object(value, bounds, depth + 1)
        case list() | tuple():
            return _array(value, bounds, depth + 1)
        case _:
            return f"(a {type(value).__name__})"


def _object(value: Mapping[object, object] | Mapping[str, object], bounds: _Bounds, depth: int) -> dict[str, object]:
    kept: dict[str, object] = {}
    for count, (name, item) in enumerate(value.items()):
        if count == bounds.items:
            bounds.cut += len(value) - bounds.items
            kept["(cut)"] = f"{len(value) - bounds.items} more"
            break
        key = column(name if isinstance(name, str) else str(_json_value(name, bounds, depth))) or ""
        while key in kept:  # two long names may be the same once they are cut
            key += "'"
        kept[key] = _json_value(item, bounds, depth)
    return kept


def _array(value: Sequence[object], bounds: _Bounds, depth: int) -> list[object]:
    kept = [_json_value(item, bounds, depth) for item in value[: bounds.items]]
    if len(value) > bounds.items:
        bounds.cut += len(value) - bounds.items
        kept.append(f"(cut, {len(value) - bounds.items} more)")
    return kept


def _text(value: str, bounds: _Bounds) -> str:
    if len(value) <= bounds.text and value.isascii():  # nearly all are so
        return str(value)
    kept = _writable(value[: bounds.text])
    if len(value) <= bounds.text:
        return kept
    bounds.cut += len(value) - bounds.text
    return f"{kept}(cut, {len(value)} characters)"


def _writable(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot have, as `\\udc80`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _integer(value: int) -> str:
    # Python refuses to write integers of more than 4300 digits.
    return str(value) if value.bit_length() <= 1024 else f"(an integer of {value.bit_length()} bits)"
