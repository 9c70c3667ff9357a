"""What the gate would say of a proposal now: the judgement of the real call, with nothing written or burnt."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from guardian.domain.trading import Environment, TradingState
from guardian.errors import ExchangeUnavailable, KeyringUnavailable, PolicyInvalid
from guardian.gate.base.replies import OrderPlaced
from guardian.gate.orders.preview import Mismatch, Preview, Previewer
from guardian.store.schema.records import Proposal
from tests.gate.orders.test_proposals import ASKS, agrees
from tests.gate.support.fakes import Room, denials


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person, at a terminal."""
    room.policy(ASKS)


def stored(room: Room, name: str) -> Proposal:
    with room.journal.transaction() as tx:
        found = tx.proposals.get(name)
    assert found is not None
    return found


def previewed(room: Room, name: str) -> Preview:
    previewer, proposal = Previewer(room.context), stored(room, name)
    assert previewer.mismatch(proposal) is None
    found = room.run(previewer.preview(proposal))
    assert isinstance(found, Preview)
    return found


def _nothing(_room: Room) -> None:
    """All is as it was."""


def _halted(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="test", by="owner")


def _reducing(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.REDUCING, reason="test", by="owner")


def _market_gone(room: Room) -> None:
    room.exchange.fails["book_tops"] = ExchangeUnavailable("no answer")


def _delisted(room: Room) -> None:
    room.exchange.books = {"ETHUSDT": ("3000", "3001")}


def _clock_wrong(room: Room) -> None:
    room.exchange.is_right = True
    room.clock.wall += 5_000


def _no_money(room: Room) -> None:
    room.exchange.free = {"USDT": "1"}


@pytest.mark.parametrize(
    "trouble",
    [_nothing, _halted, _reducing, _market_gone, _delisted, _clock_wrong, _no_money],
    ids=lambda t: t.__name__,
)
def test_preview_says_what_the_real_call_would_say_and_changes_nothing(
    room: Room, trouble: Callable[[Room], None]
) -> None:
    """The same denials as the token's call a moment later; the preview leaves no row, no mark and no burnt token."""
    name = room.propose().proposal_id
    token = agrees(room, name)
    trouble(room)
    before = room.sql("SELECT * FROM audit"), room.sql("SELECT * FROM proposals"), room.sql("SELECT * FROM control")
    told = {denial.code.name for denial in previewed(room, name).denials}
    after = room.sql("SELECT * FROM audit"), room.sql("SELECT * FROM proposals"), room.sql("SELECT * FROM control")
    assert before[:2] == after[:2]
    assert before[2][0][1:3] == after[2][0][1:3]  # the trading state; window time may go on
    assert room.exchange.placed == []
    reply = room.use(token)
    if told:
        assert denials(reply) == told
    else:
        assert isinstance(reply.data, OrderPlaced)
    assert bool(told) == (trouble is not _nothing)


def test_preview_asks_the_market_now_and_knows_an_exit(room: Room) -> None:
    """The book is fetched at that moment; selling back what guardian bought is known as such."""
    room.policy({"confirmation": {"required_above": "60", "channel": "terminal"}})
    assert isinstance(room.ask(kind="MARKET", quantity="0.0005").data, OrderPlaced)
    name = room.propose(side="SELL", quantity="0.0005", price="60100").proposal_id
    room.exchange.books["BTCUSDT"] = ("60200", "60201")
    found = previewed(room, name)
    assert found.denials == ()
    assert found.market is not None
    assert (found.market.bid, found.market.ask) == (Decimal(60200), Decimal(60201))
    assert found.budget is not None
    assert found.budget.is_exit


def test_spent_calls_of_the_minute_are_not_held_against_the_order(room: Room) -> None:
    """What the assistant's calls used up of a minute says nothing about the order that a person looks at."""
    name = room.propose().proposal_id
    # The digest belongs to the proposal, so the budget is used up and not lowered.
    room.policy(ASKS, {"limits": {"max_calls_per_minute": 2}})
    name = room.propose().proposal_id
    for _ in range(5):
        room.ask(price="59990")
    assert previewed(room, name).denials == ()


@pytest.mark.parametrize(
    ("change", "why", "hint"),
    [
        ("edited", "was edited since this order was proposed", "let the assistant request the order again"),
        ("broken", "cannot be used: ", "guardian policy check"),
        ("gone", "cannot be read", "name the file with `--policy`"),
        ("elsewhere", "the order was proposed under", "leave `--policy` out"),
        ("environment", "the order was proposed on `paper`", "name the file with `--policy`"),
    ],
)
def test_policy_that_is_not_the_proposals_is_named_with_what_to_do(
    room: Room, change: str, why: str, hint: str
) -> None:
    """Edited, broken, gone, another file, another environment: each is reported in words, before anything is asked."""
    proposal = stored(room, room.propose().proposal_id)
    assert proposal.policy_source == str(room.policy_path.absolute())
    if change == "edited":
        room.policy(ASKS, {"limits": {"max_open_orders": 7}})
    elif change == "broken":
        room.write("schema = 'one'")
    elif change == "gone":
        room.policy_path.unlink()
    elif change == "elsewhere":
        room.policy_path = room.folder / "other.toml"
        room.policy(ASKS, {"limits": {"max_open_orders": 7}})
        room.start()
    else:
        room.connector.environment = Environment.TESTNET
        room.start()
    found = Previewer(room.context).mismatch(proposal)
    assert isinstance(found, Mismatch)
    assert why in found.why
    assert hint in found.hint


def test_same_policy_under_another_name_is_the_same_policy(room: Room) -> None:
    """What counts is what the file says: a policy that was moved and is named is judged by."""
    proposal = stored(room, room.propose().proposal_id)
    room.policy_path = room.policy_path.rename(room.folder / "moved.toml")
    room.start()
    assert Previewer(room.context).mismatch(proposal) is None


def test_key_of_another_account_cannot_judge_the_order(room: Room) -> None:
    """A key that was replaced by one of another account is said before the question."""
    name = room.propose().proposal_id
    room.connector.account = "account-2"
    found = room.run(Previewer(room.context).preview(stored(room, name)))
    assert isinstance(found, Mismatch)
    assert "another account" in found.why
    assert "account-2" not in found.why


def test_what_cannot_be_looked_up_is_no_yes(room: Room) -> None:
    """A locked keyring or an absent policy ends the look with its own error: nothing is asked then."""
    proposal = stored(room, room.propose().proposal_id)
    room.connector.failure = KeyringUnavailable("locked")
    with pytest.raises(KeyringUnavailable):
        room.run(Previewer(room.context).preview(proposal))
    room.policy_path.unlink()
    room.journal.close()
    room.sql("DELETE FROM policies")
    room.start()
    with pytest.raises(PolicyInvalid):
        Previewer(room.context).mismatch(proposal)
