"""`guardian position`: what guardian bought, what the account has, what can be sold back; and setting it right."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.store.log.verify import verify
from tests.e2e.support.processes import Person, query
from tests.support.world import World, a_world_at_home, codes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")
D = Decimal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; no order needs a person, and 0.002 BTC is the most that may be held."""
    with a_world_at_home(
        tmp_path,
        {
            "confirmation": {"required_above": "10000"},
            "limits": {"rolling_notional": [{"window": "24h", "max": "1000"}], "max_daily_loss": "20"},
            "symbols": {"BTCUSDT": {"max_position": "0.002"}},
        },
    ) as made:
        yield made


def listed(world: World) -> dict[str, dict[str, str]]:
    found = world.command("position", "--json")
    assert found.returncode == 0, found.stderr
    return {one["asset"]: one for one in json.loads(found.stdout)}


def test_owner_sets_right_what_was_sold_by_hand(world: World, sit_down: Callable[..., Person]) -> None:
    """Bought 0.0016 BTC and sold by hand: BUYs are denied for good until the owner says so; then they pass.

    It asks, it is a row of the log, the ledger still adds up, and it is neither gain nor loss: 95 USDT of a position
    that is gone do not exceed a `max_daily_loss` of 20. Before, there was no such command.
    """
    assistant = world.assistant()
    assert assistant.order(order_type="MARKET", quantity="0.0016")["outcome"] == "done"
    before = listed(world)["BTC"]
    assert D("0.0015") < D(before["bought"]) == D(before["sellable"]) <= D("0.0016")
    assert "POSITION_EXCEEDS_MAX" in codes(assistant.order(order_type="MARKET", quantity="0.0011"))

    owner = sit_down("position", "set", "BTC", "0")
    owner.waits_for("[y/N]")
    assert f"guardian bought {before['bought']} BTC" in owner.seen
    owner.types("y\n")
    assert owner.leaves()[0] == 0

    assert "BTC" not in listed(world)
    assert assistant.order(order_type="MARKET", quantity="0.0011")["outcome"] == "done"
    rows = query(world.home, "SELECT key, body FROM audit WHERE key LIKE 'position/%'")
    body = json.loads(bytes(rows[0]["body"]))["data"]
    assert (body["kind"], body["was"], body["is"], body["by"]) == ("position_set", before["bought"], "0", "owner")
    assert verify(world.home).is_intact


def test_no_is_no_and_a_program_is_refused(world: World, sit_down: Callable[..., Person]) -> None:
    """Without a terminal nothing is asked; after a no nothing is changed."""
    assistant = world.assistant()
    assert assistant.order(order_type="MARKET", quantity="0.0016")["outcome"] == "done"
    before = listed(world)
    refused = world.command("position", "set", "BTC", "0")
    assert (refused.returncode, "no person is at a terminal" in refused.stderr) == (1, True)
    owner = sit_down("position", "set", "BTC", "0.001")
    owner.waits_for("[y/N]")
    owner.types("n\n")
    assert owner.leaves()[0] == 1
    assert listed(world) == before


def test_more_than_the_account_has_is_refused(world: World, sit_down: Callable[..., Person]) -> None:
    """What is not there cannot be sold back; the message says the most."""
    owner = sit_down("position", "set", "BTC", "1000000")
    assert owner.leaves()[0] == 1
    assert "so guardian cannot hold 1000000 of it" in owner.seen


def test_quantity_that_is_no_amount_is_wrong_usage(world: World) -> None:
    """Exit code 2, like any wrong argument."""
    assert world.command("position", "set", "BTC", "-1e3").returncode == 2
