"""Proposals, denials and balances say what guardian knows: positions, headroom, what waits, the trading state."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import TradingState
from guardian.errors import ExchangeUnavailable, StoreUnavailable
from guardian.gate.base.order_views import iso
from guardian.gate.base.replies import OrderPlaced, OrderProposed, Reply
from guardian.gate.client_questions import ClientAnswer
from guardian.gate.situation.headroom import caps_of_order
from guardian.policy.case import build_case
from guardian.policy.facts import Facts
from tests.gate.situation.support import balance_reply, buy, known
from tests.gate.support.fakes import START_MS, Placed, Room, denials, limit
from tests.gate.support.true_account import TrueExchange
from tests.gate.test_client_questions import ELICIT, answer, question
from tests.support.present import present

CAPS: dict[str, Any] = {"max_notional": "100", "max_quantity": "5", "max_position": "5"}
TIGHT: dict[str, Any] = {
    "limits": {
        "max_open_notional": "300",
        "rolling_notional": [{"window": "5m", "max": "200"}, {"window": "24h", "max": "500"}],
        "max_orders": [{"window": "1m", "max": 3}, {"window": "24h", "max": 50}],
        "max_open_orders": 5,
        "halt_after_orders": 20,
        "max_daily_loss": "50",
        "min_free_quote": "10",
        "duplicate_window": "1s",
    },
    "confirmation": {"required_above": "150", "channel": "terminal"},
    "symbols": {"BTCUSDT": CAPS},
}
ALONE: dict[str, Any] = {"confirmation": {"required_above": "100000", "channel": "terminal"}}
"""No person is asked."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room with tight caps and an account that its orders change."""
    made = Room(tmp_path, TIGHT)
    made.exchange = TrueExchange(made.clock, free={"USDT": "10000", "BTC": "0"})
    made.connector.exchange = made.exchange
    made.again()
    try:
        yield made
    finally:
        made.close()


def sent(reply: Reply) -> None:
    assert isinstance(reply.data, OrderPlaced), reply


def test_proposal_says_the_headroom_of_every_cap_that_concerns_it(room: Room) -> None:
    """Two orders of 60 went before; the third would pass the threshold of what goes without a person."""
    buy(room, "0.001", "0.000001")
    sent(room.ask(price="59000"))
    found = known(room.ask(price="58000"))
    assert found.headroom == {
        "max_notional": "100 of 100",
        "max_position": "4.998001 of 5",
        "max_open_notional": "241 of 300",
        "rolling_notional 5m": "81 of 200",
        "rolling_notional 24h": "381 of 500",
        "max_orders 1m": "1 of 3",
        "max_orders 24h": "48 of 50",
        "max_open_orders": "4 of 5",
        "halt_after_orders": "18 of 20",
        "max_daily_loss": "49.94 of 50",
        "required_above": "31 of 150",
        "min_free_quote": "9871 above 10",
    }
    assert (found.currency, found.frees, found.trading) == ("USDT", {}, "active")


def test_position_is_bought_less_fees_with_the_orders_that_sell_it_back(room: Room) -> None:
    """In a denial of a BUY as in the balances: over the cap of one order it goes in two."""
    room.policy(TIGHT, ALONE)
    buy(room, "0.0016", "0.0000016")
    room.clock.forward(400)
    buy(room, "0.0015", "0.0000015")
    for situation in (known(room.ask(quantity="1")), present(balance_reply(room).situation)):
        (held,) = present(situation.positions)
        assert (held.asset, held.symbol) == ("BTC", "BTCUSDT")
        assert (held.held, held.sell_back) == (Decimal("0.0030969"), Decimal("0.00309"))
        assert held.orders == (Decimal("0.00155"), Decimal("0.00154"))
    for quantity in present(held.orders):
        sent(room.ask(kind="MARKET", side="SELL", quantity=str(quantity)))
    (rest,) = present(present(balance_reply(room).situation).positions)
    assert (rest.held, rest.sell_back, rest.orders) == (Decimal("0.0000069"), Decimal(0), ())
    (rest,) = present(known(room.ask(quantity="1")).positions)
    assert (rest.held, rest.sell_back, rest.orders) == (Decimal("0.0000069"), Decimal(0), ())


def test_denied_exit_is_held_to_the_cap_of_one_order_alone(room: Room) -> None:
    """It spends no budget, so no budget is named."""
    room.policy(TIGHT, ALONE)
    buy(room, "0.0016", "0")
    buy(room, "0.0015", "0")
    reply = room.ask(kind="MARKET", side="SELL", quantity="0.0031")
    assert denials(reply) == {"NOTIONAL_EXCEEDS_MAX"}
    assert known(reply).headroom == {"max_notional": "100 of 100"}


def test_sell_of_the_owners_own_is_held_to_no_position_and_no_free_quote(room: Room) -> None:
    """Those are caps on what is bought."""
    room.exchange.free["BTC"] = "2"
    found = known(room.ask(side="SELL", quantity="0.01", price="60001")).headroom
    assert {"max_position", "min_free_quote"} & found.keys() == set()
    assert found["max_notional"] == "100 of 100"


def test_order_over_the_cap_leaves_its_parts_what_slicing_leaves(room: Room) -> None:
    """What was entered on that side since counts against the cap of one order."""
    assert denials(room.ask(quantity="0.002")) == {"NOTIONAL_EXCEEDS_MAX"}
    sent(room.ask(quantity="0.001"))
    reply = room.ask(quantity="0.0009", price="59999")
    assert denials(reply) == {"SLICING_EXCEEDS_MAX"}
    assert known(reply).headroom["max_notional"] == "40 of 100"


def test_full_window_says_when_its_oldest_order_leaves_it(room: Room) -> None:
    """A window is full for an order that does not fit in it, and for the balances when nothing is left of it."""
    room.policy(TIGHT, ALONE)
    for price in ("60000", "59999", "59998"):
        sent(room.ask(price=price))
        room.clock.forward(10)
    reply = room.ask(price="59997")
    assert denials(reply) == {"ROLLING_NOTIONAL_EXCEEDS_MAX", "ORDER_COUNT_EXCEEDS_MAX"}
    found = known(reply)
    assert found.headroom["rolling_notional 5m"] == "20.003 of 200"
    assert found.frees == {"rolling_notional 5m": iso(START_MS + 300_000), "max_orders 1m": iso(START_MS + 60_000)}
    assert present(balance_reply(room).situation).frees == {"max_orders 1m": iso(START_MS + 60_000)}
    room.clock.forward(30)
    assert present(balance_reply(room).situation).frees == {}


def test_order_that_never_came_to_be_frees_only_the_count(room: Room) -> None:
    """A rejected order is in `max_orders` and in no notional; with a window of no other order nothing frees it."""
    room.policy(TIGHT, {"limits": {"max_orders": [{"window": "1m", "max": 1}]}})
    room.exchange.script = [Placed("REJECTED")]
    room.ask()
    room.clock.forward(1)
    reply = room.ask(price="59999", quantity="0.004")
    assert known(reply).frees == {"max_orders 1m": iso(START_MS + 60_000)}


def test_other_proposals_that_wait_are_listed_with_their_time_left(room: Room) -> None:
    """A proposal does not list itself; a denial and the balances list all."""
    room.policy(TIGHT, {"confirmation": {"required_above": "0", "channel": "terminal"}})
    first = room.ask(price="60000")
    assert known(first).waiting == ()
    assert isinstance(first.data, OrderProposed)
    room.clock.forward(60)
    second = room.ask(price="59000")
    (other,) = present(known(second).waiting)
    assert (other.proposal_id, other.state, other.left_s) == (first.data.proposal_id, "waiting", 840)
    assert other.order == "BUY 0.001 BTCUSDT LIMIT at 60000"
    assert len(present(known(room.ask(quantity="1")).waiting)) == 2
    assert len(present(present(balance_reply(room).situation).waiting)) == 2
    assert "required_above" not in known(second).headroom


def test_trading_state_comes_with_its_reason_and_what_ends_it(room: Room) -> None:
    """Also where the denied order itself has just made it so."""
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="the owner is asleep", by="owner")
    told = "halted: the owner is asleep; the owner runs `guardian resume`"
    assert known(room.ask()).trading == told
    assert present(balance_reply(room).situation).trading == told
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.REDUCING, reason="", by="owner")
    assert known(room.ask()).trading == "reducing: no reason was given; the owner runs `guardian resume`"


def test_denial_that_halts_trading_says_so(room: Room) -> None:
    """The loss of the day is found by this very order."""
    buy(room, "0.0016", "0")
    room.exchange.books["BTCUSDT"] = ("20000", "20001")
    room.exchange.averages["BTCUSDT"] = "20000"
    reply = room.ask(price="20000")
    assert "DAILY_LOSS_EXCEEDS_MAX" in denials(reply)
    assert known(reply).trading.startswith("reducing: more was lost within 24h")
    assert known(reply).headroom["max_daily_loss"] == "0 of 50"


def test_what_is_not_known_is_null(room: Room) -> None:
    """Balances that cannot be read, and a price that cannot: no number stands for them."""
    buy(room, "0.001", "0")
    room.exchange.fails = {
        "balances": ExchangeUnavailable("the exchange did not answer"),
        "average_price": ExchangeUnavailable("the exchange did not answer"),
    }
    found = known(room.ask(price="59000"))
    assert found.headroom["min_free_quote"] is None
    assert found.headroom["max_daily_loss"] is None
    (held,) = present(found.positions)
    assert (held.held, held.sell_back, held.symbol, held.orders) == (Decimal("0.001"), None, None, None)
    room.exchange.fails = {"instruments": ExchangeUnavailable("the exchange did not answer")}
    found = known(room.ask(price="59000"))
    assert (found.headroom["max_position"], "min_free_quote" in found.headroom) == (None, False)


def test_position_without_a_price_has_no_orders_that_are_known(room: Room) -> None:
    """How many orders the caps admit depends on the price."""
    buy(room, "0.001", "0")
    room.exchange.fails = {"book_tops": ExchangeUnavailable("the exchange did not answer")}
    for situation in (known(room.ask(price="59000")), present(balance_reply(room).situation)):
        (held,) = present(situation.positions)
        assert (held.sell_back, held.symbol, held.orders) == (Decimal("0.001"), "BTCUSDT", None)


def test_notionals_of_another_currency_are_unknown_and_counts_are_known(room: Room) -> None:
    """Orders judged in USDT have no worth in ETH."""
    assert denials(room.ask(quantity="0.002")) == {"NOTIONAL_EXCEEDS_MAX"}
    sent(room.ask())
    accounting = {"currency": "ETH", "conversions": {"BTC": "ETHBTC", "USDT": "ETHUSDT", "BNB": "BNBETH", "ETH": None}}
    room.policy(TIGHT, {"accounting": accounting})
    found = known(room.ask(price="59000"))
    for cap in ("max_notional", "max_open_notional", "rolling_notional 5m", "rolling_notional 24h", "required_above"):
        assert found.headroom[cap] is None, cap
    assert found.headroom["max_orders 1m"] == "2 of 3"
    assert (found.currency, found.frees) == ("ETH", {})


def test_denial_before_the_judgement_says_what_the_store_knows(room: Room) -> None:
    """An unknown token and a spent budget of calls cost the exchange no request, and the reply says the rest."""
    buy(room, "0.001", "0")
    room.exchange.asked.clear()
    room.policy(TIGHT, {"limits": {"max_calls_per_minute": 2}})
    for reply in (room.use("no such token"), room.ask(), room.ask()):
        assert reply.outcome is Outcome.DENIED
        found = known(reply)
        assert found.headroom["rolling_notional 5m"] == "140 of 200"
        assert found.headroom["max_daily_loss"] is None
        (held,) = present(found.positions)
        assert (held.asset, held.held, held.sell_back) == ("BTC", Decimal("0.001"), None)
    assert denials(reply) == {"CALLS_EXCEED_MAX"}


def test_denied_tool_says_the_trading_state_alone(room: Room) -> None:
    """No account was looked for, so nothing is said of one."""
    room.policy(TIGHT, {"tools": {"deny": ["create_order"]}})
    found = known(room.ask())
    assert (found.trading, found.positions, found.waiting, found.headroom) == ("active", None, None, {})


def test_denial_stays_a_denial_where_the_store_fails(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """What guardian knows is an addition, and no reason to answer something else."""
    room.policy(TIGHT, {"tools": {"deny": ["create_order"]}})
    call = room.open()

    async def fails(*_: object) -> None:
        raise StoreUnavailable("the log cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr(type(room.journal), "transact", fails)
        reply = room.run(room.gate.handle(call, CreateOrder(order=limit())))
    assert denials(reply) == {"TOOL_NOT_ALLOWED"}
    assert present(reply.error).situation is None


def test_situation_is_in_no_row_of_the_log(room: Room) -> None:
    """The log is what it is counted from; it would only grow."""
    room.policy(TIGHT, {"confirmation": {"required_above": "0", "channel": "terminal"}})
    assert room.ask().outcome is Outcome.CONFIRMATION_REQUIRED
    assert room.ask(quantity="1").outcome is Outcome.DENIED
    balance_reply(room)
    assert "situation" not in room.log_text().replace(str(room.folder), "")  # the test's folder has its name


def test_answer_in_the_client_that_sends_nothing_says_what_guardian_knows(room: Room) -> None:
    """Without a policy nothing is left of its caps, and nothing is said."""
    room.policy(TIGHT, ELICIT)
    call, asked = question(room)
    reply = present(answer(room, call, asked.id, ClientAnswer.CANCELLED))
    assert known(reply).headroom["max_open_notional"] == "300 of 300"
    assert known(reply).waiting == ()


def test_usage_that_is_missing_leaves_no_cap_known(room: Room) -> None:
    """A case without usage is one that the store did not answer for."""
    policy = room.policy_file.current().policy
    facts = Facts(now_ms=0, clock_ms=0, environment=policy.environment, policy_problems=())
    assert caps_of_order(build_case(limit(), facts, policy)) == {}


def test_nothing_is_asked_of_the_exchange_for_it(room: Room) -> None:
    """The same requests as an order that goes through, but for the order itself."""
    buy(room, "0.001", "0")
    room.exchange.asked.clear()
    sent(room.ask(price="59000"))
    through = [name for name in room.exchange.names() if name != "place_order"]
    room.exchange.asked.clear()
    known(room.ask(price="58000"))
    assert room.exchange.names() == through


def test_symbol_without_limits_leaves_the_global_caps(room: Room) -> None:
    """What the policy does not list has no cap of its own, and the rest is said all the same."""
    reply = room.ask(symbol="XRPUSDT")
    assert denials(reply) == {"SYMBOL_NOT_LISTED"}
    assert "`[symbols.XRPUSDT]`" in (present(reply.error).hint or "")
    found = known(reply).headroom
    assert {"max_notional", "max_position", "min_free_quote"} & found.keys() == set()
    assert found["rolling_notional 24h"] == "500 of 500"
