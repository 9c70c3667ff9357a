"""Every `guardian approve` shows, in red, a change of what proves the owner's yes that nobody proved."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from guardian.gate.base.journal import Journal
from guardian.gate.owner.changes import OwnerChanges
from guardian.store.owner.owner_records import ChangeKind
from guardian.system.clock import SYSTEM_CLOCK
from tests.cli.test_owner_commands import proposed, world
from tests.e2e.support.processes import Person
from tests.gate.owner.test_changes import FakeKeyring
from tests.support.world import World

__all__ = ["world"]
WARNING = "guardian: warning: a passkey `phone` can be added without a proof from "


@pytest.fixture
def waiting(world: World) -> str:
    """A proposal that waits, in a home in which somebody asks for a passkey of theirs; returns its id."""
    name = proposed(world.assistant())
    journal = Journal(world.home, SYSTEM_CLOCK)
    changes = OwnerChanges(journal, random_bytes=secrets.token_bytes, keyring=FakeKeyring)
    changes.request(ChangeKind.PASSKEY_ADD, "phone")
    journal.close()
    return name


def test_list_and_status_show_it(world: World, waiting: str) -> None:
    """Without a terminal there is no colour."""
    for command in ("approve", "status"):
        done = world.command(command)
        assert WARNING in done.stderr, done.stderr
        assert "\x1b" not in done.stderr
        assert "`guardian passkey cancel 1`" in done.stderr


def test_question_shows_it_in_red(world: World, waiting: str, sit_down: Callable[..., Person]) -> None:
    """Before the order itself."""
    person = sit_down("approve", waiting)
    person.waits_for("[y/N] ")
    assert person.seen.index(f"\x1b[31m\x1b[1m{WARNING}") < person.seen.index("BUY")
    person.answers("n\n")
    person.leaves()


def test_cancelled_change_is_shown_no_more(world: World, waiting: str) -> None:
    """It asks nothing."""
    assert world.command("passkey", "cancel", "1").returncode == 0
    assert "warning" not in world.command("approve").stderr
    again = world.command("passkey", "cancel", "1")
    assert again.returncode != 0
    assert "does not wait any more" in again.stderr
