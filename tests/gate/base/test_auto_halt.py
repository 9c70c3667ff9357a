"""Automatic halts: what guardian stops trading for by itself, why the log says so, and that the owner alone resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.trading import TradingState
from guardian.errors import ExchangeRejected, ExchangeUnavailable, NotSent, OutcomeUnknown
from guardian.gate.base import auto_halt
from guardian.gate.base.auto_halt import BURST_ORDERS, REJECTS_IN_A_ROW, burst_bound
from guardian.policy.loading.load import load_policy
from guardian.policy.model import CountWindow
from tests.gate.support.fakes import Lost, Placed, Room, denials

POLICIES = Path(__file__).parents[3] / "policies"
NO_QUESTIONS = {"confirmation": {"required_above": "1000000"}}


@pytest.fixture
def busy(room: Room) -> Room:
    """A room where orders need nobody's yes and the same order may come again."""
    room.policy(NO_QUESTIONS, {"limits": {"duplicate_window": "1s"}})
    return room


def rejection() -> ExchangeRejected:
    return ExchangeRejected(-2010, "Account has insufficient balance.", http_status=400)


def order(room: Room, number: int, **fields: Any) -> Outcome:
    """An order unlike every other, two minutes after the last one."""
    room.clock.forward(120)
    return room.ask(quantity=f"0.00{100 + number}", **fields).outcome


def halts(room: Room, kind: str = "halted") -> list[dict[str, Any]]:
    """The bodies of the rows that tell of a halt."""
    bodies = [json.loads(bytes(body))["data"] for (body,) in room.sql("SELECT body FROM audit WHERE phase = 'event'")]
    return [body for body in bodies if body["kind"] == kind]


def resume(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")


def trading(room: Room) -> TradingState:
    with room.journal.transaction() as tx:
        return tx.trading.status().state


def test_orders_rejected_in_a_row_halt_trading(busy: Room) -> None:
    """The fifth order in a row that the exchange rejects halts trading; the log says why, and the sixth is denied."""
    for number in range(REJECTS_IN_A_ROW):
        assert trading(busy) is TradingState.ACTIVE
        busy.exchange.script = [rejection()]
        assert order(busy, number) is Outcome.REJECTED
    assert trading(busy) is TradingState.HALTED
    (told,) = halts(busy)
    assert (told["cause"], told["by"]) == ("rejects", "guardian")
    assert "5 orders in a row" in told["reason"]
    again = busy.ask(quantity="0.0016")
    assert denials(again) == {"TRADING_HALTED"}
    assert "5 orders in a row" in str(again.error)
    assert len(busy.exchange.placed) == REJECTS_IN_A_ROW


def test_rejections_that_are_found_out_later_count_too(busy: Room) -> None:
    """A reply that was lost hides no rejection: trading halts where the fifth in a row is found."""
    for number in range(REJECTS_IN_A_ROW - 1):
        busy.exchange.script = [rejection()]
        order(busy, number)
    busy.exchange.script = [Lost(OutcomeUnknown("lost"), "REJECTED")]
    busy.exchange.fails["order"] = ExchangeUnavailable("down")
    order(busy, 9)
    del busy.exchange.fails["order"]
    assert trading(busy) is TradingState.ACTIVE
    busy.run(busy.resolver.run_once())
    assert busy.last().state is OrderState.REJECTED
    assert trading(busy) is TradingState.HALTED
    assert [halt["cause"] for halt in halts(busy)] == ["rejects"]


def test_order_that_is_placed_breaks_the_row_of_rejections(busy: Room) -> None:
    """Four rejections, an order that is placed, and four more are no five in a row."""
    for number in range(9):
        busy.exchange.script = [Placed()] if number == 4 else [rejection()]
        order(busy, number)
    assert trading(busy) is TradingState.ACTIVE
    assert halts(busy) == []


def test_orders_that_were_never_sent_or_are_unknown_neither_count_nor_break_the_row(busy: Room) -> None:
    """What never left this machine, and what nobody knows of, says nothing about the exchange's answers."""
    between = {1: NotSent("no route"), 3: NotSent("no route")}
    for number in range(7):
        busy.exchange.script = [between.get(number) or rejection()]
        assert trading(busy) is TradingState.ACTIVE
        order(busy, number)
    assert trading(busy) is TradingState.HALTED


def test_rejections_from_before_the_owner_resumed_are_not_held_against_what_follows(busy: Room) -> None:
    """After `resume` it takes five new rejections, not one."""
    for number in range(REJECTS_IN_A_ROW):
        busy.exchange.script = [rejection()]
        order(busy, number)
    resume(busy)
    for number in range(REJECTS_IN_A_ROW - 1):
        busy.exchange.script = [rejection()]
        assert order(busy, 20 + number) is Outcome.REJECTED
    assert trading(busy) is TradingState.ACTIVE
    busy.exchange.script = [rejection()]
    order(busy, 30)
    assert trading(busy) is TradingState.HALTED
    assert len(halts(busy)) == 2


def test_burst_of_orders_lets_only_exits_through(busy: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """More orders within 10 s than the bound stop all but exits, with the reservation of the one that is too many.

    It halted, exits included.
    """
    busy.policy(NO_QUESTIONS, {"limits": {"max_orders": [{"window": "24h", "max": 100}], "duplicate_window": "1s"}})
    monkeypatch.setattr(auto_halt, "burst_bound", lambda _windows: BURST_ORDERS)
    for number in range(BURST_ORDERS + 1):
        assert trading(busy) is TradingState.ACTIVE
        busy.clock.forward(0.5)
        assert busy.ask(quantity=f"0.00{100 + number}").outcome is Outcome.DONE
    assert trading(busy) is TradingState.REDUCING
    (told,) = halts(busy, "reducing")
    assert told["cause"] == "burst"
    (intent,) = busy.sql("SELECT call_id FROM audit WHERE phase = 'intent' ORDER BY seq DESC LIMIT 1")
    assert busy.sql("SELECT call_id FROM audit WHERE phase = 'event'") == [intent]
    assert denials(busy.ask(quantity="0.0016")) == {"TRADING_REDUCING"}
    busy.exchange.becomes(busy.last().client_order_id, "FILLED", "0.0011")
    busy.run(busy.resolver.run_once())
    resume(busy)
    assert busy.ask(quantity="0.00161").outcome is Outcome.DONE
    assert trading(busy) is TradingState.ACTIVE


def test_orders_at_an_even_pace_are_no_burst(busy: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """One order a second halts nothing."""
    monkeypatch.setattr(auto_halt, "burst_bound", lambda _windows: BURST_ORDERS)
    for number in range(15):
        busy.clock.forward(1.0)
        assert busy.ask(quantity=f"0.00{100 + number}").outcome is Outcome.DONE
    assert trading(busy) is TradingState.ACTIVE


def test_burst_is_more_than_any_ready_made_policy_lets_through() -> None:
    """Ready-made policies let through fewer orders within 10 s than a burst has; an owner's own may raise the bound."""
    for path in sorted(POLICIES.glob("*.toml")):
        windows = load_policy(path.read_text("utf-8")).limits.max_orders
        assert burst_bound(windows) == BURST_ORDERS, path.name
        assert min(w.maximum for w in windows) < BURST_ORDERS, path.name
    assert burst_bound((CountWindow(window_ms=1_000, maximum=3),)) == 30
    assert burst_bound((CountWindow(window_ms=60_000, maximum=40), CountWindow(window_ms=1_000, maximum=9))) == 40
    assert burst_bound(()) == BURST_ORDERS


class Skewed:
    """Answers for the clock with what it was given."""

    def __init__(self, skew_ms: int) -> None:
        self.skew_ms = skew_ms

    async def __call__(self) -> int:
        return self.skew_ms


def test_clock_that_stays_wrong_halts_trading(busy: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third order in a row that is denied for the clock halts trading; one for which it was right starts again."""
    clock = Skewed(1500)
    monkeypatch.setattr(busy.exchange, "clock_skew_ms", clock)
    for number in range(2):
        assert order(busy, number) is Outcome.DENIED
    clock.skew_ms = 0
    assert order(busy, 2) is Outcome.DONE
    clock.skew_ms = -1500
    for number in range(2):
        order(busy, 3 + number)
        assert trading(busy) is TradingState.ACTIVE
    order(busy, 5)
    assert trading(busy) is TradingState.HALTED
    (told,) = halts(busy)
    assert (told["cause"], "-1500 ms" in told["reason"]) == ("clock", True)


def test_clock_that_is_far_off_halts_at_once(busy: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 10 s of skew halt with the first denial."""
    monkeypatch.setattr(busy.exchange, "clock_skew_ms", Skewed(10_001))
    assert order(busy, 1) is Outcome.DENIED
    assert trading(busy) is TradingState.HALTED
    assert [told["cause"] for told in halts(busy)] == ["clock"]


def test_clock_that_cannot_be_asked_denies_and_halts_nothing(busy: Room) -> None:
    """That the exchange does not tell the time denies every order, and is no reason to halt."""
    busy.exchange.fails["clock_skew_ms"] = OutcomeUnknown("no answer")
    for number in range(4):
        assert order(busy, number) is Outcome.DENIED
    assert trading(busy) is TradingState.ACTIVE


def test_halt_keeps_its_first_reason(busy: Room) -> None:
    """What halts while trading is halted already adds no row and changes no reason."""
    with busy.journal.transaction() as tx:
        auto_halt.halt(tx, busy.scope, "one", "the first reason")
        auto_halt.halt(tx, None, "two", "the second reason")
        assert tx.trading.status().reason == "the first reason"
    assert [told["cause"] for told in halts(busy)] == ["one"]


def test_call_over_the_budget_is_denied_before_any_fact_is_asked_for(room: Room) -> None:
    """Denied creates ask the exchange for nothing, and a token that comes with one is not burnt."""
    ask = {"confirmation": {"required_above": "0"}}
    room.policy(ask)
    proposal = room.propose()
    assert proposal.confirmation_token is not None
    room.policy(ask, {"limits": {"max_calls_per_minute": 1}})
    room.exchange.asked.clear()
    assert denials(room.ask(quantity="0.0016")) == {"CALLS_EXCEED_MAX"}
    assert denials(room.use(proposal.confirmation_token)) == {"CALLS_EXCEED_MAX"}
    assert room.exchange.names() == []
    room.clock.forward(61)
    assert denials(room.use(proposal.confirmation_token)) == {"CONFIRMATION_POLICY_CHANGED"}


def test_tool_that_is_not_allowed_is_denied_before_any_fact_is_asked_for(room: Room) -> None:
    """A policy without `create_order` answers so at once."""
    room.policy({"tools": {"deny": ["create_order"]}})
    assert denials(room.ask()) == {"TOOL_NOT_ALLOWED"}
    assert room.exchange.names() == []
