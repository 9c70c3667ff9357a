"""The life of an order after its call: approved, filled later, corrected, found, taken over, rejected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guardian.cli.audit.answers.order_steps import LifeStep, steps_of
from guardian.domain.order_states import OrderState
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.gate.owner.order_approval import approve_order, order_statement
from guardian.gate.owner.tightening import reject_proposal
from guardian.gate.recovery.order_reports import LISTS_LAG_MS
from guardian.gate.recovery.reconcile import Reconciler
from guardian.store.answers.order_life import find_order, read_life
from guardian.store.schema.records import Record
from tests.gate.support.fakes import Room

TERMINAL = {"confirmation": {"required_above": "0", "channel": "terminal", "proof": "terminal"}}
OTHER = "g1-" + "0" * 32


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.close()


def life(room: Room, name: str) -> list[LifeStep]:
    (found,) = find_order(room.home, name)
    return list(steps_of(read_life(room.home, found)))


def words(steps: list[LifeStep]) -> list[str]:
    return [one.step for one in steps]


def reconciled(room: Room) -> None:
    room.clock.forward(LISTS_LAG_MS / 1000 + 1)
    room.run(Reconciler(room.context).run(("BTCUSDT",)))


def opened(room: Room) -> str:
    room.ask()
    assert room.last().state is OrderState.OPEN
    return room.last().client_order_id


def test_who_approved_an_order_and_how_is_part_of_its_life(room: Room) -> None:
    """Between what was shown and the call that sent it stands the person's yes."""
    room.policy(TERMINAL)
    made = room.propose()
    with room.journal.transaction() as tx:
        proposal = tx.proposals.get(made.proposal_id)
    assert proposal is not None
    room.clock.forward(3)
    token = approve_order(
        room.journal, proposal.id, order_statement(proposal, None), ProofGiven(kind=Proof.TERMINAL),
        policy_proof=Proof.TERMINAL, random_bytes=os.urandom,
    )  # fmt: skip
    room.clock.forward(3)
    room.use(token)
    steps = life(room, made.proposal_id)
    assert words(steps) == ["asked", "judged", "shown", "approved", "asked", "judged", "sent", "answered"]
    assert steps[3].text.startswith("APPROVED BUY 0.001 BTCUSDT")
    assert steps[3].text.endswith("by you at the terminal")
    assert steps[3].time_ms - steps[2].time_ms == 3000


def test_a_proposal_that_was_asked_for_twice_and_turned_down(room: Room) -> None:
    """Each call that was answered with it is there, and the reason."""
    room.policy(TERMINAL)
    made = room.propose()
    room.propose()
    with room.journal.transaction() as tx:
        proposal = tx.proposals.get(made.proposal_id)
        assert proposal is not None
        reject_proposal(tx, proposal, "too dear")
    steps = life(room, made.proposal_id)
    assert words(steps) == ["asked", "judged", "shown"] * 2 + ["rejected"]
    assert "too dear" in steps[-1].text


def test_a_fill_that_was_found_out_later_has_its_own_step(room: Room) -> None:
    """By whoever asked the exchange; the ledger has it from then on."""
    name = opened(room)
    room.exchange.becomes(name, "FILLED", "0.001")
    reconciled(room)
    steps = life(room, name)
    assert words(steps) == ["asked", "judged", "sent", "answered", "filled", "fill", "paid"]
    assert steps[4].text == "BUY 0.001 BTCUSDT at 60000: filled"
    assert steps[5].text == "0.001 BTC came, by guardian's ledger"


def test_a_correction_has_its_own_step(room: Room) -> None:
    """The log took the order for ended, and the exchange has it open."""
    name = opened(room)
    room.cancel(client_order_id=name)
    room.exchange.becomes(name, "NEW")
    reconciled(room)
    steps = life(room, name)
    assert words(steps)[-2:] == ["corrected", "halted"]
    assert "the exchange has it otherwise: open, not cancelled" in steps[-2].text


def test_an_order_that_the_log_lacked_is_found_and_taken_over(room: Room) -> None:
    """Nobody is named who asked for it; the owner's own word about it is there."""
    report = room.exchange.reports[opened(room)]
    room.exchange.reports[OTHER] = replace(report, client_order_id=OTHER, order_id=99)
    reconciled(room)
    with room.journal.transaction() as tx:
        body = {"kind": "order_adopted", "by": "owner", "client_order_id": OTHER, "symbol": "BTCUSDT"}
        tx.audit.append(Record.event(None, body, symbol="BTCUSDT"))
    steps = life(room, OTHER)
    assert {"found", "adopted"} <= set(words(steps))
    assert words(steps)[-1] == "adopted"
    assert "asked" not in words(steps)
