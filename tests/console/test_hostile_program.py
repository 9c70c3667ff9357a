"""A program of the same user: it has a session of the page, reads every file, and knows how passkeys and PINs work."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import pytest

from guardian.console.approvals import QUESTION_LIFETIME_S
from guardian.domain.secrets import Secret
from guardian.gate.owner.changes import OwnerChanges
from guardian.proofs.pin_hash import MAX_TRIES, pin_hash
from tests.cli.test_owner_commands import events, proposed, states, trading
from tests.console.support.key import Key, text
from tests.console.support.served import RawBrowser, ServedConsole
from tests.console.test_page import PASSKEY, PIN, event_bodies
from tests.e2e.support.processes import query
from tests.support.profiles import tries
from tests.support.world import World


@pytest.fixture
def owners(world: World, console: ServedConsole) -> Key:
    """The owner's own passkey, registered, under a policy that demands it."""
    world.policy(PASSKEY)
    made = Key(console.origin)
    made.is_registered(console)
    return made


def begin(page: RawBrowser, name: str) -> dict[str, Any]:
    answered = page.post("approval/begin", {"proposal_id": name})
    assert answered.status == 200, answered.body
    return answered.json


def challenge_of(question: dict[str, Any]) -> str:
    return str(question["options"]["publicKey"]["challenge"])


def finish(page: RawBrowser, name: str, handle: str, proof: object, *, place: bool = True) -> int:
    sent = {"proposal_id": name, "handle": handle, "proof": proof, "place": place}
    return page.post("approval/finish", sent).status


def test_the_owners_own_answer_is_taken(world: World, page: RawBrowser, owners: Key) -> None:
    """So that the refusals below are of what is wrong, and of nothing else."""
    name = proposed(world.assistant())
    question = begin(page, name)
    assert finish(page, name, question["handle"], owners.signs(challenge_of(question))) == 200
    assert len(world.sent()) == 1


def test_thousand_forged_answers_approve_nothing_and_are_all_in_the_log(
    world: World, console: ServedConsole, page: RawBrowser, owners: Key
) -> None:
    """Its own key under the owner's credential, other origins, no user verification, old answers, and nonsense."""
    world.policy({**PASSKEY, "limits": {"max_calls_per_minute": 100000}})
    name = proposed(world.assistant())
    own = Key(console.origin)
    old = owners.signs(text(secrets.token_bytes(64)))
    forged: list[Callable[[str], object]] = [
        own.signs,
        lambda challenge: own.signs(challenge, origin="https://evil.example"),
        lambda challenge: own.signs(challenge, flags=0x01),
        lambda challenge: {**own.signs(challenge), "rawId": text(b"another credential")},
        lambda challenge: {
            **old,
            "response": {**old["response"], "signature": own.signs(challenge)["response"]["signature"]},
        },
        lambda _challenge: old,
        lambda _challenge: {"response": {}},
        lambda _challenge: {"rawId": 7, "response": {"clientDataJSON": None}},
        lambda challenge: owners.signs(challenge, origin="http://localhost:1"),
        lambda challenge: owners.signs(challenge, flags=0x01),
    ]
    number = max(1_000, tries(5000))
    question = begin(page, name)
    for turn in range(number):
        if turn % 25 == 0:
            question = begin(page, name)
        answer = forged[turn % len(forged)](challenge_of(question))
        assert finish(page, name, question["handle"], answer) == 403, answer
    refused = [one for one in event_bodies(world) if one["kind"] == "proof_refused"]
    assert len(refused) == number
    assert states(world) == {name: "waiting"}
    assert "approved" not in events(world)
    assert world.sent() == []


def test_copied_passkey_is_refused_by_its_counter(world: World, page: RawBrowser, owners: Key) -> None:
    """A signature that counts no further than the one before is of a copy."""
    name = proposed(world.assistant())
    first = begin(page, name)
    assert finish(page, name, first["handle"], owners.signs(challenge_of(first)), place=False) == 200
    second = begin(page, name)
    assert finish(page, name, second["handle"], owners.signs(challenge_of(second), count=False)) == 403
    assert "sign counter" in event_bodies(world)[-1]["reason"]


def test_five_wrong_pins_lock_it_and_halt(world: World, console: ServedConsole, page: RawBrowser) -> None:
    """The right one is refused after that; each try is in the log, and none of the PINs."""
    world.policy(PIN)
    changes = OwnerChanges(console.opened.journal, random_bytes=secrets.token_bytes, keyring=lambda: console.items)
    changes.set_pin(pin_hash(Secret("correct horse"), secrets.token_bytes), None)
    name = proposed(world.assistant())
    questions = [begin(page, name) for _ in range(MAX_TRIES + 1)]
    for turn in range(MAX_TRIES):
        assert finish(page, name, questions[turn]["handle"], {"pin": f"guess number {turn}"}) == 403
    assert finish(page, name, questions[-1]["handle"], {"pin": "correct horse"}) == 403
    assert trading(world) == "halted"
    assert [one["kind"] for one in event_bodies(world)].count("proof_refused") == MAX_TRIES + 1
    assert states(world) == {name: "waiting"}
    log = str(query(world.home, "SELECT body FROM audit"))
    assert "guess number" not in log
    assert "correct horse" not in log


def test_right_pin_without_a_question_is_not_looked_at(world: World, console: ServedConsole, page: RawBrowser) -> None:
    """A yes is one to a question that was put, about this order, a short while ago."""
    world.policy(PIN)
    changes = OwnerChanges(console.opened.journal, random_bytes=secrets.token_bytes, keyring=lambda: console.items)
    changes.set_pin(pin_hash(Secret("correct horse"), secrets.token_bytes), None)
    name = proposed(world.assistant())
    assert finish(page, name, "no such question", {"pin": "correct horse"}) == 403
    assert states(world) == {name: "waiting"}


def test_answer_to_an_old_question_is_refused(
    world: World, console: ServedConsole, page: RawBrowser, owners: Key
) -> None:
    """The prices that were shown with it are old by then."""
    name = proposed(world.assistant())
    question = begin(page, name)
    answer = owners.signs(challenge_of(question))
    now = console.server.approvals._seconds
    console.server.approvals._seconds = lambda: now() + QUESTION_LIFETIME_S
    assert finish(page, name, question["handle"], answer) == 403
    assert states(world) == {name: "waiting"}
    assert [one["kind"] for one in event_bodies(world)].count("proof_refused") == 1


def test_policy_that_was_edited_after_the_question_approves_nothing(
    world: World, page: RawBrowser, owners: Key
) -> None:
    """A yes under one policy is none under another."""
    name = proposed(world.assistant())
    question = begin(page, name)
    answer = owners.signs(challenge_of(question))
    world.policy({**PASSKEY, "limits": {"max_open_orders": 4}})
    assert finish(page, name, question["handle"], answer) == 403
    assert states(world) == {name: "waiting"}


def test_floor_holds_where_the_policy_is_edited_to_demand_less(world: World, page: RawBrowser, owners: Key) -> None:
    """A home that has demanded a passkey goes on demanding it, whatever the file says then."""
    name = proposed(world.assistant())
    begin(page, name)
    world.policy({"confirmation": {"channel": "terminal", "proof": "terminal"}})
    assert page.post("now", {}).json["owner"]["proof"] == "passkey"


def test_order_on_its_way_is_finished_where_the_page_is_closed(
    world: World, console: ServedConsole, page: RawBrowser, owners: Key
) -> None:
    """Ctrl-C, or a browser that goes away, after the yes: the order's outcome is waited for and in the log."""
    name = proposed(world.assistant())
    question = begin(page, name)
    answer = owners.signs(challenge_of(question))
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=4)
    sending = threading.Thread(target=lambda: _ignoring(lambda: finish(page, name, question["handle"], answer)))
    sending.start()
    while not world.sent():
        pass
    console.close()
    sending.join(30)
    assert states(world) == {name: "sent"}
    rows = query(world.home, "SELECT phase, outcome FROM audit WHERE phase = 'outcome' ORDER BY seq")
    assert rows[-1]["outcome"] == "done"


def _ignoring(work: Callable[[], object]) -> None:
    try:
        work()
    except OSError:
        return
