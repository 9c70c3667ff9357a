"""Any value in any cell of any table: every reader ends with what it shows or says, and none with an exception."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from guardian.cli.app import main
from guardian.domain.text.plain_data import to_plain
from guardian.errors import StoreError
from guardian.gate.reads.overview import Overview
from guardian.home.folder import HOME_VARIABLE
from guardian.home.opened import open_home
from guardian.store.emergency import EmergencyFile
from guardian.store.log.read_only import LogRow, read_only, row_to_show, rows_after
from guardian.store.log.verify import verify
from guardian.store.schema.any_text import AnyTextConnection
from guardian.store.schema.cells import strange_cells
from guardian.store.waiting_proposals import WaitingProposals
from guardian.system.clock import SYSTEM_CLOCK
from tests.faults.support.changed_home import ChangedHome, NotUtf8
from tests.support.profiles import PROFILE, tries

HOSTILE: Final[dict[str, Any]] = {
    "an integer": 5,
    "a blob": b"\x00\xff",
    "nothing": None,
    "the largest integer": 2**63 - 1,
    "below the smallest time": -(2**63),
    "bytes that are not UTF-8": NotUtf8(b"ab\xff\xfe"),
    "half a character": NotUtf8(b"\xed\xa0\x80"),
    "no number": "NaN",
    "a long text": "x" * 1_000_000,
    "a negative time": -5,
    "the year 10000": 253_402_300_800_000,
    "a real number": 1.5,
    "an infinite number": 9e999,
    "an empty text": "",
    "deep JSON": "[" * 900 + "]" * 900,
}
READS: Final = (
    ["audit", "list"],
    ["audit", "list", "--json"],
    ["audit", "show", "last"],
    ["audit", "verify", "--json"],
)
OPENS: Final = (
    *(["status"], ["approve"], ["halt"], ["status", "--json"], ["audit", "verify"]) * 3,
    ["position"],  # it asks the paper exchange, and takes as long as all the others
)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> ChangedHome:
    return ChangedHome.make(tmp_path_factory.mktemp("cells"))


def run(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    code = main(arguments)
    out, errors = capsys.readouterr()
    if "--json" in arguments and out:
        json.loads(out)
    return code, out + errors


def assert_answers(capsys: pytest.CaptureFixture[str], arguments: list[str], changed: str) -> int:
    """The command ends with an answer: something is said, it is no bug of guardian's, and no text is half of UTF-8."""
    code, said = run(capsys, arguments)
    where = f"{' '.join(arguments)} with {changed}: {said[-600:]}"
    assert code in {0, 1, 3}, where
    assert said.strip(), where
    assert "a bug in guardian" not in said, where
    assert "Traceback" not in said, where
    said.encode()
    return code


def test_every_reader_answers_whatever_a_cell_holds(
    changed: ChangedHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each column with hostile values in turn: list, show, verify, status, approve, position and halt all answer.

    (Before: one integer beyond the year 9999 or one blob ended list, verify, status, approve and halt with a bug.)
    """
    monkeypatch.setenv(HOME_VARIABLE, str(changed.home))
    changed.put_back()
    values, commands, opens = cycle(HOSTILE.items()), cycle(READS), cycle(OPENS)
    count = 0
    for table, column in list(changed.columns()):
        for _ in range(4 if PROFILE == "full" else 1):
            name, value = next(values)
            if not changed.change(table, column, value):
                continue
            count += 1
            for arguments in (next(commands), next(commands), next(opens)):
                assert_answers(capsys, arguments, f"{name} in {table}.{column}")
    assert count > 100


def test_the_cells_that_are_read_most_take_every_value(
    changed: ChangedHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every hostile value in the newest row of the log and in the trading state; `halt` halts all the same."""
    monkeypatch.setenv(HOME_VARIABLE, str(changed.home))
    for column in ("ts_ms", "phase", "tool", "body", "digest"):
        for name, value in HOSTILE.items():
            if changed.change("audit", column, value):
                for arguments in READS[:3]:
                    assert_answers(capsys, arguments, f"{name} in audit.{column}")
    for column in ("state", "reason", "since_ms", "by"):
        for name, value in HOSTILE.items():
            if changed.change("control", column, value):
                assert assert_answers(capsys, ["halt"], f"{name} in control.{column}") in {0, 3}
                with closing(sqlite3.connect(changed.home / "guardian.db")) as connection:
                    (state,) = connection.execute("SELECT CAST(state AS BLOB) FROM control").fetchone()
                assert state == b"halted" or not EmergencyFile(changed.home).is_empty(), (name, column)


def test_verification_names_the_cell(changed: ChangedHome) -> None:
    """A blob in any cell of any table is found by verification (before: in no table but `audit` and the ledger)."""
    changed.put_back()
    assert verify(changed.home).is_intact is False  # the rows that no order fills have none in the log
    known = {finding.message for finding in verify(changed.home).findings}
    missed = []
    for table, column in list(changed.columns()):
        if changed.change(table, column, b"\x00\xff"):
            new = [finding for finding in verify(changed.home).findings if finding.message not in known]
            if not any(f"{table}.{column}" in one.message or table == "audit" for one in new):
                missed.append((table, column))
    assert missed == [("audit", "mac")]  # bytes are its type, and without a key nothing is held against them


def test_values_that_guardian_writes_are_no_finding(changed: ChangedHome) -> None:
    """A home that nobody changed has no strange cell."""
    changed.put_back()
    with read_only(changed.home / "guardian.db") as connection:
        assert list(strange_cells(connection)) == []


def test_resource_of_recent_calls_and_status_answer(changed: ChangedHome) -> None:
    """`guardian://audit/recent` and `guardian://status` end with JSON, or with an error of the store that names it."""
    said = []
    for table, column in (("audit", "ts_ms"), ("audit", "tool"), ("orders", "notional"), ("proposals", "spec")):
        for value in (b"\x00\xff", 2**63 - 1, NotUtf8(b"\xff")):
            changed.change(table, column, value)

            async def read() -> None:
                opened = open_home(home=changed.home)
                try:
                    overview = Overview(opened.context)
                    json.dumps(to_plain(await overview.recent(20)), allow_nan=False).encode()
                    json.dumps(to_plain(await overview.status()), allow_nan=False).encode()
                except StoreError as error:
                    said.append(error.message)
                finally:
                    await opened.close()

            asyncio.run(read())
    assert any("`orders.notional` in row" in message for message in said), said
    assert any("`proposals.spec` in row" in message for message in said), said


def test_page_and_announcements_answer(changed: ChangedHome) -> None:
    """What the approval page and the server's announcements read: rows, or an error of the store."""
    for column in ("spec", "expires_ms", "state", "proof", "shown_bid"):
        for value in HOSTILE.values():
            if not changed.change("proposals", column, value):
                continue
            with suppress(StoreError):
                WaitingProposals(changed.home, SYSTEM_CLOCK).all()
    for value in HOSTILE.values():
        if changed.change("audit", "body", value):
            with read_only(changed.home / "guardian.db") as connection:
                for row in rows_after(connection, 0):
                    json.dumps(row.data, allow_nan=False).encode("utf-8", "surrogatepass")


def test_row_with_a_cell_of_another_type_is_shown_and_not_believed() -> None:
    """The field has the type that readers expect, the row is not whole, and the column is named."""
    columns = [1, bytes(32), bytes(32), "c", "call", 5, "t", None, None, None, None, None, b'{"ts_ms":7}']
    assert type(row_to_show(columns)) is LogRow
    row = row_to_show([*columns[:5], "late", 7, *columns[7:]])
    assert (row.ts_ms, row.tool) == (7, "(not text: a number, 7)")
    assert not row.has_its_digest
    assert "tool" in row.changed_columns
    assert row_to_show([*columns[:4], None, *columns[5:]]).phase == "(not text: nothing)"
    assert row_to_show([*columns[:12], "{}"]).body == b"{}"


def test_text_that_is_not_utf8_is_read_from_the_row_where_it_is(tmp_path: Path) -> None:
    """Rows that were returned already do not come again, and each way of fetching works."""
    with closing(sqlite3.connect(tmp_path / "x", factory=AnyTextConnection)) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.execute("INSERT INTO t VALUES ('one'), (CAST(x'ff' AS TEXT)), ('three')")
        rows = connection.execute("SELECT a FROM t")
        assert rows.fetchone() == ("one",)
        assert rows.fetchone() == ("\udcff",)
        assert rows.fetchall() == [("three",)]
        assert rows.fetchone() is None
    for fetch in (lambda c: c.fetchall(), list):
        with closing(sqlite3.connect(":memory:", factory=AnyTextConnection)) as connection:
            found = fetch(connection.execute("SELECT :a UNION ALL SELECT CAST(x'ff' AS TEXT)", {"a": "one"}))
            assert found == [("one",), ("\udcff",)]
            with pytest.raises(sqlite3.OperationalError, match="no such table: missing"):
                connection.execute("SELECT 1 FROM missing")


COMMANDS: Final = (
    ["status"],
    ["doctor", "--json"],
    ["audit", "list", "--symbol", "BTCUSDT", "--json"],
    ["audit", "list", "-g", "order"],
    ["audit", "show", "last", "--json"],
    ["audit", "order", "last"],
    ["audit", "order", "last", "--json"],
    ["audit", "trades"],
    ["audit", "trades", "--json"],
    ["audit", "stats", "--by", "code"],
    ["audit", "stats", "--by", "day", "--json"],
    ["audit", "export", "--format", "csv"],
    ["audit", "export", "--trades"],
    ["audit", "export"],
    ["audit", "policies"],
    ["audit", "receipt", "last"],
    ["audit", "verify", "--json"],
    ["audit", "report", "--out"],
    ["audit", "rebuild"],
    ["approve"],
    ["halt"],
    ["resume"],
)
"""What reads the log or the other tables; the last argument of two of them is a file, which is added."""


def anything(dice: Random) -> Any:
    """A value of any type that SQLite has."""
    return dice.choice(
        [
            dice.choice(list(HOSTILE.values())),
            dice.randrange(-(2**63), 2**63),
            dice.choice([-1e300, 0.1, 5e-324, float(dice.randrange(10**9))]),
            dice.randbytes(dice.randrange(40)),
            NotUtf8(dice.randbytes(dice.randrange(40))),
            "".join(map(chr, (dice.randrange(1, 0xD800) for _ in range(dice.randrange(40))))),
        ]
    )


def test_any_command_answers_whatever_any_cell_holds(
    changed: ChangedHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Any value of any type in any column of any table, and any command: an answer, a finding or an error by name."""
    monkeypatch.setenv(HOME_VARIABLE, str(changed.home))
    changed.put_back()
    columns, dice = sorted(changed.columns()), Random(7)
    for number in range(tries(1000)):
        (table, column), value, command = dice.choice(columns), anything(dice), list(dice.choice(COMMANDS))
        if command[-1] in {"--out", "rebuild"}:
            command.append(str(tmp_path / str(number)))
        if changed.change(table, column, value):
            assert_answers(capsys, command, f"{value!r:.80} in {table}.{column}")


def test_json_of_another_shape_is_named_by_the_report(
    changed: ChangedHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A list where an object belongs ended the report with a bug."""
    monkeypatch.setenv(HOME_VARIABLE, str(changed.home))
    for column, value in (("resolved", "[" * 900 + "]" * 900), ("spec", "[]"), ("resolved", "7")):
        assert changed.change("proposals", column, value)
        command = ["audit", "report", "--out", str(tmp_path / f"{column}{len(value)}")]
        assert assert_answers(capsys, command, column) == 3
        assert any(f"`proposals.{column}` in row" in one.message for one in verify(changed.home).findings)
