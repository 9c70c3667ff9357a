"""Balances are read before an order is reserved; what was reserved since, or is not known, is taken off them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.codes import Outcome
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.errors import OutcomeUnknown
from guardian.gate.base.replies import Reply
from tests.gate.support.fakes import Lost, Placed, Room, denials, limit
from tests.gate.support.true_account import LIVE, TrueExchange
from tests.support.profiles import tries

D = Decimal
POLICY: dict[str, Any] = {"limits": {"min_free_quote": "850", "duplicate_window": "1s"}}
ASKS_FIRST: dict[str, Any] = {"confirmation": {"required_above": "0", "channel": "chat"}}
MANY: dict[str, Any] = {"confirmation": {"max_outstanding": 50}}


@contextmanager
def a_room(folder: Path, *changes: dict[str, Any], usdt: str = "1000", btc: str = "0") -> Iterator[Room]:
    room = Room(folder, POLICY, *changes)
    room.exchange = TrueExchange(room.clock, free={"USDT": usdt, "BTC": btc})
    room.connector.exchange = room.exchange
    room.again()
    try:
        yield room
    finally:
        room.close()


def true(room: Room) -> TrueExchange:
    assert isinstance(room.exchange, TrueExchange)
    return room.exchange


def at_once(room: Room, *tokens: str) -> list[Reply]:
    """All tokens redeemed at the same time; each sees the balances before any order is there."""
    true(room).meeting = len(tokens)

    async def work() -> list[Reply]:
        requests = (CreateOrder(confirmation_token=Secret(token)) for token in tokens)
        return list(await asyncio.gather(*(room.acall(request) for request in requests)))

    return room.run(work())


def tokens_for(room: Room, *quantities: str) -> list[str]:
    found = [room.propose(quantity=quantity).confirmation_token for quantity in quantities]
    assert None not in found
    return [token for token in found if token is not None]


@pytest.mark.parametrize("status", ["NEW", "FILLED"])
def test_tokens_redeemed_at_once_leave_the_floor_free(tmp_path: Path, status: str) -> None:
    """Free 1000, floor 850, four approved BUYs of 60 to 66 USDT at once: two are placed, and 850 or more is left.

    Before, each was judged on the 1000 that was read before any of them was reserved, and all four were placed.
    """
    with a_room(tmp_path, ASKS_FIRST, MANY) as room:
        tokens = tokens_for(room, "0.001", "0.00101", "0.00102", "0.0011")
        room.exchange.script = [Placed(status, "0.001" if status == "FILLED" else "0")] * 4
        replies = at_once(room, *tokens)
        placed = [reply for reply in replies if reply.outcome is Outcome.DONE]
        refused = [reply for reply in replies if reply.outcome is not Outcome.DONE]
        assert len(placed) == 2
        assert all("FREE_QUOTE_BELOW_MIN" in denials(reply) for reply in refused)
        assert true(room).has("USDT") >= 850


def test_tokens_redeemed_at_once_stay_within_the_exchanges_max_position(tmp_path: Path) -> None:
    """MAX_POSITION 0.0025, four approved BUYs of about 0.001 at once that fill at once: no more than two are placed.

    Before, the balance that was read before any of them was all that counted of what had filled meanwhile.
    """
    with a_room(tmp_path, ASKS_FIRST, MANY, {"limits": {"min_free_quote": "0"}}) as room:
        true(room).rules = {"BTCUSDT": {"max_position": D("0.0025")}}
        tokens = tokens_for(room, "0.001", "0.00101", "0.00102", "0.0011")
        room.exchange.script = [Placed("FILLED", "0.001")] * 4
        replies = at_once(room, *tokens)
        assert sum(reply.outcome is Outcome.DONE for reply in replies) == 2
        assert true(room).owns("BTC") <= D("0.0025")
        refused = [reply for reply in replies if reply.outcome is not Outcome.DONE]
        assert all("FILTER_POSITION" in denials(reply) for reply in refused)


def test_order_of_unknown_fate_is_taken_off_the_balance(tmp_path: Path) -> None:
    """It may be in the balance or not: it counts in full until its fate is known.

    Before, 1000 less the new order alone was held against the floor.
    """
    with a_room(tmp_path) as room:
        true(room).books = {"BTCUSDT": ("60000", "60001"), "ETHUSDT": ("3000", "3000.1")}
        room.exchange.script = [OutcomeUnknown("the reply was lost")]
        assert room.ask(quantity="0.0016").outcome is Outcome.UNKNOWN  # 96 of the 150 that may be spent
        refused = room.ask(symbol="ETHUSDT", quantity="0.02", price="3000")
        assert denials(refused) == {"FREE_QUOTE_BELOW_MIN"}
        assert room.ask(symbol="ETHUSDT", quantity="0.018", price="3000").outcome is Outcome.DONE


def test_open_order_is_in_the_balance_once(tmp_path: Path) -> None:
    """One that was acknowledged before the balance was requested is locked there, and is not taken off again."""
    with a_room(tmp_path) as room:
        assert room.ask(quantity="0.0012").outcome is Outcome.DONE  # 72 locked, 928 free
        assert denials(room.ask(quantity="0.0014")) == {"FREE_QUOTE_BELOW_MIN"}
        assert room.ask(quantity="0.0013").outcome is Outcome.DONE  # 850 left
        assert true(room).has("USDT") == 850


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "fill", "end", "resolve", "two"]),
        st.integers(1, 40),
        st.sampled_from(["NEW", "FILLED", "EXPIRED", "lost", "lost filled", "never"]),
    ),
    min_size=1,
    max_size=14,
)


class Desk:
    """Orders in any interleaving against a true account, and what has to hold of it after each step."""

    def __init__(self, room: Room) -> None:
        self.room, self.exchange = room, true(room)
        room.usage()  # makes the store

    def act(self, number: int, status: str) -> Any:
        whole = str(D("0.0001") * number)
        lost = OutcomeUnknown("the reply was lost")
        return {
            "NEW": Placed(),
            "FILLED": Placed("FILLED", whole),
            "EXPIRED": Placed("EXPIRED", str(D("0.00005") * number)),
            "lost": Lost(lost),
            "lost filled": Lost(lost, "FILLED"),
            "never": lost,
        }[status]

    async def order(self, side: str, number: int, status: str) -> Reply:
        act, before = self.act(number, status), len(self.exchange.placed)
        # In front: an order that is asked for while another one waits is placed before it.
        self.exchange.script.insert(0, act)
        reply = await self.room.acall(CreateOrder(order=limit(side=side, quantity=str(D("0.0001") * number))))
        if len(self.exchange.placed) == before:
            self.exchange.script.remove(act)
        return reply

    def step(self, kind: str, number: int, status: str) -> None:
        reports = self.exchange.reports
        live = [name for name, report in reports.items() if report.status in LIVE]
        if kind in {"buy", "sell"}:
            self.room.run(self.order(kind.upper(), number, status))
        elif kind == "two":
            self.both(number, status)
        elif kind == "fill" and live:
            name = live[number % len(live)]
            half = number % 2 == 0
            whole = reports[name].quantity
            self.exchange.becomes(name, "PARTIALLY_FILLED" if half else "FILLED", str(whole / 2 if half else whole))
        elif kind == "end" and live:
            self.exchange.becomes(live[number % len(live)], "CANCELED")
        elif kind == "resolve":
            self.room.clock.forward(21)
            self.room.run(self.room.resolver.run_once())

    def both(self, number: int, status: str) -> None:
        """Two orders at once, of which the second reads its facts before the first is reserved."""

        async def work() -> None:
            async def first() -> None:
                await self.order("BUY", number, status)

            self.exchange.during["balances_read" if number % 3 else "balances"] = first
            await self.order("BUY", number + 1, status)

        self.room.run(work())

    def check(self) -> None:
        assert self.exchange.has("USDT") >= 850, "less than the floor is left"
        sold = D(0)
        for (name,) in self.room.sql("SELECT client_order_id FROM orders WHERE is_exit"):
            report = self.exchange.reports.get(name)
            if report is not None:
                sold += report.quantity if report.status in LIVE else report.executed_quantity
        bought = sum((r.executed_quantity for r in self.exchange.reports.values() if r.side == "BUY"), D(0))
        assert sold <= bought, "the owner's own was sold as an exit"


@settings(max_examples=tries(40), deadline=None)
@given(steps=STEPS)
def test_floor_and_owners_own_hold_in_any_interleaving(steps: list[tuple[str, int, str]]) -> None:
    """Whatever is reserved, lost, acknowledged, filled and ended in whatever order, at no time is less free than the
    floor, and no exit sells more than was bought."""
    with (
        tempfile.TemporaryDirectory() as folder,
        a_room(Path(folder), {"symbols": {"BTCUSDT": {"max_notional": "300", "max_position": "5"}}}, btc="0.5") as room,
    ):
        desk = Desk(room)
        for step in steps:
            desk.step(*step)
            desk.check()
