"""Ten questions of an owner about a week of 3,000 calls: each is answered by one command, and soon."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from guardian.cli.app import main
from tests.report.support.busy_week import CALLS, Written, write_busy_week

PATIENCE_S: Final = 5.0
"""Each takes 0.3 s as a whole process on two cores; a busy machine takes longer."""
HOSTILE: Final = "[bold red]x[/] \x1b[31m\u202e\u2066\r\nforged line\x07" + "W" * 400
HIDDEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


class Week(NamedTuple):
    """A home, when it was made, and what is true of it."""

    home: Path
    now: datetime
    true: Written


Ask = Callable[..., str]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    home, now = tmp_path_factory.mktemp("week") / "home", datetime.now().astimezone()
    return Week(home, now, write_busy_week(home, now, hostile=HOSTILE))


@pytest.fixture
def ask(week: Week, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs one command on that home; what it printed for a person or a program, which has no hidden character."""
    monkeypatch.setenv("GUARDIAN_HOME", str(week.home))

    def answer(*arguments: str, code: int = 0) -> str:
        began = time.monotonic()
        assert main(["audit", *arguments]) == code
        assert time.monotonic() - began < PATIENCE_S
        out, err = capsys.readouterr()
        assert HIDDEN.search(out + err) is None
        assert not any(line.startswith("forged") for line in out.splitlines())
        return out

    return answer


def test_what_was_bought_today_and_for_how_much(week: Week, ask: Ask) -> None:
    """Per symbol, with what was paid."""
    out = ask("trades", "--since", f"{week.now:%Y-%m-%d}")
    for symbol in set(week.true.bought_today):
        assert re.search(rf"^{symbol}\n  bought +[0-9.]+ \w+ for [0-9.]+ USDT$", out, re.MULTILINE)
    assert re.search(r"^  bought for +[0-9.]+$", out, re.MULTILINE)


def test_which_orders_were_denied_and_why(week: Week, ask: Ask) -> None:
    """Each with what was over which limit."""
    out = ask("list", "--outcome", "denied", "--limit", "1000")
    lines = [line for line in out.splitlines() if "denied: " in line and HOSTILE[:10] not in line]
    assert len(lines) == week.true.denied - 1
    assert all(re.search(r"[0-9.]+ USDT over (max|rolling)_notional [0-9]+ USDT", line) for line in lines)


def test_who_approved_what(ask: Ask) -> None:
    """The order, and how the yes was given."""
    assert "APPROVED BUY 0.0007 BTCUSDT at 60000 (42 USDT), proposal 7K2M9P, by you" in ask(
        "list", "--event", "approved"
    )


def test_what_is_not_resolved(ask: Ask) -> None:
    """Marked, and alone."""
    _, line = ask("list", "--state", "unknown").splitlines()
    assert line.lstrip().startswith("?")
    assert "BUY 0.0005 BTCUSDT" in line


def test_what_the_fees_were(ask: Ask) -> None:
    """By asset, and in all in the accounting currency."""
    out = ask("trades")
    assert re.search(r"^  fees +[0-9.]+ BTC, [0-9.]+ USDT$", out, re.MULTILINE)
    assert re.search(r"^in all, in USDT\n(?:  .*\n)*  fees +[0-9.]+$", out, re.MULTILINE)


def test_what_was_tried_between_two_and_five_at_night(week: Week, ask: Ask) -> None:
    """On each night of the week, and nothing of the days."""
    found = json.loads(ask("list", "--between", "02:00-05:00", "--since", "7d", "--json"))
    tried = [line["call_id"] for line in found if line["outcome"] == "denied"]
    assert tried == week.true.tried_at_night


def test_everything_about_one_order(ask: Ask) -> None:
    """As a timeline from being asked on."""
    out = ask("order", "last")
    steps = [found[1] for line in out.splitlines() if (found := re.match(r"\d\d:\d\d:\d\d\.\d{3}  (\w+)", line))]
    assert steps == ["asked", "judged", "sent", "answered"]


def test_for_the_accountant(week: Week, ask: Ask) -> None:
    """One line of CSV for each fill."""
    with closing(sqlite3.connect(week.home / "guardian.db")) as connection:
        (filled,) = connection.execute("SELECT count(*) FROM orders WHERE state = 'filled'").fetchone()
    head, *lines = ask("export", "--trades", "--format", "csv").splitlines()
    assert head.startswith("time_utc,")
    assert len(lines) == filled


def test_newest_lines_come_first_when_followed(week: Week, ask: Ask) -> None:
    """The list that `--follow` begins with; `test_following` has what comes then."""
    out = ask("list", "--limit", "10")
    assert len(out.splitlines()) == 1 + 1 + 10
    with closing(sqlite3.connect(week.home / "guardian.db")) as connection:
        assert connection.execute("SELECT count(*) FROM audit WHERE phase = 'call'").fetchone()[0] >= CALLS


def test_whether_it_is_whole(ask: Ask) -> None:
    """Nothing outside the folder proves it here, and it says so."""
    assert "INTACT IN ITSELF, NOT PROVEN" in ask("verify", code=3)


def test_empty_log_answers_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    """In words, without an error."""
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "none"))
    for arguments in (["list"], ["list", "--outcome", "denied"], ["trades"], ["stats"], ["list", "-g", "x"]):
        ask(*arguments)
