"""Proposals: they wait, they end once, and a token works once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

import pytest

from guardian.errors import StoreConflict
from guardian.store.schema.records import PROPOSAL_ID_ALPHABET, PROPOSAL_ID_LENGTH, Proposal, ProposalState
from tests.store.support.store_world import MINUTE, World
from tests.support.present import present


def get(world: World, name: str) -> Proposal | None:
    with world.store.transaction() as tx:
        return tx.proposals.get(name)


def redeem(world: World, proposal: Proposal) -> str:
    """As the gate does: intent, reservation and redemption in one transaction."""
    with world.store.transaction() as tx:
        entry = world.intent(tx)
        tx.orders.reserve(world.new_order(tx, entry, proposal_id=proposal.id))
        name = present(entry.client_order_id)
        tx.proposals.redeem(proposal.id, name)
    return name


def test_proposal_is_read_back_as_it_was_made(world: World) -> None:
    """Every field survives, amounts exactly."""
    with world.store.transaction() as tx:
        new = world.new_proposal(tx)
        made = tx.proposals.add(new, random_bytes=world.random_bytes)
        found = tx.proposals.get(made.id)
    assert found == made
    for name in new.__dataclass_fields__:
        assert getattr(found, name) == getattr(new, name), name
    assert found.state is ProposalState.WAITING


def test_id_is_short_and_made_of_letters_that_are_not_mistaken(world: World) -> None:
    """Six characters without 0, 1, I, L, O and U."""
    name = world.propose().id
    assert len(name) == PROPOSAL_ID_LENGTH == 6
    assert set(name) <= set(PROPOSAL_ID_ALPHABET)
    assert not set("01ILOU") & set(PROPOSAL_ID_ALPHABET)


def test_id_that_is_taken_is_not_given_again(world: World) -> None:
    """Bad luck, or bad randomness, never makes two proposals of one name."""
    numbers = iter([5, 5, 5, 6])
    first, second = (world_propose(world, lambda n: next(numbers).to_bytes(n, "big")) for _ in range(2))
    assert first.id != second.id
    with pytest.raises(StoreConflict):
        world_propose(world, lambda n: (5).to_bytes(n, "big"))


def world_propose(world: World, random_bytes: Callable[[int], bytes]) -> Proposal:
    with world.store.transaction() as tx:
        return tx.proposals.add(world.new_proposal(tx), random_bytes=random_bytes)


def test_newest_proposal_of_an_order_is_found_in_its_scope(world: World) -> None:
    """The same order in another environment is another order."""
    world.propose(key="a")
    newest = world.propose(key="a")
    world.propose(key="b")
    world.propose(key="a", scope=world.other)
    with world.store.transaction() as tx:
        assert present(tx.proposals.newest_for(world.scope, "a")).id == newest.id
        assert tx.proposals.newest_for(world.scope, "c") is None


def test_outstanding_are_those_that_wait_or_are_approved_and_have_not_expired(world: World) -> None:
    """Of the scope; `waiting` gives those of all scopes."""
    waits = world.propose(key="a")
    approved = world.propose(key="b", token="t1")
    elsewhere = world.propose(key="c", scope=world.other)
    rejected = world.propose(key="d")
    with world.store.transaction() as tx:
        tx.proposals.reject(rejected.id, "no")
        assert [p.id for p in tx.proposals.outstanding(world.scope)] == [waits.id, approved.id]
        assert [p.id for p in tx.proposals.waiting()] == [waits.id, approved.id, elsewhere.id]
    world.clock_ms += 5 * MINUTE
    with world.store.transaction() as tx:
        assert [p.id for p in tx.proposals.outstanding(world.scope)] == [waits.id]
    world.clock_ms += 10 * MINUTE
    with world.store.transaction() as tx:
        assert tx.proposals.waiting() == ()


def test_person_approves_and_chat_does_not(world: World) -> None:
    """A token issued by a person makes the proposal approved; one in the chat leaves it waiting."""
    by_person = world.propose(token="t1")
    in_chat = world.propose(token="t2", by_person=False)
    assert (by_person.state, by_person.approved_ms) == (ProposalState.APPROVED, world.clock_ms)
    assert (in_chat.state, in_chat.approved_ms) == (ProposalState.WAITING, None)


def test_new_token_replaces_the_old_one(world: World) -> None:
    """The token that was issued last is the only one."""
    proposal = world.propose(token="old", by_person=False)
    with world.store.transaction() as tx:
        tx.proposals.issue_token(proposal.id, token_digest="new", expires_ms=tx.now_ms + MINUTE, by_person=False)
        assert tx.proposals.by_token("old") is None
        assert present(tx.proposals.by_token("new")).id == proposal.id


def test_token_is_redeemed_once(world: World) -> None:
    """The second time is a conflict, and no second order is reserved."""
    proposal = world.propose(token="t")
    name = redeem(world, proposal)
    found = get(world, proposal.id)
    assert (present(found).state, present(found).client_order_id) == (ProposalState.SENT, name)
    with pytest.raises(StoreConflict):
        redeem(world, proposal)
    with world.store.transaction() as tx:
        assert len(tx.orders.newest(world.scope)) == 1
        assert present(tx.proposals.by_token("t")).client_order_id == name


def test_single_use_holds_in_the_file_itself(world: World) -> None:
    """Past the code, the keys of the table and the trigger refuse a second use."""
    proposal = world.propose(token="t")
    redeem(world, proposal)
    connection = sqlite3.connect(world.home / "guardian.db")
    for statement in (
        f"INSERT INTO redemptions VALUES ('{proposal.id}', 'other', 'g1-x', 0)",
        "INSERT INTO redemptions VALUES ('other', 't', 'g1-x', 0)",
        "UPDATE proposals SET state = 'approved', client_order_id = NULL",
        "DELETE FROM redemptions",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("ending", ["reject", "burn"])
def test_ended_proposal_is_not_redeemed_and_gets_no_token(world: World, ending: str) -> None:
    """Rejected or burnt is the end: no token, no order, no other ending."""
    proposal = world.propose(token="t")
    with world.store.transaction() as tx:
        getattr(tx.proposals, ending)(proposal.id, "why")
    assert present(get(world, proposal.id)).reason == "why"
    with pytest.raises(StoreConflict):
        redeem(world, proposal)
    with pytest.raises(StoreConflict), world.store.transaction() as tx:
        tx.proposals.issue_token(proposal.id, token_digest="n", expires_ms=tx.now_ms + 1, by_person=True)
    for again in ("reject", "burn"):
        with pytest.raises(StoreConflict), world.store.transaction() as tx:
            getattr(tx.proposals, again)(proposal.id, "again")
    with world.store.transaction() as tx:
        assert tx.orders.newest(world.scope) == ()


def test_sent_proposal_is_neither_rejected_nor_burnt(world: World) -> None:
    """What was sent stays sent."""
    proposal = world.propose(token="t")
    redeem(world, proposal)
    for ending in ("reject", "burn"):
        with pytest.raises(StoreConflict), world.store.transaction() as tx:
            getattr(tx.proposals, ending)(proposal.id, "late")


def test_expired_token_is_not_redeemed(world: World) -> None:
    """At the end of its life to the millisecond, a token is over."""
    proposal = world.propose(token="t", token_ttl=MINUTE)
    world.clock_ms += MINUTE
    with pytest.raises(StoreConflict, match="expired"):
        redeem(world, proposal)
    with world.store.transaction() as tx:
        assert tx.orders.newest(world.scope) == ()


def test_proposal_without_token_is_not_redeemed(world: World) -> None:
    """Nothing is sent for a proposal that nobody has a token of."""
    with pytest.raises(StoreConflict, match="no token"):
        redeem(world, world.propose())


def test_expired_proposal_gets_no_token(world: World) -> None:
    """A person who comes too late approves nothing."""
    proposal = world.propose(ttl=MINUTE)
    world.clock_ms += MINUTE
    with pytest.raises(StoreConflict, match="expired"), world.store.transaction() as tx:
        tx.proposals.issue_token(proposal.id, token_digest="n", expires_ms=tx.now_ms + MINUTE, by_person=True)


def test_unknown_proposal_is_a_conflict(world: World) -> None:
    """There is nothing to reject where there is no proposal."""
    with pytest.raises(StoreConflict, match="no such proposal"), world.store.transaction() as tx:
        tx.proposals.reject("NOSUCH", "why")


def test_token_digest_is_in_no_repr(world: World) -> None:
    """A proposal that is printed does not show the digest of its token."""
    assert "digest-of-token" not in repr(world.propose(token="digest-of-token"))


def test_twenty_threads_redeem_one_token_once(world: World) -> None:
    """Of twenty at once exactly one makes an order."""
    proposal = world.propose(token="t")
    outcomes: list[str] = []
    start = threading.Barrier(20)

    def run() -> None:
        start.wait()
        try:
            redeem(world, proposal)
            outcomes.append("sent")
        except StoreConflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 19 + ["sent"]
