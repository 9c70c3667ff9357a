"""`guardian audit backup` and `restore`, on homes with a log of orders."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.support import owner
from guardian.domain.trading import TradingState
from guardian.errors import StoreUnavailable
from guardian.store import restoring
from guardian.store.log.verify import verify
from guardian.store.opening import is_lost
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME, SCHEMA_VERSION
from guardian.store.schema.records import Record
from guardian.system.clock import wall_clock_ms
from tests.store.migrations.older_home import OlderHome
from tests.store.support.store_world import World
from tests.support.present import present


class Desk:
    """An owner at a terminal, and a store of their home that stays open as a server's does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # As the commands have it, which no log may be far ahead of.
        self.world = World(home, wall_clock_ms())
        self.answer = "yes"
        self.questions: list[str] = []

    def rows(self, count: int) -> None:
        for _ in range(count):
            self.world.attempt(lambda tx: tx.audit.append(Record.event(None, {"kind": "test"})))

    def says(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer == "yes"

    def head(self) -> int:
        return verify(self.home).last_seq

    def last_row(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.home / DATABASE_NAME)) as connection:
            sql = "SELECT body FROM audit WHERE phase <> 'state' ORDER BY seq DESC LIMIT 1"
            (body,) = connection.execute(sql).fetchone()
        data = json.loads(body)["data"]
        assert isinstance(data, dict)
        return data


@pytest.fixture
def desk(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(own_home / "guardian")
    made.world.place()
    made.rows(3)
    monkeypatch.setattr(owner, "is_terminal", lambda stream: True)
    monkeypatch.setattr(owner, "ask_yes", made.says)
    yield made
    made.world.store.close()


def test_backup_is_a_whole_copy_made_while_a_server_writes(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One private file with the log, its orders and budgets, verified; its checkpoint beside it; the head is said."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target), "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["rows"], found["last_seq"], found["intact"]) == (5, 5, True)
    assert "API keys, PIN" in said.err
    assert "are not in it" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "copy.db.checkpoint"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "copy.db.checkpoint").read_text() == f"guardian/audit/chain/v1 5 {found['head']}\n"
    desk.rows(1)
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_backup_overwrites_nothing_and_gets_a_dated_name_in_a_folder(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is there stays, its checkpoint too; a folder takes any number of backups."""
    target = tmp_path / "copy.db"
    target.write_text("mine")
    assert main(["audit", "backup", str(target)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    folder = tmp_path / "backups"
    folder.mkdir()
    assert main(["audit", "backup", str(folder)]) == 0
    assert main(["audit", "backup", str(folder)]) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 4
    assert all(name.startswith("guardian-backup-20") for name in names)
    assert main(["audit", "backup", str(tmp_path / "nowhere" / "copy.db")]) == 3


def test_backup_of_a_broken_log_is_written_and_says_so(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be all that is left; it gets no checkpoint, and the exit code is 1."""
    with closing(sqlite3.connect(desk.home / DATABASE_NAME)) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET tool = 'other' WHERE seq = 2")
        connection.commit()
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 1
    said = capsys.readouterr()
    assert "AS BROKEN AS THE LOG" in said.out
    assert "COLUMN" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]


def test_restored_log_is_older_and_halted_and_the_one_before_is_kept(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person reads how much is lost; afterwards nothing trades, the log is intact, and nothing was thrown away."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    desk.rows(5)
    desk.world.place(spec=desk.world.spec(price="1"))
    desk.world.store.close()
    assert main(["audit", "restore", str(target)]) == 0
    said = capsys.readouterr().err
    assert "THE BACKUP IS OLDER: 7 rows" in said
    assert "`guardian audit reconcile`" in said
    desk.world.store = desk.world.open()
    status = desk.world.attempt(lambda tx: tx.trading.status())
    assert (status.state, status.by) == (TradingState.HALTED, "owner")
    assert "restored from a backup" in present(status.reason)
    desk.world.store.close()
    assert verify(desk.home).findings == ()
    row = desk.last_row()
    assert (row["kind"], row["relation"], row["lost_rows"], row["backup"]["seq"], row["replaced"]["seq"]) == (
        "restored", "older", 7, 5, 12)  # fmt: skip
    assert row["statement"]["fields"]["decision"] == "restore"
    with closing(sqlite3.connect(desk.home / row["kept"])) as kept:
        assert kept.execute("SELECT count(*) FROM audit").fetchone() == (12,)
        assert kept.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    names = {path.name for path in desk.home.iterdir()}
    assert not any(name.startswith(".restore") or name.endswith(".new") for name in names)
    assert any(name.startswith(f"{CHECKPOINT_NAME}.before-restore") for name in names)


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ("same", "ends with the same row"),
        ("newer", "has all rows of this home's log, and more"),
        ("forked", "THE LOGS DIFFER"),
        ("other", "ANOTHER LOG"),
        ("missing", "no log that can be read"),
        ("damaged", "no log that can be read"),
    ],
)
def test_person_reads_how_the_backup_and_the_log_are_related(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], relation: str, words: str
) -> None:
    """A copy that was put back by hand, another home's log, a lost one: each has its own words, and is in the log."""
    early, target = tmp_path / "early.db", tmp_path / "copy.db"
    assert main(["audit", "backup", str(early)]) == 0
    desk.rows(2)
    assert main(["audit", "backup", str(target)]) == 0
    desk.world.store.close()
    database = desk.home / DATABASE_NAME
    if relation in {"newer", "forked"}:
        shutil.copyfile(early, database)
        (desk.home / CHECKPOINT_NAME).unlink()
    if relation == "forked":
        desk.world.clock_ms += 1
        desk.world.store = desk.world.open()
        desk.rows(2)
        desk.world.store.close()
    elif relation == "other":
        database.unlink()
        (desk.home / CHECKPOINT_NAME).unlink()
        desk.world.store = desk.world.open()
        desk.rows(1)
        desk.world.store.close()
    elif relation == "missing":
        database.unlink()
    elif relation == "damaged":
        database.write_bytes(b"no database at all " * 500)
    assert main(["audit", "restore", str(target)]) == 0
    assert words in capsys.readouterr().err
    row = desk.last_row()
    assert (row["kind"], row["relation"]) == ("restored", "missing" if relation == "damaged" else relation)
    assert not is_lost(desk.home)
    assert verify(desk.home).findings == ()


def test_nothing_is_restored_while_a_guardian_runs(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would go on with the log that was taken away. Nothing is changed, and it continues to write."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    desk.rows(1)
    assert main(["audit", "restore", str(target)]) == 3
    assert "a guardian of this home runs" in capsys.readouterr().err
    desk.rows(1)
    assert desk.head() == 7
    assert not [path for path in desk.home.iterdir() if "restore" in path.name]


def test_nothing_is_restored_without_a_person_or_their_yes(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every command that loosens: at a terminal, and after a yes."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    desk.world.store.close()
    desk.answer = "no"
    before = (desk.home / DATABASE_NAME).read_bytes()
    assert main(["audit", "restore", str(target)]) == 1
    assert desk.questions == ["put the backup in the place of the log, and halt trading?"]
    assert "nothing was changed" in capsys.readouterr().err
    monkeypatch.setattr(owner, "is_terminal", lambda stream: False)
    assert main(["audit", "restore", str(target)]) == 1
    assert "no person is at a terminal" in capsys.readouterr().err
    assert (desk.home / DATABASE_NAME).read_bytes() == before


@pytest.mark.parametrize("what", ["changed", "newer", "no database", "missing"])
def test_backup_that_cannot_be_trusted_is_not_restored(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Before anybody is asked: a changed row, a newer guardian's file, what is no database, nothing at all."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    desk.world.store.close()
    if what == "missing":
        target.unlink()
    elif what == "no database":
        target.write_bytes(b"no database at all " * 500)
    else:
        with closing(sqlite3.connect(target, isolation_level=None)) as connection:
            if what == "newer":
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
            else:
                (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_no_update'").fetchone()
                connection.execute("DROP TRIGGER audit_no_update")
                connection.execute("UPDATE audit SET body = replace(body, 'test', 'best') WHERE seq = 3")
                connection.execute(sql)
    assert main(["audit", "restore", str(target)]) == (1 if what == "changed" else 3)
    assert desk.questions == []
    assert desk.head() == 5
    assert not [path for path in desk.home.iterdir() if "restore" in path.name]


def test_backup_of_an_older_guardian_is_brought_up_to_date(desk: Desk, tmp_path: Path) -> None:
    """Its halts and orders are there, in the tables of today."""
    older = OlderHome(tmp_path / "older", 4)
    desk.world.store.close()
    assert main(["audit", "restore", str(older.path)]) == 0
    desk.world.store = desk.world.open()
    assert len(desk.world.attempt(lambda tx: tx.orders.newest(desk.world.scope))) == 2
    desk.world.store.close()
    assert verify(desk.home).findings == ()


def test_server_that_started_before_writes_nothing_to_a_log_that_was_replaced(desk: Desk, tmp_path: Path) -> None:
    """Should one have been missed: it sees that its file is another one now, and refuses."""
    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    shutil.copyfile(target, tmp_path / "other")
    (tmp_path / "other").chmod(0o600)
    (tmp_path / "other").replace(desk.home / DATABASE_NAME)
    with pytest.raises(StoreUnavailable, match="replaced"):
        desk.rows(1)


def test_restoration_that_fails_leaves_the_log_as_it_was(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row and the halt are written to the copy alone, before it takes the place of the log."""

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "copy.db"
    assert main(["audit", "backup", str(target)]) == 0
    desk.rows(1)
    desk.world.store.close()
    monkeypatch.setattr(restoring, "_put_in_place", fail)
    assert main(["audit", "restore", str(target)]) == 3
    assert desk.head() == 6
    assert not [path for path in desk.home.iterdir() if "restore" in path.name]
