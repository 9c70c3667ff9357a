"""A broken chain halts trading: found at the begin of each transaction and at each start, reported once, in the log."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.trading import TradingState
from guardian.errors import StoreCorrupt
from guardian.store.emergency import EmergencyFile
from guardian.store.log.checkpoint import keep_checkpoint, read_checkpoint
from guardian.store.log.encoding import digest_of
from guardian.store.log.verify import TAIL, verify
from guardian.store.log_findings import BROKEN_CHAIN, CHAIN_IS_BROKEN, FindingKind
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.schema.records import Checkpoint, Phase, Record, TradingStatus
from tests.store.support.store_world import World
from tests.support.present import present
from tests.support.tamper import tamper


@pytest.fixture
def log(world: World) -> World:
    """An open store with twelve rows, two orders with the rows of their tables among them."""
    fill(world, 6)
    world.place()
    world.place(spec=world.spec(price="1"))
    fill(world, 2)
    return world


def fill(world: World, rows: int = 1) -> None:
    for _ in range(rows):
        world.calls += 1
        with world.store.transaction() as tx:
            tx.audit.append(
                Record(phase=Phase.CALL, call_id=f"c{world.calls}", tool="get_ticker", body={"n": world.calls})
            )


def trading(world: World) -> TradingStatus:
    return world.attempt(lambda tx: tx.trading.status())


def resume(world: World) -> None:
    """What `guardian resume` does: a start, and then the owner's yes."""
    world.reopen()
    world.attempt(lambda tx: tx.trading.set(TradingState.ACTIVE, reason="resumed by the owner", by="owner"))


def told(world: World) -> list[dict[str, Any]]:
    """The bodies of the rows that tell of a broken chain."""
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        rows = connection.execute("SELECT body FROM audit WHERE phase = 'event' ORDER BY seq").fetchall()
    bodies = [json.loads(body).get("data", {}) for (body,) in rows]
    return [body for body in bodies if body.get("cause") == BROKEN_CHAIN]


def is_halted_for(world: World, *words: str) -> bool:
    """Trading is halted, and the reason and the one row of the log have these words."""
    found = trading(world)
    (row,) = told(world)
    assert (found.state, found.by) == (TradingState.HALTED, "guardian")
    assert (row["kind"], row["by"], row["reason"]) == ("halted", "guardian", found.reason)
    assert present(found.reason).startswith(CHAIN_IS_BROKEN)
    assert "`guardian audit verify`" in present(found.reason)
    for word in words:
        assert word in present(found.reason)
    return True


def cut(world: World, seq: int) -> None:
    tamper(world, f"DELETE FROM orders WHERE intent_seq > {seq}", f"DELETE FROM audit WHERE seq > {seq}")


def change_body(world: World, seq: int) -> None:
    tamper(world, f"UPDATE audit SET body = CAST('{{}}' AS BLOB) WHERE seq = {seq}")


def rewrite(world: World, seq: int) -> None:
    """Make a row again, with a digest that fits its new body."""
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        (prev_hash,) = connection.execute("SELECT prev_hash FROM audit WHERE seq = ?", (seq,)).fetchone()
    digest = digest_of(prev_hash, seq, b"{}")
    tamper(world, ("UPDATE audit SET body = ?, digest = ? WHERE seq = ?", (b"{}", digest, seq)))


def write_beside(
    world: World, body: bytes = b"{}", prev_hash: bytes | None = None, digest: bytes | None = None
) -> None:
    """Append a row past guardian: chained, unless something else is said."""
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        seq, last = connection.execute("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    prev_hash = last if prev_hash is None else prev_hash
    digest = digest_of(prev_hash, seq + 1, body) if digest is None else digest
    values = (seq + 1, prev_hash, digest, body)
    tamper(
        world,
        ("INSERT INTO audit (seq, prev_hash, digest, phase, ts_ms, body) VALUES (?, ?, ?, 'event', 0, ?)", values),
    )


# -- while a process runs


def test_row_that_was_cut_off_halts_the_next_transaction(log: World) -> None:
    """The last row that this process knows is gone: whatever is done next, trading is halted before it."""
    cut(log, 10)
    fill(log)
    assert is_halted_for(log, "row 12 is gone", "budgets")


def test_row_that_was_rewritten_halts_the_next_transaction(log: World) -> None:
    """The last row that this process knows has another digest."""
    rewrite(log, 12)
    assert is_halted_for(log, "row 12 is not the one that was written")


def test_rows_after_a_rewritten_one_do_not_hide_it(log: World) -> None:
    """Others appended meanwhile: the row that this process knows is looked at all the same."""
    rewrite(log, 12)
    write_beside(log)
    assert is_halted_for(log, "row 12 is not the one")


@pytest.mark.parametrize(
    "wrong", [{"digest": b"\1" * 32}, {"prev_hash": b"\1" * 32}, {"digest": "text"}, {"digest": 7}]
)
def test_newest_row_of_another_process_is_held_against_its_digest(log: World, wrong: dict[str, Any]) -> None:
    """A row that somebody wrote past guardian, without the right digest or not behind the last row."""
    write_beside(log, **wrong)
    assert is_halted_for(log, "row 13")


def test_older_copy_in_the_place_of_the_log_halts(log: World, tmp_path: Path) -> None:
    """A backup that is put back while guardian runs, through SQLite, lacks rows that this process wrote."""
    with (
        closing(sqlite3.connect(log.home / "guardian.db")) as live,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        live.backup(copy)
    fill(log, 3)
    with (
        closing(sqlite3.connect(log.home / "guardian.db")) as live,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        copy.backup(live)
    assert is_halted_for(log, "row 15 is gone")


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced there")
def test_file_that_lacks_rows_in_the_place_of_the_log_is_called_damaged(log: World, tmp_path: Path) -> None:
    """Moved over the log through the file system while guardian runs: nothing is written to either of the two."""
    with (
        closing(sqlite3.connect(log.home / "guardian.db")) as live,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        live.backup(copy)
    fill(log, 3)
    for name in ("guardian.db-wal", "guardian.db-shm"):
        (log.home / name).unlink()
    (tmp_path / "copy").replace(log.home / "guardian.db")
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="replaced while guardian runs, by one without row 15"):
            fill(log)
    assert verify(log.home).last_seq == 12


def test_caller_goes_on_in_a_halted_log(log: World) -> None:
    """The transaction that found it is not lost: reads and cancels are written down as ever, and see the halt."""
    cut(log, 10)
    with log.store.transaction() as tx:
        assert tx.trading.status().state is TradingState.HALTED
        tx.audit.append(Record(phase=Phase.CALL, call_id="after", tool="cancel_order"))
    assert verify(log.home).last_seq == 15


def test_halt_is_kept_where_the_caller_fails(log: World) -> None:
    """It is committed before the caller's own transaction begins."""
    cut(log, 10)
    with pytest.raises(ZeroDivisionError), log.store.transaction():
        raise ZeroDivisionError
    assert is_halted_for(log, "row 12")


def test_rows_that_are_gone_keep_their_numbers(log: World) -> None:
    """The log continues after the last row that was known and names its digest: the gap is seen for good."""
    kept = log.store.head()
    cut(log, 10)
    fill(log)
    found = {(finding.kind, finding.seq) for finding in verify(log.home).findings}
    assert found == {(FindingKind.GAP, 13)}
    with closing(sqlite3.connect(log.home / "guardian.db")) as connection:
        (prev_hash,) = connection.execute("SELECT prev_hash FROM audit WHERE seq = 13").fetchone()
    assert prev_hash.hex() == present(kept).digest


def test_second_process_tells_nothing_that_was_told(log: World) -> None:
    """Each process finds the same damage; there is one row, and one halt."""
    other = log.open()
    cut(log, 10)
    fill(log)
    with other.transaction() as tx:
        assert tx.trading.status().state is TradingState.HALTED
    other.close()
    assert is_halted_for(log, "row 12")


def test_break_that_cannot_be_written_is_an_error_each_time(log: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the halt cannot be committed nothing is done in that log; once it can be, it is."""
    cut(log, 10)

    def fail(self: object) -> None:
        error = sqlite3.OperationalError("full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("guardian.store.opening.OpenFile.commit", fail)
        for _ in range(2):
            with pytest.raises(StoreCorrupt, match=r"row 12 is gone.*the disk is full"):
                fill(log)
    assert told(log) == []
    fill(log)
    assert is_halted_for(log, "row 12 is gone")


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE audit SET seq = {2**63 - 1} WHERE seq = 12",
        "UPDATE audit SET seq = -seq",
    ],
)
def test_numbers_that_nothing_can_go_on_from_are_a_damage(log: World, statement: str) -> None:
    """There is no row to append then: whoever needs the log is refused, in guardian's own words."""
    tamper(log, statement)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="numbers that guardian did not write"):
            fill(log)
    log.store.close()
    log.store = log.open()  # a start is not refused: each call is, but a cancel
    with pytest.raises(StoreCorrupt):
        fill(log)
    assert not verify(log.home).is_intact or "window" in statement


def test_row_that_tells_of_damage_and_was_changed_itself_does_not_wedge_the_log(log: World) -> None:
    """What was acknowledged is forgotten with it: it is reported again, and the owner can resume again."""
    change_body(log, 4)
    resume(log)
    fill(log, TAIL)
    tamper(log, "UPDATE audit SET body = CAST('{}' AS BLOB) WHERE key LIKE 'broken_chain:%'")
    keep_checkpoint(log.home, Checkpoint(seq=10**17, digest="a" * 64))
    for _ in range(2):
        log.reopen()
        assert trading(log).state is TradingState.HALTED
        tamper(log, "UPDATE audit SET body = CAST('{}' AS BLOB) WHERE key LIKE 'broken_chain:%'")
    resume(log)
    log.reopen()
    assert trading(log).state is TradingState.ACTIVE


# -- at the start


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET body = CAST('{}' AS BLOB) WHERE seq = 4", "row 4 was changed"),
        ("UPDATE audit SET tool = 'get_balance' WHERE seq = 4", "`tool` was changed"),
        ("UPDATE audit SET digest = zeroblob(31) || x'01' WHERE seq = 12", "row 12"),
        ("UPDATE audit SET digest = 'text' WHERE seq = 12", "row 12"),
        ("DELETE FROM audit WHERE seq = 5", "row 5 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE seq = 12", "row 12 of the checkpoint"),
        ("DELETE FROM audit", "row 12 of the checkpoint"),
    ],
)
def test_damage_is_found_at_the_start_survives_restarts_and_is_told_once(
    log: World, statement: str, words: str
) -> None:
    """Halted at the start and at every later one; the owner resumes, and the same damage does not undo that."""
    log.store.close()
    tamper(log, statement)
    log.store = log.open()
    assert is_halted_for(log, words)
    for _ in range(3):
        log.reopen()
        assert is_halted_for(log, words)
    resume(log)
    for _ in range(3):
        log.reopen()
        fill(log)
        assert trading(log).state is TradingState.ACTIVE
    assert len(told(log)) == 1
    assert not verify(log.home).is_intact


def test_damage_after_a_resume_halts_again(log: World) -> None:
    """What was acknowledged is that damage, not every one."""
    change_body(log, 4)
    resume(log)
    change_body(log, 5)
    log.reopen()
    assert trading(log).state is TradingState.HALTED
    assert "row 5 was changed" in present(trading(log).reason)
    tamper(log, "UPDATE audit SET body = CAST('[]' AS BLOB) WHERE seq = 4")
    resume(log)
    log.reopen()
    assert trading(log).state is TradingState.ACTIVE
    assert len(told(log)) == 3


def test_older_copy_of_the_log_halts_at_the_start(log: World, tmp_path: Path) -> None:
    """A backup that is older than the checkpoint brings spent budgets back: no order before the owner knows."""
    log.store.close()
    shutil.copyfile(log.home / "guardian.db", tmp_path / "copy")
    log.store = log.open()
    fill(log, 3)
    log.store.close()
    shutil.copyfile(tmp_path / "copy", log.home / "guardian.db")
    log.store = log.open()
    assert is_halted_for(log, "row 15 of the checkpoint", "spent budgets")
    assert present(read_checkpoint(log.home)).seq == 17
    resume(log)
    log.reopen()
    assert trading(log).state is TradingState.ACTIVE


def test_damage_that_one_process_saw_and_another_sees_at_its_start_is_resumed_once(log: World) -> None:
    """The same damage looks different to the checkpoint, to a process that runs, and to the tail of the log."""
    rewrite(log, 12)
    fill(log)
    assert trading(log).state is TradingState.HALTED
    resume(log)
    for _ in range(2):
        log.reopen()
        assert trading(log).state is TradingState.ACTIVE


def test_break_is_added_to_the_reason_of_another_halt(log: World) -> None:
    """Nobody resumes after lunch without knowing of it; the row says that trading was halted already."""
    log.attempt(lambda tx: tx.trading.set(TradingState.HALTED, reason="lunch", by="owner"))
    change_body(log, 4)
    log.reopen()
    found = trading(log)
    assert (found.by, present(found.reason).startswith(f"lunch; {CHAIN_IS_BROKEN}: row 4")) == ("owner", True)
    assert [row["kind"] for row in told(log)] == [BROKEN_CHAIN]


def test_damage_before_the_tail_is_left_to_verify(world: World) -> None:
    """The start stays quick: it looks at the last rows alone."""
    fill(world, TAIL + 8)
    change_body(world, 4)
    world.reopen()
    assert trading(world).state is TradingState.ACTIVE
    change_body(world, 20)
    world.reopen()
    assert "row 20 was changed" in present(trading(world).reason)


def test_checkpoint_that_says_far_too_much_halts_and_moves_nothing(log: World) -> None:
    """A number that no log has is reported and not continued after."""
    log.store.close()
    (log.home / CHECKPOINT_NAME).unlink()
    assert keep_checkpoint(log.home, Checkpoint(seq=10**17, digest="a" * 64))
    log.store = log.open()
    assert is_halted_for(log, f"row {10**17} of the checkpoint")
    assert verify(log.home).last_seq == 14
    resume(log)
    log.reopen()
    assert trading(log).state is TradingState.ACTIVE


def test_undamaged_log_never_halts(log: World) -> None:
    """Two stores that write in turn, restarts, failures and rolled-back transactions break no chain."""
    other = log.open()
    for number in range(6):
        fill(log, number % 3)
        with other.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, body={"n": number}))
        with pytest.raises(ZeroDivisionError):
            log.attempt(lambda tx: tx.audit.append(Record(phase=Phase.EVENT)).seq / 0)
        if number % 2:
            log.reopen()
    other.close()
    assert told(log) == []
    assert trading(log).state is TradingState.ACTIVE
    assert verify(log.home).is_intact


# -- by way of the emergency file


def test_record_of_a_broken_chain_goes_on_halting_once_it_is_imported(log: World, tmp_path: Path) -> None:
    """What the log could not take is a halt with its reason afterwards too, once for each record."""
    emergency = EmergencyFile(log.home, second=tmp_path / "state")
    assert emergency.append({"kind": BROKEN_CHAIN, "reason": f"{CHAIN_IS_BROKEN}: `guardian.db` is damaged"})
    assert emergency.import_into(log.store) == 1
    assert is_halted_for(log, "`guardian.db` is damaged")
    assert emergency.is_empty()
    resume(log)
    log.reopen()
    assert trading(log).state is TradingState.ACTIVE
