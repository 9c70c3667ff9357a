"""What a program does that may write everything in guardian's folder, and that cannot read the keyring."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from guardian.store.log.encoding import GENESIS, digest_of
from guardian.store.log.statements import ROW_COLUMNS

Rows = list[dict[str, Any]]
COLUMNS = (*ROW_COLUMNS, "mac")


def files_of(home: Path) -> Mapping[str, bytes]:
    """Every file of a home, for a copy that is put back later."""
    return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}


def put_back(home: Path, files: Mapping[str, bytes]) -> None:
    """The whole folder as it was, as a backup does it."""
    for path in home.iterdir():
        path.unlink()
    for name, content in files.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)


def rewrite(home: Path, edit: Callable[[Rows], Rows], mac: Callable[[bytes], bytes] | None = None) -> None:
    """Edits the rows of the log and chains all of them again, numbers included; MACs stay, or are made by `mac`."""
    with closing(sqlite3.connect(home / "guardian.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq").fetchall()
        rows = edit([dict(zip(COLUMNS, row, strict=True)) for row in found])
        connection.execute("DELETE FROM audit")
        digest = GENESIS
        for seq, row in enumerate(rows, 1):
            row |= {"seq": seq, "prev_hash": digest, "digest": digest_of(digest, seq, row["body"])}
            digest = row["digest"]
            if mac is not None and row["mac"] is not None:
                row["mac"] = mac(digest)
            marks = ", ".join("?" * len(COLUMNS))
            connection.execute(
                f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({marks})", [row[name] for name in COLUMNS]
            )
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")


def edited(rows: Rows, seq: int = 40) -> Rows:
    """One call is about another symbol than it was, in column and body alike."""
    row = rows[seq - 1]
    row["body"] = row["body"].replace(b'"symbol":"BTCUSDT"', b'"symbol":"ETHUSDT"')
    row["symbol"] = "ETHUSDT"
    return rows


def without_middle(rows: Rows) -> Rows:
    """Two rows in the middle are gone."""
    return [*rows[:40], *rows[42:]]
