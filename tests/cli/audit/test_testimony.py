"""`guardian audit verify --with-exchange` and `reconcile`: what the exchange testifies, on the paper exchange."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.audit.testimony import HeardExchange
from guardian.gate.witness.comparison import Disagreement, WitnessKind
from guardian.gate.witness.witnesses import Unasked, Witnessed
from guardian.store.database import Store
from guardian.system.clock import SYSTEM_CLOCK
from tests.support.world import World, a_world_at_home


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with a filled and an open order, and the paper exchange that has them."""
    changes = {"confirmation": {"required_above": "1000"}}
    with a_world_at_home(tmp_path_factory.mktemp("witness"), changes) as world:
        assistant = world.assistant()
        assert assistant.order(quantity="0.0005")["outcome"] == "done"
        offer = assistant.order(order_type="LIMIT", quantity="0.0005", price="59000", time_in_force="GTC")
        assert offer["outcome"] == "done"
        world.close()
        yield world


class Home:
    """A copy of the home, the same exchange, and the commands in this process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["audit", *arguments])
        return code, *self._capsys.readouterr()

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)

    def change(self, statement: str, *triggers: str) -> None:
        """Changes the file as a program would that may write the folder."""
        with closing(sqlite3.connect(self.path / "guardian.db", isolation_level=None)) as connection:
            kept = "SELECT sql FROM sqlite_master WHERE name = ?"
            again = [connection.execute(kept, (name,)).fetchone()[0] for name in triggers]
            for name in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)
            for made in again:
                connection.execute(made)


@pytest.fixture
def home(played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Home:
    path = tmp_path / "home"
    shutil.copytree(played.home, path)
    monkeypatch.setenv("GUARDIAN_HOME", str(path))
    return Home(path, capsys)


def test_the_exchange_agrees(home: Home) -> None:
    """The counts are shown beside the verification, and in its JSON; the log itself is not proven without a keyring."""
    code, out, _ = home.run("verify", "--with-exchange")
    assert code in {0, 3}
    lines = [line.split("  ", 1) for line in out.splitlines()]
    shown = {line[0]: line[-1].strip() for line in lines}
    assert (shown["testimony"], shown["orders that both have"]) == ("AGREES", "2")
    again, found = home.json("verify", "--with-exchange")
    assert again == code
    assert (found["exchange"]["orders"], found["exchange"]["executions"]) == (2, 1)
    assert found["exchange"]["disagreements"] == []
    assert "exchange" not in home.json("verify")[1]


def test_orders_that_were_cut_off_the_log_are_told_by_the_exchange(home: Home, tmp_path: Path) -> None:
    """A home that was made anew has an intact log, and the exchange has orders with guardian's prefix."""
    (home.path / "guardian.db").unlink()
    for name in ("guardian.db-wal", "guardian.db-shm", "audit.checkpoint"):
        (home.path / name).unlink(missing_ok=True)
    Store.open(tmp_path / "new", SYSTEM_CLOCK).close()
    shutil.copyfile(tmp_path / "new" / "guardian.db", home.path / "guardian.db")
    (home.path / "guardian.db").chmod(0o600)
    code, _, err = home.run("verify", "--with-exchange")
    assert code == 1
    assert err.count("not_in_log: BTCUSDT g1-") == 2
    assert "the exchange has it, and guardian's log has no row of it" in err


def test_a_fill_that_the_store_denies_is_named_by_both_commands(home: Home) -> None:
    """What somebody took off the store the exchange has listed, and reconciliation cannot mend it either."""
    home.change(
        "UPDATE orders SET executed_quantity = '0.0001', fee_quantity = '0.0001', updated_ms = 0 WHERE state = 'filled'"
    )
    code, found = home.json("verify", "--with-exchange")
    assert code == 1
    (one,) = found["exchange"]["disagreements"]
    assert (one["kind"], one["log"], one["exchange"]) == ("fills", "0.0001", "0.0005")


def test_reconcile_holds_all_of_the_orders_against_the_exchange(home: Home) -> None:
    """Below what it brought up to date is what the exchange testifies of every order."""
    code, out, err = home.run("reconcile")
    assert (code, err) == (0, "")
    assert "result" in out
    assert "testimony              AGREES" in out
    assert home.json("reconcile")[1]["testimony"]["orders"] == 2
    home.change("UPDATE flows SET change = '-0.5' WHERE kind = 'fee'", "flows_no_update")
    home.change("UPDATE orders SET updated_ms = 0 WHERE state = 'filled'")
    code, _, err = home.run("reconcile")
    assert code == 1, err
    assert "the fees differ: guardian has 0.5 BTC, the exchange has 0.0000005 BTC" in err


def test_an_exchange_that_cannot_be_asked_is_exit_3_and_tampering_still_1(home: Home) -> None:
    """No answer is never taken for agreement, and the log is verified all the same."""
    policy = home.path / "policy.toml"
    text = policy.read_text()
    endpoint = next(line for line in text.splitlines() if line.startswith("endpoint"))
    policy.write_text(text.replace(endpoint, 'endpoint = "http://127.0.0.1:9"'))
    code, out, err = home.run("verify", "--with-exchange")
    assert code == 3
    assert "the exchange could not be asked" in err
    assert "rows" in out
    assert home.json("verify", "--with-exchange")[1]["exchange"]["result"] == "not asked"
    home.change("UPDATE audit SET body = x'00' WHERE seq = 2", "audit_no_update")
    assert home.run("verify", "--with-exchange")[0] == 1


WITNESSED = Witnessed(
    environment="paper", account="a", symbols=("BTCUSDT",), orders=1, executions=0, disagreements=(), behind=(),
    unresolved=(), fees_unknown=0, left_lists=0, foreign=0, unasked=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({}, 0, ""),
        ({"unasked": (Unasked(symbol="XUSDT", why="gone"),)}, 3, "not looked at: XUSDT: gone"),
        ({"behind": ("g1-a",)}, 0, "moved on since guardian last asked: g1-a"),
        ({"behind": tuple(f"g1-{n}" for n in range(7))}, 0, "g1-4 and 2 more"),
        ({"unresolved": ("g1-b",)}, 0, "not resolved yet: g1-b"),
        ({"fees_unknown": 2}, 0, "2 executed orders"),
        ({"left_lists": 3}, 0, "3 orders without a fill are so old"),
    ],
)
def test_everything_that_is_no_agreement_is_said(
    changes: dict[str, Any], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in its own words, with an exit code that says what it means."""
    testimony = HeardExchange(replace(WITNESSED, **changes))
    testimony.print()
    assert testimony.exit_code == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", list(WitnessKind))
def test_every_kind_of_disagreement_has_words(kind: WitnessKind, capsys: pytest.CaptureFixture[str]) -> None:
    """And makes the exit code 1, whatever else could not be asked."""
    one = Disagreement(kind=kind, symbol="BTCUSDT", client_order_id="g1-a", order_id=None, log="x", exchange=None)
    testimony = HeardExchange(replace(WITNESSED, disagreements=(one,), unasked=(Unasked(symbol="X", why="y"),)))
    testimony.print()
    out, err = capsys.readouterr()
    assert testimony.exit_code == 1
    assert "1 DISAGREEMENTS" in out
    assert f"{kind.value}: BTCUSDT g1-a: " in err
    assert err.splitlines()[0].endswith(": guardian has x")
