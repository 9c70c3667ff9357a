"""Migrates the database of an older guardian: a copy first, then one transaction."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store.copies import copy_database, dated_name
from guardian.store.log.encoding import GENESIS
from guardian.store.log.statements import HAS_STATE_ROW
from guardian.store.log.tail import head_after, read_tail
from guardian.store.log.verify import verify_tail
from guardian.store.migrations.known_schemas import SCHEMAS, parts_in, parts_of, schema_digest
from guardian.store.migrations.shape import NotConverted, convert, lift_triggers
from guardian.store.migrations.version_steps import ENDINGS, HAS_TABLES_FROM, STEPS, Migration, take_step
from guardian.store.schema.files import SCHEMA_VERSION
from guardian.store.schema.records import Checkpoint, Head
from guardian.store.schema.sqlite_dialect import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    has_wal,
    leave_wal,
    set_schema_version,
    use_wal,
)
from guardian.store.schema.sqlite_errors import RESTORE_HINT
from guardian.store.schema.sqlite_statements import SCHEMA
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.broken_chain import BrokenChainPart
from guardian.store.transaction.trading_state import TradingPart
from guardian.store.transaction.unit import Unit

ALONE_TIMEOUT_S: Final = 5.0
_PAUSE_S: Final = 0.05


def migrate(
    connection: sqlite3.Connection, path: Path, version: int, checkpoint: Checkpoint | None, *, now_ms: int
) -> None:
    """Makes the open database of an older version this version's, under the home's lock. `now_ms` is the wall clock.

    What is wrong with the end of the log halts trading, and the log continues after rows that it has lost. The copy is
    `guardian.db.v<version>-<time>` beside the file; copies of earlier migrations are removed when this one is done.

    Raises:
        StoreUnavailable: another guardian has the file open, or this version cannot read it. Nothing was changed.
        StoreCorrupt: it is not as a guardian of that version made it. Nothing was changed.
        OSError, sqlite3.Error: it could not be written. Nothing was changed.
    """
    if version not in STEPS or schema_digest(parts_in(connection)) != SCHEMAS[version]:
        raise StoreCorrupt(
            f"the tables of `{path.name}` are not those that a guardian of version {version} of the schema makes",
            hint=RESTORE_HINT,
        )
    if version < HAS_TABLES_FROM and connection.execute(HAS_STATE_ROW).fetchone() != (0,):
        raise StoreCorrupt(
            f"`{path.name}` says that a guardian of version {version} of the schema made it, but its log has rows that "
            "only later ones write",
            hint=RESTORE_HINT,
        )
    _require_alone(connection, path)
    copy = dated_name(path.parent, f"{path.name}.v{version}", now_ms)
    copy_database(connection, copy)
    try:
        _in_one_transaction(connection, version, checkpoint, copy, now_ms)
    except BaseException as error:
        if connection.in_transaction:
            connection.execute(ROLLBACK)
        copy.unlink(missing_ok=True)
        if isinstance(error, NotConverted):
            raise StoreUnavailable(
                f"`{path.name}` was written by an older guardian and cannot be brought up to date: {error}",
                hint="keep the guardian that wrote it, and report this",
            ) from None
        raise
    for older in path.parent.glob(f"{path.name}.v*-*"):
        if older != copy:
            older.unlink(missing_ok=True)


def _require_alone(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreUnavailable where another connection has the file open: an older guardian would go on writing."""
    had_wal = has_wal(connection)
    until_s = time.monotonic() + ALONE_TIMEOUT_S
    while not leave_wal(connection):
        if time.monotonic() > until_s:
            raise StoreUnavailable(
                f"`{path.name}` was written by an older guardian, and one that still runs has it open",
                hint="end every guardian of this home (quit the programs that started it), and start again",
            )
        time.sleep(_PAUSE_S)
    if had_wal:
        use_wal(connection)  # nobody opens it in between: whoever opens it has the home's lock


def _in_one_transaction(
    connection: sqlite3.Connection, version: int, checkpoint: Checkpoint | None, copy: Path, now_ms: int
) -> None:
    connection.execute(BEGIN)
    lift_triggers(connection)
    for older in range(version, SCHEMA_VERSION):
        take_step(connection, STEPS[older])
    convert(connection, parts_of(SCHEMA))
    set_schema_version(connection, SCHEMA_VERSION)
    end = read_tail(connection, Head(0, GENESIS))
    findings = verify_tail(connection, checkpoint)
    head = head_after(end.head, findings)
    unit = Unit(connection, now_ms=max(now_ms, end.window_ms), clock_ms=now_ms, head=head)
    try:
        trading = TradingPart(unit)
        audit = AuditPart(unit, trading)
        BrokenChainPart(unit, audit, trading).record(findings)
        migration = Migration(unit=unit, audit=audit, old=version, new=SCHEMA_VERSION, copy=copy.name)
        for ending in ENDINGS:
            ending(migration)
        audit.append_state()
    finally:
        unit.end()
    connection.execute(COMMIT)
