"""Replies with what guardian knows stay small under the policy that guardian comes with for paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import GetTickerPrice
from guardian.gate.base.replies import Reply
from guardian.server.envelope import EnvelopeMeta, as_text, envelope
from tests.gate.situation.support import buy
from tests.gate.support.fakes import START_MS, Room
from tests.gate.support.true_account import TrueExchange

PAPER = Path(__file__).parents[3] / "policies" / "paper.toml"
KB = 1024


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A position of two purchases, one open order and one that waits, under the paper policy."""
    made = Room(tmp_path)
    made.exchange = TrueExchange(made.clock, free={"USDT": "10000", "BTC": "0"})
    made.connector.exchange = made.exchange
    made.again()
    buy(made, "0.00123", "0.00000123")
    made.ask(quantity="0.00021", price="59123.45")
    made.write(PAPER.read_text("utf-8"))
    try:
        yield made
    finally:
        made.close()


def size(reply: Reply) -> int:
    meta = EnvelopeMeta(
        call_id="0" * 32, timestamp_ms=START_MS, environment="paper", trading="active", policy="0" * 12, latency_ms=123
    )
    return len(as_text(envelope(reply, meta)))


def test_proposal_denial_and_price_are_small(room: Room) -> None:
    """A proposal beside one that waits, a denial for the cap of one order, a price."""
    assert size(room.call(GetTickerPrice(symbol="BTCUSDT"))) < 300
    assert size(room.ask(quantity="0.00031", price="59876.54")) < 2 * KB
    proposed = room.ask(quantity="0.00041", price="59765.43")
    denied = room.ask(quantity="0.00171", price="59654.32")
    assert (proposed.outcome, denied.outcome) == (Outcome.CONFIRMATION_REQUIRED, Outcome.DENIED)
    assert size(proposed) < 2 * KB
    assert size(denied) < 2 * KB
