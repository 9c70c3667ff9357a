"""What the person and the assistant are shown of a proposal: their own number first, and nothing that is false."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.market import BookTop
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import Environment
from guardian.gate.base.order_views import iso, utc_clock
from guardian.gate.base.replies import OrderProposed, ProposedOrder
from guardian.gate.orders.proposal_views import (
    BudgetUse,
    budget_use,
    end_of_proposal,
    order_line,
    proposed_order,
    summary,
    view_of_proposal,
)
from guardian.policy.facts import Facts
from guardian.policy.model import Channel
from guardian.policy.verdict import Decision, Verdict
from guardian.store.schema.records import Proposal
from tests.gate.orders.test_proposals import ASKS, CHAT, agrees, placed
from tests.gate.support.fakes import START_MS, Room

D = Decimal
WIDE_SYMBOL = {
    "max_notional": "1000000", "max_quantity": "100", "max_position": "100",
    "order_types": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person; prices may be far from the market."""
    prices = {"collar": "50%", "stop_distance": "50%", "max_divergence": "50%"}
    room.policy(ASKS, {"prices": prices, "symbols": {"BTCUSDT": WIDE_SYMBOL}})


def ask(room: Room, side: str, kind: str, quantity: str, price: str | None = None, **more: Any) -> OrderProposed:
    spec = OrderSpec(
        symbol="BTCUSDT",
        side=OrderSide(side),
        order_type=OrderType(kind),
        quantity=D(quantity),
        price=None if price is None else D(price),
        time_in_force=None if kind in {"MARKET", "LIMIT_MAKER"} else TimeInForce.GTC,
        **more,
    )
    reply = room.call(CreateOrder(order=spec))
    assert isinstance(reply.data, OrderProposed), reply
    return reply.data


def stored(room: Room, name: str) -> Proposal:
    with room.journal.transaction() as tx:
        found = tx.proposals.get(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("side", "kind", "quantity", "price", "stop", "costs", "brings", "counts", "at_once"),
    [
        # The two orders of the finding: what the cap counts is not what they bring.
        ("SELL", "LIMIT", "0.001", "57833", None, None, "57.833", "59.013", True),
        ("SELL", "STOP_LOSS_LIMIT", "0.0016", "48500", "49000", None, "77.6", "94.4208", False),
        ("SELL", "LIMIT", "0.001", "60000", None, None, "60", "60", False),
        ("SELL", "MARKET", "0.001", None, None, None, "58.42287", "59.013", True),
        ("BUY", "LIMIT", "0.001", "58000", None, "58", None, "58", False),
        ("BUY", "LIMIT", "0.001", "59014", None, "59.014", None, "59.014", True),
        ("BUY", "LIMIT", "0.001", "60000", None, "60", None, "60", True),
        ("BUY", "MARKET", "0.001", None, None, "59.60414", None, "59.60414", True),
        ("BUY", "LIMIT_MAKER", "0.001", "58000", None, "58", None, "58", False),
        ("BUY", "TAKE_PROFIT_LIMIT", "0.001", "58100", "58000", "58.1", None, "58.1", False),
    ],
)
def test_person_sees_what_the_order_costs_or_brings_and_what_it_counts_as(
    room: Room,
    side: str,
    kind: str,
    quantity: str,
    price: str | None,
    stop: str | None,
    costs: str | None,
    brings: str | None,
    counts: str,
    at_once: bool,
) -> None:
    """A BUY costs at most price times quantity, a SELL brings at least that; the cap's number is beside it."""
    room.exchange.books["BTCUSDT"] = ("59013", "59014")
    shown = ask(room, side, kind, quantity, price, **({} if stop is None else {"stop_price": D(stop)}))
    order = shown.order
    assert (order.costs_at_most, order.brings_at_least) == tuple(None if n is None else D(n) for n in (costs, brings))
    assert (order.counts_as, order.fills_at_once) == (D(counts), at_once)
    words = "\n".join(shown.summary)
    if costs is not None:
        assert f"costs at most {costs} USDT before fees\n" in words
    else:
        assert f"brings at least {brings} USDT before fees, if it all fills\n" in words
    assert (f"counts as {counts} USDT" in words) == ((costs or brings) != counts)
    assert ("fills at once, like a market order: 59013/59014 at" in words) == at_once
    assert "worst" not in words
    assert len(shown.summary) <= 5
    assert max(len(line) for line in shown.summary[1:4]) <= 75


@pytest.mark.parametrize(
    ("side", "kind", "price", "stop", "rests", "words"),
    [
        ("BUY", "LIMIT", "59000", None, "GTC", "rests in the book: 60000/60001 at"),
        ("BUY", "LIMIT", "59000", None, "IOC", "fills nothing and lapses: 60000/60001 at"),
        ("BUY", "LIMIT", "59000", None, "FOK", "fills nothing and lapses: 60000/60001 at"),
        ("BUY", "LIMIT_MAKER", "59000", None, None, "rests in the book: 60000/60001 at"),
        ("BUY", "LIMIT_MAKER", "60001", None, None, "would be rejected, for it may not fill at once: 60000/60001 at"),
        ("SELL", "STOP_LOSS_LIMIT", "58000", "58500", "GTC", "waits for its stop price: 60000/60001 at"),
        ("SELL", "STOP_LOSS_LIMIT", "60000", "60500", "GTC", "would be rejected, for its stop price is passed: 60000/"),
        ("SELL", "TAKE_PROFIT_LIMIT", "60400", "60500", "GTC", "waits for its stop price: 60000/60001 at"),
        (
            "SELL",
            "TAKE_PROFIT_LIMIT",
            "59400",
            "59500",
            "GTC",
            "would be rejected, for its stop price is passed: 60000/",
        ),
        ("BUY", "STOP_LOSS_LIMIT", "60600", "60500", "GTC", "waits for its stop price: 60000/60001 at"),
        ("BUY", "STOP_LOSS_LIMIT", "59600", "59500", "GTC", "would be rejected, for its stop price is passed: 60000/"),
        ("BUY", "TAKE_PROFIT_LIMIT", "59600", "59500", "GTC", "waits for its stop price: 60000/60001 at"),
    ],
)
def test_second_line_says_what_would_become_of_the_order_now(
    room: Room, side: str, kind: str, price: str, stop: str | None, rests: str | None, words: str
) -> None:
    """An order that does not fill at once rests, lapses, waits for its stop or would be rejected; in words.

    Before, a stop that the market had passed was said to wait for it.
    """
    spec = OrderSpec(
        symbol="BTCUSDT", side=OrderSide(side), order_type=OrderType(kind), quantity=D("0.001"), price=D(price),
        stop_price=None if stop is None else D(stop), time_in_force=None if rests is None else TimeInForce(rests),
    )  # fmt: skip
    reply = room.call(CreateOrder(order=spec))
    assert isinstance(reply.data, OrderProposed), reply
    assert reply.data.summary[1].startswith(words)
    assert not reply.data.order.fills_at_once


@pytest.mark.parametrize(
    ("state", "executed", "words"),
    [
        (OrderState.FILLED, "0.001", "filled: 0.001 at 60000 on average"),
        (OrderState.PART_FILLED, "0.0004", "open in the book: 0.0004 of 0.001 filled at 60000 on average"),
        (OrderState.OPEN, "0", "open in the book: 0 of 0.001 filled"),
        (OrderState.CANCELLED, "0.0004", "cancelled: 0.0004 of 0.001 was filled at 60000 on average, the rest was not"),
        (OrderState.EXPIRED, "0", "expired: nothing was filled"),
        (OrderState.REJECTED, "0", "the exchange rejected it: nothing was filled"),
        (OrderState.NOT_PLACED, "0", "it never reached the exchange"),
        (OrderState.UNKNOWN, "0", "whether it exists is not known yet; guardian keeps asking the exchange"),
        (OrderState.RESERVED, "0", "whether it exists is not known yet; guardian keeps asking the exchange"),
    ],
)
def test_end_of_a_sent_proposal_names_the_order_and_its_state(
    room: Room, state: OrderState, executed: str, words: str
) -> None:
    """Whatever happened to the order, the sentence has its id and says whether anything of it is there."""
    made = ask(room, "BUY", "LIMIT", "0.001", "60000")
    placed(room.use(agrees(room, made.proposal_id)))
    done = D(executed)
    row = replace(room.last(), state=state, executed_quantity=done, executed_quote_quantity=done * 60000)
    told = end_of_proposal(stored(room, made.proposal_id), row, START_MS)
    assert told == f"proposal {made.proposal_id} was sent as order {row.client_order_id}; {words}"


def test_market_moved_since_the_proposal_is_shown_beside_it(room: Room) -> None:
    """Asking again shows the market now and when it was requested, next to the one shown at the proposal."""
    first = ask(room, "BUY", "LIMIT", "0.001", "59000")
    assert not first.order.fills_at_once
    room.clock.forward(130)
    room.exchange.books["BTCUSDT"] = ("58000", "58001")
    again = ask(room, "BUY", "LIMIT", "0.001", "59000")
    assert again.proposal_id == first.proposal_id
    assert again.market_now is not None
    assert (again.market_now.bid, again.market_now.ask) == (D(58000), D(58001))
    assert again.market_now.asked == iso(START_MS + 130_000)
    assert (again.order.bid, again.order.ask, again.order.fills_at_once) == (D(60000), D(60001), True)
    assert again.summary == (
        "PAPER  BUY 0.001 BTCUSDT LIMIT at 59000",
        f"fills at once, like a market order: 58000/58001 at {utc_clock(START_MS + 130_000)}",
        "costs at most 59 USDT before fees",
        "your limits with it: 1% of 1000000 in 24h",
        f"asked 2m ago at 60000/60001; 12m left, until {utc_clock(START_MS + 15 * 60_000)}",
    )


def test_time_waiting_and_time_left_are_told_both_ways(room: Room) -> None:
    """Since when it waits and until when, as times and as seconds; after an approval until when that holds."""
    first = ask(room, "BUY", "LIMIT", "0.001", "59000")
    room.clock.forward(61)
    again = ask(room, "BUY", "LIMIT", "0.001", "59000")
    assert (again.proposed, again.waiting_s) == (iso(START_MS), 61)
    assert (again.expires, again.left_s) == (iso(START_MS + 900_000), 839)
    with room.journal.transaction() as tx:
        tx.proposals.issue_token(first.proposal_id, token_digest="d", expires_ms=tx.now_ms + 300_000, by_person=True)
    approved = ask(room, "BUY", "LIMIT", "0.001", "59000")
    assert (approved.state, approved.left_s) == ("approved", 300)
    late = view_of_proposal(stored(room, first.proposal_id), START_MS + 10_000_000, Channel.TERMINAL, None)
    assert (late.left_s, late.state) == (0, "expired")


def test_status_carries_the_same_fields_without_asking_the_market(room: Room) -> None:
    """`guardian://status` shows what the order costs under the same names; the market now is null there."""
    made = ask(room, "SELL", "LIMIT", "0.001", "58000")
    room.exchange.asked.clear()
    (shown,) = room.run(room.gate.status()).proposals
    assert shown.order == made.order
    assert (shown.order.brings_at_least, shown.order.counts_as) == (D(58), D(60))
    assert (shown.market_now, shown.expires) == (None, made.expires)
    assert "fills at once, like a market order" in shown.summary
    assert "counts as 60 USDT against your limits" in shown.summary
    assert set(room.exchange.names()) <= {"clock_skew_ms"}


def test_chat_is_told_to_show_the_same_lines(room: Room) -> None:
    """With `channel = "chat"` the reply has the lines that a person is to be shown, and says to show them."""
    room.policy(CHAT)
    reply = room.propose(side="SELL", price="59500")
    assert reply.summary[1].startswith("fills at once, like a market order: 60000/60001 at")
    assert reply.summary[2] == "brings at least 59.5 USDT before fees, if it all fills"
    assert "data.summary" in reply.next_step
    assert "data.summary" in (reply.warning or "")


def test_channel_elicit_shows_what_the_terminal_shows(room: Room) -> None:
    """Where the client cannot ask, `elicit` is as `terminal`: the lines, the command to run, and no token."""
    room.policy({"confirmation": {"required_above": "0", "channel": "elicit"}})
    reply = room.propose(price="60001")
    assert reply.summary[1].startswith("fills at once, like a market order: 60000/60001 at")
    assert reply.confirmation_token is None
    assert f"guardian approve {reply.proposal_id}" in reply.next_step


def test_selling_back_spends_no_budget_and_is_shown_so(room: Room) -> None:
    """An exit counts against the cap of one order; its line does not claim a share of a budget."""
    room.policy({"confirmation": {"required_above": "100", "channel": "terminal"}})
    assert room.ask(kind="MARKET").outcome.value == "done"
    made = ask(room, "SELL", "LIMIT", "0.001", "59500")
    assert "counts as 60 USDT against max_notional, spends no budget" in made.summary


def test_share_of_a_budget_that_is_not_known_is_not_shown(room: Room) -> None:
    """Where what was used before is not known, no share is made up."""
    unknown = Facts(now_ms=START_MS, clock_ms=START_MS, environment=Environment.PAPER, policy_problems=())
    assert budget_use(unknown, Verdict(decision=Decision.DENY), room.policy_file.current().policy) is None


def test_number_in_another_currency_is_shown_as_what_it_counts_for(room: Room) -> None:
    """An order in BTC costs BTC; what it counts as in the accounting currency is beside it."""
    proposal = a_proposal(room, quote_asset="BTC", currency="USDT", notional=D("3600.5"), price="0.05", quantity="1.2")
    order = proposed_order(proposal)
    assert (order.costs_at_most, order.quote_asset, order.counts_as) == (D("0.06"), "BTC", D("3600.5"))
    lines = summary(proposal, START_MS, market=None, budget=None, clock=utc_clock)
    assert "costs at most 0.06 BTC before fees" in lines
    assert "counts as 3600.5 USDT against your limits" in lines


def test_line_that_grows_too_long_names_the_budget_that_is_nearest_its_end(room: Room) -> None:
    """Of many budgets the tightest is shown, with what was used before."""
    room.policy(ASKS, {"limits": {"rolling_notional": [
        {"window": "5m", "max": "200"}, {"window": "1h", "max": "300"}, {"window": "24h", "max": "50000"},
    ]}})  # fmt: skip
    limits = room.policy_file.current().policy.limits
    used = {300_000: D(0), 3_600_000: D(200), 86_400_000: D(200)}
    proposal = a_proposal(room, quote_asset="USDT", currency="USDT", notional=D(60), price="60000", quantity="0.001")
    budget = BudgetUse(is_exit=False, limits=limits, used=used)
    lines = summary(
        proposal, START_MS, market=BookTop(bid=D(1), ask=D(2), fetched_ms=START_MS), budget=budget, clock=utc_clock
    )
    assert "your limits with it: 87% of 300 in 1h" in lines


def test_lines_fit_sixty_columns(room: Room) -> None:
    """Of an order of the usual size no line of the summary is wider than 60 columns, times written short."""
    room.exchange.books["BTCUSDT"] = ("59013.01", "59013.02")
    for side, kind, price in (("BUY", "MARKET", None), ("SELL", "MARKET", None), ("BUY", "LIMIT", "59100.55")):
        made = ask(room, side, kind, "0.00123", price)
        market = BookTop(bid=D("59013.01"), ask=D("59013.02"), fetched_ms=START_MS)
        limits = room.policy_file.current().policy.limits
        budget = BudgetUse(is_exit=False, limits=limits, used={86_400_000: D(0)})
        lines = summary(
            stored(room, made.proposal_id), START_MS, market=market, budget=budget, clock=lambda _: "03:22:10"
        )
        assert len(lines) == 5
        assert max(map(len, lines)) <= 60, lines


def test_order_that_does_not_rest_says_so_in_its_line(room: Room) -> None:
    """A LIMIT that is not good till cancelled shows its time in force; a stop shows its stop price."""
    proposal = a_proposal(room, price="60000", quantity="0.001", time_in_force="FOK")
    assert order_line(proposal) == "BUY 0.001 BTCUSDT LIMIT FOK at 60000"
    made = ask(room, "SELL", "STOP_LOSS_LIMIT", "0.001", "58000", stop_price=D(58500))
    assert made.summary[0] == "PAPER  SELL 0.001 BTCUSDT STOP_LOSS_LIMIT at 58000, stop 58500"
    assert isinstance(made.order, ProposedOrder)


def a_proposal(room: Room, *, price: str, quantity: str, time_in_force: str = "GTC", **changes: Any) -> Proposal:
    """A stored LIMIT BUY with these numbers."""
    resolved = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "price": price, "quantity": quantity,
        "timeInForce": time_in_force,
    }  # fmt: skip
    values: dict[str, Any] = {
        "scope": room.scope, "order_key": "k", "symbol": "BTCUSDT", "side": "BUY", "spec": {"order_type": "LIMIT"},
        "resolved": resolved, "policy_digest": "d", "policy_source": "/policy.toml", "token_ttl_ms": 300_000,
        "notional": D(60), "quote_notional": D(60), "quote_asset": "USDT", "currency": "USDT",
        "shown_bid": D(60000), "shown_ask": D(60001), "created_ms": START_MS, "expires_ms": START_MS + 900_000,
    }  # fmt: skip
    return Proposal(id="ABCDEF", **{**values, **changes})
