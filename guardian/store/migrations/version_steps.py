"""The steps from each version of the schema to the next, and what the log says at the end. See the package."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from guardian.store.migrations import first_steps
from guardian.store.schema.records import Record
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.unit import Unit

Step = Callable[[sqlite3.Connection], None] | tuple[str, ...]
"""What one version's tables need to become the next one's: a function, or statements."""

MIGRATED: Final = "schema_migrated"
"""The kind of the log's row of a migration."""

STEPS: Final[Mapping[int, Step]] = {
    1: first_steps.to_2,
    2: first_steps.to_3,
    3: first_steps.to_4,
    4: first_steps.to_5,
    5: ("ALTER TABLE audit ADD COLUMN mac BLOB",),
}
"""By the version that a step begins with. A step has all that is new in one release."""


HAS_TABLES_FROM: Final = 6
"""From this version on the log has the rows of the other tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration, in its open transaction: the schema is this version's already."""

    unit: Unit
    audit: AuditPart
    old: int
    new: int
    copy: str
    """The name of the copy of the file as it was before."""


def record_migration(migration: Migration) -> None:
    """Appends the log's row of the migration. Raises StoreError."""
    body = {"kind": MIGRATED, "from": migration.old, "to": migration.new, "copy": migration.copy}
    migration.audit.append(Record.event(None, body))


def record_tables(migration: Migration) -> None:
    """Appends the rows of the other tables, where an older log does not have them. Raises StoreError."""
    if migration.old < HAS_TABLES_FROM:
        migration.audit.append_baseline(f"migrated from version {migration.old}")


ENDINGS: Final[tuple[Callable[[Migration], None], ...]] = (record_migration, record_tables)
"""What is done at the end of a migration from any older version, in this order."""


def take_step(connection: sqlite3.Connection, step: Step) -> None:
    """Takes one step. Raises sqlite3.Error."""
    if isinstance(step, tuple):
        for statement in step:
            connection.execute(statement)
    else:
        step(connection)
