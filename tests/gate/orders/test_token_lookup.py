"""A token that is looked up with the row of its call: nothing is sent on what was only true then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.codes import Code, Outcome
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.errors import StoreUnavailable
from guardian.gate.base.calls import CallInfo, token_digest
from guardian.gate.base.replies import OrderPlaced, OrderProposed, Reply
from guardian.gate.orders import token_lookup
from guardian.gate.orders.token_lookup import MAX_KEPT
from tests.support.world import WIDE, World, a_world

pytestmark = pytest.mark.anyio

TOOL = CreateOrder.tool


class Caller:
    """Makes calls at the gate of a home, each step by itself."""

    def __init__(self, world: World, guardian: Guardian) -> None:
        self.guardian = guardian
        self._gate = guardian.gate
        self._journal = world.controls.journal

    async def propose(self, quantity: str) -> tuple[str, str]:
        """The id of a new proposal, and its token."""
        call = await self._gate.open_call(TOOL, {})
        spec = OrderSpec(symbol="BTCUSDT", side=OrderSide.BUY, order_type=OrderType.MARKET, quantity=Decimal(quantity))
        reply = await self._gate.handle(call, CreateOrder(order=spec))
        await self._gate.close_call(call, reply)
        assert isinstance(reply.data, OrderProposed), reply
        assert reply.data.confirmation_token is not None
        return reply.data.proposal_id, reply.data.confirmation_token

    async def begin(self, token: str) -> CallInfo:
        return await self._gate.open_call(TOOL, {}, token=token_digest(token))

    async def redeem(self, call: CallInfo, token: str, **stated: str) -> Reply:
        request = CreateOrder(confirmation_token=Secret(token), stated=tuple(stated.items()))
        reply = await self._gate.handle(call, request)
        await self._gate.close_call(call, reply)
        return reply

    @property
    def sent(self) -> int:
        return sum(one.method == "POST" for one in self._journal)


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    with a_world(tmp_path) as world:
        world.policy(WIDE, {"confirmation": {"required_above": "0", "max_outstanding": 100}})
        guardian = open_guardian(world.policy_path, home=world.home)
        yield Caller(world, guardian)
        await guardian.close()


async def test_proposal_that_a_person_rejects_after_the_look_up_is_not_sent(caller: Caller) -> None:
    """The decision reads the proposal again."""
    proposal, token = await caller.propose("0.001")
    call = await caller.begin(token)
    with caller.guardian.journal.transaction() as tx:
        tx.proposals.reject(proposal, "no")
    reply = await caller.redeem(call, token)
    assert reply.error is not None
    assert reply.error.code is Code.CONFIRMATION_REJECTED
    assert caller.sent == 0


async def test_two_calls_that_looked_up_one_token_send_one_order(caller: Caller) -> None:
    """The second is answered with the order of the first."""
    _, token = await caller.propose("0.001")
    first, second = await caller.begin(token), await caller.begin(token)
    sent, again = await caller.redeem(first, token), await caller.redeem(second, token)
    assert isinstance(sent.data, OrderPlaced)
    assert isinstance(again.data, OrderPlaced)
    assert (sent.data.already_placed, again.data.already_placed) == (False, True)
    assert caller.sent == 1


async def test_look_up_of_another_token_is_not_used(caller: Caller) -> None:
    """What is redeemed is the token of the request."""
    _, looked_up = await caller.propose("0.001")
    _, token = await caller.propose("0.0011")
    reply = await caller.redeem(await caller.begin(looked_up), token)
    assert isinstance(reply.data, OrderPlaced)
    assert reply.data.order.quantity == Decimal("0.0011")


async def test_fields_beside_a_token_that_was_looked_up_are_compared(caller: Caller) -> None:
    """The look-up knows only the token."""
    _, token = await caller.propose("0.001")
    reply = await caller.redeem(await caller.begin(token), token, quantity="0.002")
    assert reply.error is not None
    assert reply.error.code is Code.CONFIRMATION_MISMATCH
    assert caller.sent == 0


async def test_unknown_token_is_denied_by_the_look_up(caller: Caller) -> None:
    """As it is without one."""
    _, token = await caller.propose("0.001")
    unknown = f"{'0' if token[0] != '0' else '1'}{token[1:]}"
    reply = await caller.redeem(await caller.begin(unknown), unknown)
    assert reply.outcome is Outcome.DENIED
    assert reply.error is not None
    assert reply.error.code is Code.CONFIRMATION_UNKNOWN


async def test_call_whose_look_up_was_dropped_is_answered_all_the_same(caller: Caller) -> None:
    """Calls that begin and never come to their order do not fill the memory."""
    _, token = await caller.propose("0.001")
    call = await caller.begin(token)
    for _ in range(MAX_KEPT):
        await caller.begin(token)
    reply = await caller.redeem(call, token)
    assert isinstance(reply.data, OrderPlaced)
    assert caller.sent == 1


async def test_fault_of_the_look_up_is_left_to_the_order(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call has its row, and the token is looked up again with the order."""
    _, token = await caller.propose("0.001")

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as changed:
        changed.setattr(token_lookup, "proposal_to_redeem", fails)
        call = await caller.begin(token)
    reply = await caller.redeem(call, token)
    assert isinstance(reply.data, OrderPlaced), reply
    assert caller.sent == 1


async def test_store_that_fails_in_the_look_up_refuses_the_call(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction has the row of the call, which is not there either then."""
    _, token = await caller.propose("0.001")

    def fails(*_: object) -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(token_lookup, "proposal_to_redeem", fails)
    with pytest.raises(StoreUnavailable):
        await caller.begin(token)
    assert caller.sent == 0
