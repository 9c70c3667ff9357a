"""`guardian audit verify` on a broken log halts trading, and `guardian resume` lets the owner go on knowing of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.processes import Person, query
from tests.support.tamper import tamper
from tests.support.world import WIDE, World, a_world_at_home, codes

LIMIT = {"order_type": "LIMIT", "quantity": "0.001", "price": "60000"}
FIRST_ROW = "UPDATE audit SET tool = 'get_balance' WHERE seq = 1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange, and a home with a policy of its own whose log has a few rows."""
    with a_world_at_home(tmp_path, WIDE) as made:
        assert made.assistant().order(**LIMIT)["outcome"] == "done"
        yield made


def events(world: World) -> list[dict[str, Any]]:
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    return [json.loads(bytes(row["body"]))["data"] for row in rows]


def trading(world: World) -> str:
    (row,) = query(world.home, "SELECT state FROM control")
    return str(row["state"])


def test_verify_halts_for_what_it_finds_once(world: World) -> None:
    """A damage that nothing else looks at: verify halts every process, says so, and does it once.

    The order that is taken out never was at the exchange. The running server compares its log with what is there by
    itself, and would find any other, and halt for it, first.
    """
    (assistant,) = world._assistants
    world.controls.fault("POST", "/api/v3/order", "status", status=400, body='{"code": -2010, "msg": "no"}')
    assert assistant.order(**{**LIMIT, "price": "59500"})["outcome"] == "rejected"
    tamper(world, "DELETE FROM orders WHERE state = 'rejected'")
    assert trading(world) == "active"
    for _ in range(2):
        done = world.command("audit", "verify")
        assert done.returncode == 1
        assert "TAMPERED" in done.stdout
        assert "trading is halted; `guardian resume` lets it continue all the same" in done.stderr
    (told,) = [event for event in events(world) if event.get("cause") == "broken_chain"]
    assert (told["kind"], told["by"]) == ("halted", "guardian")
    assert re.search(r"order `g1-[0-9a-f]{32}` is missing: the log has it", told["reason"])
    refused = assistant.order(**{**LIMIT, "price": "59000"})
    assert codes(refused) == {"TRADING_HALTED"}
    assert "the chain of the log is broken" in refused["error"]["message"]
    assert assistant.call("get_balance")["outcome"] == "done"
    as_json = world.command("audit", "verify", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)["result"]) == (1, "tampered")


def test_verify_of_a_log_that_is_gone_halts_by_way_of_the_emergency_file(world: World) -> None:
    """There is no log to write to, and the exit code stays what it is; again changes nothing."""
    world.close()
    for name in ("guardian.db", "guardian.db-wal", "guardian.db-shm"):
        (world.home / name).unlink(missing_ok=True)
    for _ in range(2):
        done = world.command("audit", "verify")
        assert done.returncode == 1
        assert "trading is halted" in done.stderr
    records = (world.home / "emergency.log").read_bytes().rstrip(b"\0").splitlines()
    assert {json.loads(record)["kind"] for record in records} == {"broken_chain"}
    assert len(records) <= 2
    assert not (world.home / "guardian.db").exists()


def test_verify_of_a_whole_log_halts_nothing(world: World) -> None:
    """Exit 0, and not a byte of the log is written."""
    before = query(world.home, "SELECT count(*) AS n FROM audit")
    assert world.command("audit", "verify").returncode == 3
    assert query(world.home, "SELECT count(*) AS n FROM audit") == before
    assert trading(world) == "active"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")
def test_owner_resumes_knowing_and_the_same_damage_does_not_undo_it(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """The owner sees what was found, the log has what they agreed to, and verify finds it again and halts no more."""
    tamper(world, FIRST_ROW)
    assert world.command("audit", "verify").returncode == 1
    assert trading(world) == "halted"
    person = sit_down("resume")
    person.waits_for("[y/N] ")
    assert "row 1: `tool` was changed" in " ".join(person.seen.split())
    person.types("y\n")
    assert person.leaves()[0] == 0
    resumed = events(world)[-1]
    assert resumed["kind"] == "resumed"
    assert "row 1: `tool` was changed" in resumed["reason_was"]
    again = world.command("audit", "verify")
    assert again.returncode == 1
    assert "trading is active: all of this was reported before the owner resumed" in again.stderr
    world.close()
    assistant = world.assistant()
    assert assistant.order(**{**LIMIT, "price": "59000"})["outcome"] == "done"
    assert trading(world) == "active"
    tamper(world, "UPDATE audit SET symbol = 'ETHUSDT' WHERE seq = 1")
    assert world.command("audit", "verify").returncode == 1
    assert trading(world) == "halted"
