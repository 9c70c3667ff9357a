"""The report as a file: what it says, that it is the same each time, and that it needs and runs nothing."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from guardian.domain.money import plain
from guardian.report.number_text import rounded
from guardian.store.answers.trade_reader import read_ledgers
from guardian.store.answers.trades import figures_of
from tests.report.conftest import HOSTILE, Write, Written
from tests.report.support.busy_month import DAY, LAST_MS, write_busy_month
from tests.report.test_elements import Read
from tests.store.support.store_world import START_MS
from tests.support.tamper import tamper

MOST_BYTES = 300_000


class Home:
    """Where to tamper."""

    def __init__(self, home: Path) -> None:
        self.home = home


def test_page_is_small_and_has_no_script_and_no_address(report: Written) -> None:
    """Nothing runs and nothing is loaded; a policy in the page says so to the browser too."""
    read = Read(report.text)
    assert len(report.text.encode()) < MOST_BYTES
    assert not {"script", "img", "link", "iframe", "object", "form", "a", "base"} & set(read.tags)
    assert not re.search(r' (?:src|href|on[a-z]+|style)="', re.sub(r">[^<]*<", "><", report.text))
    assert not re.search(r"url\(|@import|https?:", report.text.split("</style>")[0])
    assert "default-src 'none'; style-src 'sha256-" in report.text


def test_same_log_and_clock_make_the_same_page(month: Path, write: Write, report: Written) -> None:
    """To the byte: no date of today, no id of chance."""
    assert write(month).text == report.text


def test_figures_are_those_of_the_ledger(month: Path, report: Written) -> None:
    """What was bought, sold, paid and gained, as `guardian audit trades` has it."""
    (ledger,) = read_ledgers(month)
    first_day = datetime.fromtimestamp(LAST_MS // 1000).astimezone().date() - timedelta(days=29)
    since_ms = int(datetime.combine(first_day, time.min).astimezone().timestamp() * 1000)
    figures = figures_of(ledger, since_ms=since_ms, until_ms=LAST_MS)
    cards = report.text.split('<dl class="cards">')[1].split("</dl>")[0]
    shown = re.findall(r"<strong[^>]*>([^<]*)</strong>", cards)
    total = figures.total
    assert shown == [rounded(total.bought), rounded(total.sold), rounded(total.fifo, signed=True), rounded(total.fees)]
    read = Read(report.text).text.replace(",", "")
    for symbol in figures.symbols:
        assert f"{plain(symbol.bought)} {symbol.base_asset}for {plain(symbol.bought_for)} USDT" in read
        assert f"{plain(symbol.fifo)} USDT" in read


def test_every_part_of_the_report_is_there(report: Written) -> None:
    """Trading, limits, approvals, denials, calls, halts, the verification, and first what needs the reader."""
    heads = re.findall(r"<h2>([^<]*)</h2>", report.text)
    assert heads == [
        "Needs you", "Trading on PAPER, account a1", "Approvals", "Denied by the policy", "Calls", "Halts and changes",
        "Is the log whole?",
    ]  # fmt: skip
    read = Read(report.text).text
    assert "may be at the exchange, not known yet" in read.split("Trading on PAPER")[0]
    for said in (
        "rolling_notional 24h", "max_notional BTCUSDT", "NOTIONAL_EXCEEDS_MAX",
        "606.01 USDT over max_notional 100 USDT", "rejected", "with the PIN",
        "Half of the answers took", "1 order", "lunch", "INTACT", "create_order",
    ):  # fmt: skip
        assert said in read, said


def test_every_chart_has_words_and_numbers(report: Written) -> None:
    """A picture has a name and a summary, and its values are in a table."""
    figures = re.findall(r"<figure.*?</figure>", report.text)
    assert len(figures) == 4
    for figure in figures:
        assert re.search(r'<svg [^>]*role="img"[^>]*aria-label="[^"]{20,}"', figure)
        assert "<details><summary>Values</summary>" in figure
        assert "<caption>" in figure


def test_tables_and_headings_are_in_order(report: Written) -> None:
    """Each table has a caption and heads of columns; no heading skips a level."""
    tags = Counter(Read(report.text).tags)
    assert tags["caption"] == tags["table"] == tags["thead"]
    assert tags["h1"] == 1
    levels = [int(level) for level in re.findall(r"<h([1-6])", report.text)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_hostile_text_is_text(report: Written) -> None:
    """It was the name of a tool, a symbol, a rule and a reason: it is shown, and makes no element."""
    read = Read(report.text)
    assert HOSTILE.replace("\u202e", "\\u202e") in read.text
    assert "\u202e" not in report.text
    assert "<script" not in report.text


def test_page_stays_small_whatever_was_called_and_found(tmp_path: Path, write: Write) -> None:
    """A model calls hundreds of tools that do not exist, and a program changes every row: the rest is counted."""
    home = tmp_path / "home"
    write_busy_month(home, days=2, unknown_tools=600)
    tamper(Home(home), "UPDATE audit SET symbol = 'x' || hex(randomblob(60)), outcome = hex(randomblob(50))")
    page = write(home, now_ms=START_MS + 3 * DAY, code=1).text
    assert len(page.encode()) < MOST_BYTES
    tools, findings = page.split("<caption>Calls by tool")[1].split("Is the log whole?")
    assert "more are not shown here" in tools
    assert "more are not shown here" in findings


def test_window_bounds_what_is_shown(month: Path, write: Write, report: Written) -> None:
    """A week has fewer fills, and its own dates in the heading."""
    week = write(month, "--since", "2027-02-01", "--until", "2027-02-08")
    assert "<h1>1 Feb 2027 to 7 Feb 2027</h1>" in week.text
    assert 0 < week.text.count('class="tag bought"') < report.text.count('class="tag bought"')


def test_empty_home_says_so_nicely(tmp_path: Path, write: Write) -> None:
    """There is a page, and it says what will be there; nothing is made in the home."""
    empty = write(tmp_path / "home")
    assert "no call has been made" in Read(empty.text).text
    assert not (tmp_path / "home").exists()


def test_period_without_anything_says_so(month: Path, write: Write) -> None:
    """Each part has a sentence in its place, and no chart divides by zero."""
    before = write(month, "--since", "2027-03-20", "--until", "2027-03-25", now_ms=LAST_MS + 60 * DAY)
    read = Read(before.text).text
    for said in ("Nothing was denied", "No order was put to a person", "No call was made", "Nothing in this period"):
        assert said in read, said


@pytest.mark.parametrize("column", ["ts_ms", "tool", "body", "call_id", "symbol", "outcome", "digest"])
def test_broken_log_still_has_a_report_that_says_so(
    tmp_path: Path, write: Write, small_month: bytes, column: str
) -> None:
    """Whatever its cells hold; the result is at the top and at the end, and the exit code is 1."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "guardian.db").write_bytes(small_month)
    (tmp_path / "home" / "guardian.db").chmod(0o600)
    cells = ("X'FF00'", "9223372036854775807", "-5", "'text'", "1.5")
    every = [f"UPDATE audit SET {column} = {cell} WHERE seq % 40 = {at}" for at, cell in enumerate(cells)]
    one = [f"UPDATE audit SET {column} = {cell} WHERE seq = {at + 2}" for at, cell in enumerate(cells)]
    tamper(Home(tmp_path / "home"), *(one if column in {"call_id", "digest"} else every))
    broken = write(tmp_path / "home", code=1)
    assert "TAMPERED OR DAMAGED" in broken.text.split("<main>")[0]
    assert "audit verify" in broken.text
