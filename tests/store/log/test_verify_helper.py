"""A second process for a long log: it changes nothing about what is found, whatever becomes of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from threading import Event, Thread

import pytest

from guardian.store.log import verify_helper
from guardian.store.log.read_only import BATCH
from guardian.store.log.verify import verify
from guardian.store.log.verify_helper import Helper
from guardian.store.log_findings import Report
from guardian.store.schema.records import Checkpoint, Phase, Record
from tests.store.support.store_world import World
from tests.support.tamper import tamper

ROWS = 60
PAUSE_S = 0.005
"""Between two writes of a writer: without it the log grows by as much as is verified, and each round takes longer."""


@pytest.fixture
def log(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A closed store with ROWS rows, enough for a helper, on a machine with two cores."""
    fill(world, ROWS)
    world.store.close()
    monkeypatch.setattr(verify_helper, "LEAST_ROWS", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return world


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the helpers of the test returned."""
    seen: list[object] = []
    result = Helper.result

    def remembered(self: Helper) -> object:
        seen.append(result(self))
        return seen[-1]

    monkeypatch.setattr(Helper, "result", remembered)
    return seen


def fill(world: World, rows: int) -> None:
    for number in range(rows):
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, tool="get_balance", body={"n": number}))


def alone(world: World, checkpoint: Checkpoint | None = None) -> Report:
    """The same without a helper."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)
        return verify(world.home, checkpoint)


def test_second_half_is_proven_by_the_helper(log: World, results: list[object]) -> None:
    """The report is the same, and this process has read the first half alone."""
    read: list[int] = []
    report = verify(log.home, progress=lambda done, total: read.append(done))
    assert report == alone(log)
    assert report.is_intact
    assert (report.rows, report.last_seq) == (ROWS, ROWS)
    assert [type(result).__name__ for result in results] == ["IntactRows"]
    assert read == [ROWS]  # thirty rows, counted for two


@pytest.mark.parametrize("seq", [1, 15, 30, 31, 45, 60])
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit SET tool = 'another' WHERE seq = {seq}",
        "UPDATE audit SET body = CAST('{{}}' AS BLOB) WHERE seq = {seq}",
        "UPDATE audit SET digest = 'text' WHERE seq = {seq}",
        "UPDATE audit SET ts_ms = 1.5 WHERE seq = {seq}",
        "DELETE FROM audit WHERE seq = {seq}",
        "UPDATE audit SET seq = -seq WHERE seq = {seq}",
        "UPDATE audit SET seq = seq + 1000 WHERE seq >= {seq}",
    ],
)
def test_damage_is_found_as_without_a_helper(log: World, damage: str, seq: int) -> None:
    """In either half, at its edges, in the first row and in the last."""
    tamper(log, damage.format(seq=seq))
    report = verify(log.home)
    assert not report.is_intact
    assert report == alone(log)


@pytest.mark.parametrize("seq", [1, 29, 30, 31, 59, 60, 61])
def test_checkpoint_is_held_against_either_half(log: World, seq: int) -> None:
    """A given checkpoint holds where its row is, whoever verified that row."""
    with closing(sqlite3.connect(log.home / "guardian.db")) as connection:
        found = connection.execute("SELECT digest FROM audit WHERE seq = ?", (seq,)).fetchone()
    right = Checkpoint(seq=seq, digest=bytes(32).hex() if found is None else found[0].hex())
    report = verify(log.home, right)
    assert report == alone(log, right)
    assert report.is_intact is (seq <= ROWS)
    wrong = Checkpoint(seq=seq, digest="ab" * 32)
    assert verify(log.home, wrong) == alone(log, wrong)


def test_helper_that_is_killed_costs_time_and_nothing_else(log: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that it did not prove are verified here."""

    def killed(self: Helper) -> None:
        self.process.kill()
        assert result(self) is None

    result = Helper.result
    monkeypatch.setattr(Helper, "result", killed)
    assert verify(log.home) == alone(log)


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{}", b'{"count": 1}', b"Traceback"])
def test_helper_that_says_something_else_has_proven_nothing(
    log: World, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it prints but one whole result counts as nothing."""
    monkeypatch.setattr(subprocess.Popen, "communicate", lambda self, *_: (line, None))
    assert verify(log.home) == alone(log)


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_machine_where_no_process_can_start_verifies_alone(
    log: World, executable: str, results: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a program that was frozen into one file."""
    monkeypatch.setattr(sys, "executable", executable)
    assert verify(log.home).is_intact
    assert results == []


def test_helper_has_ended_when_verifying_is_interrupted(log: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves no process behind."""
    started: list[Helper] = []
    start = verify_helper._started

    def remembered(*given: object) -> Helper | None:
        helper = start(*given)  # type: ignore[arg-type]  # whatever it was called with
        if helper is not None:
            started.append(helper)
        return helper

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify_helper, "_started", remembered)
    with pytest.raises(KeyboardInterrupt):
        verify(log.home, progress=interrupt)
    assert [helper.process.poll() is not None for helper in started] == [True]


def test_writers_cause_no_false_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rounds beside two writers, some with a helper: the log is intact each time, and the writers go on."""
    for reader in ("verify", "verify_helper"):
        monkeypatch.setattr(f"guardian.store.log.{reader}.BATCH", 25)  # also between two batches rows are added
    fill(world, 2 * 30)
    ended, written, beside = Event(), [0, 0], 0

    def write(writer: int) -> None:
        store = world.open()
        try:
            while not ended.is_set():
                with store.transaction() as tx:
                    tx.audit.append(Record(phase=Phase.EVENT, body={"writer": writer}))
                written[writer] += 1
                ended.wait(PAUSE_S)
        finally:
            store.close()

    threads = [Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(100):
            monkeypatch.setattr(verify_helper, "LEAST_ROWS", 10 if number % 25 == 24 else 10 * BATCH)
            before = sum(written)
            assert verify(world.home).findings == ()
            beside += sum(written) > before
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert min(written) > 0
    assert beside > 50  # most rounds had writes beside them
    assert verify(world.home).rows == 60 + sum(written)
