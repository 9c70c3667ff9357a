"""Compares the other tables with what the log says of them, and puts each difference into words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from guardian.domain.text.escaping import clean
from guardian.store.schema.compiled_statement import Key
from guardian.store.schema.sqlite_dialect import stored_parts
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.policy_texts import DIGEST, TEXTS, is_rebuilt
from guardian.store.state.row_images import image_digest, image_of, key_in
from guardian.store.state.table_state import TableState, first_image, is_image, seq_in
from guardian.store.state.table_statements import IMAGE_ROW, ONE_ROW, ROWS_OF_TABLE

_MOST: Final = 40
"""Characters of a value that are shown."""
_NAMES: Final = {
    "accounts": "the account of key",
    "acts": "act of a person",
    "control": "control",
    "flows": "flow",
    "holdings": "holding",
    "mandates": "mandate",
    "marks": "timestamp",
    "orders": "order",
    "owner": "the proofs of the owner",
    "owner_changes": "waiting change of the owner's",
    "passkeys": "passkey",
    "policies": "policy",
    "policy_approvals": "approved policy",
    "proposals": "proposal",
    "redemptions": "used token of proposal",
    "slicing": "denial over a limit",
}
"""What a row of each table is called."""
_NAMED_BY: Final = {"mandates": "id", "passkeys": "name", "proposals": "id"}
"""The column that people know a row by, where it is not the primary key."""


def table_differences(connection: sqlite3.Connection, state: TableState) -> Iterator[tuple[int | None, str]]:
    """Yields each difference with the row of the log that has the last image. Raises sqlite3.Error.

    It is called in one read transaction, in which `state` was brought up to the last row of the log. What it finds is
    taken out of `state`. A table that the file lacks is passed over: `schema_differences` says that.
    """
    there = {name for kind, name, _ in stored_parts(connection) if kind == "table"}
    for name, table in LOGGED.items():
        if name not in there:
            continue
        known = state.tables[name]
        for row in connection.execute(ROWS_OF_TABLE[name]):
            image = image_of(table, row)
            key = key_in(table, image)
            value = known.pop(key, None)
            if value is None:
                yield None, f"{_called(name, image)} is not in the log"
            elif not is_image(value, image):
                logged = _logged(connection, name, key, value)
                if not is_rebuilt(image, logged):
                    yield seq_in(value) or None, _changed(name, image, logged)
        for key, value in known.items():
            logged = _logged(connection, name, key, value)
            yield seq_in(value) or None, f"{_called(name, logged)} is missing: the log has it"


def _logged(connection: sqlite3.Connection, name: str, key: Key, value: bytes) -> Mapping[str, object]:
    """Returns a row as the log has it; empty where the row of the log cannot be read any more."""
    seq = seq_in(value)
    if seq == 0:
        return first_image(name, key) or {}
    found = connection.execute(IMAGE_ROW, {"seq": seq}).fetchone()
    try:
        images = json.loads(found[0])["data"]["tables"][name]
        return next((image for image in reversed(images) if key_in(LOGGED[name], image) == key), {})
    except (ValueError, KeyError, TypeError):
        return {}


def _called(name: str, image: Mapping[str, object]) -> str:
    if name in ONE_ROW:
        return _NAMES[name]
    by = _NAMED_BY.get(name)
    names = [by] if by else LOGGED[name].keys
    return f"{_NAMES[name]} `{'/'.join(_shown(image.get(one)) for one in names)}`"


def _changed(name: str, image: Mapping[str, object], logged: Mapping[str, object]) -> str:
    columns = [*LOGGED[name].columns, *(f"{text}{DIGEST}" for text in LOGGED[name].columns if text in TEXTS)]
    differing = [column for column in columns if image.get(column) != logged.get(column)]
    if not differing:
        return f"{_called(name, logged)}: a value has another type than in the log"
    pieces = [
        f"`{column}` is {_shown(image.get(column))}, the log says {_shown(logged.get(column))}" for column in differing
    ]
    if name == "control" and "state" in differing:
        pieces[0] += _by_whom(logged)
    return f"{_called(name, logged)}: {'; '.join(pieces)}"


def _by_whom(logged: Mapping[str, object]) -> str:
    since = logged.get("since_ms")
    if not isinstance(since, int):
        return ""
    at = datetime.fromtimestamp(since / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f" by {_shown(logged.get('by'))} since {at}"


def _shown(value: object) -> str:
    """Returns a value for people; of a long text its beginning, its length and a digest of it."""
    if value is None:
        return "nothing"
    text = clean(str(value))
    if len(text) <= _MOST:
        return text or "an empty text"
    return f"{text[:_MOST]}... ({len(text)} characters, {image_digest({'': value}).hex()[:8]})"
