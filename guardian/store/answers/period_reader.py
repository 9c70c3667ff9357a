"""Reads rows of a part of the log, and what belongs to it in other tables, in batches and without writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from guardian.store.log.proposal_reader import proposal_from
from guardian.store.log.read_only import BATCH, LogRow
from guardian.store.log.statements import (
    CALL_TIMES_BETWEEN,
    DENIED_BETWEEN,
    INTENTS_BETWEEN,
    POLICY_TEXTS,
    PROPOSAL_COLUMNS,
    PROPOSALS_BETWEEN,
)
from guardian.store.schema.records import Proposal

CallTime = tuple[int, str, str | None, int, str | None, str | None]
"""Number, phase, call, time, tool and outcome of a row, as they are in the file."""
_UNREADABLE: Final = (ValueError, TypeError, KeyError, ArithmeticError)


def call_times(connection: sqlite3.Connection, after: int, last: int) -> Iterator[CallTime]:
    """Yields every row after that one, up to `last`, without its body. Raises sqlite3.Error."""
    yield from _in_batches(connection, CALL_TIMES_BETWEEN, after, last)


def denied_outcomes(connection: sqlite3.Connection, after: int, last: int) -> Iterator[LogRow]:
    """Yields the outcome rows of calls that were denied. Raises sqlite3.Error."""
    yield from (LogRow(*row) for row in _in_batches(connection, DENIED_BETWEEN, after, last))


def intents(connection: sqlite3.Connection, after: int, last: int) -> Iterator[LogRow]:
    """Yields the intent rows of orders. Raises sqlite3.Error."""
    yield from (LogRow(*row) for row in _in_batches(connection, INTENTS_BETWEEN, after, last))


def _in_batches(connection: sqlite3.Connection, statement: str, after: int, last: int) -> Iterator[Any]:
    while rows := connection.execute(statement, {"after": after, "last": last, "limit": BATCH}).fetchall():
        yield from rows
        after = rows[-1][0]


def policy_texts(connection: sqlite3.Connection) -> dict[str, str]:
    """Returns the text of every policy that the store kept, by its digest. Raises sqlite3.Error."""
    return {str(digest): str(text) for digest, text in connection.execute(POLICY_TEXTS).fetchall()}


def proposals_between(connection: sqlite3.Connection, since_ms: int, until_ms: int) -> tuple[Proposal, ...]:
    """Returns the proposals that were made in a period, newest first; unreadable ones are left out.

    Raises sqlite3.Error.
    """
    found = []
    for row in connection.execute(PROPOSALS_BETWEEN, {"since": since_ms, "until": until_ms}).fetchall():
        try:
            found.append(proposal_from(dict(zip(PROPOSAL_COLUMNS, row, strict=True))))
        except _UNREADABLE:
            continue  # verification reports a table that does not follow from the log
    return tuple(found)
