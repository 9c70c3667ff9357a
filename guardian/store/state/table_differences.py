"""Compares the other tables with what the log says of them, and puts each difference into words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from guardian.domain.trading import TradingState
from guardian.store.schema.compiled_statement import Key
from guardian.store.schema.sqlite_dialect import stored_parts
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.image_steps import impossible_column, unset_columns
from guardian.store.state.policy_texts import DIGEST, TEXTS, is_rebuilt
from guardian.store.state.row_images import image_of, key_in, sets_in
from guardian.store.state.row_words import called, shown
from guardian.store.state.table_state import Doubt, TableState, first_image, is_image, seq_in
from guardian.store.state.table_statements import IMAGE_ROW, INTENT_BETWEEN, ROWS_OF_TABLE


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
                yield None, f"{called(name, image)} is not in the log"
            elif not is_image(value, image):
                logged = _logged(connection, name, key, seq_in(value))
                if not is_rebuilt(image, logged):
                    yield seq_in(value) or None, _changed(name, image, logged)
        for key, value in known.items():
            logged = _logged(connection, name, key, seq_in(value))
            yield seq_in(value) or None, f"{called(name, logged)} is missing: the log has it"


def image_differences(connection: sqlite3.Connection, state: TableState) -> Iterator[tuple[int, str]]:
    """Yields each image that guardian cannot have made of the one before it, with the row of the log that has it.

    Somebody edited the row in the file in between, and guardian wrote it again with the edit. Raises sqlite3.Error.
    """
    for doubt in state.doubts:
        sentence = _edited(connection, doubt)
        if sentence is not None:
            yield doubt.seq, sentence


def history_differences(connection: sqlite3.Connection, state: TableState) -> Iterator[tuple[int, str]]:
    """Yields what the rows of the log say of the tables that cannot have come about, with the row where it shows.

    An order was reserved while trading was halted by the log: somebody lifted the halt in the file meanwhile. Or the
    log says again what the tables hold, as only a migration of a log without such rows does. Raises sqlite3.Error.
    """
    for seq in state.renewed:
        yield (
            seq,
            f"row {seq} says again what all tables hold, though rows before it do: what was edited would be hidden",
        )
    ends = [seq for seq, _ in state.trading[1:]]
    for (seq, trading), end in zip_longest(state.trading, ends):
        if trading == TradingState.HALTED.value:
            (intent,) = connection.execute(INTENT_BETWEEN, {"after": seq, "before": end}).fetchone()
            if intent is not None:
                yield intent, f"an order was reserved in row {intent}, while trading was halted since row {seq}"


def _edited(connection: sqlite3.Connection, doubt: Doubt) -> str | None:
    name, seq, earlier = doubt.table, doubt.seq, f"row {doubt.before}" if doubt.before else "a new file"
    after, sets = _image_and_sets(connection, name, doubt.key, seq)
    if doubt.before is None:
        return f"{called(name, after)} was changed in row {seq}, but no row before has it: it was put into the table"
    if not sets:
        return f"{called(name, after)} is new in row {seq}, but {earlier} has it: it was taken out of the table"
    before = _logged(connection, name, doubt.key, doubt.before)
    columns = unset_columns(name, before, after, sets)
    if columns:
        pieces = [f"`{one}` is {shown(after.get(one))}, {earlier} has {shown(before.get(one))}" for one in columns]
        return f"{called(name, after)} in row {seq}, which did not change that: {'; '.join(pieces)}"
    column = impossible_column(name, before, after)
    if column is None:
        return None
    became = f"`{column}` was {shown(before.get(column))} in {earlier} and is {shown(after.get(column))}"
    return f"{called(name, after)} in row {seq}: {became}, which guardian never does"


def _logged(connection: sqlite3.Connection, name: str, key: Key, seq: int) -> Mapping[str, object]:
    """Returns a row as a row of the log has it; empty where that cannot be read any more."""
    if seq == 0:
        return first_image(name, key) or {}
    return _image_and_sets(connection, name, key, seq)[0]


def _image_and_sets(
    connection: sqlite3.Connection, name: str, key: Key, seq: int
) -> tuple[Mapping[str, object], frozenset[str]]:
    """Returns a row as a row of the log has it, and which columns that one set; nothing where it is unreadable."""
    found = connection.execute(IMAGE_ROW, {"seq": seq}).fetchone()
    try:
        data: dict[str, Any] = json.loads(found[0])["data"]
        images = data["tables"][name]
        place = next(place for place in reversed(range(len(images))) if key_in(LOGGED[name], images[place]) == key)
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError):
        return {}, frozenset()
    return images[place], sets_in(data, name, place)


def _changed(name: str, image: Mapping[str, object], logged: Mapping[str, object]) -> str:
    columns = [*LOGGED[name].columns, *(f"{text}{DIGEST}" for text in LOGGED[name].columns if text in TEXTS)]
    differing = [column for column in columns if image.get(column) != logged.get(column)]
    if not differing:
        return f"{called(name, logged)}: a value has another type than in the log"
    pieces = [
        f"`{column}` is {shown(image.get(column))}, the log says {shown(logged.get(column))}" for column in differing
    ]
    if name == "control" and "state" in differing:
        pieces[0] += _by_whom(logged)
    return f"{called(name, logged)}: {'; '.join(pieces)}"


def _by_whom(logged: Mapping[str, object]) -> str:
    since = logged.get("since_ms")
    if not isinstance(since, int):
        return ""
    at = datetime.fromtimestamp(since / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f" by {shown(logged.get('by'))} since {at}"
