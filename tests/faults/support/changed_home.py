"""A home with something in most of its tables, made once, and copies of it of which one cell was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardian.store.schema.files import DATABASE_NAME
from tests.support.tamper import tamper
from tests.support.world import a_world_at_home


@dataclass(slots=True)
class ChangedHome:
    """A home whose database is put back before each change."""

    home: Path
    good: bytes

    @classmethod
    def make(cls, folder: Path) -> ChangedHome:
        """Returns a home with orders that are filled, open, denied and waiting, and an owner's row or two."""
        with a_world_at_home(folder, {"confirmation": {"required_above": "60", "channel": "terminal"}}) as world:
            assistant = world.assistant()
            assert assistant.order(quote_quantity="50")["outcome"] == "done"
            assert assistant.order(quote_quantity="70")["outcome"] == "confirmation_required"
            assert assistant.order(quote_quantity="5000")["outcome"] == "denied"
            assert assistant.call("get_balance")["outcome"] == "done"
            world.close()
            with closing(sqlite3.connect(world.home / DATABASE_NAME)) as connection:
                _fill(connection)
            return cls(world.home, (world.home / DATABASE_NAME).read_bytes())

    def columns(self) -> Iterator[tuple[str, str]]:
        """Yields each table that has a row, with each of its columns that can be written."""
        with closing(sqlite3.connect(self.home / DATABASE_NAME)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            for (table,) in names:
                if connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                    yield from ((table, row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))

    def put_back(self) -> None:
        """Puts the database back as it was made, and empties the emergency file."""
        for path in self.home.iterdir():
            if path.name.startswith((DATABASE_NAME, "emergency")):
                path.unlink()
        (self.home / DATABASE_NAME).write_bytes(self.good)
        (self.home / DATABASE_NAME).chmod(0o600)

    def change(self, table: str, column: str, value: Any) -> bool:
        """Puts a value into that column of the table's newest row; False where SQLite does not take it."""
        self.put_back()
        written = "CAST(? AS TEXT)" if isinstance(value, NotUtf8) else "?"
        where = f"WHERE rowid = (SELECT max(rowid) FROM {table})"
        given = value.raw if isinstance(value, NotUtf8) else value
        try:
            tamper(self, (f'UPDATE {table} SET "{column}" = {written} {where}', (given,)))
        except sqlite3.IntegrityError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class NotUtf8:
    """Bytes that are put into the file as text."""

    raw: bytes


def _fill(connection: sqlite3.Connection) -> None:
    """Puts a row into the tables that no order fills, as guardian would write it, but for what the log has of it."""
    for table, values in {
        "acts": (1, "", "", 1, 1, "resumed"),
        "leases": ("recovery", "nobody", 1, 1),
        "mandates": (
            1, "m", "paper", "a", "USDT", "5", None, '["BTCUSDT"]', "d", "t", 1, 1, 2, 2, "expired",
        ),
        "owner_changes": (1, "pin_set", "{}", 1, 2, "made"),
        "passkeys": ("c", "k", "n", 0, 1, 2),
        "policy_approvals": (1, "paper", "d", "t", 1, 1, 1),
        "redemptions": ("p", "t", "o", 1),
    }.items():  # fmt: skip
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
