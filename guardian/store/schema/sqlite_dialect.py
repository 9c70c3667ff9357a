"""What is SQLite's own: transactions and settings, the conditions of partial indexes, and triggers. Light to import.

Every other statement of a transaction is SQLAlchemy Core in `guardian.store.definitions`; a second engine needs this
module a second time. What only reads the log has its statements in `guardian.store.log.statements`.

SQLite uses a partial index only where a query repeats the words of its condition, without parameters. So a query and
its index take the condition from here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from typing import Final

from guardian.domain.order_states import (
    CORRECTIONS,
    LIVE_STATES,
    ORDER_MOVES,
    UNRESOLVED_STATES,
    VOID_STATES,
    OrderState,
)

# Transactions

BEGIN: Final = "BEGIN IMMEDIATE"
"""Takes the lock of writers at once: a transaction that begins as a reader may find that it cannot write any more."""
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"

_KEPT_WAL: Final = 4 * 1024 * 1024
"""Bytes that a write-ahead log keeps once it was copied: room for commits on a disk that is full."""
_MOST_WAL_PAGES: Final = 16_384
"""64 MB: from then on a commit copies the log itself."""


# A connection and its file


def use_wal(connection: sqlite3.Connection) -> bool:
    """Switches the file to a write-ahead log; returns whether its file system can hold one.

    Raises sqlite3.OperationalError (busy) where somebody reads or writes it just now: SQLite does not wait for that.
    """
    return bool(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal")


def has_wal(connection: sqlite3.Connection) -> bool:
    """Whether the file has a write-ahead log, by its header."""
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def leave_wal(connection: sqlite3.Connection) -> bool:
    """Switches the file to a rollback journal; returns False where another connection has it open with its log.

    It works on a disk that can hold no write-ahead log too: in exclusive mode SQLite needs no memory to share.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        return bool(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete")
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        return False
    finally:
        connection.execute("PRAGMA locking_mode = NORMAL")
        with suppress(sqlite3.Error):
            part_names(connection)  # the lock is let go of with the next read


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite raised an error because another connection holds a lock."""
    return (error.sqlite_errorcode or 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def copy_wal(connection: sqlite3.Connection) -> None:
    """Copies the write-ahead log into the database, as far as no reader needs what is there; nobody waits for it."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def set_schema_version(connection: sqlite3.Connection, version: int) -> None:
    """Writes the version of the schema into the file's header, within the open transaction."""
    connection.execute(f"PRAGMA user_version = {version}")


def configure(connection: sqlite3.Connection, *, has_wal: bool) -> None:
    """Makes commits durable, and has every interlock of the schema enforced."""
    # EXTRA: the end of a commit is that the rollback journal is gone, which has to be on the disk too.
    # fullfsync: on macOS a plain fsync does not flush the drive's own cache.
    # The log is copied by a thread, see `write_ahead_log`; SQLite does it itself where that fails.
    for setting in (f"synchronous = {'FULL' if has_wal else 'EXTRA'}", "fullfsync = 1", "foreign_keys = 1",
                    "recursive_triggers = 1", "trusted_schema = 0", "cell_size_check = 1",
                    f"journal_size_limit = {_KEPT_WAL}", f"wal_autocheckpoint = {_MOST_WAL_PAGES}"):  # fmt: skip
        connection.execute(f"PRAGMA {setting}")


def fill_at_once(connection: sqlite3.Connection) -> None:
    """Lets a connection fill a new file fast. One that is not filled to its end is of no use, and may be damaged."""
    # The digests of the log come in no order: a larger cache spares reading their indexes again.
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32768"):
        connection.execute(f"PRAGMA {setting}")


def set_busy_timeout(connection: sqlite3.Connection, timeout_ms: int) -> None:
    """Sets how long SQLite itself waits for a lock of another process, in milliseconds."""
    connection.execute(f"PRAGMA busy_timeout = {timeout_ms}")


def header_statements(application_id: int, version: int) -> tuple[str, str]:
    """Returns the statements that write into the file's header what it is, and the version of its schema."""
    return f"PRAGMA application_id = {application_id}", f"PRAGMA user_version = {version}"


def application_id(connection: sqlite3.Connection) -> int:
    """Returns what the file's header says that it is; 0 for a new file."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def schema_version(connection: sqlite3.Connection) -> int:
    """Returns the version of the schema in the file's header; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def part_names(connection: sqlite3.Connection) -> frozenset[str]:
    """Returns the names of all tables, indexes, triggers and views of the file."""
    with closing(connection.execute("SELECT name FROM sqlite_master")) as rows:
        return frozenset(name for (name,) in rows)


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Returns the names of all tables of the file, in order. Raises sqlite3.Error."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return [name for (name,) in rows]


def column_types(connection: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Returns name, declared type and whether it is always filled of each column, generated ones left out."""
    columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    return [(name, kind, bool(filled)) for _, name, kind, filled, _, _ in columns]


def cells(connection: sqlite3.Connection, table: str, columns: Iterable[str], newest: int | None) -> sqlite3.Cursor:
    """Returns each row of a table: its number, then the type and the value of each column; the newest only, if asked.

    The bytes of a text come as a blob, so that one that is not UTF-8 is seen. Raises sqlite3.Error.
    """
    read = ", ".join(
        f'typeof("{name}"), CASE typeof("{name}") WHEN \'text\' THEN CAST("{name}" AS BLOB) ELSE "{name}" END'
        for name in columns
    )
    last = "" if newest is None else f" ORDER BY rowid DESC LIMIT {newest}"
    return connection.execute(f'SELECT rowid, {read} FROM "{table}"{last}')  # noqa: S608 - names of the schema


def stored_parts(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
    """Returns the kind, name and statement of everything in the file; an index of a key has no statement."""
    return connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()


def damages(connection: sqlite3.Connection, limit: int) -> list[str]:
    """Returns what SQLite's own check of the whole file finds, in its words: at most `limit` lines."""
    lines = [str(line) for (line,) in connection.execute(f"PRAGMA quick_check({limit})").fetchall()]
    return [line for line in lines if line != "ok"]


# Conditions of partial indexes


def _quoted(states: frozenset[OrderState]) -> str:
    """Returns states as an SQL list."""
    return ", ".join(f"'{state.value}'" for state in sorted(states))


CALL_PHASES_SQL: Final = "phase IN ('call', 'intent', 'outcome')"
"""Rows of the log of which each call has at most one."""
EVENT_SQL: Final = "phase = 'event'"
"""Rows of the log that are no part of a call."""
CALL_EVENT_SQL: Final = "phase = 'event' AND call_id IS NOT NULL"
"""Events of a call."""
STATE_SQL: Final = "phase = 'state'"
"""Rows of the log that hold what a transaction wrote to the other tables: no line of a list shows them."""
MINUTE_SQL: Final = "phase = 'call' AND tool <> 'cancel_order'"
"""Calls that count against the calls of a minute."""

PENDING_SQL: Final = f"state IN ({_quoted(LIVE_STATES | UNRESOLVED_STATES)})"
"""Orders that are not in a final state."""
UNRESOLVED_SQL: Final = f"state IN ({_quoted(UNRESOLVED_STATES)})"
"""Orders that may have reached the exchange and are not known there."""
VOID_SQL: Final = f"state IN ({_quoted(VOID_STATES)})"
"""Orders that never came to be at the exchange."""
DUPLICATED_SQL: Final = f"(NOT {VOID_SQL} OR given_up = 1)"
"""Orders that bar their duplicate."""
UNKNOWN_FEES_SQL: Final = "executed_quantity <> fee_quantity AND order_id IS NOT NULL AND adopted = 1"
"""Orders that were executed and whose fees are not known for all of it."""
NOT_ADOPTED_SQL: Final = "adopted = 0"
"""Orders that the log lacked and that the owner has not taken over yet."""

OUTSTANDING_SQL: Final = "state IN ('waiting', 'approved')"
"""Proposals that have not ended, expired or not."""

CORRECTED: Final = "corrected/"
"""How the key of the log's row of a correction begins; the order and the number of the correction follow."""


# Triggers


def _listed(moves: Mapping[OrderState, frozenset[OrderState]]) -> str:
    """Returns moves as the condition of a trigger."""
    return " OR ".join(
        f"(OLD.state = '{state.value}' AND NEW.state IN ({_quoted(after)}))" for state, after in moves.items() if after
    )


_ROW_OF_CORRECTION: Final = (
    f"SELECT 1 FROM audit WHERE key = '{CORRECTED}' || OLD.client_order_id || '/' || NEW.corrections"  # noqa: S608 - constants
)
_CORRECTED_SQL: Final = (
    f"NEW.corrections = OLD.corrections + 1 AND ({_listed(CORRECTIONS)}) "
    f"AND EXISTS ({_ROW_OF_CORRECTION} AND phase = 'event')"
)
"""A correction is counted and has its own row of the log: neither code nor hand makes one by accident."""


def _aborts(on: str, why: str) -> str:
    return f"BEFORE {on} BEGIN SELECT RAISE(ABORT, '{why}'); END"


def triggers(fixed_order_columns: Iterable[str]) -> dict[str, str]:
    """Returns the triggers by name, without `CREATE TRIGGER name`; the columns given never change in an order."""
    fixed = ", ".join(fixed_order_columns)
    return {
        "audit_no_update": _aborts("UPDATE ON audit", "append-only"),
        "audit_no_delete": _aborts("DELETE ON audit", "append-only"),
        "orders_no_delete": _aborts("DELETE ON orders", "orders are kept"),
        "orders_fixed": _aborts(f"UPDATE OF {fixed} ON orders", "what an order counts for never changes"),
        "orders_born": _aborts(
            f"INSERT ON orders WHEN NEW.state <> '{OrderState.RESERVED.value}' OR NEW.corrections <> 0",
            "an order begins as reserved",
        ),
        "orders_moves": _aborts(
            "UPDATE OF state, corrections ON orders "
            "WHEN (NEW.state <> OLD.state OR NEW.corrections <> OLD.corrections) "
            f"AND NOT (NEW.corrections = OLD.corrections AND ({_listed(ORDER_MOVES)})) AND NOT ({_CORRECTED_SQL})",
            "not a listed move; nothing leaves a final state",
        ),
        "flows_no_update": _aborts("UPDATE ON flows", "append-only"),
        "flows_no_delete": _aborts("DELETE ON flows", "append-only"),
        "accounts_no_update": _aborts("UPDATE ON accounts", "keys stay with their account"),
        "accounts_no_delete": _aborts("DELETE ON accounts", "keys stay with their account"),
        "proposals_no_delete": _aborts("DELETE ON proposals", "proposals are kept"),
        "proposals_ended": _aborts(
            "UPDATE ON proposals WHEN OLD.state NOT IN ('waiting', 'approved')", "a proposal ends once"
        ),
        "mandates_no_delete": _aborts("DELETE ON mandates", "mandates are kept"),
        "mandates_ended": _aborts("UPDATE ON mandates WHEN OLD.ended_ms IS NOT NULL", "a mandate ends once"),
        "policy_approvals_no_update": _aborts("UPDATE ON policy_approvals", "append-only"),
        "policy_approvals_no_delete": _aborts("DELETE ON policy_approvals", "append-only"),
        "passkeys_no_delete": _aborts("DELETE ON passkeys", "passkeys are kept"),
        "redemptions_no_update": _aborts("UPDATE ON redemptions", "append-only"),
        "redemptions_no_delete": _aborts("DELETE ON redemptions", "append-only"),
    }
