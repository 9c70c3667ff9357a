"""`guardian audit`: what a person sees of the log, and what a script gets."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.support.times import local_time, moment_ms, utc_time
from guardian.domain.order_states import OrderState
from guardian.store.database import Store
from guardian.store.schema.records import Entry, NewOrder, Phase, Record
from tests.support.clock import ClockOf
from tests.support.present import present
from tests.support.tamper import tamper

START_MS = 1_736_928_000_000
HOUR = 3_600_000


class Log:
    """A home with a log, and the command that reads it."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.now_ms = START_MS
        self._capsys = capsys

    def write(self, *records: Record) -> list[Entry]:
        store = Store.open(self.home, ClockOf(lambda: self.now_ms))
        with store.transaction() as tx:
            entries = [tx.audit.append(record) for record in records]
        store.close()
        return entries

    def call(
        self, number: int, tool: str = "get_ticker", symbol: str = "BTCUSDT", outcome: str | None = "done", **body: Any
    ) -> list[Entry]:
        records = [
            Record(phase=Phase.CALL, call_id=f"call-{number}", tool=tool, symbol=symbol, body={"arguments": body})
        ]
        if outcome is not None:
            records.append(
                Record(phase=Phase.OUTCOME, call_id=f"call-{number}", tool=tool, symbol=symbol, outcome=outcome)
            )
        return self.write(*records)

    def order(self, number: int, state: OrderState = OrderState.RESERVED) -> Entry:
        """A call whose order is in this state, without an outcome row."""
        store = Store.open(self.home, ClockOf(lambda: self.now_ms))
        with store.transaction() as tx:
            call_id = f"call-{number}"
            tx.audit.append(Record(phase=Phase.CALL, call_id=call_id, tool="create_order", symbol="BTCUSDT"))
            entry = tx.audit.append(Record(phase=Phase.INTENT, call_id=call_id, tool="create_order", symbol="BTCUSDT"))
            tx.orders.reserve(
                NewOrder(
                    client_order_id=present(entry.client_order_id), environment="paper", account="a", call_id=call_id,
                    symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", side="BUY", order_type="LIMIT",
                    wire_type="LIMIT", price=Decimal(1), quantity=Decimal(1), fingerprint="f", notional=Decimal(1),
                    quote_notional=Decimal(1), currency="USDT", reserved_ms=tx.now_ms, sent_ms=tx.now_ms,
                )
            )  # fmt: skip
            tx.orders.move(present(entry.client_order_id), state)
        store.close()
        return entry

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["audit", *arguments])
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Log:
    home = tmp_path / "guardian"
    monkeypatch.setenv("GUARDIAN_HOME", str(home))
    return Log(home, capsys)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A person who lives five and a half hours east of Greenwich."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "XST-5:30")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


# -- list


@pytest.mark.parametrize("arguments", [(), ("list",), ("list", "--since", "2h")])
def test_no_log_is_said_kindly(log: Log, arguments: tuple[str, ...]) -> None:
    """Before the first call there is nothing to see, and nothing is wrong; nothing is made either."""
    code, out, err = log.run(*arguments)
    assert (code, out) == (0, "")
    assert "no call has been made yet" in err
    assert not log.home.exists()


def test_no_log_is_an_empty_list_for_a_script(log: Log) -> None:
    """`--json` gives a list in every case."""
    assert log.json("list") == (0, [])


def test_store_without_calls_is_said_kindly(log: Log) -> None:
    """A store that was made and not used."""
    log.write()
    code, out, err = log.run()
    assert (code, out) == (0, "")
    assert "no call has been made yet" in err


def test_each_call_is_one_line_with_its_outcome_and_the_newest_is_last(log: Log) -> None:
    """Call and outcome are joined; the order is that of the log."""
    log.call(1, outcome="done")
    log.call(2, tool="create_order", outcome="denied")
    code, out, _ = log.run()
    head, first, second = out.splitlines()
    assert code == 0
    zone = f"{datetime.now().astimezone():%Z %z}"
    assert head.split(maxsplit=2) == ["row", "time", f"({zone})"]
    when = local_time(START_MS)
    assert first == f"    1  {when}  ticker BTCUSDT"
    assert second == f"    3  {when}  BTCUSDT denied"


def test_detail_is_the_code_of_the_error(log: Log) -> None:
    """A denial shows its code, and an order the state that it was left in."""
    log.write(
        Record(phase=Phase.CALL, call_id="c1", tool="create_order"),
        Record(phase=Phase.OUTCOME, call_id="c1", tool="create_order", outcome="denied",
               body={"error": {"code": "TRADING_HALTED"}}),
        Record(phase=Phase.CALL, call_id="c2", tool="create_order"),
        Record(phase=Phase.OUTCOME, call_id="c2", tool="create_order", outcome="done", body={"state": "filled"}),
    )  # fmt: skip
    assert [line["detail"] for line in log.json("list")[1]] == ["TRADING_HALTED", "filled"]


def test_events_are_listed_among_the_calls(log: Log) -> None:
    """A halt by a person is part of the story; it has no tool and no outcome."""
    log.call(1)
    log.write(Record(phase=Phase.EVENT, body={"kind": "halted"}))
    line = log.json("list")[1][-1]
    assert (line["phase"], line["tool"], line["outcome"], line["detail"]) == ("event", None, None, "halted")
    assert log.run()[1].splitlines()[-1] == f"    3  {local_time(START_MS)}  HALTED"


def test_call_without_outcome_is_pending(log: Log) -> None:
    """It is being worked on, or guardian was killed meanwhile."""
    log.call(1, outcome=None)
    log.call(2)
    log.order(3, OrderState.FILLED)
    log.order(4, OrderState.UNKNOWN)
    assert [line["outcome"] for line in log.json("list", "--limit", "3")[1][1:]] == ["pending", "done", "pending"]
    # The one whose order is not resolved comes first, as everywhere.
    listed = log.json("list", "--outcome", "pending")[1]
    assert [line["call_id"] for line in listed] == ["call-4", "call-1", "call-3"]


def test_unresolved_orders_come_first_and_are_counted(log: Log) -> None:
    """Whatever its age and the limit, an order that may exist is shown first; the footer goes to standard error."""
    entry = log.order(1, OrderState.UNKNOWN)
    assert entry.client_order_id
    log.order(2, OrderState.FILLED)
    log.now_ms += 100 * HOUR
    for number in range(3, 9):
        log.call(number)
    code, out, err = log.run("list", "--limit", "2")
    lines = out.splitlines()
    assert code == 0
    when = local_time(START_MS)
    assert lines[1] == f"   ?1  {when}  BUY 1 BTCUSDT at 1 (1 USDT) may be at the exchange, not known yet"
    assert len(lines) == 4
    assert "1 order may be at the exchange" in err
    assert [line["order_state"] for line in log.json("list", "--limit", "2")[1]] == ["unknown", None, None]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tool", "create_order"), ["call-2", "call-3"]),
        (("--symbol", "ETHUSDT"), ["call-3", "call-4"]),
        (("--outcome", "denied"), ["call-2", "call-4"]),
        (("--tool", "create_order", "--symbol", "ETHUSDT"), ["call-3"]),
        (("--outcome", "denied", "--symbol", "ETHUSDT"), ["call-4"]),
        (("--outcome", "denied", "--tool", "create_order", "--limit", "1"), ["call-2"]),
        (("--tool", "get_balance"), []),
        (("--limit", "2"), ["call-3", "call-4"]),
    ],
)
def test_list_is_narrowed(log: Log, arguments: tuple[str, ...], expected: list[str]) -> None:
    """By tool, symbol and outcome, each and together, and to the newest N."""
    log.call(1)
    log.call(2, tool="create_order", outcome="denied")
    log.call(3, tool="create_order", symbol="ETHUSDT")
    log.call(4, symbol="ETHUSDT", outcome="denied")
    assert [line["call_id"] for line in log.json("list", *arguments)[1]] == expected


def test_list_is_narrowed_to_a_symbol_in_any_script(log: Log) -> None:
    """A symbol that is not ASCII is a filter as any other; what no exchange lists is wrong usage in `reconcile`."""
    log.call(1, symbol="币安人生USDT")
    log.call(2)
    assert [line["call_id"] for line in log.json("list", "--symbol", "币安人生USDT")[1]] == ["call-1"]
    for wrong in ("btcusdt", "BTC\u200bUSDT", ""):
        assert log.run("reconcile", "--symbol", wrong)[0] == 2


def test_since_and_until_bound_the_time(log: Log) -> None:
    """From the first moment on, up to before the second."""
    for number in range(5):
        log.now_ms = START_MS + number * HOUR
        log.call(number)

    def listed(*arguments: str) -> list[Any]:
        return [line["call_id"] for line in log.json("list", *arguments)[1]]

    second, fourth = utc_time(START_MS + HOUR), utc_time(START_MS + 3 * HOUR)
    assert listed("--since", second) == ["call-1", "call-2", "call-3", "call-4"]
    assert listed("--until", fourth) == ["call-0", "call-1", "call-2"]
    assert listed("--since", second, "--until", fourth) == ["call-1", "call-2"]
    assert listed("--since", "2999-01-01") == []


def test_nothing_that_fits_is_said(log: Log) -> None:
    """An empty table is not a silent one."""
    log.call(1)
    code, out, err = log.run("list", "--tool", "get_balance")
    assert (code, out) == (0, "")
    assert "nothing in the log fits" in err


@pytest.mark.parametrize("text", ["soon", "2x", "-2h", "2026-13-01", ""])
def test_what_is_no_time_is_wrong_usage(log: Log, text: str) -> None:
    """Exit 2, with the forms that are understood."""
    code, _, err = log.run("list", "--since", text)
    assert code == 2
    assert "`yesterday`" in err


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_limit_is_a_positive_number(log: Log, limit: str) -> None:
    """There is no `0 = all`."""
    assert log.run("list", "--limit", limit)[0] == 2


def test_times_are_local_on_screen_and_utc_in_json(log: Log, elsewhere: None) -> None:
    """A person reads their own clock; a script reads UTC."""
    log.call(1)
    assert log.json("list")[1][0]["time"] == "2025-01-15T08:00:00.000Z"
    assert "2025-01-15 13:30:00" in log.run()[1]


def test_words_of_a_model_cannot_move_the_cursor(log: Log) -> None:
    """Control characters, ANSI sequences and bidirectional marks come out escaped, in list and show."""
    log.write(
        Record(
            phase=Phase.CALL,
            call_id="c1",
            tool="\x1b[2Jget\u202e",
            symbol="A\nB\u200b",
            body={"\x1b]0;x\x07": "\x1b[31m\u2066"},
        )
    )
    for arguments in (("list",), ("show", "c1"), ("list", "--json"), ("show", "c1", "--json")):
        code, out, _ = log.run(*arguments)
        assert code == 0
        assert not set(out) & set("\x1b\x07\u202e\u200b\u2066")
    assert "\\x1b[2J" in log.run()[1]


def test_changed_row_is_marked(log: Log) -> None:
    """A line whose row was changed has a `!` before its number."""
    log.call(1)
    log.call(2)
    tamper(log, "UPDATE audit SET outcome = 'denied' WHERE seq = 4")
    assert [line["verified"] for line in log.json("list")[1]] == [True, False]
    assert log.run()[1].splitlines()[2].startswith(" !3") or "!3" in log.run()[1]


def test_list_fits_a_narrow_terminal(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 40 columns words go on below one another, and none is folded."""
    log.write(Record(phase=Phase.EVENT, body={"kind": "halted", "by": "owner", "reason": "the market moves too fast"}))
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log.run()[1]).splitlines()
    clock = f"{datetime.fromtimestamp(START_MS // 1000).astimezone():%H:%M:%S}"
    assert lines[2:] == [f"    1  {clock}  HALTED by you: the", " " * 17 + "market moves too fast"]
    assert max(map(len, lines)) <= 40


# -- show


def names(log: Log, name: str) -> list[tuple[int, str]]:
    return [(row["seq"], row["phase"]) for row in log.json("show", name)[1]]


def test_call_is_shown_with_all_its_rows(log: Log) -> None:
    """By call id, by the number of any of its rows, by its client order id, and the last one as `last`."""
    log.call(1)
    entry = log.order(2)
    log.write(Record(phase=Phase.EVENT, call_id="call-2", body={"kind": "resolved"}))
    rows = [(3, "call"), (4, "intent"), (6, "event")]
    assert names(log, "5") == [(5, "state")]  # what the order's transaction wrote: of no call, shown by its number
    for name in ("call-2", "3", "4", "6", present(entry.client_order_id), "last"):
        assert names(log, name) == rows, name
    assert names(log, "1") == [(1, "call"), (2, "outcome")]
    out = log.run("show", "last")[1]
    assert present(entry.client_order_id) in out
    assert out.count("verified") == 3


def test_event_without_a_call_is_shown_alone(log: Log) -> None:
    """It belongs to no call."""
    log.write(Record(phase=Phase.EVENT, body={"kind": "halted"}), Record(phase=Phase.EVENT, body={"kind": "resumed"}))
    assert names(log, "2") == [(2, "event")]


def test_show_says_whether_each_row_is_as_it_was_written(log: Log) -> None:
    """A changed body, a changed column, and a row that follows on nothing, each in words."""
    for number in range(1, 5):
        log.call(number)
    assert all(row["verified"] for row in log.json("show", "call-1")[1])
    tamper(log, "UPDATE audit SET outcome = 'denied' WHERE seq = 2")
    tamper(log, "UPDATE audit SET body = CAST('{}' AS BLOB) WHERE seq = 4")
    tamper(log, "DELETE FROM audit WHERE seq = 5")
    assert "outcome was changed" in log.run("show", "call-1")[1]
    assert [row["verified"] for row in log.json("show", "call-2")[1]] == [True, False]
    assert "row before it is missing" in log.run("show", "6")[1]


@pytest.mark.parametrize("name", ["nothing", "99", "g1-" + "0" * 32, "' OR 1=1 --", "9" * 30])
def test_what_is_not_in_the_log_is_said(log: Log, name: str) -> None:
    """Exit 1: the answer is no."""
    log.call(1)
    code, out, err = log.run("show", name)
    assert (code, out) == (1, "")
    assert "nothing in the log" in err


def test_nothing_is_shown_of_no_log(log: Log) -> None:
    """Exit 1, kindly."""
    assert log.run("show", "last")[0] == 1


# -- verify and checkpoint


def test_intact_log_that_nothing_vouches_for_is_exit_3(log: Log) -> None:
    """The report says what was looked at, and what could not be: who can write the folder can have made all of it."""
    log.call(1)
    code, out, err = log.run("verify")
    assert code == 3
    assert "INTACT IN ITSELF, NOT PROVEN" in out
    assert "row 2, ok" in out
    assert "not checked: the log is not sealed" in err
    code, report = log.json("verify")
    assert (code, report["result"], report["proven_by"], report["findings"]) == (3, "unproven", None, [])
    assert any("not sealed" in sentence for sentence in report["unchecked"])


def test_missing_checkpoint_of_a_log_that_was_never_sealed_is_named(log: Log) -> None:
    """It may have been removed with rows: no damage, no proof, and never INTACT, though a kept checkpoint holds."""
    log.call(1)
    given = ":".join(log.run("checkpoint")[1].split()[1:])
    (log.home / "audit.checkpoint").unlink()
    code, out, err = log.run("verify")
    assert (code, "INTACT IN ITSELF, NOT PROVEN" in out) == (3, True)
    assert "CHECKPOINT: `audit.checkpoint` is missing" in err
    code, out, _ = log.run("verify", "--json", "--checkpoint", given)
    report = json.loads(out)
    assert (code, report["result"], report["findings"]) == (3, "unproven", [])
    assert [one["kind"] for one in report["missing"]] == ["CHECKPOINT"]


def test_intact_log_is_exit_0_where_a_kept_checkpoint_vouches_for_it(log: Log) -> None:
    """Something outside the folder says that the log had this row, and it has."""
    log.call(1)
    given = ":".join(log.run("checkpoint")[1].split()[1:])
    code, out, _ = log.run("verify", "--checkpoint", given)
    assert code == 0
    assert re.search(r"^result +INTACT$", out, re.MULTILINE)
    assert "the checkpoint that was given" in out


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("CONTENT", "UPDATE audit SET body = CAST('{}' AS BLOB) WHERE seq = 3"),
        ("COLUMN", "UPDATE audit SET tool = 'get_balance' WHERE seq = 3"),
        ("GAP", "DELETE FROM audit WHERE seq = 3"),
        ("TRUNCATED", "DELETE FROM audit WHERE seq > 3"),
    ],
)
def test_tampering_is_exit_1_and_called_by_its_name(log: Log, kind: str, statement: str) -> None:
    """On screen and in JSON, the second time too; rows that were cut off are a gap once more follow."""
    for number in range(1, 4):
        log.call(number)
    tamper(log, statement)
    code, out, err = log.run("verify")
    assert code == 1
    assert "TAMPERED" in out
    assert f"{kind}: " in err
    assert "trading is halted" in err
    code, report = log.json("verify")
    assert (code, report["result"]) == (1, "tampered")
    assert {kind, "GAP"} & {finding["kind"] for finding in report["findings"]}


def test_what_cannot_be_verified_is_exit_3(log: Log) -> None:
    """No log: that says nothing, and above all not `intact`."""
    code, out, err = log.run("verify")
    assert (code, out) == (3, "")
    assert "there is no `guardian.db`" in err


def test_locked_log_is_exit_3(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read now is not called damaged."""
    monkeypatch.setattr("guardian.store.log.read_only._BUSY_TIMEOUT_S", 0.1)
    log.call(1)
    with closing(sqlite3.connect(log.home / "guardian.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        assert log.run("verify")[0] == 3
        assert log.run("list")[0] == 3


def test_checkpoint_kept_elsewhere_finds_what_the_own_one_does_not(log: Log, tmp_path: Path) -> None:
    """Printed, written to a file, or given as SEQ:DIGEST: with it, a log that was cut off is seen."""
    for number in range(1, 4):
        log.call(number)
    code, line, _ = log.run("checkpoint")
    assert code == 0
    assert line.startswith("guardian/audit/chain/v1 6 ")
    kept = tmp_path / "kept"
    assert log.run("checkpoint", "--out", str(kept))[0] == 0
    assert kept.read_text() == line
    short = ":".join(line.split()[1:])
    for given in (str(kept), short):
        assert log.run("verify", "--checkpoint", given)[0] == 0
    tamper(log, "DELETE FROM audit WHERE seq > 4")
    (log.home / "audit.checkpoint").unlink()
    assert log.run("verify")[0] == 3
    # The first of them halts trading for it, by two rows that have the numbers of those that are gone.
    for given, kind in ((str(kept), "TRUNCATED"), (short, "REWRITTEN")):
        code, _, err = log.run("verify", "--checkpoint", given)
        assert code == 1
        assert kind in err


def test_checkpoint_of_another_row_is_found(log: Log) -> None:
    """REWRITTEN: the number fits and the digest does not."""
    log.call(1)
    code, _, err = log.run("verify", "--checkpoint", "1:" + "0" * 64)
    assert code == 1
    assert "REWRITTEN" in err


def test_no_checkpoint_is_made_of_a_log_that_is_not_intact(log: Log, tmp_path: Path) -> None:
    """It would make the tampering look proven."""
    log.call(1)
    log.call(2)
    tamper(log, "UPDATE audit SET tool = 'x' WHERE seq = 1")
    assert log.run("checkpoint", "--out", str(tmp_path / "kept"))[0] == 1
    assert not (tmp_path / "kept").exists()


def test_what_is_no_checkpoint_is_wrong_usage(log: Log, tmp_path: Path) -> None:
    """Exit 2, not 1: nothing is said about the log."""
    log.call(1)
    (tmp_path / "kept").write_text("hello")
    for given in ("hello", str(tmp_path / "kept"), "1:00"):
        assert log.run("verify", "--checkpoint", given)[0] == 2


def test_checkpoint_that_cannot_be_written_is_exit_1(log: Log, tmp_path: Path) -> None:
    """With the place and the reason."""
    log.call(1)
    code, _, err = log.run("checkpoint", "--out", str(tmp_path / "no" / "such" / "folder"))
    assert code == 1
    assert "folder" in err


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_checkpoint_is_written_to_regular_files_alone(log: Log, tmp_path: Path) -> None:
    """A link, a pipe and a device are wrong usage and stay as they are; a file is replaced and private (before: the
    link was replaced by the file, and a draft with a name that can be known beforehand was written through one)."""
    log.call(1)
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "link", tmp_path / "pipe", Path("/dev/null"), tmp_path):
        code, _, err = log.run("checkpoint", "--out", str(place))
        assert (code, str(place) in err) == (2, True), err
    assert target.read_text() == "mine"
    assert (tmp_path / "link").is_symlink()
    target.chmod(0o644)
    assert log.run("checkpoint", "--out", str(target))[0] == 0
    assert target.read_text() == log.run("checkpoint")[1]
    assert target.stat().st_mode & 0o777 == 0o600


def test_reading_changes_nothing(log: Log) -> None:
    """No command of `audit` writes a byte of the database or of its checkpoint."""
    log.call(1)
    before = [(log.home / name).read_bytes() for name in ("guardian.db", "audit.checkpoint")]
    for arguments, code in ((("list",), 0), (("show", "last"), 0), (("verify",), 3), (("checkpoint",), 0)):
        assert log.run(*arguments)[0] == code
    assert [(log.home / name).read_bytes() for name in ("guardian.db", "audit.checkpoint")] == before


# -- times


def test_times_as_people_write_them(elsewhere: None) -> None:
    """Ago, days, dates, and ISO times with and without a zone."""
    now = datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    def utc(text: str) -> str:
        return datetime.fromtimestamp(moment_ms(text, now) / 1000, tz=UTC).isoformat()

    assert utc("2h") == "2026-11-22T03:00:00+00:00"
    assert utc("90s") == "2026-11-22T04:58:30+00:00"
    assert utc("1w") == "2026-11-15T05:00:00+00:00"
    assert utc("today") == "2026-11-21T18:30:00+00:00"
    assert utc("Yesterday") == "2026-11-20T18:30:00+00:00"
    assert utc("2026-11-01") == "2026-10-31T18:30:00+00:00"
    assert utc("2026-11-01T12:00") == "2026-11-01T06:30:00+00:00"
    assert utc("2026-11-01T12:00:00Z") == "2026-11-01T12:00:00+00:00"
    assert local_time(START_MS) == "2025-01-15 13:30:00"
