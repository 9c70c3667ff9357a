"""`guardian settle`: the owner ends the wait for an order whose fate is unknown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.cli.orders import settlement
from tests.e2e.support.processes import Person, query
from tests.support.world import WIDE, World, a_world_at_home, codes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")

LIMIT = {"order_type": "LIMIT", "quantity": "0.0005", "price": "59500"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and asks nobody."""
    with a_world_at_home(tmp_path, WIDE, {"limits": {"duplicate_window": "24h"}}) as made:
        yield made


def orders(world: World) -> dict[str, str]:
    return {row["client_order_id"]: row["state"] for row in query(world.home, "SELECT * FROM orders")}


def test_owner_settles_an_order_that_never_arrived(world: World, sit_down: Callable[..., Person]) -> None:
    """It says what it means, asks, and writes down who and why; the order counts no more and bars its duplicate.

    There was no such command: an order whose fate is unknown held its symbol back for as long as it took.
    """
    world.controls.fault("POST", "/api/v3/order", "reset_before")
    assistant = world.assistant()
    reply = assistant.order(**LIMIT)
    assert reply["outcome"] == "unknown"
    name = reply["error"]["client_order_id"]
    assert "ORDER_UNRESOLVED" in codes(assistant.order(**{**LIMIT, "price": "59400"}))
    unattended = world.command("settle", name)
    assert (unattended.returncode, orders(world)[name]) == (1, "unknown")
    for answer, code, state in (("n", 1, "unknown"), ("y", 0, "not_placed")):
        person = sit_down("settle", name, "--reason", "I looked on the website")
        person.waits_for("settle it? [y/N] ")
        assert "BUY 0.0005 BTCUSDT at 59500" in person.seen
        assert "does not know it" in person.seen
        assert (
            "if it is filled after all, your budget of 1000000 in 1440 min can be exceeded by 29.75 USDT" in person.seen
        )
        person.types(f"{answer}\n")
        assert person.leaves()[0] == code
        assert orders(world)[name] == state
    (event,) = [
        json.loads(row["body"])["data"]
        for row in query(world.home, "SELECT body FROM audit WHERE phase = 'event'")
        if b"settled by the owner" in row["body"]
    ]
    assert "I looked on the website" in event["why"]
    assert assistant.order(**{**LIMIT, "price": "59400"})["outcome"] == "done"
    assert codes(assistant.order(**LIMIT)) == {"DUPLICATE_ORDER"}


def test_owner_is_told_that_a_settled_sell_can_be_sold_again(world: World, sit_down: Callable[..., Person]) -> None:
    """An exit is in no budget, so nothing of one is freed; what it would sell is, and may be the owner's own then.

    It said that budgets were free at once, and nothing of what can be sold twice.
    """
    assistant = world.assistant()
    assert assistant.order(order_type="MARKET", quantity="0.0005")["outcome"] == "done"
    for quantity, words in (
        ("0.0004", "as an exit it is in no budget"),
        ("0.0005", "of your budgets are free at once"),
    ):
        world.controls.fault("POST", "/api/v3/order", "reset_before")
        reply = assistant.order(side="SELL", order_type="LIMIT", quantity=quantity, price="60500")
        assert reply["outcome"] == "unknown"
        name = reply["error"]["client_order_id"]
        person = sit_down("settle", name)
        person.waits_for("settle it? [y/N] ")
        assert words in person.seen
        assert f"if it is filled after all, up to {quantity} BTC of your own can be sold as if" in person.seen
        person.types("y\n")
        assert (person.leaves()[0], orders(world)[name]) == (0, "not_placed")


def test_order_that_the_exchange_has_or_that_is_known_is_not_settled(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """What is there is cancelled and not settled; an order that has ended, or that guardian lacks, is no question."""
    placed = world.assistant().order(**LIMIT)["data"]["order"]["client_order_id"]
    for name, words in ((placed, "the exchange has this order, and it is open"), ("g1-0", "guardian has no order")):
        person = sit_down("settle", name)
        person.waits_for(words)
        assert person.leaves()[0] == 1
    assert orders(world)[placed] == "open"
    world.assistant().call("cancel_order", symbol="BTCUSDT", client_order_id=placed)
    person = sit_down("settle", placed)
    person.waits_for("the fate of this order is known: it is cancelled")
    assert person.leaves()[0] == 1


def test_user_without_a_name_can_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have no name. (It ended as a bug of guardian's, after the yes.)"""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert settlement._user_name() == "unnamed"
