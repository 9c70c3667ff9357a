"""An approval is a proof over exactly the order that is sent, verified when it is given and again when it is used."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from guardian.domain.market import BookTop
from guardian.domain.owner.proof import Passkey, Proof, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.errors import ProofRefused, StoreConflict
from guardian.gate.base.replies import OrderPlaced, OrderProposed
from guardian.gate.owner.agreement import Agreement
from guardian.gate.owner.demand import how_to_set_up
from guardian.gate.owner.order_approval import approve_order, order_statement
from guardian.proofs.passkeys import registration_options, verify_registration
from guardian.store.schema.records import Proposal
from tests.gate.support.fakes import D, Room, denials
from tests.support.authenticator import ORIGIN, USER_PRESENT, Authenticator

PASSKEY = {"confirmation": {"required_above": "0", "channel": "terminal", "proof": "passkey"}}
PIN = {"confirmation": {"required_above": "0", "channel": "terminal", "proof": "pin"}}
TERMINAL = {"confirmation": {"required_above": "0", "channel": "terminal", "proof": "terminal"}}
CHAT = {"confirmation": {"required_above": "0", "channel": "chat"}}


def register(room: Room, authenticator: Authenticator, name: str = "laptop") -> Passkey:
    """The owner's passkey, put into the store."""
    challenge = os.urandom(64)
    made = verify_registration(
        authenticator.create(registration_options(challenge, [])),
        challenge=challenge,
        origin=ORIGIN,
        name=name,
        now_ms=room.clock.now_ms(),
    )
    with room.journal.transaction() as tx:
        tx.approvers.add_passkey(made)
    return made


@pytest.fixture
def authenticator(room: Room) -> Authenticator:
    """The owner's, registered; the policy demands it."""
    made = Authenticator()
    register(room, made)
    room.policy(PASSKEY)
    return made


def proposal_of(room: Room, made: OrderProposed) -> Proposal:
    """The proposal as it is stored."""
    with room.journal.transaction() as tx:
        found = tx.proposals.get(made.proposal_id)
    assert found is not None
    return found


def agreement(room: Room) -> Agreement:
    """What takes the owner's yes."""
    return Agreement(room.journal, random_bytes=os.urandom)


def signature(room: Room, authenticator: Authenticator, statement: Statement) -> ProofGiven:
    """The owner's yes to a statement."""
    takes = agreement(room)
    question = takes.question(statement)
    return takes.by_passkey(question, authenticator.get(takes.options(question)), origin=ORIGIN)


def approve(room: Room, proposal: Proposal, proof: ProofGiven, statement: Statement | None = None) -> str:
    """The token."""
    return approve_order(
        room.journal,
        proposal.id,
        statement or order_statement(proposal, None),
        proof,
        policy_proof=room.policy_file.current().policy.confirmation.proof,
        random_bytes=os.urandom,
    )


def approved(room: Room, authenticator: Authenticator) -> tuple[Proposal, str]:
    """A proposal that the owner approved with their passkey, and its token."""
    proposal = proposal_of(room, room.propose())
    return proposal, approve(room, proposal, signature(room, authenticator, order_statement(proposal, None)))


def rows(room: Room, kind: str) -> list[dict[str, Any]]:
    """The data of every event of a kind."""
    found = [json.loads(body)["data"] for (body,) in room.sql("SELECT body FROM audit WHERE phase = 'event'")]
    return [data for data in found if data.get("kind") == kind]


def edit(room: Room, statement: str, *values: object) -> None:
    """What a program that can write the file does to it, triggers and all."""
    with closing(sqlite3.connect(room.home / "guardian.db")) as other, other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {name}")
        other.execute(statement, values)


def test_order_is_sent_with_the_owners_signature_over_it(room: Room, authenticator: Authenticator) -> None:
    """The log has the statement, the assertion and the public key."""
    proposal = proposal_of(room, room.propose())
    market = BookTop(bid=D("59999"), ask=D("60001"), fetched_ms=5)
    statement = order_statement(proposal, market)
    token = approve(room, proposal, signature(room, authenticator, statement), statement)
    assert isinstance(room.use(token).data, OrderPlaced)
    (row,) = rows(room, "approved")
    assert row["statement"] == statement.as_dict()
    assert row["statement"]["fields"]["market"] == {"bid": "59999", "ask": "60001", "fetched_ms": "5"}
    assert row["proof"]["passkey"] == "laptop"
    assert len(room.exchange.placed) == 1


@pytest.mark.parametrize("kind", [Proof.TERMINAL, Proof.PIN])
def test_weaker_proof_than_demanded_approves_nothing(room: Room, authenticator: Authenticator, kind: Proof) -> None:
    """It is refused, with a row, and the proposal still waits."""
    proposal = proposal_of(room, room.propose())
    with pytest.raises(ProofRefused, match=f"a passkey is demanded, and a {kind.value} was given"):
        approve(room, proposal, ProofGiven(kind=kind))
    assert proposal_of(room, room.propose()).state == "waiting"
    assert rows(room, "proof_refused")[0]["proof"] == kind.value


def test_signature_over_another_order_approves_nothing(room: Room, authenticator: Authenticator) -> None:
    """Neither as it is, nor with the statement of the other order beside it."""
    one, other = proposal_of(room, room.propose()), proposal_of(room, room.propose(price="59000"))
    proof = signature(room, authenticator, order_statement(one, None))
    with pytest.raises(ProofRefused, match="not for what was shown"):
        approve(room, other, proof)
    with pytest.raises(ProofRefused, match="another order"):
        approve(room, other, proof, order_statement(one, None))
    assert len(rows(room, "proof_refused")) == 2
    assert room.exchange.placed == []


@pytest.mark.parametrize(
    "field", ["environment", "account", "policy", "order", "shown_bid", "counts_as", "decision", "proposal"]
)
def test_statement_with_a_changed_field_approves_nothing(room: Room, authenticator: Authenticator, field: str) -> None:
    """The owner's signature is over what the proposal says, and over nothing that another program made of it."""
    proposal = proposal_of(room, room.propose())
    statement = order_statement(proposal, None)
    changed = Statement(kind=StatementKind.ORDER, fields={**statement.fields, field: "x"})
    with pytest.raises(ProofRefused, match="another order"):
        approve(room, proposal, signature(room, authenticator, changed), changed)


def test_assertion_is_taken_once(room: Room, authenticator: Authenticator) -> None:
    """The same answer to the same question is refused the second time, by the sign counter."""
    takes = agreement(room)
    question = takes.question(order_statement(proposal_of(room, room.propose()), None))
    answer = authenticator.get(takes.options(question))
    takes.by_passkey(question, answer, origin=ORIGIN)
    with pytest.raises(ProofRefused, match="sign counter"):
        takes.by_passkey(question, answer, origin=ORIGIN)
    (row,) = rows(room, "proof_refused")
    assert row["statement"]["kind"] == "order"


def test_answer_without_user_verification_is_refused_with_a_row(room: Room, authenticator: Authenticator) -> None:
    """A touch alone proves nothing."""
    authenticator.flags = USER_PRESENT
    with pytest.raises(ProofRefused, match="did not verify who used it"):
        approved(room, authenticator)
    assert rows(room, "proof_refused")[0]["reason"] == "the authenticator did not verify who used it"


FORGERIES: Mapping[str, tuple[str, Callable[[Proposal], tuple[object, ...]]]] = {
    "approved by hand": (
        "UPDATE proposals SET state = 'approved', approved_ms = 1, proof = 'passkey', approval_seq = 1 WHERE id = ?",
        lambda proposal: (proposal.id,),
    ),
    "no row": (
        "UPDATE proposals SET approval_seq = 100000 WHERE id = ?", lambda proposal: (proposal.id,),
    ),
    "another order": (
        "UPDATE proposals SET resolved = replace(resolved, '60000', '69000') WHERE id = ?",
        lambda proposal: (proposal.id,),
    ),
    "no proof": ("UPDATE proposals SET proof = NULL WHERE id = ?", lambda proposal: (proposal.id,)),
    "not registered": ("UPDATE passkeys SET removed_ms = 1 WHERE 1 OR ? = ''", lambda proposal: (proposal.id,)),
    "another key": (
        "UPDATE passkeys SET public_key = 'pQECAyYgASFYIA' WHERE 1 OR ? = ''", lambda proposal: (proposal.id,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_approval_that_was_forged_in_the_file_sends_nothing(
    room: Room, authenticator: Authenticator, forgery: str
) -> None:
    """The signature is verified again when the token is used; the file alone approves nothing."""
    proposal, token = approved(room, authenticator)
    statement, values = FORGERIES[forgery]
    edit(room, statement, *values(proposal))
    assert "CONFIRMATION_UNPROVEN" in denials(room.use(token))
    assert room.exchange.placed == []


@pytest.mark.parametrize("change", ["price", "signature", "kind"])
def test_approval_whose_row_was_changed_sends_nothing(room: Room, authenticator: Authenticator, change: str) -> None:
    """The row's statement and assertion are what is verified."""
    proposal, token = approved(room, authenticator)
    with room.journal.transaction() as tx:
        row = tx.proposals.get(proposal.id)
    assert row is not None
    ((body,),) = room.sql("SELECT body FROM audit WHERE seq = ?", row.approval_seq)
    data = json.loads(body)
    if change == "price":
        data["data"]["statement"]["fields"]["shown_bid"] = "1"
    elif change == "signature":
        data["data"]["proof"]["assertion"]["signature"] = "AAAA"
    else:
        data["data"]["kind"] = "noted"
    edit(room, "UPDATE audit SET body = ? WHERE seq = ?", json.dumps(data).encode(), row.approval_seq)
    # The chain is broken by this besides, which halts: the approval is looked at for itself.
    with room.journal.transaction() as tx:
        from guardian.gate.owner.order_approval import unproven_denial

        denial = unproven_denial(tx, row, Proof.PASSKEY)
    assert denial is not None
    assert denial.code.name == "CONFIRMATION_UNPROVEN"
    assert token


def test_chat_opens_nothing_where_the_home_demands_a_proof(room: Room, authenticator: Authenticator) -> None:
    """An edit of the policy gives the assistant no token, and one that it had before is worth nothing."""
    room.policy(CHAT)
    made = room.propose()
    assert made.confirmation_token is not None  # the home has not demanded the passkey yet
    room.policy(PASSKEY)
    room.propose()
    room.policy(CHAT)
    assert "CONFIRMATION_UNPROVEN" in denials(room.use(made.confirmation_token))
    assert room.propose(price="59000").confirmation_token is None
    assert room.exchange.placed == []


def test_home_keeps_demanding_what_its_policy_once_demanded(room: Room, authenticator: Authenticator) -> None:
    """The policy is a file that any program of the user can edit; the floor is not."""
    room.propose()
    room.policy(TERMINAL)
    proposal = proposal_of(room, room.propose())
    with pytest.raises(ProofRefused, match="a passkey is demanded"):
        approve(room, proposal, ProofGiven(kind=Proof.TERMINAL))
    with room.journal.transaction() as tx:
        (one,) = tx.approvers.passkeys()
        tx.approvers.remove_passkey(one.credential_id)
        assert tx.approvers.status().floor is Proof.TERMINAL
    assert approve(room, proposal, ProofGiven(kind=Proof.TERMINAL))


def test_passkey_that_is_demanded_and_missing_is_said(room: Room) -> None:
    """Nothing can be approved, and the hint says what to do."""
    room.policy(PASSKEY)
    with pytest.raises(ProofRefused) as refused:
        agreement(room).demanded(Proof.PASSKEY)
    assert "guardian passkey add" in (refused.value.hint or "")
    with pytest.raises(ProofRefused) as refused:
        agreement(room).demanded(Proof.PIN)
    assert "guardian pin set" in (refused.value.hint or "")


def test_passkey_does_where_a_pin_is_demanded(room: Room, authenticator: Authenticator) -> None:
    """It is the stronger of the two."""
    room.policy(PIN)
    assert agreement(room).demanded(Proof.PIN) is Proof.PASSKEY
    _, token = approved(room, authenticator)
    assert isinstance(room.use(token).data, OrderPlaced)


def test_proposal_that_ended_meanwhile_is_not_approved(room: Room, authenticator: Authenticator) -> None:
    """The signature comes too late."""
    proposal = proposal_of(room, room.propose())
    proof = signature(room, authenticator, order_statement(proposal, None))
    room.clock.forward(16 * 60)
    with pytest.raises(StoreConflict):
        approve(room, proposal, proof)
    with pytest.raises(StoreConflict):
        approve(room, replace(proposal, id="NONE22"), proof, order_statement(proposal, None))


def test_order_that_was_approved_elsewhere_is_not_approved_again(room: Room, authenticator: Authenticator) -> None:
    """A second token would make the first one worthless without a word."""
    proposal = proposal_of(room, room.propose())
    statement = order_statement(proposal, None)
    approve(room, proposal, signature(room, authenticator, statement))
    with pytest.raises(StoreConflict, match="approved elsewhere"):
        approve_order(
            room.journal,
            proposal.id,
            statement,
            signature(room, authenticator, statement),
            policy_proof=Proof.PASSKEY,
            random_bytes=os.urandom,
            shown=proposal,
        )


def test_nothing_is_to_be_set_up_where_a_terminal_does(room: Room) -> None:
    """Nor where a PIN is demanded and set."""
    assert agreement(room).demanded(Proof.TERMINAL) is Proof.TERMINAL
    with room.journal.transaction() as tx:
        assert how_to_set_up(tx, Proof.TERMINAL) is None
        tx.approvers.note_pin(is_set=True)
    assert agreement(room).demanded(Proof.PIN) is Proof.PIN


def test_denial_for_another_weaker_approval_names_it(room: Room) -> None:
    """Approved at a terminal before the passkey was demanded."""
    room.policy(TERMINAL)
    proposal = proposal_of(room, room.propose())
    token = approve(room, proposal, ProofGiven(kind=Proof.TERMINAL))
    register(room, Authenticator())
    with room.journal.transaction() as tx:
        tx.approvers.raise_floor(Proof.PASSKEY)
    reply = room.use(token)
    assert "CONFIRMATION_UNPROVEN" in denials(reply)
    assert reply.error is not None
    assert "approved with a terminal" in reply.error.denials[0].message
