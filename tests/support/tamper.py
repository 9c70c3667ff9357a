"""What somebody with `sqlite3` and the right to write would do to a log, also while guardian runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol


class HasHome(Protocol):
    """Whatever works in a home."""

    home: Path


def tamper(whose: HasHome, *statements: str | tuple[str, Any], triggers: bool = True) -> None:
    """Take the triggers away, do what they would not let be done, and put them back, where `triggers` says so."""
    with closing(sqlite3.connect(whose.home / "guardian.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        kept = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in kept:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(statement)
        for _, sql in kept if triggers else ():
            connection.execute(sql)
        connection.execute("COMMIT")
