"""A session mandate: nobody is asked inside it, every rule holds, and it ends in each of its ways."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.trading import Environment, TradingState
from guardian.errors import ExchangeUnavailable, OutcomeUnknown, ProofRefused
from guardian.gate.base.replies import OrderPlaced, OrderProposed
from guardian.gate.owner.session_mandate import (
    MandateTerms,
    arm,
    disarm,
    end_mandates,
    ended_mandate,
    mandate_statement,
    mandate_view,
)
from guardian.store.owner.owner_records import Mandate
from tests.gate.owner.test_order_approval import edit, register, signature
from tests.gate.support.fakes import D, Lost, Room, denials
from tests.support.authenticator import Authenticator

ASKS = {"confirmation": {"required_above": "0", "channel": "terminal"}}
TERMINAL = ProofGiven(kind=Proof.TERMINAL)


@pytest.fixture(autouse=True)
def every_order_is_asked_about(room: Room) -> None:
    """But for a mandate."""
    room.policy(ASKS)


def terms(room: Room, budget: str = "150", max_order: str | None = None, **changed: Any) -> MandateTerms:
    values: dict[str, Any] = {
        "scope": room.scope,
        "currency": "USDT",
        "budget": D(budget),
        "max_order": None if max_order is None else D(max_order),
        "symbols": frozenset({"BTCUSDT"}),
        "lasts_ms": 2 * 3600 * 1000,
        "policy_digest": room.policy_file.current().policy.digest,
        **changed,
    }
    return MandateTerms(**values)


def armed(room: Room, proof: ProofGiven = TERMINAL, **changed: Any) -> Mandate:
    policy = room.policy_file.current().policy
    return arm(room.journal, terms(room, **changed), policy, proof, random_bytes=os.urandom)


def view_left(room: Room) -> Decimal | None:
    with room.journal.transaction() as tx:
        view = mandate_view(tx, Environment.PAPER)
    return None if view is None else view.left


def why_ended(room: Room) -> str | None:
    with room.journal.transaction() as tx:
        return ended_mandate(tx, room.scope)


def is_asked(room: Room, **fields: Any) -> bool:
    """Whether a person is asked about an order; it was placed where not."""
    reply = room.ask(**fields)
    assert isinstance(reply.data, OrderPlaced | OrderProposed), reply
    return isinstance(reply.data, OrderProposed)


def test_orders_inside_a_mandate_are_placed_unasked_until_its_budget_is_used(room: Room) -> None:
    """Two of 60 USDT fit into 150, the third is asked about."""
    made = armed(room)
    assert not is_asked(room)
    assert room.last().mandate_id == made.id
    assert not room.last().confirmed
    assert not is_asked(room, price="59999")
    assert view_left(room) == D("150") - D("60") - D("59.999")
    assert is_asked(room, price="59998")
    assert f'"mandate":"{made.id}"' in room.log_text()


def test_every_reply_says_what_is_left(room: Room) -> None:
    """With the order's own cost taken off in its own reply."""
    armed(room)
    call = room.open()
    assert room.gate.meta(call).mandate is not None
    room.ask()
    meta = room.gate.meta(call).mandate
    assert meta is not None
    assert (meta.left, meta.budget, meta.symbols, meta.left_s) == (D("90"), D("150"), ("BTCUSDT",), 7200)


def test_order_outside_a_mandate_is_asked_about(room: Room) -> None:
    """Another symbol; more than one order may count as."""
    armed(room, symbols=frozenset({"ETHUSDT"}))
    assert is_asked(room)
    armed(room, max_order="70")
    assert is_asked(room, quantity="0.0012")
    assert not is_asked(room)


def test_every_other_rule_holds_inside_a_mandate(room: Room) -> None:
    """A mandate of any size lets no order over a cap through."""
    armed(room, budget="100000")
    assert "NOTIONAL_EXCEEDS_MAX" in denials(room.ask(quantity="0.002"))
    assert "SYMBOL_NOT_LISTED" in denials(room.ask(symbol="XRPUSDT"))
    assert not is_asked(room)
    assert "DUPLICATE_ORDER" in denials(room.ask())


def test_selling_back_spends_nothing_of_it(room: Room) -> None:
    """An exit passes unasked where the budget is used up."""
    armed(room, budget="61")
    assert not is_asked(room, kind="MARKET")
    left = view_left(room)
    assert left is not None
    assert left < 1
    assert not is_asked(room, kind="MARKET", side="SELL")
    assert room.last().is_exit
    assert view_left(room) == left


def test_unknown_order_counts_in_full(room: Room) -> None:
    """Absence frees nothing."""
    armed(room)
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    assert room.ask().outcome is Outcome.UNKNOWN
    assert view_left(room) == D("90")


def halt(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.halt("a test", by="owner")


def halt_and_resume(room: Room) -> None:
    halt(room)
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")


def reduce_and_resume(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.REDUCING, reason="a test", by="guardian")
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")


def restart(room: Room) -> None:
    """What a server does when it starts."""
    with room.journal.transaction() as tx:
        end_mandates(tx, "a server was started again")


def loosen(room: Room) -> None:
    room.policy(ASKS, {"symbols": {"BTCUSDT": {"max_notional": "101"}}})


ENDINGS: dict[str, tuple[Callable[[Room], object], str]] = {
    "time": (lambda room: room.clock.forward(2 * 3600), "its time is over"),
    "halt": (halt_and_resume, "trading became halted"),
    "reducing": (reduce_and_resume, "trading became reducing"),
    "restart": (restart, "a server was started again"),
    "looser policy": (loosen, "the policy became looser: symbols.BTCUSDT.max_notional"),
    "disarm": (lambda room: disarm(room.journal), "disarmed by the owner"),
    "another": (lambda room: armed(room, symbols=frozenset({"ETHUSDT"})), ""),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_mandate_ends_in_each_of_its_ways(room: Room, ending: str) -> None:
    """And then each order is asked about again, and the status says why."""
    armed(room)
    assert not is_asked(room)
    act, why = ENDINGS[ending]
    act(room)
    assert is_asked(room, price="59990")
    assert (why_ended(room) or "") == why


def test_mandate_that_ended_does_not_come_back(room: Room) -> None:
    """The policy is put back as it was; the mandate is not."""
    armed(room)
    loosen(room)
    assert is_asked(room)
    room.policy(ASKS)
    assert is_asked(room, price="59990")


def test_tighter_policy_keeps_the_mandate(room: Room) -> None:
    """An owner who tightens is not punished for it; one that is looser than the tighter one ends it."""
    armed(room)
    room.policy(ASKS, {"symbols": {"BTCUSDT": {"max_notional": "90"}}})
    assert not is_asked(room)
    room.policy(ASKS, {"symbols": {"BTCUSDT": {"max_notional": "95"}}})
    assert is_asked(room, price="59990")


def test_arming_counts_as_a_persons_act(room: Room) -> None:
    """`halt_after_orders` begins again."""
    room.policy(ASKS, {"limits": {"halt_after_orders": 2}})
    armed(room)
    assert not is_asked(room)
    armed(room)
    assert room.usage().orders_since_person == 0


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (halt, "trading is halted"),
        (loosen, "the policy was edited"),
    ],
)
def test_nothing_is_armed_where_it_would_mean_something_else(
    room: Room, prepare: Callable[[Room], None], why: str
) -> None:
    """Halted; edited since it was shown."""
    shown = terms(room)
    prepare(room)
    with pytest.raises(ProofRefused, match=why):
        arm(room.journal, shown, room.policy_file.current().policy, TERMINAL, random_bytes=os.urandom)
    assert view_left(room) is None
    assert '"proof_refused"' in room.log_text()


def test_mandate_needs_the_proof_that_is_demanded_over_exactly_its_terms(room: Room) -> None:
    """A signature over a smaller budget arms no larger one."""
    owner = Authenticator()
    register(room, owner)
    room.policy({"confirmation": {"required_above": "0", "channel": "terminal", "proof": "passkey"}})
    with pytest.raises(ProofRefused, match="a passkey is demanded"):
        armed(room)
    small = signature(room, owner, mandate_statement(terms(room, budget="10")))
    with pytest.raises(ProofRefused, match="not for what was shown"):
        armed(room, small, budget="1000")
    made = armed(room, small, budget="10")
    assert made.budget == 10


def test_disarm_asks_nothing_and_says_whether_there_was_anything(room: Room) -> None:
    """It tightens."""
    assert disarm(room.journal) == 0
    armed(room)
    assert disarm(room.journal) == 1
    assert disarm(room.journal) == 0


def test_orders_of_another_currency_leave_what_is_left_unknown(room: Room) -> None:
    """Unknown is no budget."""
    armed(room)
    assert not is_asked(room)
    edit(room, "UPDATE orders SET currency = ?", "EUR")
    assert view_left(room) is None
    assert is_asked(room, price="59990")


def test_mandate_whose_policy_cannot_be_read_ends(room: Room) -> None:
    """What it was given under is compared with, and unknown is looser."""
    armed(room)
    edit(room, "UPDATE mandates SET policy_text = ?", "not TOML")
    room.policy(ASKS, {"symbols": {"BTCUSDT": {"max_notional": "90"}}})
    assert is_asked(room)
    assert why_ended(room) == "the policy became looser: what it was given under cannot be read"


def test_nothing_armed_has_not_ended(room: Room) -> None:
    """The status says why the newest mandate ended, where there was one."""
    assert why_ended(room) is None
    armed(room)
    assert why_ended(room) is None


def test_server_whose_log_failed_at_its_start_ends_the_mandate_at_its_first_call(room: Room) -> None:
    """No order passes under a mandate that was given to another server."""
    armed(room)
    room.context.server_start.must_end_mandates = True
    assert is_asked(room)
    assert why_ended(room) == "a server was started again"
    armed(room)
    assert not is_asked(room)
