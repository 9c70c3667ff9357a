"""A home on a disk that other machines may use: it has a rollback journal, and all of the store works with it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest

from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store import opening, restoring
from guardian.store.copies import copy_database
from guardian.store.log.read_only import last_seq, read_only
from guardian.store.log.verify import verify
from guardian.store.restoring import compare, restore, staged
from guardian.store.schema.files import DATABASE_NAME, SCHEMA_VERSION
from guardian.store.schema.records import Phase, Record
from tests.store import test_opening
from tests.store.support.store_world import START_MS, World
from tests.store.transaction import test_audit, test_orders, test_proposals, test_trading_state
from tests.support import prefork
from tests.support.clock import ClockOf
from tests.support.present import present

BESIDE: Final = ("guardian.db-wal", "guardian.db-shm")


@pytest.fixture(autouse=True)
def shared_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder is taken for one of NFS, for which 5 and 10 seconds of waiting are too long here."""
    monkeypatch.setattr(opening, "shared_disk", lambda _folder: "nfs4")
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_MS", 300)
    monkeypatch.setattr(opening, "BEGIN_TIMEOUT_S", 0.4)
    monkeypatch.setattr(restoring, "_BUSY_TIMEOUT_S", 0.3)


@pytest.fixture
def world(tmp_path: Path, shared_disk: None) -> Iterator[World]:
    """An empty store with a rollback journal."""
    made = World(tmp_path / "guardian")
    yield made
    with suppress(Exception):
        made.store.close()


def append(world: World, count: int = 1) -> None:
    for _ in range(count):
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, body={"kind": "test"}))


def connected(world: World) -> sqlite3.Connection:
    return sqlite3.connect(world.home / DATABASE_NAME, isolation_level=None, timeout=0)


def test_journal_of_a_shared_disk(world: World) -> None:
    """No write-ahead log, and a commit that is on the disk with the end of its journal."""
    append(world)
    connection = present(world.store._file).connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (0,)
    assert not any((world.home / name).exists() for name in BESIDE)
    assert verify(world.home).is_intact


@pytest.mark.parametrize(
    "check",
    [
        test_opening.test_closed_store_says_so,
        test_audit.test_digest_is_that_of_the_previous_row_the_number_and_the_body,
        test_audit.test_key_exists_once,
        test_audit.test_fork_of_the_chain_is_an_error,
        test_audit.test_window_time_never_goes_back_over_a_restart,
        test_audit.test_exception_leaves_nothing_behind,
        test_audit.test_conflict_that_is_swallowed_still_records_nothing,
        test_orders.test_order_is_reserved_once,
        test_orders.test_marks_are_set_once_and_taken_away,
        test_orders.test_report_out_of_date_never_shrinks_what_was_executed,
        test_proposals.test_token_is_redeemed_once,
        test_trading_state.test_halt_is_kept_over_a_restart,
    ],
)
def test_what_holds_with_a_write_ahead_log_holds_here(check: Callable[[World], None], world: World) -> None:
    """Tests of opening, the log, orders, proposals and the trading state, as they are."""
    check(world)


@pytest.mark.parametrize("how", ["unlink", "rename", "replace"])
def test_file_that_was_moved_away_is_not_written(world: World, how: str, tmp_path: Path) -> None:
    """As with a write-ahead log."""
    test_opening.test_file_that_was_moved_away_is_not_written(world, how, tmp_path)


def test_home_that_is_moved_between_disks_changes_its_journal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of its rows, in both directions, also after a process that was killed."""
    append(world, 3)
    for kind, mode in ((None, "wal"), ("cifs", "delete"), (None, "wal")):
        world.store.close()
        monkeypatch.setattr(opening, "shared_disk", lambda _folder, kind=kind: kind)
        world.store = world.open()
        append(world)
        assert present(world.store._file).connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    killed = World(world.home.parent / "killed")
    killed.store.close()
    for name in (DATABASE_NAME, "guardian.db-wal"):  # what is not copied into the database yet
        shutil.copyfile(world.home / name, killed.home / name)
    monkeypatch.setattr(opening, "shared_disk", lambda _folder: "nfs4")
    killed.store = killed.open()
    assert present(killed.store.head()).seq == 6
    assert not any((killed.home / name).exists() for name in BESIDE)
    killed.store.close()


def test_write_ahead_log_that_is_in_use_on_a_shared_disk_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another guardian has the home open with its log: two machines would not see what the other writes."""
    world.store.close()
    monkeypatch.setattr(opening, "shared_disk", lambda _folder: None)
    other = world.open()
    monkeypatch.setattr(opening, "shared_disk", lambda _folder: "nfs4")
    with pytest.raises(StoreUnavailable, match=r"a disk that other machines may use \(nfs4\)") as refused:
        world.open()
    assert "end every guardian of this home" in present(refused.value.hint)
    other.close()
    world.open().close()


def test_commit_waits_for_readers_and_says_so_when_they_do_not_end(world: World) -> None:
    """A reader that ends is waited for; beside one that does not, nothing is recorded, and it continues afterwards."""
    append(world)
    with closing(connected(world)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT max(seq) FROM audit").fetchone()
        with pytest.raises(StoreUnavailable, match="another process holds it"):
            append(world)
        reader.execute("COMMIT")
        assert reader.execute("SELECT max(seq) FROM audit").fetchone() == (1,)
    append(world)
    with closing(sqlite3.connect(world.home / DATABASE_NAME, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT max(seq) FROM audit").fetchone()
        threading.Timer(0.1, reader.execute, ["COMMIT"]).start()
        append(world)
    assert present(world.store.head()).seq == 3


def test_transaction_of_a_process_that_was_killed_is_rolled_back(world: World, tmp_path: Path) -> None:
    """The file and the journal as they lie there then: readers read a copy without it, and the next start undoes it."""
    append(world, 40)
    left = World(tmp_path / "left")
    left.store.close()
    with closing(connected(world)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN IMMEDIATE")
        for number in range(200):
            writer.execute("INSERT INTO leases VALUES (?, ?, 1, 1)", (f"lease {number}", "x" * 500))
        for name in (DATABASE_NAME, "guardian.db-journal"):
            shutil.copyfile(world.home / name, left.home / name)
        writer.execute("ROLLBACK")
    before = (left.home / DATABASE_NAME).read_bytes()
    assert before != (world.home / DATABASE_NAME).read_bytes()
    with read_only(left.home / DATABASE_NAME) as connection:
        assert last_seq(connection) == 40
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    assert verify(left.home).is_intact
    assert (left.home / DATABASE_NAME).read_bytes() == before
    left.store = left.open()
    append(left)
    assert verify(left.home).is_intact
    assert not (left.home / "guardian.db-journal").exists()
    left.store.close()


def test_copy_is_made_while_the_store_is_open(world: World, tmp_path: Path) -> None:
    """One file, whole, without anything beside it; the store continues."""
    append(world, 5)
    with read_only(world.home / DATABASE_NAME) as connection:
        copy_database(connection, tmp_path / "copy.db")
    append(world)
    assert verify(tmp_path / "copy.db").last_seq == 5
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]


def test_restore_waits_for_no_writer_and_stops_those_that_have_the_old_file(world: World, tmp_path: Path) -> None:
    """Within a transaction of another process it is refused; after it, whoever has the old file open writes nothing."""
    append(world, 5)
    with read_only(world.home / DATABASE_NAME) as connection:
        copy_database(connection, tmp_path / "copy.db")
    append(world, 2)
    clock = ClockOf(lambda: START_MS)
    with staged(tmp_path / "copy.db", world.home, START_MS) as folder:
        shown = compare(folder, world.home)
        with closing(connected(world)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="a guardian of this home runs"):
                restore(folder, world.home, shown, clock, {})
            writer.execute("ROLLBACK")
        kept = restore(folder, world.home, shown, clock, {})
    assert kept
    with pytest.raises(StoreCorrupt, match=r"moved, removed or replaced .* by one without row 7"):
        append(world)
    world.reopen()
    assert verify(world.home).last_seq > 5


def test_tables_of_a_newer_guardian_are_not_written(world: World) -> None:
    """With a rollback journal it cannot see that this process has the file open, so this process looks."""
    append(world)
    with closing(connected(world)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="newer guardian"):
            append(world)


TWO: Final = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from guardian.store import opening, restoring
from guardian.store.database import Store
from guardian.store.schema.records import Phase, Record
opening.shared_disk = lambda folder: "nfs4"
clock = SimpleNamespace(now_ms=lambda: int(time.time() * 1000), monotonic=time.monotonic)
store = Store.open(Path(sys.argv[1]), clock)
print("ready", flush=True)
sys.stdin.readline()
for number in range(12):
    with store.transaction() as tx:
        tx.audit.append(Record(phase=Phase.EVENT, body={"n": number}))
store.close()
"""


def test_two_processes_append_while_a_third_verifies(tmp_path: Path) -> None:
    """Twenty-four rows in one chain, and no reading in between that finds anything."""
    pair = [
        prefork.popen(
            [sys.executable, "-c", TWO, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in pair:
        assert present(process.stdout).readline() == "ready\n"
    for process in pair:
        present(process.stdin).write("go\n")
        present(process.stdin).flush()
    while any(process.poll() is None for process in pair):
        assert verify(tmp_path / "home").is_intact
        time.sleep(0.02)
    for process in pair:
        assert process.wait() == 0
        present(process.stdin).close()
        present(process.stdout).close()
    report = verify(tmp_path / "home")
    assert (report.is_intact, report.last_seq) == (True, 24)
