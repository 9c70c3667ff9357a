"""`guardian audit stats`: the counts are those of a plain reading of every row, whatever they are by."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.cli.app import main
from guardian.domain.order_states import OrderState
from guardian.store.answers import stats as stats_module
from guardian.store.answers.stats import percentile
from guardian.store.log import statements
from guardian.store.log.read_only import read_only
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import START_MS, World

HOUR = 3_600_000
_TOOLS = ("get_ticker", "create_order", "cancel_order")


class Counted:
    """A home with calls of many kinds, what a plain reading of them gives, and the command."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.calls: list[dict[str, Any]] = []
        self._capsys = capsys

    def call(self, number: int, **given: Any) -> None:
        """One call with its outcome some time later, and an order where one is named."""
        world, call_id = self.world, f"call-x{number}"
        one: dict[str, Any] = {
            "tool": _TOOLS[number % 3], "symbol": None if number % 4 == 0 else "BTCUSDT", "outcome": "done",
            "client": f"client-{number % 2}", "took": 10 * number, "codes": (), "order": None, "at": world.clock_ms,
            **given,
        }  # fmt: skip
        common = {"call_id": call_id, "tool": one["tool"], "symbol": one["symbol"]}
        # A model may write what it likes: its arguments are no client.
        body: dict[str, Any] = {"arguments": {"client": "liar", "x": '"client":"liar"'}}
        body |= {} if one["client"] is None else {"client": one["client"]}
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.CALL, body=body, **common))
        if one["order"] is not None:
            with world.store.transaction() as tx:
                entry = tx.audit.append(
                    Record(phase=Phase.INTENT, environment="paper", account="a1", **{**common, "symbol": "BTCUSDT"})
                )
                tx.orders.reserve(world.new_order(tx, entry))
            world.move(str(entry.client_order_id), one["order"])
        world.clock_ms += one["took"]
        if one["outcome"] is not None:
            denials = [{"code": code} for code in one["codes"]]
            body = {"error": {"code": one["codes"][0], "denials": denials}} if one["codes"] else {}
            with world.store.transaction() as tx:
                tx.audit.append(Record(phase=Phase.OUTCOME, outcome=one["outcome"], body=body, **common))
        self.calls.append(one)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["audit", "stats", *arguments])
        return code, *self._capsys.readouterr()

    def lines(self, *arguments: str) -> dict[str, dict[str, Any]]:
        code, out, _ = self.run(*arguments, "--json")
        assert code == 0
        return {line["name"]: line for line in json.loads(out)["lines"]}

    def expected(self, key: str) -> tuple[dict[str, int], dict[str, int]]:
        """How many calls and how many denied calls each value of a key has."""
        calls, denied = Counter[str](), Counter[str]()
        for one in self.calls:
            calls[one[key]] += 1
            denied[one[key]] += one["outcome"] == "denied"
        return dict(calls), dict(denied)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Counted]:
    world = World(tmp_path / "guardian")
    monkeypatch.setenv("GUARDIAN_HOME", str(world.home))
    made = Counted(world, capsys)
    for number in range(12):
        made.call(number)
        world.clock_ms += HOUR // 3
    made.call(20, tool="create_order", outcome="denied", codes=("A_CODE", "B_CODE"), client="client-0")
    made.call(21, tool="create_order", outcome="denied", codes=("A_CODE",), client=None)
    made.call(22, tool="create_order", outcome="unavailable", codes=("NETWORK",))
    made.call(23, tool="get_ticker", outcome=None)
    made.call(24, tool="create_order", symbol=None, order=OrderState.FILLED)
    made.call(25, tool="create_order", symbol="BTCUSDT", order=OrderState.UNKNOWN, outcome="unknown")
    yield made
    world.store.close()


def test_lines_by_tool_are_those_of_every_row(counted: Counted) -> None:
    """Calls, denials, orders with their notional, what is not known, and the latency of each."""
    lines = counted.lines()
    calls, denied = counted.expected("tool")
    assert {name: line["calls"] for name, line in lines.items()} == calls
    assert {name: line["denied"] for name, line in lines.items()} == denied
    order = lines["create_order"]
    assert (order["orders"], order["unresolved"], order["notional"]) == (2, 1, {"USDT": "200"})
    took = sorted(one["took"] for one in counted.calls if one["tool"] == "get_ticker" and one["outcome"])
    ticker = lines["get_ticker"]
    assert (ticker["p50_ms"], ticker["p95_ms"]) == (percentile(took, 50), percentile(took, 95))
    assert ticker["latency_calls"] == len(took)


def test_lines_by_symbol_have_the_orders_of_tokens(counted: Counted) -> None:
    """The call that sends a confirmed order does not name its symbol; the order does."""
    calls, denied = counted.expected("symbol")
    (line,) = counted.lines("--by", "symbol").values()
    assert (line["name"], line["calls"]) == ("BTCUSDT", calls["BTCUSDT"] + 1)
    assert (line["denied"], line["orders"]) == (denied["BTCUSDT"], 2)


def test_lines_by_outcome_have_the_calls_that_have_none(counted: Counted) -> None:
    """A call without an outcome row is pending."""
    found = counted.lines("--by", "outcome")
    wanted = Counter(one["outcome"] or "pending" for one in counted.calls)
    assert {name: line["calls"] for name, line in found.items()} == dict(wanted)
    assert (found["denied"]["denied"], found["unknown"]["unresolved"]) == (2, 1)


def test_lines_by_code_count_a_call_for_each_of_its_codes(counted: Counted) -> None:
    """Each rule that denied is counted; what was done has no code."""
    found = counted.lines("--by", "code")
    assert {name: (line["calls"], line["denied"]) for name, line in found.items()} == {
        "A_CODE": (2, 2), "B_CODE": (1, 1), "NETWORK": (1, 0), "(unknown)": (1, 0),
    }  # fmt: skip


def test_lines_by_client_are_not_what_a_model_wrote(counted: Counted) -> None:
    """The client is what the connection named, and no argument is taken for it."""
    found = counted.lines("--by", "client")
    wanted = Counter(one["client"] or "(no client named)" for one in counted.calls)
    assert {name: line["calls"] for name, line in found.items()} == dict(wanted)
    assert found["client-0"]["denied"] == 1
    assert found["(no client named)"]["denied"] == 1


@pytest.mark.parametrize(("by", "form"), [("day", "%Y-%m-%d"), ("hour", "%H:00")])
def test_lines_by_time_are_those_of_the_person(counted: Counted, by: str, form: str) -> None:
    """Days and hours where the person is, in their order."""
    found = counted.lines("--by", by)
    wanted = Counter(f"{datetime.fromtimestamp(one['at'] // 1000).astimezone():{form}}" for one in counted.calls)
    assert {name: line["calls"] for name, line in found.items() if line["calls"]} == dict(wanted)
    assert list(found) == sorted(found)
    assert sum(line["orders"] for line in found.values()) == 2
    assert sum(line["denied"] for line in found.values()) == 2


@pytest.mark.parametrize("by", ["tool", "symbol", "outcome", "code", "day", "hour", "client"])
def test_a_period_counts_what_came_since(counted: Counted, by: str) -> None:
    """From a time on; nothing at all since the end is said kindly."""
    since = START_MS + 6 * (HOUR // 3)
    zone = datetime.fromtimestamp(since / 1000).astimezone().isoformat()
    late = [one for one in counted.calls if one["at"] >= since]
    found = counted.lines("--by", by, "--since", zone)
    if by in {"tool", "day", "hour", "client"}:
        assert sum(line["calls"] for line in found.values()) == len(late)
    code, out, err = counted.run("--by", by, "--since", "2030-01-01")
    assert (code, out) == (0, "")
    assert "no calls since then" in err


def test_what_only_bodies_say_is_of_the_newest_rows_and_that_is_said(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a period the oldest are left out, never in silence; with one all are counted."""
    monkeypatch.setattr(stats_module, "NEWEST_BODIES", 3)
    code, _, err = counted.run("--by", "client")
    assert code == 0
    assert "only the newest 3 calls are counted" in err
    assert sum(line["calls"] for line in counted.lines("--by", "client").values()) == 3
    whole = counted.lines("--by", "client", "--since", "2020-01-01")
    assert sum(line["calls"] for line in whole.values()) == len(counted.calls)
    monkeypatch.setattr(stats_module, "NEWEST_BODIES", 1)
    assert "only the newest 1" in counted.run("--by", "code")[2]


def test_a_person_reads_a_table(counted: Counted) -> None:
    """What is denied and not known has its column; a word that is none names the nearest."""
    code, out, _ = counted.run()
    assert code == 0
    head, first = out.splitlines()[:2]
    assert head.split() == ["tool", "calls", "denied", "orders", "notional", "not", "known", "p50", "ms", "p95", "ms"]
    assert first.split()[:4] == ["create_order", "9", "2", "2"]
    code, _, err = counted.run("--by", "tol")
    assert (code, "did you mean `tool`?" in err) == (2, True)


def test_without_a_log_there_are_no_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made either."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "none"))
    assert main(["audit", "stats"]) == 0
    assert "no calls" in capsys.readouterr().err
    assert main(["audit", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == []
    assert not (tmp_path / "none").exists()


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_is_the_smallest_that_enough_do_not_exceed(values: list[int], percent: int) -> None:
    """By nearest rank; none of no values."""
    ordered = sorted(values)
    found = percentile(ordered, percent)
    enough = [one for one in ordered if sum(value <= one for value in ordered) * 100 >= percent * len(ordered)]
    assert found == enough[0]
    assert percentile([], percent) is None


_PLANS: dict[str, str] = defaultdict(lambda: "SEARCH audit USING INDEX ix_audit_tool (tool=? AND seq>? AND seq<?)")
_PLANS |= {
    "CALLS_BY_TOOL": "SEARCH audit USING INDEX ix_audit_tool",
    "CALLS_BY_SYMBOL": "SEARCH audit USING INDEX ix_audit_symbol",
    "CALLS_BY_OUTCOME": "SEARCH audit USING INDEX ix_audit_outcome",
    "DENIED_COUNT": "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)",
    "DENIED_BY_TOOL": "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)",
    "DENIED_BY_SYMBOL": "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)",
    "ORDERS_BY_TOKEN": "SEARCH c USING INDEX ux_audit_call_phase",
    "COUNTED_ORDERS": "SEARCH a USING INDEX ux_audit_call_phase",
    "LATENCIES_OF_SYMBOL": "SEARCH audit USING INDEX ix_audit_symbol (symbol=? AND seq>? AND seq<?)",
    "LATENCIES_OF_OUTCOME": "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)",
    "LATENCIES_BETWEEN": "SEARCH audit USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "NEWEST_CALL_BODIES": "SEARCH c USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "NEWEST_ENDS": "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)",
    "ENDS_OF_CALLS": "SEARCH audit USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
}


@pytest.mark.parametrize("name", [*_PLANS, "CALLS_WITH_TOOL", "LATENCIES_OF_TOOL"])
def test_counts_go_along_indexes(counted: Counted, name: str) -> None:
    """The rows themselves, a hundred times as many bytes, are walked along only where few of them are wanted."""
    given = dict.fromkeys(("low", "high", "tool", "name", "limit"), "1")
    with read_only(counted.world.home / "guardian.db") as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {getattr(statements, name)}", given).fetchall()
    found = [row[3] for row in plan]
    assert any(line.startswith(_PLANS[name]) for line in found), found
    assert not any(line in {"SCAN audit", "SCAN c", "SCAN o"} and len(found) == 1 for line in found)


def test_the_first_and_last_row_are_found_without_a_walk(counted: Counted) -> None:
    """Every `--since` asks for both, twenty times: with both in one SELECT SQLite reads the whole log."""
    with read_only(counted.world.home / "guardian.db") as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statements.FIRST_AND_LAST_SEQ}").fetchall()
    assert [row[3] for row in plan if "audit" in row[3]] == ["SEARCH audit", "SEARCH audit"]
