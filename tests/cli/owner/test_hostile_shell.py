"""A program of the same user with a shell and a pseudo-terminal, that knows every file: what it gets by each proof."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from guardian.gate.base.journal import Journal
from guardian.gate.owner.changes import OwnerChanges
from guardian.system.clock import SYSTEM_CLOCK
from tests.cli.test_owner_commands import events, proposed, states, world
from tests.e2e.support.processes import Person, query
from tests.gate.owner.test_changes import FakeKeyring
from tests.support.authenticator import ORIGIN, Authenticator
from tests.support.profiles import tries
from tests.support.world import Assistant, World, codes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there"),
]
__all__ = ["world"]

PASSKEY: dict[str, Any] = {
    "confirmation": {"channel": "terminal", "proof": "passkey"},
    "limits": {"max_calls_per_minute": 100_000},
}


@pytest.fixture
def owner(world: World) -> Authenticator:
    """The owner's passkey, registered; the policy demands it, and has done so once."""
    world.policy(PASSKEY)
    journal, made = Journal(world.home, SYSTEM_CLOCK), Authenticator()
    changes = OwnerChanges(journal, random_bytes=secrets.token_bytes, keyring=FakeKeyring)
    registration = changes.registration("laptop")
    changes.register(registration, made.create(registration.options), origin=ORIGIN, proof=None)
    journal.close()
    return made


def refused(world: World) -> int:
    """How many attempts the log has: refused proofs, and orders denied for an approval that proves nothing."""
    rows = query(world.home, "SELECT body FROM audit WHERE phase IN ('event', 'outcome')")
    found: list[dict[str, Any]] = [json.loads(row["body"])["data"] for row in rows]
    denials = [str(data.get("error")) for data in found if data.get("outcome") == "denied"]
    return sum(1 for data in found if data.get("kind") == "proof_refused") + sum(
        "CONFIRMATION_" in one for one in denials
    )


def edit(world: World, statement: str, *values: object) -> None:
    """What a program does that opens the database itself."""
    with closing(sqlite3.connect(world.home / "guardian.db")) as other, other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {name}")
        other.execute(statement, values)


def test_terminal_stops_no_program_with_a_shell(world: World, sit_down: Callable[..., Person]) -> None:
    """Five lines that play a person at a pseudo-terminal place the order. The README says so in these words."""
    name = proposed(world.assistant())
    program = sit_down("approve", name, "--submit")
    program.waits_for("[y/N] ")
    program.answers("y\n")
    assert program.leaves()[0] == 0
    assert len(world.sent()) == 1


def test_program_with_a_shell_approves_nothing_where_a_passkey_is_demanded(
    world: World, owner: Authenticator, sit_down: Callable[..., Person]
) -> None:
    """Each command that loosens, answered at a pseudo-terminal as a person would; nothing is loosened."""
    name = proposed(world.assistant())
    assert world.command("halt").returncode == 0
    for command in (
        ("approve", name, "--submit"),
        ("resume",),
        ("arm", "--for", "2h", "--budget", "100", "--symbols", "BTCUSDT"),
        ("passkey", "remove", "laptop"),
        ("pin", "set"),
        ("position", "set", "BTC", "1"),
    ):
        program = sit_down(*command)
        program.answers("y\ny\n739214\n739214\n")
        program.interrupt()
        code, _ = program.leaves()
        assert code != 0, command
    with closing(Journal(world.home, SYSTEM_CLOCK)) as journal, journal.transaction() as tx:
        assert [one.name for one in tx.approvers.passkeys()] == ["laptop"]
        assert tx.approvers.status().pin_since_ms is None
        assert tx.trading.status().state.value == "halted"
        assert tx.mandates.open_ones() == ()
    assert states(world) == {name: "waiting"}
    assert "approved" not in events(world)
    assert world.sent() == []


def edited_policies() -> list[dict[str, Any]]:
    """What a program writes into the policy so that nobody is asked."""
    limits = PASSKEY["limits"]
    return [
        {"confirmation": {"channel": "terminal", "proof": "terminal"}, "limits": limits},
        {"confirmation": {"channel": "chat", "proof": "terminal"}, "limits": limits},
        {"confirmation": {"channel": "terminal", "proof": "passkey", "required_above": "1000"}, "limits": limits},
        {"confirmation": {"channel": "terminal", "proof": "terminal", "required_above": "1000"}, "limits": limits},
    ]


def test_edited_policy_lets_no_order_pass_unasked(
    world: World, owner: Authenticator, sit_down: Callable[..., Person]
) -> None:
    """Neither a weaker proof, nor the chat, nor a threshold below which nobody is asked."""
    assistant = world.assistant()
    name = proposed(assistant)
    for policy in edited_policies():
        world.policy(policy)
        reply = assistant.order(quote_quantity="50")
        assert reply["outcome"] != "done", policy
        if reply["outcome"] == "confirmation_required":
            assert reply["data"]["confirmation_token"] is None
            program = sit_down("approve", reply["data"]["proposal_id"], "--submit")
            program.answers("y\n")
            program.interrupt()
            assert program.leaves()[0] != 0
    assert world.sent() == []
    assert states(world)[name] == "waiting"


def test_thousand_tries_beside_the_page_place_no_order_and_are_all_in_the_log(
    world: World, owner: Authenticator
) -> None:
    """Guessed tokens, and proposals that are approved in the database itself with a token that the program made."""
    assistant = world.assistant()
    name = proposed(assistant)
    number = max(1_000, tries(5000))
    for turn in range(number):
        token = urlsafe_b64encode(secrets.token_bytes(18)).decode()
        if turn % 10 == 0:
            forge(world, name, token)
        reply = assistant.call("create_order", confirmation_token=token)
        assert codes(reply) & {"CONFIRMATION_UNKNOWN", "CONFIRMATION_UNPROVEN"}, reply
    assert refused(world) == number
    assert world.sent() == []


def forge(world: World, name: str, token: str) -> None:
    """Approve a proposal in the database, under a row of the log that is about something else."""
    from guardian.store.log.redaction import token_digest

    edit(
        world,
        "UPDATE proposals SET state = 'approved', approved_ms = 1, proof = 'passkey', approval_seq = 1, "
        "token_digest = ?, token_expires_ms = 99999999999999 WHERE id = ?",
        token_digest(token),
        name,
    )


def test_assistant_is_denied_what_it_approves_itself(world: World, owner: Authenticator) -> None:
    """It asks again, and gets the same proposal without a token."""
    assistant: Assistant = world.assistant()
    name = proposed(assistant)
    again = assistant.order(quote_quantity="50")
    assert (again["data"]["proposal_id"], again["data"]["confirmation_token"]) == (name, None)
