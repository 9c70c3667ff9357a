"""The adversarial play: promises 3 to 7 as the README writes them, at every order that reaches a true exchange."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.trading import TradingState
from tests.adversary.play import Play
from tests.adversary.rig import a_rig, spec
from tests.adversary.runs import play
from tests.adversary.venue import ZERO, D
from tests.gate.support.fakes import denials
from tests.support.profiles import tries

SEEDS = range(1, 1 + tries(60, least=12))
TO_REACH = (
    "sent",
    "sent: exit",
    "cancel: done",
    "answer: confirmation_required",
    "answer: unknown",
    "denied: CONVERSION_UNAVAILABLE",
    "denied: ROLLING_NOTIONAL_EXCEEDS_MAX",
    "denied: TRADING_HALTED",
)
"""What the seeds come to: plays that do not have shown too little."""


def test_whatever_an_adversary_does_the_promises_hold() -> None:
    """Prices, legs, policies, homes, clocks, people and the exchange itself go wrong in any order; nothing breaks."""
    reached: Counter[str] = Counter()
    for seed in SEEDS:
        played = play(seed)
        assert played.broken == [], "\n".join([f"seed {seed}", *played.moves, str(played.broken)])
        reached += played.reached
    assert [thing for thing in TO_REACH if not reached[thing]] == []


def test_the_oracle_sees_what_nobody_may_send(tmp_path: Path) -> None:
    """An order that did not come through guardian breaks promises 2, 3 and 4, and 7 where the market is odd."""
    one = Play(tmp_path, 1)
    one.oracle.owner.required_above = ZERO
    one.looks("reconciles")
    one.venue.show("BTCUSDT", ZERO, D(60000))
    fields = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "price": "60000", "quantity": "0.005"}
    one.rig.front.answer("POST", "/api/v3/order", {**fields, "newClientOrderId": "g1-x", "timeInForce": "GTC"})
    one.rig.close()
    assert {promise for promise, _ in one.oracle.broken} == {2, 3, 4, 7}


def test_what_the_owner_settled_is_theirs_until_it_shows_up(tmp_path: Path) -> None:
    """A SELL that the owner says was not placed leaves all that was bought to be sold, until guardian finds it."""
    one = Play(tmp_path, 1)
    one.oracle.owner.required_above = D(1000000)
    one.rig.policy(one.policy(), {"confirmation": {"required_above": "1000000"}})
    assert one.ask(spec(quantity="0.001")) == "done"
    one.rig.front.lose, one.blind_s = ["reply"], 600
    assert one.ask(spec(side="SELL", quantity="0.0004", price="59900")) == "unknown ORDER_UNKNOWN"
    assert one.oracle.sellable("BTC") == D("0.000599")
    assert one.settle() == "not_placed"
    assert one.oracle.sellable("BTC") == D("0.000999")
    assert one.ask(spec(side="SELL", quantity="0.0005", price="59900")) == "done"
    assert one.oracle.sellable("BTC") == D("0.000499")
    one.rig.clock.forward(700)
    one.looks("reconciles")
    one.rig.close()
    assert one.oracle.sellable("BTC") == D("0.000099")
    assert one.oracle.broken == []


def test_a_home_that_is_put_back_knows_what_the_owner_had_said_by_then(tmp_path: Path) -> None:
    """A switch and a position set after the copy are forgotten with the rest; a log that is there has both."""
    one = Play(tmp_path, 1)
    one.oracle.owner.required_above = D(1000000)
    one.rig.policy(one.policy(), {"confirmation": {"required_above": "1000000"}})
    assert one.ask(spec(quantity="0.001")) == "done"
    one.copy()
    one.set_position("BTC", ZERO)
    one.halt(TradingState.REDUCING)
    one.begin_log()
    assert (one.oracle.owner.state, one.oracle.sellable("BTC")) == ("reducing", ZERO)
    one.put_back()
    assert (one.oracle.owner.state, one.oracle.sellable("BTC")) == ("active", D("0.000999"))
    assert one.ask(spec(quantity="0.0002", price="59000")) == "done"
    assert one.ask(spec(side="SELL", quantity="0.0005", price="59900")) == "done"
    one.rig.close()
    assert one.oracle.broken == []


def test_an_exit_passes_as_soon_as_its_symbol_trades_again(tmp_path: Path) -> None:
    """A status other than TRADING that was seen a moment ago denies nothing. (For 5 s it did.)"""
    with a_rig(tmp_path) as rig:
        assert rig.ask(spec(price=D(60001))).outcome is Outcome.DONE
        rig.restart()  # what is kept of the symbol is forgotten
        rig.venue.halt("BTCUSDT")
        sale = spec(side="SELL", quantity="0.00099", price=D(60000))
        assert denials(rig.ask(sale)) == {"SYMBOL_NOT_TRADING"}
        rig.venue.reopen("BTCUSDT")
        assert rig.ask(sale).outcome is Outcome.DONE


@pytest.mark.parametrize("at_start", [True, False], ids=["at the start", "later"])
def test_a_cancel_needs_no_log_and_no_good_policy_but_a_place(tmp_path: Path, *, at_start: bool) -> None:
    """Where the log is lost and the policy file is broken too, only a process that began before knows of a place."""
    one = Play(tmp_path, 1)
    one.oracle.owner.required_above = D(1000)
    one.rig.policy({"confirmation": {"required_above": "1000"}})
    assert one.rig.ask(spec(quantity="0.001", price=D(59000))).outcome is Outcome.DONE
    (order,) = one.oracle.ours()
    if at_start:
        one.edit("breaks")
    one.lose_log()
    one.edit("breaks")
    told = one.cancel(order, by_number=False)
    one.rig.close()
    assert (told, order.is_open) == (("denied POLICY_INVALID", True) if at_start else ("done", False))
    assert one.oracle.broken == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_play_can_be_played_again(seed: int) -> None:
    """One number is one play: the same moves with the same answers."""
    assert play(seed, 25).moves == play(seed, 25).moves
