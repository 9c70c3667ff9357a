"""The write-ahead log beside a long reader: it becomes small again, and no writer waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from guardian.cli.doctor.checks.log_copy import readers_of_wal
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import History
from guardian.store.log.order_rows import order_flows
from guardian.store.log.read_only import read_only, rows_between
from guardian.store.log.verify import verify
from guardian.store.log.verify_tables import imbalances
from guardian.store.schema import write_ahead_log
from guardian.store.schema.files import DATABASE_NAME
from guardian.store.schema.records import Phase, Record
from guardian.store.schema.write_ahead_log import LONG_WAL, WalCopier, wal_bytes
from tests.store.support.store_world import World

KEPT: Final = 4 * 1024 * 1024
"""What a log keeps once it was copied."""
SHORTER: Final = 2 * 1024 * 1024
"""What is long here, so that the tests are quick."""


def append(world: World, rows: int) -> None:
    """Rows of about 60 kB, each a transaction."""
    for _ in range(rows):
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, body={"texts": ["x" * 900] * 60}))


def settle(world: World) -> None:
    """Copies the log now, also if it was just tried, and commits once more: then SQLite cuts the file."""
    for _ in range(2):
        world.store._wal._next_s = 0
        append(world, 1)
        world.store._wal.finish()
    append(world, 1)


def test_log_beside_a_long_reader_becomes_small_when_the_reader_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it reads, every commit succeeds and the log grows; once it has ended, 4 MB stay, while the store is open.

    (Before: the file kept its size for as long as any process had the home open.)
    """
    monkeypatch.setattr(write_ahead_log, "LONG_WAL", SHORTER)
    path = world.home / DATABASE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        append(world, 1)
        reader.execute("BEGIN")
        assert reader.execute("SELECT max(seq) FROM audit").fetchone() == (1,)
        append(world, 80)
        settle(world)
        assert wal_bytes(path) > KEPT + SHORTER // 4
        if Path("/proc/locks").exists():
            assert len(readers_of_wal(path)) == 1
        assert reader.execute("SELECT max(seq) FROM audit").fetchone() == (1,)
        reader.execute("COMMIT")
        settle(world)
        assert wal_bytes(path) <= KEPT
        assert readers_of_wal(path) == set()
    assert verify(world.home).is_intact


def test_log_without_readers_stays_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reader it is copied on the way; closing leaves nothing of it."""
    monkeypatch.setattr(write_ahead_log, "LONG_WAL", SHORTER)
    path, largest = world.home / DATABASE_NAME, 0
    for _ in range(2):
        append(world, 40)
        largest = max(largest, wal_bytes(path))
        settle(world)
    assert SHORTER < largest < 3 * SHORTER
    assert wal_bytes(path) <= KEPT
    world.store.close()
    assert wal_bytes(path) == 0


def test_log_is_left_alone_for_a_moment_and_while_it_is_short(tmp_path: Path) -> None:
    """No thread for each commit while a reader stays, and none for a log that is short or not there."""
    copier = WalCopier(tmp_path / "x")
    copier.after_commit()
    assert copier._thread is None
    with (tmp_path / "x-wal").open("wb") as file:
        file.truncate(LONG_WAL)
    copier.after_commit()
    first = copier._thread
    copier.finish()
    copier.after_commit()
    assert copier._thread is first
    assert first is not None  # it found no database, and said nothing


READERS: dict[str, Callable[[sqlite3.Connection], Iterator[object]]] = {
    "audit list and -f": lambda connection: History(connection).oldest_first(CallFilter(limit=10)),
    "audit export": lambda connection: rows_between(connection, 0, 2**62),
    "audit export --trades": order_flows,
    "audit verify": imbalances,
}


@pytest.mark.parametrize("reader", READERS)
def test_reader_that_pauses_holds_nothing(world: World, reader: str) -> None:
    """Between two lines that are printed the whole log can be copied and cut: no read is open."""
    for _ in range(3):
        world.place()
    with read_only(world.home / DATABASE_NAME) as connection:
        found = READERS[reader](connection)
        next(found, None)
        with closing(sqlite3.connect(world.home / DATABASE_NAME, isolation_level=None, timeout=0)) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        next(found, None)
