"""Commands at a terminal that ask on a page: a passkey is registered, and then approves an order."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.cli.test_owner_commands import events, proposed, states
from tests.console.support.browser import Owner
from tests.console.test_page import PASSKEY
from tests.e2e.support.processes import Person
from tests.support.terminals import people
from tests.support.world import World

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")


@pytest.fixture
def sit_down(world: World) -> Iterator[Callable[..., Person]]:
    """Starts people at terminals of this home; at the end of the test none is left."""
    with people(lambda *arguments: Person({**os.environ, "GUARDIAN_HOME": str(world.home)}, *arguments)) as start:
        yield start


def link_in(person: Person) -> str:
    """The link of the page that the command asks on."""
    person.waits_for("it works once")
    person.waits_for("/#")
    found = re.search(r"http://localhost:\d+/#[0-9A-Z]{12}", person.seen)
    while found is None:
        person.seen += person._read()
        found = re.search(r"http://localhost:\d+/#[0-9A-Z]{12}", person.seen)
    return found[0]


def test_new_passkey_approves_an_order_of_the_terminal(
    world: World, sit_down: Callable[..., Person], sit_at_browser: Callable[..., Owner]
) -> None:
    """`passkey add`, then `approve --submit` under `proof = "passkey"`: each asks on a page of its own."""
    owner = sit_at_browser()
    owner.plug_in_passkey()
    adding = sit_down("passkey", "add", "laptop")
    adding.waits_for("[y/N] ")
    adding.answers("y\n")
    owner.page.goto(link_in(adding))
    owner.page.get_by_role("button", name="Make a passkey").click()
    expect(owner.page.get_by_role("status")).to_contain_text("Done")
    assert adding.leaves()[0] == 0, adding.seen
    world.policy(PASSKEY)
    name = proposed(world.assistant())
    approving = sit_down("approve", name, "--submit")
    owner.page.goto(link_in(approving))
    expect(owner.page.get_by_text("PAPER BUY 0.00082 BTCUSDT LIMIT at 60601.01")).to_be_visible()
    expect(owner.page.get_by_text("the market when you were asked: 60000/60001")).to_be_visible()
    owner.page.get_by_text("Everything that is signed").click()
    expect(owner.page.get_by_text(f"proposal: {name}")).to_be_visible()
    owner.page.get_by_role("button", name="Yes, with my passkey").click()
    code, out = approving.leaves()
    (sent,) = world.sent()
    assert (code, out.strip()) == (0, sent["newClientOrderId"]), approving.seen
    assert states(world) == {name: "sent"}
    assert "approved" in events(world)


def test_no_on_the_page_is_a_no_at_the_terminal(
    world: World, sit_down: Callable[..., Person], sit_at_browser: Callable[..., Owner]
) -> None:
    """Nothing is registered, and the command says so."""
    owner = sit_at_browser()
    adding = sit_down("passkey", "add", "laptop")
    adding.waits_for("[y/N] ")
    adding.answers("y\n")
    owner.page.goto(link_in(adding))
    owner.page.get_by_role("button", name="No", exact=True).click()
    expect(owner.page.get_by_role("status")).to_contain_text("You said no")
    assert adding.leaves()[0] == 1
    assert "nothing was changed" in adding.seen
