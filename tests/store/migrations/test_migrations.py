"""A home that an older guardian made is opened, as it was; and one that is not as it was made is left alone."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.trading import TradingState
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store import opening
from guardian.store.database import Store, Transaction
from guardian.store.log.read_only import read_only
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.migrations import migrate as migrating
from guardian.store.migrations import version_steps
from guardian.store.migrations.known_schemas import SCHEMAS, normal, parts_in, parts_of, schema_digest
from guardian.store.migrations.version_steps import STEPS, Migration
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME, SCHEMA_VERSION
from guardian.store.schema.records import Checkpoint, Phase, Record
from guardian.store.schema.sqlite_statements import SCHEMA
from tests.store.migrations.older_home import MADE_MS, REASON, SCOPE, VERSIONS, OlderHome, log_of, statements
from tests.store.support.store_world import START_MS, World
from tests.support import prefork
from tests.support.clock import ClockOf
from tests.support.present import present

every_version = pytest.mark.parametrize("version", VERSIONS)


def open_at(home: Path) -> Store:
    return Store.open(home, ClockOf(lambda: START_MS))


def rows_in(home: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / DATABASE_NAME)) as connection:
        return log_of(connection)


def events(home: Path) -> list[dict[str, Any]]:
    """What the rows of migrations say."""
    found = [json.loads(row[-1])["data"] for row in rows_in(home)]
    return [data for data in found if data.get("kind") == "schema_migrated"]


def shape_of(home: Path) -> dict[str, str]:
    with closing(sqlite3.connect(home / DATABASE_NAME)) as connection:
        return {name: normal(sql) for name, sql in parts_in(connection).items()}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def copies(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir() if ".v" in path.name or path.name.endswith(".new"))


def test_every_schema_is_the_one_that_its_version_is_known_by() -> None:
    """Whoever changes a definition raises SCHEMA_VERSION, adds a step and keeps the statements of the version before.

    A version that was never released (the newest, until then) may change: then its digest in SCHEMAS is made new.
    """
    found = {version: schema_digest(parts_of(statements(version))) for version in VERSIONS}
    found[SCHEMA_VERSION] = schema_digest(parts_of(SCHEMA))
    assert found == SCHEMAS
    assert tuple(STEPS) == VERSIONS


@every_version
def test_older_home_gets_the_schema_of_a_new_one(tmp_path: Path, version: int) -> None:
    """Every table, index and trigger is as in a home that was made today; so is the number in the header."""
    older, new = OlderHome(tmp_path / "older", version), tmp_path / "new"
    open_at(older.home).close()
    open_at(new).close()
    assert shape_of(older.home) == shape_of(new)
    assert version_of(older.path) == SCHEMA_VERSION


@every_version
def test_rows_of_the_log_stay_as_they_were(tmp_path: Path, version: int) -> None:
    """Not a byte of them changes; the one new row says from which version to which. The log is intact."""
    older = OlderHome(tmp_path / "older", version)
    open_at(older.home).close()
    assert rows_in(older.home)[: len(older.log)] == older.log
    assert events(older.home) == [
        {"kind": "schema_migrated", "from": version, "to": SCHEMA_VERSION, "copy": copies(older.home)[0]}
    ]
    assert verify(older.home).findings == ()
    open_at(older.home).close()
    assert len(events(older.home)) == 1


@every_version
def test_what_the_older_guardian_knew_is_still_known(tmp_path: Path, version: int) -> None:
    """The halt, the budgets, the orders, what was bought, proposals, the last policy, acts and passkeys."""
    older = OlderHome(tmp_path / "older", version)
    world = World(older.home)
    world.clock_ms = MADE_MS + 60_000
    world.attempt(lambda tx: check_kept(tx, version, world))
    world.store.close()


def check_kept(tx: Transaction, version: int, world: World) -> None:
    status = tx.trading.status()
    assert (status.state, status.reason, status.by) == (TradingState.HALTED, REASON, "owner")
    filled, unknown = tx.orders.newest(SCOPE)
    assert (filled.state, filled.notional, filled.executed_quantity) == (
        OrderState.FILLED, Decimal(100), Decimal("0.002"))  # fmt: skip
    assert (unknown.state, unknown.remaining) == (OrderState.UNKNOWN, Decimal("0.002"))
    assert [row.client_order_id for row in tx.orders.unresolved(SCOPE)] == [unknown.client_order_id]
    assert filled.fee_quantity == (0 if version == 1 else Decimal("0.002"))
    assert tx.ledger.positions(SCOPE) == {"BTC": Decimal("0.001998"), "USDT": Decimal("-99.5")}
    assert tx.ledger.traded(SCOPE, 10**9)[0].last_price == Decimal(49750)
    proposal = present(tx.proposals.get("p1"))
    assert proposal.is_outstanding(tx.now_ms) == (version >= 4)
    usage = tx.usage.status(SCOPE, world.limits, "USDT")
    assert set(usage.entered.values()) == {Decimal(200)}
    assert (usage.open_orders, usage.unresolved) == (1, 1)
    assert present(tx.policies.last()).text == "schema = 1"
    assert tx.acts.newest_seq(SCOPE) == 1
    assert [passkey.name for passkey in tx.approvers.passkeys()] == (["phone"] if version >= 5 else [])


def test_home_whose_orders_are_kept_under_keys_halts(tmp_path: Path) -> None:
    """Up to version 2 an account was named after its key: its orders count in no budget any more, so trading halts."""
    older = OlderHome(tmp_path / "older", 2)
    with closing(sqlite3.connect(older.path)) as connection:
        connection.execute("UPDATE control SET state = 'active', reason = NULL")
        connection.commit()
    store = open_at(older.home)
    with store.transaction() as tx:
        status = tx.trading.status()
    store.close()
    assert status.state is TradingState.HALTED
    assert "kept under the key" in present(status.reason)


def test_copy_is_the_home_as_it_was_and_stays_until_the_next_migration(tmp_path: Path) -> None:
    """The copy is whole, of the older version and for the owner alone; that of an earlier migration is removed."""
    older = OlderHome(tmp_path / "older", 4)
    before = older.home / f"{DATABASE_NAME}.v3-20200101T000000Z"
    before.touch(mode=0o600)
    open_at(older.home).close()
    (name,) = copies(older.home)
    copy = older.home / name
    assert name == f"{DATABASE_NAME}.v4-20270115T080000Z"
    assert copy.stat().st_mode & 0o077 == 0
    assert version_of(copy) == 4
    with closing(sqlite3.connect(copy)) as connection:
        assert log_of(connection) == older.log
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    "what",
    [
        "CREATE TRIGGER mine AFTER INSERT ON orders BEGIN SELECT 1; END",
        "CREATE INDEX mine ON acts (ts_ms)",
        "DROP TRIGGER audit_no_update",
        "ALTER TABLE orders ADD COLUMN more TEXT",
    ],
)
def test_home_that_is_not_as_a_guardian_made_it_is_left_alone(tmp_path: Path, what: str) -> None:
    """A foreign trigger, a missing interlock or another column: none is carried over, or repaired in silence."""
    older = OlderHome(tmp_path / "older", 5)
    with closing(sqlite3.connect(older.path)) as connection:
        connection.execute(what)
        connection.commit()
    with pytest.raises(StoreCorrupt, match="not those that a guardian of version 5"):
        open_at(older.home)
    assert version_of(older.path) == 5
    assert rows_in(older.home) == older.log


def test_log_that_is_called_older_than_its_rows_is_not_migrated(tmp_path: Path) -> None:
    """Its tables would be said anew, with whatever was edited in them."""
    older = OlderHome(tmp_path / "older", 5)
    with closing(sqlite3.connect(older.path, isolation_level=None)) as connection:
        older.append(connection, Record(phase=Phase.STATE, body={"tables": {}}))
    with pytest.raises(StoreCorrupt, match="its log has rows that only later ones write"):
        open_at(older.home)
    assert version_of(older.path) == 5
    assert copies(older.home) == []


def test_home_that_a_running_guardian_has_open_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older guardian would go on writing in its own words; once it has ended the home is opened."""
    monkeypatch.setattr(migrating, "ALONE_TIMEOUT_S", 0.2)
    older = OlderHome(tmp_path / "older", 5)
    with closing(sqlite3.connect(older.path)) as running:
        running.execute("SELECT * FROM control").fetchall()
        with pytest.raises(StoreUnavailable, match="one that still runs has it open") as refused:
            open_at(older.home)
        assert "end every guardian" in present(refused.value.hint)
        assert running.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert version_of(older.path) == 5
    assert copies(older.home) == []
    open_at(older.home).close()
    assert version_of(older.path) == SCHEMA_VERSION


def test_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, at the last moment too: the home is as it was, without a copy, and is opened the next time."""

    def fail(migration: Migration) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    older = OlderHome(tmp_path / "older", 1)
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "ENDINGS", (*version_steps.ENDINGS, fail))
        with pytest.raises(StoreUnavailable):
            open_at(older.home)
    assert (version_of(older.path), rows_in(older.home), copies(older.home)) == (1, older.log, [])
    open_at(older.home).close()
    assert len(events(older.home)) == 1


@pytest.mark.parametrize("step", [("ALTER TABLE audit ADD COLUMN more TEXT",), ("CREATE TABLE more (id INTEGER)",)])
def test_step_that_does_not_lead_to_the_definitions_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[str, ...]
) -> None:
    """A mistake in a step is refused, and the owner keeps the guardian that wrote the home."""
    before = STEPS[5]
    assert isinstance(before, tuple)
    monkeypatch.setattr(migrating, "STEPS", {**STEPS, 5: (*before, *step)})
    older = OlderHome(tmp_path / "older", 5)
    with pytest.raises(StoreUnavailable, match="cannot be brought up to date"):
        open_at(older.home)
    assert (version_of(older.path), copies(older.home)) == (5, [])


def test_rows_that_a_checkpoint_knows_and_the_older_log_lost_are_still_missed(tmp_path: Path) -> None:
    """The row of the migration does not take the place of a lost one: the gap is seen, and trading halts."""
    older = OlderHome(tmp_path / "older", 4)
    lost = Checkpoint(seq=len(older.log) + 2, digest="ab" * 32)
    (older.home / CHECKPOINT_NAME).write_text(lost.line)
    (older.home / CHECKPOINT_NAME).chmod(0o600)
    store = open_at(older.home)
    with store.transaction() as tx:
        assert "chain of the log is broken" in present(tx.trading.status().reason)
    store.close()
    assert [(finding.kind, finding.is_reported) for finding in verify(older.home).findings] == [(FindingKind.GAP, True)]


def test_kill_between_any_two_statements_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill would leave is taken before each statement: the older home, or after the commit the newer one.

    Opened again, each has the log as it was and one row of one migration.
    """
    older = OlderHome(tmp_path / "older", 1)
    taken: list[Path] = []
    connect = opening._connect

    def take(statement: str) -> None:
        left = tmp_path / f"left-{len(taken)}"
        left.mkdir(mode=0o700)
        for path in older.home.iterdir():
            if not path.name.endswith("-shm"):  # it is memory that processes share, and is made new
                shutil.copy2(path, left / path.name)
        taken.append(left)

    def traced(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(take)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(opening, "_connect", traced)
        open_at(older.home).close()
    versions = [version_of(shutil.copytree(left, left / "looked-at") / DATABASE_NAME) for left in taken]
    assert versions == sorted(versions)
    assert set(versions) == {1, SCHEMA_VERSION}
    assert versions.count(1) > 60
    for left in taken:
        shutil.rmtree(left / "looked-at")
        open_at(left).close()
        assert rows_in(left)[: len(older.log)] == older.log
        assert len(events(left)) == 1
        assert verify(left).findings == ()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from guardian.store import opening
from guardian.store.database import Store
home, word = Path(sys.argv[1]), sys.argv[2]
connect = opening._connect
def traced(path):
    connection = connect(path)
    connection.set_trace_callback(lambda sql: sql.startswith(word) and os.kill(os.getpid(), signal.SIGKILL))
    return connection
opening._connect = traced
Store.open(home, SimpleNamespace(now_ms=lambda: 1800000000000, monotonic=time.monotonic))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signal")
@pytest.mark.parametrize("word", ["DROP TABLE older_orders", "INSERT INTO audit", "COMMIT"])
def test_killed_migration_changed_nothing(tmp_path: Path, word: str) -> None:
    """As above, by a real kill: the home is of the older version, and the next guardian opens it."""
    older = OlderHome(tmp_path / "older", 4)
    done = prefork.run([sys.executable, "-c", KILLED, str(older.home), word], stderr=subprocess.PIPE)
    assert done.returncode == -signal.SIGKILL
    assert (version_of(older.path), rows_in(older.home)) == (4, older.log)
    open_at(older.home).close()
    assert verify(older.home).findings == ()
    assert len(events(older.home)) == 1


def test_older_home_is_not_read_before_it_is_brought_up_to_date(tmp_path: Path) -> None:
    """What only reads changes nothing, and says which command does. A newer one's is not read either."""
    older = OlderHome(tmp_path / "older", 5)
    with pytest.raises(StoreUnavailable, match="older guardian") as refused, read_only(older.path):
        pass
    assert "`guardian status`" in present(refused.value.hint)
    with closing(sqlite3.connect(older.path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnavailable, match="newer guardian"), read_only(older.path):
        pass


def test_home_of_a_newer_guardian_is_refused(world: World) -> None:
    """It is not touched, and the message names both versions."""
    world.store.close()
    with closing(sqlite3.connect(world.home / DATABASE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnavailable, match=f"newer guardian .version {SCHEMA_VERSION + 1} of its tables"):
        world.open()
    assert copies(world.home) == []
