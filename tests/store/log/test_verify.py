"""Verifying: each attack on the log by its name, and no alarm without one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from guardian.domain.order_states import OrderState
from guardian.errors import StoreUnavailable
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.encoding import digest_of
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.schema.parts import known_parts
from guardian.store.schema.records import Checkpoint, Phase, Record
from tests.store.support.store_world import World
from tests.support import prefork
from tests.support.present import present
from tests.support.tamper import tamper


@pytest.fixture
def log(world: World) -> World:
    """A closed store with 14 rows, two orders with theirs among them; the world, its store closed."""
    for number in range(8):
        with world.store.transaction() as tx:
            tx.audit.append(
                Record(phase=Phase.CALL, call_id=f"c{number}", tool="get_ticker", symbol="BTCUSDT", body={"n": number})
            )
    world.place()
    world.place(spec=world.spec(price="1"))
    for number in range(2):
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.OUTCOME, call_id=f"c{number}", tool="get_ticker", outcome="denied"))
    world.store.close()
    return world


def found(world: World, checkpoint: Checkpoint | None = None) -> set[tuple[FindingKind, int | None]]:
    return {(finding.kind, finding.seq) for finding in verify(world.home, checkpoint).findings}


def kinds(world: World, checkpoint: Checkpoint | None = None) -> set[FindingKind]:
    return {finding.kind for finding in verify(world.home, checkpoint).findings}


def head(world: World) -> Checkpoint:
    report = verify(world.home)
    return Checkpoint(seq=report.last_seq, digest=present(report.head))


def test_log_that_nobody_touched_is_intact(log: World) -> None:
    """Nothing is found, every row was looked at, and the checkpoint holds."""
    report = verify(log.home)
    assert report.is_intact
    assert (report.rows, report.last_seq, report.unanchored) == (14, 14, 0)
    assert [(a.source, a.seq, a.holds) for a in report.anchors] == [(CHECKPOINT_NAME, 14, True)]


def test_changed_body_is_found(log: World) -> None:
    """CONTENT: one byte of a body."""
    tamper(log, "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), '\"n\":3', '\"n\":9') AS BLOB) WHERE seq = 4")
    assert found(log) == {(FindingKind.CONTENT, 4)}


@pytest.mark.parametrize("column", ["tool", "symbol", "outcome", "environment", "account", "call_id"])
def test_changed_column_is_found(log: World, column: str) -> None:
    """COLUMN: a column that says something else than the body, which the chain alone does not see."""
    tamper(log, f"UPDATE audit SET {column} = 'done' WHERE seq = 3")
    assert found(log) == {(FindingKind.COLUMN, 3)}


def test_changed_time_is_found(log: World) -> None:
    """COLUMN: the time of a row too."""
    tamper(log, "UPDATE audit SET ts_ms = ts_ms + 1 WHERE seq = 3")
    assert found(log) == {(FindingKind.COLUMN, 3)}


def test_changed_phase_is_found(log: World) -> None:
    """COLUMN: a row cannot be made into another kind of row."""
    tamper(log, "UPDATE audit SET phase = 'event' WHERE seq = 3")
    assert (FindingKind.COLUMN, 3) in found(log)


def test_deleted_middle_row_is_found(log: World) -> None:
    """GAP: a row is missing."""
    tamper(log, "DELETE FROM audit WHERE seq = 5")
    assert found(log) == {(FindingKind.GAP, 6)}


def test_deleted_first_rows_are_found(log: World) -> None:
    """GAP: the log begins with row 1."""
    tamper(log, "DELETE FROM audit WHERE seq <= 2")
    assert found(log) == {(FindingKind.GAP, 3)}


def test_deleted_row_with_renumbering_is_found(log: World) -> None:
    """CONTENT and CHAIN: closing the gap breaks the digests, which contain the numbers."""
    tamper(log, "DELETE FROM audit WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 12")
    assert {FindingKind.CONTENT, FindingKind.CHAIN} <= kinds(log)


def test_swapped_rows_are_found(log: World) -> None:
    """CONTENT or CHAIN: the order of the rows is part of the chain."""
    tamper(
        log,
        "UPDATE audit SET seq = 99 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    )
    assert kinds(log) & {FindingKind.CONTENT, FindingKind.CHAIN}


def test_row_that_was_made_anew_is_found(log: World) -> None:
    """CHAIN: a changed body with a digest that fits it does not fit the next row."""
    row = _row(log, 4)
    body = row["body"].replace(b'"n":3', b'"n":9')
    tamper(log, ("UPDATE audit SET body = ?, digest = ? WHERE seq = 4", (body, digest_of(row["prev_hash"], 4, body))))
    assert (FindingKind.CHAIN, 5) in found(log)


def test_chain_that_was_made_anew_is_found_by_a_checkpoint(log: World) -> None:
    """REWRITTEN: whoever makes every later row again leaves a log that nothing but the checkpoint shows to be false."""
    kept = head(log)
    (log.home / CHECKPOINT_NAME).unlink()
    rewrite_from(log, 4)
    assert verify(log.home).is_intact is False  # the orders' intents have other ids now
    assert FindingKind.REWRITTEN in kinds(log, kept)


def test_cut_tail_is_found_by_a_checkpoint(log: World) -> None:
    """TRUNCATED: against the checkpoint beside the database, and against one kept elsewhere."""
    kept = head(log)
    tamper(log, "DELETE FROM audit WHERE seq > 12")
    assert found(log) == {(FindingKind.TRUNCATED, 12)}
    (log.home / CHECKPOINT_NAME).unlink()
    assert verify(log.home).is_intact
    assert found(log, kept) == {(FindingKind.TRUNCATED, 12)}


def test_database_that_is_gone_is_found_by_a_checkpoint(log: World) -> None:
    """TRUNCATED: nothing is left of the log, but the checkpoint knows of it."""
    (log.home / "guardian.db").unlink()
    assert kinds(log) == {FindingKind.TRUNCATED}


def test_folder_that_was_rolled_back_is_found_by_a_checkpoint_kept_elsewhere(log: World, tmp_path: Path) -> None:
    """TRUNCATED: restoring the whole folder takes its own checkpoint back too, not the one kept elsewhere."""
    shutil.copytree(log.home, tmp_path / "backup")
    log.store = log.open()
    log.place(spec=log.spec(price="2"))
    log.store.close()
    kept = head(log)
    shutil.rmtree(log.home)
    shutil.copytree(tmp_path / "backup", log.home)
    assert verify(log.home).is_intact
    assert kinds(log, kept) == {FindingKind.TRUNCATED}


def test_order_without_its_intent_is_found(log: World) -> None:
    """ORDER: an order that no row of the log speaks of."""
    tamper(log, "UPDATE orders SET client_order_id = 'g1-" + "0" * 32 + "' WHERE intent_seq = 9")
    assert FindingKind.ORDER in kinds(log)


def test_intent_without_its_order_is_found(log: World) -> None:
    """ORDER: an order that was taken out of the windows."""
    tamper(log, "DELETE FROM orders WHERE intent_seq = 9")
    assert found(log) == {(FindingKind.ORDER, 9), (FindingKind.STATE, 10)}


@pytest.fixture
def traded(log: World) -> World:
    """The log after its first order bought 0.002 BTC for 100 USDT."""
    log.store = log.open()
    with log.store.transaction() as tx:
        name = tx.orders.newest(log.scope)[0].client_order_id
        tx.orders.move(name, OrderState.FILLED, report=log.report(executed="0.002", quote="100"))
    log.store.close()
    return log


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE flows SET change = '5' WHERE asset = 'BTC'",
        "UPDATE flows SET change = 'much' WHERE asset = 'BTC'",
        "DELETE FROM flows WHERE asset = 'BTC'",
        (
            "INSERT INTO flows SELECT id + 9, environment, account, symbol, client_order_id, "
            "ts_ms, clock_ms, kind, asset, change FROM flows"
        ),
        "UPDATE holdings SET quantity = '5' WHERE asset = 'BTC'",
        "UPDATE holdings SET quantity = '5' WHERE asset = 'USDT'",
        "DELETE FROM holdings WHERE asset = 'BTC'",
        "UPDATE orders SET executed_quantity = '0.001' WHERE intent_seq = 9",
    ],
)
def test_ledger_that_does_not_add_up_is_found(traded: World, statement: str) -> None:
    """LEDGER: what could be sold as an exit, or was lost in a day, was made more or less than it is."""
    assert verify(traded.home).is_intact
    tamper(traded, statement)
    is_no_amount = {FindingKind.CELL} if "'much'" in statement else set()
    assert kinds(traded) == {FindingKind.LEDGER, FindingKind.STATE} | is_no_amount


def test_removed_trigger_is_found(log: World) -> None:
    """SCHEMA: what keeps the log append-only was taken away."""
    tamper(log, triggers=False)
    assert kinds(log) == {FindingKind.SCHEMA}


@pytest.mark.parametrize(("kind", "name"), sorted(part for part in known_parts() if part[0] != "table"))
def test_each_trigger_and_index_of_the_schema_is_missed_when_it_is_removed(log: World, kind: str, name: str) -> None:
    """Those of proposals, accounts and redemptions too."""
    with closing(sqlite3.connect(log.home / "guardian.db")) as connection:
        connection.execute(f"DROP {kind} {name}")
    assert [finding.message for finding in verify(log.home).findings] == [f"the {kind} `{name}` was removed"]


def test_damaged_index_is_found(log: World) -> None:
    """DAMAGED: a zeroed index page leaves the chain whole; SQLite's own check sees it."""
    with closing(sqlite3.connect(log.home / "guardian.db")) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_tool'"
        page = connection.execute(sql).fetchone()[0]
    path = log.home / "guardian.db"
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = bytes(4096)
    path.write_bytes(content)
    assert kinds(log) == {FindingKind.DAMAGED}


@pytest.mark.parametrize("content", [b"", b"x", b"garbage" * 1000])
def test_file_that_is_no_log_is_not_called_intact(log: World, content: bytes) -> None:
    """What is not a database, or an empty one, is damage and not an empty log."""
    (log.home / "guardian.db").write_bytes(content)
    assert not verify(log.home).is_intact


def test_missing_log_says_nothing_about_the_log(tmp_path: Path) -> None:
    """Without database and checkpoint there is nothing to verify: that is not `intact`."""
    with pytest.raises(StoreUnavailable):
        verify(tmp_path)


def test_empty_log_is_intact(world: World) -> None:
    """A store in which nothing has happened yet."""
    report = verify(world.home)
    assert report.is_intact
    assert report.rows == 0


def test_copy_of_the_database_is_verified_by_its_path(log: World, tmp_path: Path) -> None:
    """A backup need not lie in a home."""
    shutil.copyfile(log.home / "guardian.db", tmp_path / "copy.db")
    report = verify(tmp_path / "copy.db", read_checkpoint(log.home))
    assert report.is_intact
    assert report.rows == 14


WRITER = """
import sys, time
from pathlib import Path
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.database import Store
from guardian.store.schema.records import Phase, Record
from guardian.system.clock import SYSTEM_CLOCK
home = Path(sys.argv[1])
store = Store.open(home, SYSTEM_CLOCK)
print("ready", flush=True)
while True:
    with store.transaction() as tx:
        tx.audit.append(Record(phase=Phase.EVENT, body={"text": "x" * 200}))
    write_checkpoint(home, store)
"""


def test_verifying_while_others_write_gives_no_false_alarm(world: World) -> None:
    """Two processes append and move the checkpoint on while a third verifies, again and again."""
    writers = [
        prefork.popen([sys.executable, "-c", WRITER, str(world.home)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert present(writer.stdout).readline() == "ready\n"
        rows = []
        for _ in range(25):
            report = verify(world.home)
            assert report.findings == ()
            rows.append(report.rows)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait(timeout=10)
            present(writer.stdout).close()
    assert rows[-1] > rows[0]
    assert verify(world.home).is_intact


def _row(world: World, seq: int) -> dict[str, Any]:
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM audit WHERE seq = ?", (seq,)).fetchone())


def rewrite_from(world: World, first: int) -> None:
    """Change the body of a row and make it and all later rows again, as a chain that holds."""
    previous = _row(world, first - 1)["digest"]
    statements = []
    for seq in range(first, 15):
        body = _row(world, seq)["body"]
        if seq == first:
            body = json.dumps({**json.loads(body), "data": {"n": 99}}, sort_keys=True, separators=(",", ":")).encode()
        framed = b"guardian/audit/entry/v1\0" + previous + seq.to_bytes(8, "big") + len(body).to_bytes(4, "big") + body
        digest = sha256(framed).digest()
        values = (previous, digest, body, seq)
        statements.append(("UPDATE audit SET prev_hash = ?, digest = ?, body = ? WHERE seq = ?", values))
        previous = digest
    tamper(world, *statements)


def test_store_that_is_just_being_made_is_waited_for(tmp_path: Path) -> None:
    """Another process has made the file and not yet its tables: that is no damage."""
    path = tmp_path / "guardian.db"
    path.touch(mode=0o600)

    def make() -> None:
        time.sleep(0.2)
        World(tmp_path).store.close()

    maker = Thread(target=make)
    maker.start()
    try:
        assert verify(tmp_path).is_intact
    finally:
        maker.join()
