"""A disk that is full or read-only: nothing is recorded by halves, the reason is said, and it heals by itself."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from guardian.errors import StoreUnavailable
from guardian.store.emergency import SIZE, EmergencyFile
from guardian.store.log.verify import verify
from guardian.store.schema.records import Entry, Phase, Record
from tests.store.support.store_world import World
from tests.support.present import present


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB of its own, mounted for this test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs Linux and root")
    place = tmp_path / "disk"
    place.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=2m", "guardian-test", str(place)):
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def event(world: World, size: int = 100) -> Entry:
    with world.store.transaction() as tx:
        return tx.audit.append(Record(phase=Phase.EVENT, body={"text": "x" * size}))


def fill(disk: Path) -> None:
    """Take every byte that is left."""
    handle = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (65536, 4096, 1):
            while True:
                try:
                    os.write(handle, bytes(size))
                except OSError:
                    break
    finally:
        os.close(handle)


def fill_until_the_log_is_full(world: World, disk: Path) -> int:
    """The write-ahead log may have room of its own: write until it has none. How many rows went in."""
    fill(disk)
    rows = 0
    with suppress(StoreUnavailable):
        while True:
            event(world, 4000)
            rows += 1
    with pytest.raises(StoreUnavailable, match="the disk is full") as refused:
        event(world, 60_000)
    assert "space" in present(refused.value.hint)
    return rows


def test_full_disk_records_nothing_and_says_why(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row, the order and the state are all refused; what was there is whole; with space again it continues.

    (No order is reserved on a disk as small as this; here it is.)
    """
    monkeypatch.setattr("guardian.store.transaction.orders.ORDERS_NEED", 0)
    world = World(disk / "home")
    event(world)
    rows = 1 + fill_until_the_log_is_full(world, disk)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            event(world, 60_000)
    with pytest.raises(StoreUnavailable):
        world.place(fingerprint="x" * 60_000)
    report = verify(world.home)
    assert report.is_intact
    assert report.rows == rows
    (disk / "ballast").unlink()
    assert event(world, 4000).seq == rows + 1
    name = world.place()
    assert world.order(name) is not None
    assert verify(world.home).is_intact
    world.store.close()


def test_emergency_file_works_on_a_full_disk(disk: Path, tmp_path: Path) -> None:
    """It was made beforehand: a record goes in when nothing else does, and comes into the log afterwards."""
    world = World(disk / "home")
    emergency = EmergencyFile(world.home, second=disk / "state")
    assert emergency.preallocate()
    fill_until_the_log_is_full(world, disk)
    assert emergency.append({"kind": "call", "tool": "cancel_order"})
    assert emergency.places[0].stat().st_size == SIZE
    assert [record["tool"] for record in emergency.pending()] == ["cancel_order"]
    (disk / "ballast").unlink()
    assert emergency.import_into(world.store) == 1
    assert emergency.is_empty()
    world.store.close()


def test_store_cannot_be_made_on_a_full_disk_and_can_be_later(disk: Path) -> None:
    """What a failed creation leaves does not stand in the way of the next."""
    fill(disk)
    with pytest.raises(StoreUnavailable):
        World(disk / "home")
    (disk / "ballast").unlink()
    world = World(disk / "home")
    assert event(world).seq == 1
    world.store.close()


def test_read_only_disk_is_refused_and_heals(disk: Path, tmp_path: Path) -> None:
    """Nothing is written, the reason is said, the log can still be read, and a writable disk is enough to go on."""
    world = World(disk / "home")
    event(world)
    world.store.close()
    assert mount("-o", "remount,ro", str(disk))
    with pytest.raises(StoreUnavailable, match=r"read-only|Read-only"):
        world.open()
    assert verify(world.home).is_intact
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    assert emergency.preallocate()
    assert emergency.append({"kind": "call"})
    assert (tmp_path / "state" / "emergency.log").exists()
    assert mount("-o", "remount,rw", str(disk))
    world.store = world.open()
    assert emergency.import_into(world.store) == 1
    assert event(world).seq == 5  # the event, the record, the halt, and what the halt made of the trading state
    world.store.close()


def test_commit_that_fails_records_nothing_and_the_file_is_opened_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLite's connection is worth after a failure of the disk is not known: the next call has another one."""
    event(world)
    before = world.store._file

    def fail(self: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("guardian.store.opening.OpenFile.commit", fail)
        with pytest.raises(StoreUnavailable, match="could not be read or written"):
            event(world)
    assert event(world).seq == 2
    assert world.store._file is not before


def test_disk_that_becomes_read_only_under_a_running_store(disk: Path) -> None:
    """A store that is open refuses each write, and continues when the disk takes writes again."""
    world = World(disk / "home")
    event(world)
    # A bind mount can be made read-only although files on it are open for writing.
    assert mount("--bind", str(disk), str(disk))
    try:
        assert mount("-o", "remount,bind,ro", str(disk))
        world.store._drop()  # as after any failure of the disk: the next call opens the file again
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                event(world)
        assert mount("-o", "remount,bind,rw", str(disk))
        assert event(world).seq == 2
    finally:
        world.store.close()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_log_with_a_write_ahead_log_is_read_from_a_read_only_disk(disk: Path) -> None:
    """After a crash the newest rows lie in the write-ahead log; they are verified too, from a copy."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom guardian.store.database import Store\n"
        "from guardian.store.schema.records import Phase, Record\nfrom types import SimpleNamespace\n"
        "store = Store.open(Path(sys.argv[1]), SimpleNamespace(now_ms=lambda: 1800000000000, monotonic=lambda: 0.0))\n"
        "for n in range(5):\n    with store.transaction() as tx:\n        tx.audit.append(Record(phase=Phase.EVENT))\n"
        "os._exit(9)\n"
    )
    home = disk / "home"
    assert subprocess.run([sys.executable, "-c", code, str(home)], check=False).returncode == 9
    assert (home / "guardian.db-wal").stat().st_size > 0
    (home / "guardian.db-shm").unlink()
    assert mount("-o", "remount,ro", str(disk))
    report = verify(home)
    assert report.is_intact
    assert report.rows == 5
