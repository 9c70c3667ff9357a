"""`guardian audit reconcile` on a real home and the paper exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import World, a_world_at_home


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market, and a home whose policy lets orders go unconfirmed."""
    with a_world_at_home(tmp_path, {"confirmation": {"required_above": "1000"}}) as made:
        yield made


def test_agreement_and_differences_are_told_by_the_exit_code(world: World) -> None:
    """0 where both sides agree, 1 where they differed, and 0 again after that; the fees are found out with the fill."""
    assistant = world.assistant()
    reply = assistant.order(order_type="LIMIT", quantity="0.0005", price="59900")
    assert reply["outcome"] == "done", reply
    name = reply["data"]["order"]["client_order_id"]
    agreed = world.command("audit", "reconcile", "--symbol", "BTCUSDT", "--json")
    assert (agreed.returncode, agreed.stderr) == (0, "")
    found = json.loads(agreed.stdout)
    assert (found["symbols"], found["agreed"], found["differences"]) == (["BTCUSDT"], 1, [])
    world.close()
    world.market("59800", "59801")
    differed = world.command("audit", "reconcile")
    assert differed.returncode == 1
    assert f"moved: BTCUSDT {name}: guardian has open, the exchange filled" in differed.stderr
    assert "1 DIFFERENCES" in differed.stdout
    assert "fees found out" in differed.stdout
    again = json.loads(world.command("audit", "reconcile", "--json").stdout)
    assert (again["differences"], again["fees"]) == ([], 0)
    assert world.command("audit", "verify").returncode == 3


def test_what_cannot_be_told_is_exit_3_and_what_is_no_symbol_exit_2(world: World) -> None:
    """An exchange that is not there answers nothing."""
    world.assistant().call("get_ticker_price", symbol="BTCUSDT")
    assert world.command("audit", "reconcile", "--symbol", "btc/usdt").returncode == 2
    world.paper.__exit__(None, None, None)
    gone = world.command("audit", "reconcile")
    assert gone.returncode == 3
    assert gone.stdout == ""


def test_symbol_that_the_exchange_refuses_is_shown_and_is_exit_3(world: World) -> None:
    """What could not be compared is named, with why, beside what could; and only a whole comparison is dated."""
    world.policy({"confirmation": {"required_above": "1000"}})
    assistant = world.assistant()
    assert assistant.order(order_type="LIMIT", quantity="0.0005", price="59900")["outcome"] == "done"
    world.close()
    refused = world.command("audit", "reconcile", "--symbol", "AAAUSDT", "--symbol", "BTCUSDT")
    assert refused.returncode == 3
    assert "COULD NOT TELL for AAAUSDT" in refused.stdout
    assert "not compared: AAAUSDT: the exchange refused the request (code -1121)" in refused.stderr
    told = world.command("audit", "reconcile", "--symbol", "AAAUSDT", "--symbol", "BTCUSDT", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["agreed"], found["is_whole"]) == (3, 1, False)
    assert [(one["symbol"], one["exchange_code"]) for one in found["refused"]] == [("AAAUSDT", -1121)]


def test_status_says_when_all_was_last_compared(world: World) -> None:
    """Never, then when the last whole comparison was; one of a single symbol is none.

    No server runs here: it compares everything by itself right after its start.
    """
    assert json.loads(world.command("status", "--json").stdout)["reconciled"] is None
    assert world.command("audit", "reconcile", "--symbol", "BTCUSDT").returncode == 0
    assert json.loads(world.command("status", "--json").stdout)["reconciled"] is None
    assert "never" in world.command("status").stdout
    assert json.loads(world.command("audit", "reconcile", "--json").stdout)["is_whole"]
    assert json.loads(world.command("status", "--json").stdout)["reconciled"].endswith("Z")
