"""Every filter, alone and with every other, against what is true of the lines by what was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time
from random import Random
from typing import Any

import pytest

from guardian.cli.audit.listing.filter_options import NothingNamed, TypedFilter, filter_of
from guardian.cli.audit.listing.line_words import text_of
from guardian.store.history import log_walks
from guardian.store.history.history import History, open_history
from tests.cli.audit.listing.random_log import CLIENTS, CODES, KINDS, READS, START_MS, SYMBOLS, RandomLog, Truth

SEEDS = range(4)
NOW = datetime.fromtimestamp(START_MS // 1000 + 100 * 86_400).astimezone()

PATTERNS = (
    "BTCUSDT", "denied", "no answer yet", "halted|HALTED", "g1-[0-9a-f]{8}", "filled", "why not", "price", "0.5",
    "max_notional", "cursor", "zzz", "^balance$", "BUY 0", '^\\{"account"', r"price [A-Z]+USDT$", r"\bETHUSDT\b",
    r"(?i)btcusdt", "}$", "币", "done.*ETH", "",
)  # fmt: skip

CALL_ONLY = ("tool", "outcome", "state", "code", "client")


@pytest.fixture(scope="module", params=SEEDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RandomLog:
    return RandomLog(tmp_path_factory.mktemp("random"), Random(request.param)).write(120)


@pytest.fixture
def log(made: RandomLog) -> Iterator[History]:
    with open_history(made.home) as opened:
        yield opened


def of_call(truth: Truth, typed: dict[str, Any]) -> bool:
    """Whether a call is as the conditions on calls say."""
    client = typed.get("client")
    return (
        typed.get("tool") in {None, truth.tool}
        and typed.get("outcome") in {None, truth.outcome}
        and typed.get("state") in {None, truth.state}
        and (typed.get("code") is None or typed["code"] in truth.codes)
        and (client is None or truth.client == client or (truth.client or "").split("/")[0] == client)
    )


def is_true(truth: Truth, typed: dict[str, Any]) -> bool:
    """What the filters mean, in plain Python, time aside."""
    asks_calls = any(typed.get(name) is not None for name in CALL_ONLY)
    if typed.get("event") is not None:
        if truth.event != typed["event"]:
            return False
        if asks_calls and (truth.call is None or not of_call(truth.call, typed)):
            return False
    elif truth.event is not None and asks_calls:
        return False
    if truth.event is None and not of_call(truth, typed):
        return False
    return (
        typed.get("symbol") in {None, truth.symbol}
        and typed.get("side") in {None, truth.side}
        and (typed.get("order") is None or typed["order"] in truth.names)
    )


def is_in_time(truth: Truth, typed: dict[str, Any]) -> bool:
    """Whether it is within the window and the part of the day."""
    if truth.ts_ms < typed.get("since", 0) or truth.ts_ms >= typed.get("until", 2**62):
        return False
    if "between" not in typed:
        return True
    start, end = typed["between"]
    clock = datetime.fromtimestamp(truth.ts_ms / 1000).astimezone().time()
    return bool(start <= clock < end if start < end else clock >= start or clock < end)


def choices(made: RandomLog, random: Random) -> dict[str, Callable[[], Any]]:
    """A value for each filter."""
    names = [truth.names for truth in made.truths if truth.tool == "create_order" and truth.names]
    moments = [truth.ts_ms for truth in made.truths]
    return {
        "tool": lambda: random.choice((*READS, "create_order", "cancel_order")),
        "symbol": lambda: random.choice(SYMBOLS),
        "side": lambda: random.choice(("BUY", "SELL")),
        "outcome": lambda: random.choice(("done", "denied", "pending", "unavailable", "failed")),
        "state": lambda: random.choice(("filled", "open", "unknown", "rejected", "part_filled")),
        "code": lambda: random.choice([*(code.name for code in CODES), "EXCHANGE_UNREACHABLE"]),
        "event": lambda: random.choice(KINDS),
        "client": lambda: random.choice((*CLIENTS, "cursor")),
        "order": lambda: next(name for name in sorted(random.choice(names)) if name.startswith("g1-")),
        "since": lambda: random.choice(moments),
        "until": lambda: random.choice(moments),
        "between": lambda: random.choice(((time(2), time(5)), (time(22), time(6)), (time(9, 30), time(17)))),
    }


def combinations(made: RandomLog) -> Iterator[dict[str, Any]]:
    """No filter, each alone, each pair, and larger ones."""
    random = Random(7)
    values = choices(made, random)
    yield {}
    for name in values:
        for _ in range(3):
            yield {name: values[name]()}
    for first in values:
        for second in values:
            if first < second:
                yield {first: values[first](), second: values[second]()}
    for _ in range(60):
        yield {name: values[name]() for name in random.sample(sorted(values), random.randint(3, 5))}


def test_each_filter_combines_with_each(made: RandomLog, log: History) -> None:
    """The newest, those left out, and all from the oldest on: what is true, and nothing else."""
    found = 0
    for typed in combinations(made):
        fits = [truth for truth in made.truths if is_true(truth, typed)]
        unresolved = {truth.seq for truth in fits if truth.is_unresolved}
        within = [truth.seq for truth in sorted(fits, key=lambda truth: truth.seq) if is_in_time(truth, typed)]
        others = [seq for seq in within if seq not in unresolved]
        wanted = filter_of(TypedFilter(**typed, limit=5), log, NOW, text_of)
        page = log.newest(wanted, counts=True, monotonic=lambda: 0.0)
        assert {line.row.seq for line in page.unresolved} == unresolved, typed
        assert [line.row.seq for line in page.lines] == others[-5:], typed
        assert (page.total, page.is_exact) == (len(others), True), typed
        listed = [line.row.seq for line in log.oldest_first(replace(wanted, limit=None))]
        first = [seq for seq in within if seq in unresolved]
        assert sorted(listed[: len(first)]) == first, typed
        assert listed[len(first) :] == others, typed
        assert [line.row.seq for line in log.newest(replace(wanted, limit=None)).lines] == others, typed
        found += bool(within)
    assert found > 60


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("block", [7, 1000])
def test_expression_finds_what_a_plain_search_finds(
    made: RandomLog, log: History, pattern: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is left out before, no line is missing that has the expression in its words or rows.

    So it is where the rows of a call are in two blocks.
    """
    monkeypatch.setattr(log_walks, "FIRST_SEARCHED", block)
    monkeypatch.setattr(log_walks, "LARGEST_SEARCHED", block)
    everything = list(log.oldest_first(filter_of(TypedFilter(), log, NOW, text_of)))
    expected = {
        line.row.seq
        for line in everything
        if re.search(pattern, text_of(line))
        or any(row and re.search(pattern, row.body.decode()) for row in (line.row, line.intent_row, line.outcome_row))
    }
    wanted = filter_of(TypedFilter(grep=re.compile(pattern)), log, NOW, text_of)
    assert {line.row.seq for line in log.oldest_first(wanted)} == expected
    page = log.newest(replace(wanted, limit=None))
    assert {line.row.seq for line in (*page.unresolved, *page.lines)} == expected
    narrowed = filter_of(TypedFilter(grep=re.compile(pattern), symbol="BTCUSDT"), log, NOW, text_of)
    about = {line.row.seq for line in everything if line.is_about_symbol("BTCUSDT")}
    assert {line.row.seq for line in log.oldest_first(narrowed)} == expected & about


def test_names_are_taken_in_any_case_and_others_are_refused(log: History) -> None:
    """A symbol and a client as people type them; what the log has nothing of is named with what is like it."""
    assert filter_of(TypedFilter(symbol="btcusdt"), log, NOW, text_of).symbol == "BTCUSDT"
    assert filter_of(TypedFilter(client="Claude-Code"), log, NOW, text_of).client == "claude-code"
    for typed, said in (
        (TypedFilter(symbol="BTCUSD"), "did you mean `BTCUSDT`"),
        (TypedFilter(client="cursr"), "did you mean `cursor"),
        (TypedFilter(order="g1-0"), "no order in the log is called `g1-0`"),
    ):
        with pytest.raises(NothingNamed, match=said):
            filter_of(typed, log, NOW, text_of)


def test_order_is_found_under_each_of_its_names(made: RandomLog, log: History) -> None:
    """Its client order id, the id of its call, and `last`."""
    last = [truth for truth in made.truths if truth.tool == "create_order" and truth.names][-1]
    name = next(name for name in last.names if name.startswith("g1-"))
    by_id = log.names_of(name)
    assert by_id is not None
    assert log.names_of("last") == by_id
    assert log.names_of(str(by_id.call_id)) == by_id


def test_part_of_a_day_holds_for_a_log_that_is_ahead_of_the_clock(made: RandomLog, log: History) -> None:
    """What was written while the clock was ahead is found; a window without that part of a day holds nothing."""
    earlier = datetime.fromtimestamp(START_MS // 1000 - 100 * 86_400).astimezone()
    typed = {"between": (time(2), time(5))}
    wanted = filter_of(TypedFilter(between=(time(2), time(5)), limit=None), log, earlier, text_of)
    expected = [truth.seq for truth in made.truths if is_in_time(truth, typed) and not truth.is_unresolved]
    assert [line.row.seq for line in log.newest(wanted).lines] == expected
    nothing = filter_of(TypedFilter(between=(time(2), time(5)), since=2**40 * 10), log, earlier, text_of)
    assert list(log.oldest_first(nothing)) == []
