"""Exits through the gate: what stops everything else does not stop the sale of what guardian bought."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import CreateOrder, GetTickerPrice
from guardian.domain.trading import TradingState
from guardian.gate.base.replies import OrderProposed, Reply
from tests.gate.support.fakes import Room, denials, limit

QUIET: dict[str, Any] = {"confirmation": {"required_above": "1000000"}}


def bought(room: Room, quantity: str = "0.001") -> None:
    """Guardian buys on the market and is filled."""
    assert room.ask(kind="MARKET", quantity=quantity).outcome is Outcome.DONE


def sell(room: Room, quantity: str = "0.001", **fields: Any) -> Any:
    return room.ask(side="SELL", quantity=quantity, **fields)


def trading(room: Room) -> tuple[TradingState, str | None]:
    with room.journal.transaction() as tx:
        return room.journal.trading(tx)


def test_count_of_orders_without_a_person_lets_exits_pass(room: Room) -> None:
    """Past `halt_after_orders` trading is reducing: no BUY, and what guardian bought is sold. (It halted.)"""
    room.policy(QUIET, {"limits": {"halt_after_orders": 1}})
    bought(room)
    state, reason = trading(room)
    assert state is TradingState.REDUCING
    assert "limits.halt_after_orders" in str(reason)
    assert denials(room.ask(quantity="0.0011")) == {"TRADING_REDUCING"}
    assert sell(room).outcome is Outcome.DONE
    assert room.last().is_exit


@pytest.mark.parametrize(
    "lost",
    [
        {"symbols": {"BTCUSDT": None}},
        {"symbols": {"BTCUSDT": {"sides": ["BUY"], "order_types": ["LIMIT_MAKER"], "time_in_force": ["FOK"]}}},
    ],
    ids=["symbol", "side, type and time in force"],
)
def test_policy_that_takes_a_symbol_or_its_selling_away_traps_nothing(room: Room, lost: dict[str, Any]) -> None:
    """What guardian bought can be sold, no more than that, and of a removed symbol only after a person agreed."""
    bought(room)
    room.policy(QUIET, lost)
    assert sell(room, "0.00101").outcome is Outcome.DENIED
    assert room.ask().outcome is Outcome.DENIED
    reply = sell(room)
    if "BTCUSDT" not in room.policy_file.current().policy.symbols:
        assert isinstance(reply.data, OrderProposed), reply
        assert reply.data.confirmation_token is not None
        reply = room.use(reply.data.confirmation_token)
    assert reply.outcome is Outcome.DONE
    assert room.last().is_exit


def test_flood_on_a_symbol_that_is_not_listed_asks_the_exchange_nothing(room: Room) -> None:
    """Where guardian does not hold that much of it, a symbol that is not listed is denied by the store alone."""
    bought(room)
    room.policy(QUIET, {"symbols": {"BTCUSDT": None}})
    room.exchange.asked.clear()
    for quantity in ("0.00101", "1"):
        assert denials(sell(room, quantity)) == {"SYMBOL_NOT_LISTED"}
    assert denials(sell(room, symbol="ETHBTC")) == {"SYMBOL_NOT_LISTED"}
    assert denials(room.ask()) == {"SYMBOL_NOT_LISTED"}
    assert room.exchange.names() == []


def test_exit_over_the_calls_of_a_minute_passes(room: Room) -> None:
    """An exit is outside the budget of calls; all else over it is denied by the store alone. (It was denied.)"""
    bought(room)
    room.policy(QUIET, {"limits": {"max_calls_per_minute": 1}})
    room.exchange.asked.clear()
    assert denials(room.ask(quantity="0.0011")) == {"CALLS_EXCEED_MAX"}
    assert denials(sell(room, "0.00101")) == {"CALLS_EXCEED_MAX"}
    assert room.exchange.names() == []
    assert sell(room).outcome is Outcome.DONE


def test_approved_exit_over_the_calls_of_a_minute_passes(room: Room) -> None:
    """A confirmation token for an exit works over the budget of calls too."""
    bought(room)
    ask = {"confirmation": {"required_above": "0"}, "limits": {"max_calls_per_minute": 3}}
    room.policy(ask)
    proposed = sell(room)
    assert isinstance(proposed.data, OrderProposed), proposed
    token = proposed.data.confirmation_token
    assert token is not None
    for _ in range(3):
        room.ask(quantity="0.0011")
    assert room.use(token).outcome is Outcome.DONE


def test_reads_spend_nothing_of_the_budget_of_orders_nor_the_other_way_round(room: Room) -> None:
    """Each has its own minute. (Reads spent the minute of orders, and the owner's own submits were denied.)"""
    room.policy(QUIET, {"limits": {"max_calls_per_minute": 2}})
    read = GetTickerPrice(symbol="BTCUSDT")
    assert [room.call(read).outcome for _ in range(3)] == [Outcome.DONE, Outcome.DONE, Outcome.RATE_LIMITED]
    assert [room.ask(quantity=quantity).outcome for quantity in ("0.001", "0.0011")] == [Outcome.DONE] * 2
    assert denials(room.ask(quantity="0.0012")) == {"CALLS_EXCEED_MAX"}
    room.clock.forward(61)
    assert room.call(read).outcome is Outcome.DONE


def test_call_of_the_owner_stands_outside_the_budget_and_the_log_says_whose_it_is(room: Room) -> None:
    """What the client says of itself marks no call as the owner's; the row of a call that is the owner's has a key."""
    room.policy(QUIET, {"limits": {"max_calls_per_minute": 1}})
    assert room.ask().outcome is Outcome.DONE

    async def submit(*, by_owner: bool) -> Reply:
        call = await room.gate.open_call("create_order", {}, client="guardian approve --submit", by_owner=by_owner)
        reply = await room.gate.handle(call, CreateOrder(order=limit(quantity="0.0011")))
        await room.gate.close_call(call, reply)
        return reply

    assert denials(room.run(submit(by_owner=False))) == {"CALLS_EXCEED_MAX"}
    assert room.run(submit(by_owner=True)).outcome is Outcome.DONE
    keys = [key for (key,) in room.sql("SELECT key FROM audit WHERE phase = 'call' ORDER BY seq")]
    assert [key is not None and key.startswith("owner:") for key in keys] == [False, False, True]
