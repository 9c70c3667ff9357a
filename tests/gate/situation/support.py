"""The situation of a reply, and purchases whose fee is taken of what was bought."""

from __future__ import annotations

from guardian.domain import requests
from guardian.domain.codes import Outcome
from guardian.domain.orders import Fill
from guardian.gate.base.replies import AccountBalances, OrderProposed, Reply, Situation
from tests.gate.support.fakes import D, Placed, Room
from tests.support.present import present


def known(reply: Reply) -> Situation:
    """What the reply says of what guardian knows."""
    if isinstance(reply.data, OrderProposed | AccountBalances):
        return present(reply.data.situation)
    return present(present(reply.error).situation)


def balance_reply(room: Room) -> AccountBalances:
    reply = room.call(requests.GetBalance())
    assert isinstance(reply.data, AccountBalances)
    return reply.data


def buy(room: Room, quantity: str, fee: str) -> None:
    """Bought at 60000, with the fee taken of what was bought."""
    fill = Fill(price=D(60000), quantity=D(quantity), commission=D(fee), commission_asset="BTC")
    room.exchange.script = [Placed("FILLED", quantity, fills=(fill,))]
    assert room.ask(quantity=quantity).outcome is Outcome.DONE
    room.exchange.free["BTC"] = str(D(room.exchange.free["BTC"]) - D(fee))
