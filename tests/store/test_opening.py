"""Opening: private, under a lock, and never a fresh file for a lost one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardian.errors import NotPrivate, StoreCorrupt, StoreLost, StoreUnavailable
from guardian.store.database import Store
from guardian.store.opening import begin_log, is_lost
from guardian.store.schema.files import CHECKPOINT_NAME, SCHEMA_VERSION
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import START_MS, World
from tests.support import prefork
from tests.support.clock import ClockOf
from tests.support.present import present

posix = pytest.mark.skipif(os.name != "posix", reason="this system has no such modes")


def open_at(home: Path) -> Store:
    return Store.open(home, ClockOf(lambda: START_MS))


def fill(world: World, count: int = 3) -> None:
    for _ in range(count):
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, body={"kind": "test"}))


@posix
def test_home_and_files_are_for_the_owner_alone(world: World) -> None:
    """The folder is 0700 and every file in it 0600 from the start; neither is used once it is open to others."""
    fill(world)
    assert world.home.stat().st_mode & 0o777 == 0o700
    names = {path.name for path in world.home.iterdir()}
    assert {"guardian.db", "guardian.db-wal", "guardian.lock"} <= names
    for path in world.home.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name
    world.store.close()
    for path, mode in ((world.home, 0o755), (world.home / "guardian.db", 0o644)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(NotPrivate) as refused:
            open_at(world.home)
        assert f"{mode:04o}" in refused.value.message
        assert refused.value.hint == f"`chmod -R go-rwx {world.home}`"
        path.chmod(before)
    open_at(world.home).close()


def test_settings_hold_on_the_connection(world: World) -> None:
    """Write-ahead log, full synchronisation, and the two numbers that say what the file is; guardian itself waits."""
    connection = present(world.store._file).connection
    expected = {
        "journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "busy_timeout": 0, "recursive_triggers": 1,
        "application_id": 0x67726431, "user_version": SCHEMA_VERSION,
    }  # fmt: skip
    assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in expected} == expected


def test_sqlite_without_returning_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 on a system of SQLite 3.34 says what it found and what to install; 3.35 is enough."""
    home = tmp_path / "home"
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    for opening in (open_at, begin_log):
        with pytest.raises(StoreUnavailable, match=r"this Python has SQLite 3\.34\.1, .* needs 3\.35") as refused:
            opening(home)
        assert "only-managed" in present(refused.value.hint)
        assert not home.exists()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 35, 0))
    open_at(home).close()


@pytest.mark.parametrize("content", [b"x", b"not a database " * 500, b"SQLite format 3\0" + bytes(4000)])
def test_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """Garbage is not written over."""
    (tmp_path / "guardian.db").write_bytes(content)
    with pytest.raises(StoreCorrupt):
        open_at(tmp_path)
    assert (tmp_path / "guardian.db").read_bytes() == content


def test_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A file with tables and without guardian's number is not guardian's."""
    connection = sqlite3.connect(tmp_path / "guardian.db")
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorrupt, match="not a guardian store"):
        open_at(tmp_path)


@pytest.mark.parametrize("version", [-1, 0])
def test_version_that_no_guardian_wrote_is_refused(world: World, version: int) -> None:
    """Versions begin with 1. Older and newer ones are in `tests/store/migrations`."""
    world.store.close()
    connection = sqlite3.connect(world.home / "guardian.db")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(StoreCorrupt, match="lacks parts"):
        world.open()


@pytest.mark.parametrize("part", ["TRIGGER audit_no_update", "INDEX ux_audit_call_phase", "TABLE acts"])
def test_store_that_lacks_an_interlock_is_refused(world: World, part: str) -> None:
    """Without its triggers and unique indexes the file promises nothing."""
    world.store.close()
    connection = sqlite3.connect(world.home / "guardian.db")
    connection.execute(f"DROP {part}")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorrupt, match="lacks"):
        world.open()


def test_damaged_page_is_found_at_the_start(world: World) -> None:
    """Random bytes in a table's page do not stop SQLite from opening; guardian looks."""
    fill(world, 200)
    world.store.close()
    path = world.home / "guardian.db"
    content = bytearray(path.read_bytes())
    content[-4096 * 3 : -4096 * 2] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        world.open()


@pytest.mark.parametrize("loss", ["unlink", "empty"])
def test_lost_log_is_not_replaced_by_a_fresh_one(world: World, loss: str) -> None:
    """Where a checkpoint knows of rows, a missing or empty file is an error and not a new beginning."""
    fill(world)
    world.store.close()
    path = world.home / "guardian.db"
    path.unlink() if loss == "unlink" else path.write_bytes(b"")
    with pytest.raises(StoreLost, match="checkpoint") as refused:
        world.open()
    assert "guardian init" in present(refused.value.hint)
    assert not path.exists() or path.stat().st_size == 0


@pytest.mark.parametrize("loss", ["unlink", "empty"])
def test_log_that_is_gone_beside_a_policy_is_lost_until_a_new_one_is_begun(world: World, loss: str) -> None:
    """A home with a policy and no log is not new: before, its budgets began again at zero. `begin_log` begins one."""
    fill(world)
    world.store.close()
    for name in ("guardian.db", "guardian.db-wal", "guardian.db-shm", CHECKPOINT_NAME):
        (world.home / name).unlink(missing_ok=True)
    if loss == "empty":
        (world.home / "guardian.db").write_bytes(b"")
    (world.home / "policy.toml").write_text("")
    (world.home / "policy.toml").chmod(0o600)
    assert is_lost(world.home)
    with pytest.raises(StoreLost, match="a policy is there"):
        world.open()
    begin_log(world.home)
    assert not is_lost(world.home)
    store = world.open()
    assert store.head() is None
    store.close()


def test_new_log_puts_the_checkpoint_of_the_lost_one_aside(world: World) -> None:
    """It is evidence, so it is kept under another name, each time another; a log that is there is left as it is."""
    for number in range(2):
        fill(world)
        world.store.close()
        begin_log(world.home)
        assert not (world.home / f"{CHECKPOINT_NAME}.lost-{number}").exists()
        for name in ("guardian.db", "guardian.db-wal", "guardian.db-shm"):
            (world.home / name).unlink(missing_ok=True)
        begin_log(world.home)
        assert (world.home / f"{CHECKPOINT_NAME}.lost-{number}").exists()
        world.store = world.open()


def test_damaged_checkpoint_is_not_taken_for_none(world: World) -> None:
    """A checkpoint that cannot be read is no reason to trust the file."""
    (world.home / CHECKPOINT_NAME).write_text("guardian/audit/chain/v1 3\n")
    with pytest.raises(StoreCorrupt, match="damaged"):
        world.open()


def test_creation_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    """An empty file without a checkpoint is what a killed creation leaves; it becomes a store."""
    (tmp_path / "guardian.db").write_bytes(b"")
    store = open_at(tmp_path)
    with store.transaction() as tx:
        assert tx.audit.append(Record(phase=Phase.EVENT)).seq == 1
    store.close()


@posix
@pytest.mark.parametrize("how", ["unlink", "rename", "replace"])
def test_file_that_was_moved_away_is_not_written(world: World, how: str, tmp_path: Path) -> None:
    """SQLite would go on writing to a file that nobody finds again; guardian refuses, and continues when it is back."""
    fill(world)
    path, away = world.home / "guardian.db", tmp_path / "away"
    if how == "replace":
        shutil.copyfile(path, away)
        away.replace(path)
    else:
        os.link(path, away)
        path.unlink()
    with pytest.raises(StoreUnavailable, match="moved, removed or replaced"):
        fill(world, 1)
    if how == "rename":
        os.link(away, path)
        fill(world, 1)
        with world.store.transaction() as tx:
            assert present(tx.audit.last_entry()).seq == 4


def test_closed_store_says_so(world: World) -> None:
    """After close nothing is written, and closing again is harmless."""
    world.store.close()
    world.store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        fill(world, 1)


def test_log_that_another_process_holds_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has an end, and says what it waited for; afterwards it works again."""
    monkeypatch.setattr("guardian.store.opening.BEGIN_TIMEOUT_S", 0.2)
    connection = sqlite3.connect(world.home / "guardian.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process holds it"):
        fill(world, 1)
    connection.execute("ROLLBACK")
    connection.close()
    fill(world, 1)


def test_home_whose_name_has_odd_characters_works(tmp_path: Path) -> None:
    """Question marks, hashes, percent signs, spaces and other scripts in the path are part of the path."""
    home = tmp_path / "a ?b#c%20d é"
    if os.name == "nt":
        home = tmp_path / "a b#c%20d é"
    world = World(home)
    fill(world)
    world.reopen()
    world.store.close()
    assert (home / "guardian.db").exists()


def test_package_itself_is_light_to_import() -> None:
    """`import guardian.store` and what reads the log bring in neither SQLModel nor SQLAlchemy."""
    code = (
        "import sys, guardian.store, guardian.store.log.verify, guardian.store.history.history\n"
        "import guardian.store.emergency\n"
        "print([name for name in ('sqlmodel', 'sqlalchemy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PAIR = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from guardian.store.database import Store
from guardian.store.schema.records import Phase, Record
for line in sys.stdin:
    home, at = line.split()
    time.sleep(max(0.0, float(at) - time.time()))
    try:
        store = Store.open(Path(home), SimpleNamespace(now_ms=lambda: 1800000000000, monotonic=time.monotonic))
        with store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT))
        store.close()
        print("ok", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


def test_two_servers_start_together_on_an_empty_folder(tmp_path: Path) -> None:
    """25 times two processes make and open the same home at once: no failure, one chain."""
    pair = [
        prefork.popen([sys.executable, "-c", PAIR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for number in range(25):
            home = tmp_path / f"home{number}"
            at = time.time() + (1.5 if number == 0 else 0.02)
            for process in pair:
                present(process.stdin).write(f"{home} {at}\n")
                present(process.stdin).flush()
            assert [present(process.stdout).readline().strip() for process in pair] == ["ok", "ok"]
            connection = sqlite3.connect(home / "guardian.db")
            rows = connection.execute("SELECT count(*), count(DISTINCT prev_hash), max(seq) FROM audit").fetchone()
            connection.close()
            assert rows == (2, 2, 2)
    finally:
        for process in pair:
            present(process.stdin).close()
            process.wait(timeout=10)
            present(process.stdout).close()
