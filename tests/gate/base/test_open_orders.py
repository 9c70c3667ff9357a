"""The exchange limits how many orders of a symbol are open, whoever placed them, and guardian counts as it does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.orders import OrderReport, OrderSide, OrderSpec, ResolvedOrder
from guardian.domain.requests import CreateOrder
from guardian.errors import ExchangeRateLimited, ExchangeRejected, ExchangeUnavailable, OutcomeUnknown
from guardian.gate.base.replies import Reply
from guardian.gate.reads.selling_back import sell_backs
from tests.gate.support.fakes import Lost, Room, denials
from tests.policy.builders import a_market, a_sell, a_stop, an_order

D = Decimal
ASKS_FIRST: dict[str, Any] = {"confirmation": {"required_above": "0", "channel": "chat"}}
BUY, SELL = OrderSide.BUY, OrderSide.SELL


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """200 open orders of a symbol at most, 5 of them stop orders, as Binance has it."""
    made = Room(tmp_path)
    made.exchange.filters = {"max_orders": 200, "max_stop_orders": 5}
    try:
        yield made
    finally:
        made.close()


def by_hand(room: Room, count: int, kind: str = "STOP_LOSS_LIMIT") -> list[str]:
    """The owner places orders at the exchange, past guardian."""
    first = len(room.exchange.reports)
    names = [f"hand-{first + number}" for number in range(count)]
    for number, name in enumerate(names):
        room.exchange.reports[name] = OrderReport(
            symbol="BTCUSDT",
            order_id=10_000 + first + number,
            client_order_id=name,
            side="SELL",
            order_type=kind,
            status="NEW",
            time_in_force="GTC",
            price=D(58000),
            stop_price=D(59000),
            quantity=D("0.001"),
            executed_quantity=D(0),
            executed_quote_quantity=D(0),
            time=room.clock.now_ms(),
            created_ms=room.clock.now_ms(),
        )
    return names


def ask(room: Room, spec: OrderSpec) -> Reply:
    return room.call(CreateOrder(order=spec))


def message(reply: Reply) -> str:
    assert reply.error is not None, reply
    return reply.error.denials[0].message


def lists(room: Room) -> int:
    return room.exchange.names().count("open_orders")


@pytest.mark.parametrize("kind", ["STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT", "STOP_LOSS", "TRAILING_STOP"])
def test_stop_orders_placed_by_hand_fill_the_exchanges_limit(room: Room, kind: str) -> None:
    """Five of the owner's, of any stop type: guardian's is denied before it is sent, and passes once one has ended.

    Before, it was sent, and the exchange refused it.
    """
    names = by_hand(room, 5, kind)
    reply = ask(room, a_stop(BUY))
    assert denials(reply) == {"FILTER_ORDER_COUNT"}
    assert message(reply).endswith("5 of 5 open stop orders, cancel one")
    assert ask(room, an_order()).outcome is Outcome.DONE  # a plain order is not held to that limit
    room.exchange.becomes(names[0], "CANCELED")
    assert ask(room, a_stop(BUY)).outcome is Outcome.DONE
    assert denials(ask(room, a_stop(BUY, quantity="0.0011"))) == {"FILTER_ORDER_COUNT"}
    assert len(room.exchange.placed) == 2


def test_orders_of_every_type_placed_by_hand_fill_the_larger_limit(room: Room) -> None:
    """199 of the owner's and one of guardian's are 200; the next is denied, and passes once one of them has ended."""
    by_hand(room, 199, "LIMIT")
    assert ask(room, an_order()).outcome is Outcome.DONE
    reply = ask(room, an_order(quantity="0.0011"))
    assert denials(reply) == {"FILTER_ORDER_COUNT"}
    assert message(reply).endswith("200 of 200 open orders, cancel one")
    assert len(room.exchange.placed) == 1
    assert room.cancel(client_order_id=room.last().client_order_id).outcome is Outcome.DONE
    assert ask(room, an_order(quantity="0.0011")).outcome is Outcome.DONE


@pytest.mark.parametrize("order", [a_sell(), a_stop(SELL), a_market(SELL)], ids=["limit", "stop", "market"])
def test_exit_is_held_to_the_limits_too(room: Room, order: OrderSpec) -> None:
    """The exchange would refuse it: an exit is denied with the count, and an open exit counts as any other order."""
    assert ask(room, a_market()).outcome is Outcome.DONE
    names = by_hand(room, 5) + by_hand(room, 195, "LIMIT")
    room.clock.forward(61)
    assert denials(ask(room, order)) == {"FILTER_ORDER_COUNT"}
    room.exchange.becomes(names[0], "CANCELED")
    assert ask(room, order).outcome is Outcome.DONE
    assert room.last().is_exit
    if order.order_type.value != "MARKET":
        assert denials(ask(room, an_order(quantity="0.0011"))) == {"FILTER_ORDER_COUNT"}


def test_list_that_cannot_be_read_denies_all_but_cancels_and_exits(room: Room) -> None:
    """What is open is unknown then, so nothing that adds risk is sent; cancels and exits pass."""
    assert ask(room, a_market()).outcome is Outcome.DONE
    assert ask(room, an_order()).outcome is Outcome.DONE
    resting = room.last().client_order_id
    room.clock.forward(61)
    room.exchange.fails["open_orders"] = ExchangeUnavailable("the list is down")
    for spec in (an_order(quantity="0.0011"), a_stop(BUY)):
        reply = ask(room, spec)
        assert denials(reply) == {"OPEN_ORDERS_UNKNOWN"}
        assert "the list is down" in message(reply)
    assert len(room.exchange.placed) == 2
    assert ask(room, a_stop(SELL)).outcome is Outcome.DONE
    assert room.last().is_exit
    assert room.cancel(client_order_id=room.last().client_order_id).outcome is Outcome.DONE
    assert room.run(sell_backs(room.context, room.policy_file.current()))  # it needs no list
    assert room.cancel(client_order_id=resting).outcome is Outcome.DONE
    del room.exchange.fails["open_orders"]
    assert ask(room, a_sell()).outcome is Outcome.DONE


def test_rate_limit_of_the_list_burns_no_token(room: Room) -> None:
    """To be asked to slow down is no verdict on the order: the token is used a moment later."""
    room.policy(ASKS_FIRST)
    proposed = ask(room, a_stop(BUY)).data
    token: str = getattr(proposed, "confirmation_token")  # noqa: B009 - only a proposal has one
    room.exchange.fails["open_orders"] = ExchangeRateLimited(7)
    assert room.use(token).outcome is Outcome.RATE_LIMITED
    del room.exchange.fails["open_orders"]
    assert room.use(token).outcome is Outcome.DONE


def test_warm_order_asks_for_no_list_and_a_stop_always_does(room: Room) -> None:
    """A list is kept for a minute for plain orders, and each stop order gets a current one, in the same round."""
    seen = []
    for seconds, spec in [
        (0, an_order()), (0, an_order(quantity="0.0011")), (60, an_order(quantity="0.0012")),
        (1, an_order(quantity="0.0013")), (0, a_stop(BUY)), (0, a_stop(BUY, quantity="0.0011")),
        (59, an_order(quantity="0.0014")),
    ]:  # fmt: skip
        room.clock.forward(seconds)
        before = lists(room)
        assert ask(room, spec).outcome is Outcome.DONE
        seen.append(lists(room) - before)
    assert seen == [1, 0, 0, 1, 1, 1, 0]


def test_list_is_of_now_once_half_the_limit_is_known_to_be_open(room: Room) -> None:
    """Of 10, four are known and this order is the fifth: from there on every order gets a current list."""
    room.exchange.filters = {"max_orders": 10}
    by_hand(room, 2, "LIMIT")
    seen = []
    for number in range(8):
        before = lists(room)
        assert ask(room, an_order(price=str(60000 - number))).outcome is Outcome.DONE
        seen.append(lists(room) - before)
    assert seen == [1, 0, 1, 1, 1, 1, 1, 1]
    assert denials(ask(room, an_order(quantity="0.0009"))) == {"FILTER_ORDER_COUNT"}


def test_refusal_by_the_exchange_forgets_the_kept_list(room: Room) -> None:
    """The owner fills the limit within the minute: one order is refused, and the next is denied before it is sent."""
    assert ask(room, an_order()).outcome is Outcome.DONE
    by_hand(room, 199, "LIMIT")
    room.exchange.script = [ExchangeRejected(-1013, "Filter failure: MAX_NUM_ORDERS", http_status=400)]
    assert ask(room, an_order(quantity="0.0011")).outcome is Outcome.REJECTED
    assert denials(ask(room, an_order(quantity="0.0012"))) == {"FILTER_ORDER_COUNT"}
    assert len(room.exchange.placed) == 2


def test_each_order_counts_once_and_one_that_is_unknown_counts(room: Room) -> None:
    """Guardian's own that are listed are not counted again; one whose reply was lost counts though no list shows it;
    one that the owner amended, with another client order id, is the same order."""
    for number in range(2):
        assert ask(room, a_stop(BUY, quantity=f"0.001{number}")).outcome is Outcome.DONE
    amended = room.exchange.reports.pop(room.last().client_order_id)
    values = {name: getattr(amended, name) for name in amended.__slots__}
    room.exchange.reports["web_1"] = OrderReport(**{**values, "client_order_id": "web_1"})
    by_hand(room, 1)
    room.exchange.script = [Lost(OutcomeUnknown("no reply"))]

    def hide(_order: ResolvedOrder, name: str) -> None:
        room.exchange.unlisted.add(name)
        room.exchange.hidden.add(name)

    room.exchange.before_place = hide
    assert ask(room, a_stop(BUY, quantity="0.0012", price="61999", stop_price="60999")).outcome is Outcome.UNKNOWN
    by_hand(room, 1)
    reply = ask(room, a_stop(BUY, quantity="0.0013"))
    assert "FILTER_ORDER_COUNT" in denials(reply)
    assert reply.error is not None
    assert "5 of 5 open stop orders" in " ".join(one.message for one in reply.error.denials)


def test_own_order_that_the_exchange_no_longer_lists_has_ended(room: Room) -> None:
    """A stop that filled a moment ago, of which the log does not know yet, takes no place."""
    assert ask(room, a_stop(BUY)).outcome is Outcome.DONE
    by_hand(room, 4)
    room.exchange.becomes(room.last().client_order_id, "FILLED", "0.001")
    assert ask(room, a_stop(BUY, quantity="0.0011")).outcome is Outcome.DONE


def test_two_gates_at_once_take_the_last_place_once(room: Room) -> None:
    """Both read a list with four stop orders before either is reserved: one order is sent, the other is denied."""
    by_hand(room, 4)
    gates, journal = [room.gate], room.journal
    room.start()
    gates.append(room.gate)
    read = room.exchange.open_orders

    async def both() -> list[Reply]:
        met = asyncio.Barrier(2)

        async def listed(symbol: str | None, *, only_readable: bool = False) -> tuple[OrderReport, ...]:
            found = await read(symbol, only_readable=only_readable)
            await met.wait()
            return found

        room.exchange.open_orders = listed

        async def one(gate: Any, quantity: str) -> Reply:
            call = await gate.open_call("create_order", {}, client="test")
            reply: Reply = await gate.handle(call, CreateOrder(order=a_stop(BUY, quantity=quantity)))
            await gate.close_call(call, reply)
            return reply

        return await asyncio.gather(*(one(gate, f"0.001{number}") for number, gate in enumerate(gates)))

    replies = room.run(both())
    journal.close()
    assert sorted(reply.outcome for reply in replies) == [Outcome.DENIED, Outcome.DONE]
    assert denials(next(reply for reply in replies if reply.outcome is Outcome.DENIED)) == {"FILTER_ORDER_COUNT"}
    assert len(room.exchange.placed) == 1


def test_list_that_was_requested_earlier_replaces_no_later_one(room: Room) -> None:
    """Two lists on their way at once: the answer that comes last is kept only if it was requested last."""
    by_hand(room, 1, "LIMIT")
    late = []

    async def meanwhile() -> None:
        """A minute's delay, in which another order gets and keeps a list of its own."""
        room.clock.mono += 30
        late.append(await room.acall(CreateOrder(order=an_order(quantity="0.0011"))))

    room.exchange.during["open_orders"] = meanwhile
    assert ask(room, an_order()).outcome is Outcome.DONE
    assert [reply.outcome for reply in late] == [Outcome.DONE]
    before = lists(room)
    room.clock.forward(40)
    assert ask(room, an_order(quantity="0.0012")).outcome is Outcome.DONE
    assert lists(room) == before
