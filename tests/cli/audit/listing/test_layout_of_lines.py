"""How a list looks: no line wider than the terminal, no word folded that fits, and hostile text escaped."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardian.cli.app import main
from guardian.cli.audit.listing.listed_lines import NARROWEST, ListLayout, listed
from guardian.cli.audit.listing.text_layout import cells, painted, wrapped
from guardian.cli.audit.wording.event_words import EVENT_WORDS
from guardian.domain.codes import TOOLS, Outcome
from guardian.store.database import Store
from guardian.store.history.history_lines import HistoryLine
from guardian.store.log.encoding import body_of, columns_of, digest_of
from guardian.store.log.read_only import LogRow, row_to_show
from guardian.store.schema.records import Phase, Record
from tests.support.clock import ClockOf

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS // 1000).astimezone()
ANSI = re.compile(r"\x1b\[[0-9;]*m")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80) | st.sampled_from(["0.5", "BUY", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = ("kind", "reason", "proposal", "order", "report", "statement", "proof", "by", "is", "was", "arguments", "data",
         "error", "client", "symbol", "side", "quantity", "price", "state", "denials", "judged", "asked")  # fmt: skip
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)


def row_of(seq: int, record: Record, ts_ms: int = NOW_MS) -> LogRow:
    columns, body, before = columns_of(record, ts_ms), b"", bytes(32)
    body = body_of(columns, record.body)
    return row_to_show((seq, before, digest_of(before, seq, body), *columns.values(), body))


@st.composite
def lines(draw: st.DrawFn) -> HistoryLine:
    """A call or an event with anything in its rows."""
    seq, ts_ms = draw(st.integers(1, 10**9)), draw(st.integers(0, 2**62))
    body, symbol = draw(bodies), draw(st.none() | st.text(max_size=50))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(sorted(EVENT_WORDS)) | st.text(max_size=20))
        return HistoryLine(row=row_of(seq, Record.event(None, {**body, "kind": kind}, symbol=symbol), ts_ms))
    tool = draw(st.sampled_from(TOOLS) | st.text(max_size=200))
    call = Record(phase=Phase.CALL, call_id="c", tool=tool, symbol=symbol, body=body)
    outcome = draw(st.none() | st.sampled_from([*Outcome]))
    ended = Record(phase=Phase.OUTCOME, call_id="c", tool=tool, outcome=outcome, body=draw(bodies))
    order = draw(st.none() | bodies)
    return HistoryLine(
        row=row_of(seq, call, ts_ms),
        outcome_row=None if outcome is None else row_of(seq + 1, ended, ts_ms),
        order=order,
    )


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines(), max_size=4), st.integers(NARROWEST, 200), st.booleans())
def test_no_line_is_wider_than_the_terminal(some: list[HistoryLine], columns: int, in_colour: bool) -> None:
    """Whatever the rows hold, and without a character that moves the cursor, hides, or is not the list's own."""
    layout = ListLayout(now=NOW, columns=columns, in_colour=in_colour, row_width=10)
    for line in listed(layout, some[:1], some[1:]):
        plain = ANSI.sub("", line)
        assert cells(plain) <= columns
        assert plain.isprintable(), ascii(plain)
        assert in_colour or plain == line


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines(), max_size=4))
def test_a_pipe_gets_one_line_for_each(some: list[HistoryLine]) -> None:
    """Besides the heading, and never wrapped."""
    found = list(listed(ListLayout(now=NOW, row_width=10), (), some))
    assert len(found) == len(some) + 1
    assert not any("\n" in line or "\x1b" in line for line in found)


@given(st.text("ab 币é", max_size=120), st.integers(2, 40))
def test_words_are_kept_whole_and_in_order(text: str, width: int) -> None:
    """Only a word that is wider than a line is folded; nothing is lost."""
    found = [painted(line, in_colour=False) for line in wrapped([(text, None)], width)]
    assert "".join("".join(line.split()) for line in found) == "".join(text.split())
    assert all(cells(line) <= width for line in found)
    if all(cells(word) <= width for word in text.split()):
        assert " ".join(found).split() == text.split()


EVIL = "evil\x1b[2J\r\nFORGED\u2028FORGED\u202e\u2066\u200b\x00"
ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01", "order_type": "MARKET"}
OVER: dict[str, Any] = {
    "code": "NOTIONAL_EXCEEDS_MAX",
    "message": "too much",
    "observed": "599.36 USDT",
    "limit": "100",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which a price was read, an order denied, another proposed, and trading halted, by hostile words too."""
    made = tmp_path / "home"
    monkeypatch.setenv("GUARDIAN_HOME", str(made))
    store = Store.open(made, ClockOf(lambda: NOW_MS))
    proposed: dict[str, Any] = {
        "data": {"proposal_id": "7K2M9P", "order": {**ORDER, "price": "59936", "quote_asset": "USDT"}}
    }
    with store.transaction() as tx:
        for number, (tool, asked, outcome, body) in enumerate(
            (
                ("get_ticker_price", {"symbol": "BTCUSDT"}, "done", {}),
                ("create_order", ORDER, "denied", {"error": {**OVER, "denials": [OVER]}}),
                ("create_order", {**ORDER, "quantity": "0.0009"}, "confirmation_required", proposed),
                (EVIL, {}, "invalid", {"error": {"code": "TOOL_UNKNOWN", "message": f"there is no tool {EVIL}"}}),
            )
        ):
            fields = {"call_id": f"c{number}", "tool": tool, "environment": "paper"}
            given: dict[str, Any] = {"arguments": asked, "client": "claude-code/2.0"}
            tx.audit.append(Record(phase=Phase.CALL, body=given, **fields))
            tx.audit.append(Record(phase=Phase.OUTCOME, outcome=outcome, body=dict(body), **fields))
        tx.audit.append(Record.event(None, {"kind": "halted", "by": "owner", "reason": f"it moves too fast {EVIL}"}))
    store.close()
    return made


AT = f"{NOW:%H:%M:%S}"
SHOWN = r"evil\x1b[2J\r\nFORGED\u2028FORGED\u202e\u2066\u200b\x00"
AT_80 = f"""\
  row  time ({NOW:%Z %z})
       {NOW:%A} {NOW.day} {NOW:%B %Y}
    1  {AT}  price BTCUSDT
    3  {AT}  BUY 0.01 BTCUSDT at market denied: 599.36 USDT over
                 max_notional 100
    5  {AT}  BUY 0.01 BTCUSDT at market (max 599.36 USDT) proposed: 7K2M9P
    7  {AT}  {SHOWN}
                 invalid: there is no tool
                 {SHOWN}
    9  {AT}  HALTED by you: it moves too fast
                 {SHOWN}
"""
AT_120 = f"""\
  row  time ({NOW:%Z %z})
       {NOW:%A} {NOW.day} {NOW:%B %Y}
    1  {AT}  price BTCUSDT [claude-code/2.0, paper]
    3  {AT}  BUY 0.01 BTCUSDT at market denied: 599.36 USDT over max_notional 100 [claude-code/2.0, paper]
    5  {AT}  BUY 0.01 BTCUSDT at market (max 599.36 USDT) proposed: 7K2M9P [claude-code/2.0, paper]
    7  {AT}  {SHOWN} invalid: there is no tool
                 {SHOWN} [claude-code/2.0, paper]
    9  {AT}  HALTED by you: it moves too fast {SHOWN}
"""


@pytest.mark.parametrize(("columns", "expected"), [(80, AT_80), (120, AT_120)])
def test_transcript_on_a_terminal(
    home: Path, columns: int, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person sees at 80 and at 120 columns, of a log with hostile text in it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["audit"]) == 0
    out, err = capsys.readouterr()
    assert (ANSI.sub("", out), err) == (expected, "")


def test_colours_mean_something_and_none_is_left_without_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """HALTED and denied are red, what waits is yellow; `NO_COLOR` takes all of them."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["audit"])
    out = capsys.readouterr().out
    assert "\x1b[31mHALTED by you" in out
    assert "\x1b[31mdenied: 599.36 USDT over max_notional 100\x1b[0m" in out
    assert "\x1b[33mproposed: 7K2M9P\x1b[0m" in out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["audit"])
    assert "\x1b" not in capsys.readouterr().out


def test_what_a_list_leaves_out_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`2 of 5 shown`, on standard error; a window of time leaves nothing out."""
    assert main(["audit", "-n", "2"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert err.startswith("2 of 5 shown; --limit N")
    assert main(["audit", "--since", "2026-01-01"]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (6, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tool", "create_ordr"], "did you mean `create_order`"),
        (["--outcome", "deny"], "did you mean `denied`"),
        (["--state", "fill"], "did you mean `filled`"),
        (["--event", "halt"], "did you mean `halted`"),
        (["--code", "NOTIONAL_EXCEED"], "did you mean `NOTIONAL_EXCEEDS_MAX`"),
        (["--side", "BYU"], "did you mean `BUY`"),
        (["-g", "("], "not a regular expression"),
        (["--between", "2-5"], "not two times of the day"),
        (["--since", "9"], "`17:05`"),
    ],
)
def test_what_does_not_exist_is_refused(
    home: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, with what was likely meant."""
    assert main(["audit", *arguments]) == 2
    assert said in capsys.readouterr().err
