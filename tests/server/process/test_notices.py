"""What the server says on stderr of calls: one line each, with what is typed next, and nothing that is secret."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from guardian.domain.codes import Code, Outcome
from guardian.gate.base.replies import (
    OrderCancelled,
    OrderPlaced,
    OrderProposed,
    OrderView,
    Reply,
    denied,
    done,
    refused,
)
from guardian.policy.verdict import Denial
from guardian.server.process.notices import CallNotices
from guardian.server.process.stderr_log import MAX_NOTICE, NOTICES, PlainFormatter
from tests.server.support.fake_gate import sample

CANARY = "canary-token-91c2"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, notices included."""
    caplog.set_level(logging.INFO, NOTICES)
    return caplog


def text(records: list[logging.LogRecord]) -> list[str]:
    """The lines as they are written, without their time."""
    return [PlainFormatter().format(record).split(" ", 3)[3] for record in records]


ORDER: OrderView = replace(
    sample(OrderView),
    side="BUY", quantity=Decimal("0.001"), symbol="BTCUSDT", price=Decimal(60600), client_order_id="g1-abc",
    state="filled", executed_quantity=Decimal("0.001"), average_price=Decimal(60590),
)  # fmt: skip
PROPOSED: OrderProposed = replace(
    sample(OrderProposed),
    proposal_id="7K2Q", state="waiting", left_s=899, confirmation_token=CANARY,
    order=replace(
        sample(OrderProposed).order,
        side="BUY", quantity=Decimal("0.001"), symbol="BTCUSDT", price=Decimal(60600),
        costs_at_most=Decimal("60.6"), brings_at_least=None, quote_asset="USDT",
    ),
)  # fmt: skip
DENIED = denied((Denial(code=Code.NOTIONAL_EXCEEDS_MAX, message="the order counts as 200 USDT, over 60"),))


@pytest.mark.parametrize(
    ("tool", "reply", "line"),
    [
        (
            "create_order",
            Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=PROPOSED),
            (
                "order proposed: BUY 0.001 BTCUSDT at 60600, costs at most 60.6 USDT; "
                "it waits 14 min for `guardian approve 7K2Q`"
            ),
        ),
        (
            "create_order",
            done(OrderPlaced(order=ORDER, already_placed=False, note="")),
            "order filled: BUY 0.001 BTCUSDT at 60600 (g1-abc), 0.001 executed at 60590",
        ),
        (
            "cancel_order",
            done(OrderCancelled(order=replace(ORDER, state="cancelled", executed_quantity=Decimal(0)), note="")),
            "order cancelled: BUY 0.001 BTCUSDT at 60600 (g1-abc)",
        ),
        (
            "create_order",
            DENIED,
            (
                "order denied: the order counts as 200 USDT, over 60 "
                "(NOTIONAL_EXCEEDS_MAX; `guardian audit show c0ffee`)"
            ),
        ),
        (
            "create_order",
            refused(Code.ORDER_UNKNOWN, "the exchange did not answer"),
            "order with an unknown outcome: the exchange did not answer",
        ),
        (
            "get_ticker",
            refused(Code.INTERNAL_ERROR, "guardian failed"),
            "get_ticker failed by a fault of guardian's; `guardian audit show c0ffee`",
        ),
    ],
)
def test_each_thing_that_a_person_should_know_is_one_line(
    said: pytest.LogCaptureFixture, tool: str, reply: Reply, line: str
) -> None:
    """A proposal with the command to approve it; what was placed, cancelled, denied, or is unknown."""
    CallNotices().answered(tool, reply, "c0ffee")
    assert text(said.records) == [line]
    assert CANARY not in whole(said.records)


def whole(records: list[logging.LogRecord]) -> str:
    return "".join(PlainFormatter().format(record) + repr(vars(record)) for record in records)


@pytest.mark.parametrize(
    ("tool", "reply"),
    [
        ("get_ticker_price", done(None)),
        ("create_order", done(OrderPlaced(order=ORDER, already_placed=True, note=""))),
        ("create_order", refused(Code.ARGUMENTS_INVALID, "quantity: is missing")),
        ("get_balance", denied((Denial(code=Code.TOOL_NOT_ALLOWED, message="no"),))),
    ],
)
def test_what_changes_nothing_is_no_line(said: pytest.LogCaptureFixture, tool: str, reply: Reply) -> None:
    """Reads, an order that was placed before, and wrong arguments leave the log of the client quiet."""
    CallNotices().answered(tool, reply, "c0ffee")
    assert said.records == []


def test_missing_keys_are_said_once_until_they_were_there(said: pytest.LogCaptureFixture) -> None:
    """A model that tries again a hundred times makes one line; prices, which need no key, change nothing in that."""
    notices, missing = CallNotices(), refused(Code.CREDENTIALS_MISSING, "no key for `testnet`", hint="`guardian keys`")
    for _ in range(100):
        notices.answered("get_balance", missing, "c0ffee")
        notices.answered("get_ticker_price", done(None), "c0ffee")
    assert text(said.records) == ["the keys: no key for `testnet`; `guardian keys`"]
    notices.answered("get_balance", done(None), "c0ffee")
    notices.answered("get_balance", missing, "c0ffee")
    assert len(said.records) == 2


def test_line_is_bounded_and_forges_no_other(said: pytest.LogCaptureFixture) -> None:
    """Whatever a message holds, it is one line of plain text with an end."""
    CallNotices().answered("create_order", refused(Code.ORDER_UNKNOWN, "a\nguardian: \x1b[2J" + "x" * 9_000), "c0ffee")
    (line,) = (PlainFormatter().format(record) for record in said.records)
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) <= MAX_NOTICE + 80
