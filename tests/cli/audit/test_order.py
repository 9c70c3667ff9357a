"""`guardian audit order`: the whole life of an order, by each of its names, and what the log lacks of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.store.answers.order_life import find_order
from guardian.store.log.read_only import read_only
from guardian.store.log.statements import (
    CALLS_NAMING,
    EVENTS_NAMING,
    FLOWS_OF_ORDER_IN_TIME,
    NEWEST_CALL_OF_TOOL,
    ORDER_BY_ID,
    ORDER_OF_CALL,
    ORDERS_BY_BEGINNING,
    PROPOSING_OUTCOMES,
    ROWS_WITH_KEYS,
)
from tests.support.world import a_world_at_home


class Played:
    """A home in which one order was filled, one cancelled and one denied."""

    def __init__(self, home: Path, filled: dict[str, Any], cancelled: dict[str, Any], proposal: str) -> None:
        self.home = home
        self.filled = filled
        self.cancelled = cancelled
        self.proposal = proposal


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with a_world_at_home(tmp_path_factory.mktemp("played")) as world:
        assistant = world.assistant()
        asked = assistant.order(quantity="0.0005")["data"]
        token = asked["confirmation_token"]
        filled = assistant.call("create_order", confirmation_token=token)["data"]["order"]
        offer = assistant.confirmed(order_type="LIMIT", price="50000", time_in_force="GTC", quantity="0.0009")
        cancelled = offer["data"]["order"]
        assistant.call("cancel_order", symbol="BTCUSDT", order_id=cancelled["order_id"])
        assert assistant.order(quantity="1")["outcome"] == "denied"
        world.close()
        yield Played(world.home, filled, cancelled, asked["proposal_id"])


class Shown:
    """The command on a copy of the home."""

    def __init__(self, home: Path, played: Played, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.played = played
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["audit", "order", *arguments])
        return code, *self._capsys.readouterr()

    def json(self, name: str) -> Any:
        code, out, _ = self.run(name, "--json")
        assert code == 0
        return json.loads(out)

    def change(self, statement: str) -> None:
        """Changes the file as a program would that may write the folder."""
        with closing(sqlite3.connect(self.home / "guardian.db", isolation_level=None)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)


@pytest.fixture
def shown(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    home = tmp_path / "home"
    shutil.copytree(played.home, home, ignore=shutil.ignore_patterns("paper*"))
    monkeypatch.setenv("GUARDIAN_HOME", str(home))
    return Shown(home, played, capsys)


def steps(life: Any) -> list[str]:
    return [step["step"] for step in life["steps"]]


def test_every_name_of_an_order_shows_the_same_life(shown: Shown) -> None:
    """Its proposal, in either case, its client order id or the beginning of it, the exchange's id and its calls."""
    order = shown.played.filled
    life = shown.json(order["client_order_id"])
    names = (
        shown.played.proposal,
        shown.played.proposal.lower(),
        order["client_order_id"][:9],
        str(order["order_id"]),
        life["steps"][0]["call_id"],
        life["steps"][3]["call_id"],
    )
    for name in names:
        assert shown.json(name)["steps"] == life["steps"], name


def test_the_life_of_a_filled_order_is_whole(shown: Shown) -> None:
    """Asked, judged, shown, asked to send, judged again, sent, answered, and what the ledger has of it, in order."""
    life = shown.json(shown.played.proposal)
    assert steps(life) == [
        "asked", "judged", "shown", "asked", "judged", "sent", "answered", "fill", "paid", "fee",
    ]  # fmt: skip
    texts = [step["text"] for step in life["steps"]]
    assert "BUY 0.0005 BTCUSDT at market" in texts[0]
    assert "quantity 0.0005" in texts[0]
    assert texts[1].startswith("needs your yes, counts as 30.300505")
    assert "bid/ask 60000/60001, costs at most 30.300505" in texts[2]
    assert "with the token" in texts[3]
    assert texts[5] == (f"LIMIT IOC BUY 0.0005 BTCUSDT at 60601.01, as {shown.played.filled['client_order_id']}")
    assert texts[6] == f"filled, 60001 on average, fees 0.0000005 BTC, exchange id {shown.played.filled['order_id']}"
    assert [one for one in life["steps"] if one["verified"] is False] == []
    assert life["missing"] == [
        "nobody approved it: the policy gave the token to the chat, and whoever reads that can use it"
    ]


def test_each_rule_is_shown_with_what_it_saw_its_limit_and_what_was_left(shown: Shown) -> None:
    """The judgement is repeated from the facts of the log under the policy that they name."""
    life = shown.json(shown.played.proposal)
    rules = {one["rule"]: one for one in life["steps"][4]["rules"]}
    assert rules["max_notional"] == {
        "rule": "max_notional", "observed": "30.300505", "limit": "100", "headroom": "69.699495", "unit": "USDT",
    }  # fmt: skip
    assert (rules["max_orders in 1m"]["observed"], rules["max_orders in 1m"]["headroom"]) == ("1", "4")
    assert rules["collar 3%"]["limit"] == "61801.03"
    assert {"max_quantity", "max_position", "rolling_notional in 24h", "max_open_notional", "max_open_orders",
            "halt_after_orders", "max_calls_per_minute", "max_age", "max_trade_age", "max_divergence 2%", "clock",
            "min_free_quote"} < set(rules)  # fmt: skip


def test_a_cancel_by_the_exchange_id_is_part_of_the_life(shown: Shown) -> None:
    """Who cancelled, what the exchange answered, and that nothing was filled."""
    life = shown.json(shown.played.cancelled["client_order_id"])
    assert steps(life)[-3:] == ["cancel", "cancelled", "answered"]
    assert life["order"]["state"] == "cancelled"


def test_the_last_order_may_have_been_denied(shown: Shown) -> None:
    """Each denial is there in words, and each rule that it was over or under."""
    code, out, _ = shown.run("last")
    assert code == 0
    assert "nothing was sent" in out
    assert "- 60601.01 USDT over max_notional 100 USDT" in out
    assert "max_notional: 60601.01, limit 100 USDT, 60501.01 beyond it" in out


def test_a_person_reads_days_times_and_rules(shown: Shown) -> None:
    """The day is a heading with its zone; nothing is folded through a pipe."""
    code, out, err = shown.run(shown.played.proposal)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "order            BUY 0.0005 BTCUSDT at 60001 (30 USDT)"
    assert any(line.startswith("20") and line.endswith(")") for line in lines)
    assert "                        max_position: 0.0005, limit 0.02 base asset, 0.0195 left" in lines
    assert "nobody approved it" in err


def test_a_terminal_folds_between_words(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 80 columns no line but a single long word is longer."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["audit", "order", shown.played.proposal]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80


def test_what_means_several_orders_names_them(shown: Shown) -> None:
    """A number that two orders have at their symbols, and the beginning of two ids."""
    shown.change("UPDATE orders SET order_id = 7")
    code, out, err = shown.run("7")
    assert (code, out) == (1, "")
    for order in (shown.played.filled, shown.played.cancelled):
        assert order["client_order_id"] in err
    assert shown.run("7", "--json")[:2] == (1, "null\n")


@pytest.mark.parametrize("name", ["nothing", "g1-", "g1-ffffffff", "999", "ABCDEF", "'; --"])
def test_what_is_not_there_is_said(shown: Shown, name: str) -> None:
    """No traceback, and the way to find names."""
    code, out, err = shown.run(name)
    assert (code, out) == (1, "")
    assert "guardian audit list" in err


def test_without_a_log_nothing_is_called_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made either."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "none"))
    assert main(["audit", "order", "last"]) == 1
    assert "no order" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM audit WHERE phase = 'intent'", "no intent row"),
        (
            "DELETE FROM audit WHERE phase = 'outcome' AND CAST(body AS TEXT) LIKE '%client_order_id%'",
            "no answer of the exchange",
        ),
        ("DELETE FROM orders", "no row of this order"),
        ("DELETE FROM audit WHERE outcome = 'confirmation_required'", "no row of the call that proposed it"),
        ("UPDATE orders SET fee_quantity = '0'", "not all of its fees are known"),
        ("UPDATE orders SET call_id = NULL", "found it at the exchange"),
    ],
)
def test_what_the_log_lacks_is_said_and_not_invented(shown: Shown, change: str, said: str) -> None:
    """Whoever takes rows away leaves a life with a gap that is named."""
    shown.change(change)
    code, _, err = shown.run(shown.played.filled["client_order_id"])
    assert (code, said in err) == (0, True), err


@pytest.mark.parametrize("change", ["DELETE FROM policies", "UPDATE policies SET text = 'x' || text"])
def test_without_the_text_of_its_policy_no_limit_is_invented(shown: Shown, change: str) -> None:
    """The rules come from a policy with the digest of the log, or not at all."""
    shown.change(change)
    life = shown.json(shown.played.proposal)
    judged = [step for step in life["steps"] if step["step"] == "judged"]
    assert [step["rules"] for step in judged] == [[], []]
    assert all("is not kept" in step["text"] for step in judged)


def test_a_changed_row_is_marked(shown: Shown) -> None:
    """A row that is not as it was written says so beside what it says now."""
    shown.change("UPDATE audit SET body = replace(CAST(body AS TEXT), '0.0005', '0.0004') WHERE phase = 'intent'")
    code, out, _ = shown.run(shown.played.filled["client_order_id"])
    assert code == 0
    assert any("sent      ! " in line for line in out.splitlines())
    assert False in [step["verified"] for step in shown.json(shown.played.filled["client_order_id"])["steps"]]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET body = x'00'",
        "UPDATE audit SET body = x'5b5d'",
        "UPDATE audit SET ts_ms = 4611686018427387904",
        "UPDATE proposals SET created_ms = -4611686018427387904, expires_ms = 4611686018427387904",
        "UPDATE orders SET order_id = -1, state = 'x', confirmed = 9, quantity = 'many'",
        "UPDATE flows SET change = 'much', kind = 'x'",
    ],
)
def test_any_cell_of_any_type_is_rendered(shown: Shown, change: str) -> None:
    """Reading never breaks, whatever somebody wrote into the file."""
    shown.change(change)
    code, _, err = shown.run(shown.played.filled["client_order_id"])
    assert code == 0, err
    assert shown.run(shown.played.filled["client_order_id"], "--json")[0] == 0


def test_an_id_within_another_number_is_another_order(shown: Shown) -> None:
    """A cancel of order 11 is no cancel of order 1."""
    name = shown.played.filled["client_order_id"]
    before = steps(shown.json(name))
    digits = str(shown.played.cancelled["order_id"])[-1:]
    shown.change(f"UPDATE orders SET order_id = {int(digits) or 1} WHERE client_order_id = '{name}'")
    assert steps(shown.json(name)) == before


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        (ORDER_BY_ID, "SEARCH orders USING INDEX"),
        (ORDERS_BY_BEGINNING, "SEARCH orders USING INDEX"),
        (ORDER_OF_CALL, "SEARCH orders USING INDEX"),
        (NEWEST_CALL_OF_TOOL, "SEARCH audit USING INDEX ix_audit_tool (tool=?)"),
        (PROPOSING_OUTCOMES, "SEARCH audit USING INDEX ix_audit_outcome (outcome=? AND seq>? AND seq<?)"),
        (EVENTS_NAMING, "SEARCH audit USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (CALLS_NAMING, "SEARCH audit USING INDEX ix_audit_tool (tool=? AND seq>?)"),
        (ROWS_WITH_KEYS, "SEARCH audit USING INDEX ux_audit_key (key>? AND key<?)"),
        (FLOWS_OF_ORDER_IN_TIME, "SEARCH flows USING INDEX ix_flows_order (client_order_id=?)"),
    ],
)
def test_one_order_is_found_by_indexes(shown: Shown, statement: str, plan: str) -> None:
    """What one order costs does not grow with the log."""
    names = ("name", "limit", "call_id", "tool", "low", "high", "needle")
    with read_only(shown.home / "guardian.db") as connection:
        found = connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names, "1")).fetchall()
    assert found[0][3].startswith(plan), found


def test_the_names_are_given_once(shown: Shown) -> None:
    """A whole id is one order, whatever else begins with it."""
    (found,) = find_order(shown.home, shown.played.filled["client_order_id"])
    assert found.proposal_id == shown.played.proposal
