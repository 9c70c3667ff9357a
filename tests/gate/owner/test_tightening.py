"""What tightens needs no proof: a rejection with its reason, and a halt that holds also where the log takes nothing."""

from __future__ import annotations

import json

import pytest

from guardian.domain.trading import TradingState
from guardian.errors import StoreConflict, StoreUnavailable
from guardian.gate.owner.tightening import halt_trading, reject_proposal
from tests.gate.orders.test_preview import stored
from tests.gate.orders.test_proposals import ASKS
from tests.gate.support.fakes import Room
from tests.support.present import present


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person, at a terminal."""
    room.policy(ASKS)


def newest_event(room: Room) -> dict[str, object]:
    (row,) = room.sql("SELECT body FROM audit WHERE phase = 'event' ORDER BY seq DESC LIMIT 1")
    found = json.loads(row[0])["data"]
    assert isinstance(found, dict)
    return found


def test_rejection_is_written_down_with_its_reason(room: Room) -> None:
    """The row has the proposal, where it belongs, and the words, with what is hidden in them made visible."""
    proposal = stored(room, room.propose().proposal_id)
    with room.journal.transaction() as tx:
        reject_proposal(tx, proposal, "too\u202e dear")
    assert stored(room, proposal.id).state == "rejected"
    found = newest_event(room)
    assert (found["kind"], found["proposal"], found["reason"]) == ("rejected", proposal.id, "too\\u202e dear")
    assert found["environment"] == proposal.scope.environment


def test_what_has_ended_is_not_rejected_again(room: Room) -> None:
    """The second one is refused, and leaves no row."""
    proposal = stored(room, room.propose().proposal_id)
    with room.journal.transaction() as tx:
        reject_proposal(tx, proposal)
    rows = room.sql("SELECT count(*) FROM audit")
    with pytest.raises(StoreConflict), room.journal.transaction() as tx:
        reject_proposal(tx, proposal)
    assert room.sql("SELECT count(*) FROM audit") == rows


def test_halt_is_one_row_and_says_what_was_before(room: Room) -> None:
    """A second halt finds the first."""
    first = halt_trading(room.journal, "enough")
    assert present(first.before).state is TradingState.ACTIVE
    assert newest_event(room)["reason"] == "enough"
    assert present(halt_trading(room.journal).before).state is TradingState.HALTED


def test_halt_holds_where_the_log_takes_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emergency file has it then; where that takes nothing either, the halt is refused aloud."""

    def locked() -> object:
        raise StoreUnavailable("the log is locked")

    with monkeypatch.context() as patch:
        patch.setattr(room.journal, "transaction", locked)
        halted = halt_trading(room.journal)
        assert (halted.before, present(halted.beside_log).message) == (None, "the log is locked")
        assert not room.journal.emergency.is_empty()
        patch.setattr(room.journal, "note_emergency", lambda _record: False)
        with pytest.raises(StoreUnavailable):
            halt_trading(room.journal)
    with room.journal.transaction() as tx:
        assert room.journal.trading(tx)[0] is TradingState.HALTED
