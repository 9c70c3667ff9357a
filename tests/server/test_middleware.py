"""The outermost guard: a record for every call, one envelope for every end, and no text of an exception."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest
from fastmcp import Client, FastMCP
from mcp import MCPError

from guardian.domain.codes import Code, Outcome
from guardian.domain.market import TickerPrice
from guardian.domain.requests import TOOLS
from guardian.domain.secrets import Secret
from guardian.errors import StoreUnavailable
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.replies import (
    HeldPosition,
    OrderPlaced,
    OrderProposed,
    Reply,
    ReplyError,
    Situation,
    denied,
    done,
    refused,
    with_situation,
)
from guardian.policy.verdict import Denial
from tests.server.support.fake_gate import ARGUMENTS, Connect, FakeGate, sample
from tests.server.support.validators import reply_validator
from tests.support.present import present

pytestmark = pytest.mark.anyio

CANARY = "canary-4f1d-signature"
GOOD = {"symbol": "BTCUSDT"}


async def validators_of(client: Client[Any]) -> dict[str, Any]:
    """By tool: what checks a reply against the tool's own output schema, and against the whole of it."""
    return {tool.name: reply_validator(tool) for tool in await client.list_tools()}


async def call(
    client: Client[Any], tool: str, arguments: dict[str, Any], validators: dict[str, Any] | None = None
) -> Any:
    """One call, checked against the tool's own output schema where it has one."""
    result: Any = await client.call_tool(tool, arguments, raise_on_error=False)
    if tool in TOOLS:
        (validators or await validators_of(client))[tool].validate(result.structured_content)
    assert json.loads(result.content[0].text) == result.structured_content
    return result


async def test_unknown_tool_opens_and_closes_a_record(connect: Connect, gate: FakeGate) -> None:
    """A call of a tool that does not exist is recorded and answered as invalid; its name is cleaned and bounded."""
    name = "withdraw\u202e\x00" + "x" * 500
    async with connect() as client:
        result = await call(client, name, {"to": "me"})
    assert result.is_error
    assert result.structured_content["outcome"] == "invalid"
    assert result.structured_content["error"]["code"] == "TOOL_UNKNOWN"
    (opened,) = gate.opened
    assert opened[0] == "withdraw??" + "x" * 54
    assert opened[1] == {"to": "me"}
    assert [present(reply.error).code for _, reply in gate.closed] == [Code.TOOL_UNKNOWN]
    assert gate.requests == []


async def test_bad_arguments_open_and_close_a_record_and_name_every_mistake(connect: Connect, gate: FakeGate) -> None:
    """Wrong arguments never reach the gate's judgement; every mistake is named, and none of the values is echoed."""
    arguments = {"symbol": f"{CANARY}", "side": "HOLD", "quantity": "NaN", "leverage": 125, "confirmation_token": "a b"}
    async with connect() as client:
        result = await call(client, "create_order", arguments)
    error = result.structured_content["error"]
    assert result.is_error
    assert error["code"] == "ARGUMENTS_INVALID"
    for field in ("symbol:", "side:", "quantity:", "leverage: there is no such argument", "confirmation_token:"):
        assert field in error["message"]
    assert CANARY not in json.dumps(result.structured_content)
    assert gate.requests == []
    assert [reply.outcome for _, reply in gate.closed] == [Outcome.INVALID]
    assert len(gate.opened) == 1


async def test_null_for_an_argument_that_is_not_there_is_told_so(connect: Connect) -> None:
    """An argument that the tool does not have is not called required. Before: `is required, and null is no value`."""
    async with connect() as client:
        result = await call(client, "get_ticker_price", {**GOOD, "nope": None})
    assert result.structured_content["error"]["message"] == "nope: there is no such argument"


async def test_missing_arguments_are_named(connect: Connect, gate: FakeGate) -> None:
    """A call without a required argument says which."""
    async with connect() as client:
        result = await call(client, "get_ticker", {})
    assert "symbol: is required" in result.structured_content["error"]["message"]


NOT_EXACTLY_RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("get_ticker", {"symbol": "BTCU\u017fDT"}),
    ("get_ticker", {"symbol": "btcusdt"}),
    ("get_ticker", {"symbol": "BTC\u200bUSDT"}),
    ("get_ticker", {"symbol": "BTCUSDT\u0301"}),
    ("get_ticker", {"symbol": "\uff22\uff34\uff23"}),
    ("get_available_assets", {"cursor": "BTC USDT"}),
    ("get_available_assets", {"cursor": ""}),
    ("get_ticker", {"symbol": "BTCUSDT\n"}),
    ("get_ticker", {"symbol": "BTC/USDT"}),
    ("get_ticker", {"symbol": "BTCUSDT" * 10}),
    ("get_ticker", {"symbol": ["BTCUSDT"]}),
    ("get_ticker", {"symbol": "BTCUSDT", "extra": 1}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": "1h"}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "7m"}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": ["1h"]}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h", "count": 97}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h", "count": 0}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h", "count": True}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h", "count": "5"}}),
    ("get_ticker", {"symbol": "BTCUSDT", "candles": {"interval": "1h", "limit": 5}}),
    ("get_pnl", {"market": "margin"}),
    ("get_deposit_address", {"coin": "BTC&network=BSC"}),
    ("get_deposit_address", {"coin": "BTC", "network": "BSC#"}),
    ("get_deposit_address", {"coin": "BTC\x00"}),
    ("get_order_book", {"symbol": "BTCUSDT", "limit": "5"}),
    ("get_order_book", {"symbol": "BTCUSDT", "limit": 5.0}),
    ("get_order_book", {"symbol": "BTCUSDT", "limit": True}),
    ("get_order_book", {"symbol": "BTCUSDT", "limit": 0}),
    ("get_order_book", {"symbol": "BTCUSDT", "limit": 5000}),
    ("get_balance", {"include_zero": "yes"}),
    ("get_balance", {"include_zero": 1}),
    ("get_orders", {"symbol": "BTCUSDT", "status": "OPEN"}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": "28"}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": True}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": 2**53}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": 10**5000}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": 1, "client_order_id": "g1-1"}),
    ("get_orders", {"symbol": "BTCUSDT", "client_order_id": "x&orderId=1"}),
    ("get_orders", {"symbol": "BTCUSDT", "status": "open", "start_time": 1_763_800_000_000}),
    ("get_orders", {"symbol": "BTCUSDT", "order_id": 1, "end_time": 1_763_800_000_000}),
    ("get_pnl", {"start_time": "2026-11-22T25:00:00"}),
    ("get_pnl", {"start_time": "tomorrow"}),
    ("get_pnl", {"start_time": "2026-02-30T10:00:00Z"}),
    ("get_pnl", {"start_time": 1_763_800_000}),
    ("get_pnl", {"start_time": 1_763_800_000_000_000}),
    ("get_pnl", {"start_time": 1.7638e12 + 0.5}),
    ("get_pnl", {"start_time": True}),
    ("get_pnl", {"start_time": "2026-11-22T10:00:00Z", "end_time": "2026-11-22T09:00:00Z"}),
    ("get_deposit_history", {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-11-22T09:00:00Z"}),
    ("get_deposit_history", {"offset": -1}),
    ("get_account_snapshot", {"account_type": "ISOLATED"}),
    ("get_universal_transfer_history", {"transfer_type": "MAIN&UMFUTURE"}),
    ("get_universal_transfer_history", {"transfer_type": "MAIN_UMFUTURE", "page": 0}),
    ("get_orders", {"client_order_id": "web_1"}),
    ("get_orders", {"call_id": "0" * 31}),
    ("get_orders", {"call_id": "last"}),
    ("get_orders", {"call_id": "0" * 32, "symbol": "BTCUSDT"}),
    ("get_orders", {"call_id": "0" * 32, "client_order_id": "g1-1", "end_time": 1_763_800_000_000}),
    ("cancel_order", {"symbol": "BTCUSDT"}),
    ("cancel_order", {"symbol": "BTCUSDT", "order_id": 1, "client_order_id": "g1-1"}),
    ("cancel_order", {}),
    ("cancel_order", {"order_id": 1}),
    ("cancel_order", {"symbol": "BTCUSDT", "proposal_id": "K7QM2X"}),
    ("cancel_order", {"proposal_id": "k7qm2x"}),
    ("cancel_order", {"proposal_id": "K7QM2X\n"}),
    ("cancel_order", {"proposal_id": "K7QM2I"}),
    ("create_order", {"confirmation_token": "short"}),
    ("create_order", {"confirmation_token": "x" * 65}),
    ("create_order", {"confirmation_token": "abcdefgh\n"}),
]


async def test_what_is_not_exactly_right_is_invalid(connect: Connect, gate: FakeGate) -> None:
    """No argument is coerced, trimmed, or passed on in part; the gate is asked nothing, and the record says invalid."""
    async with connect() as client:
        validators = await validators_of(client)
        for tool, arguments in NOT_EXACTLY_RIGHT:
            gate.opened.clear()
            gate.closed.clear()
            result = await call(client, tool, arguments, validators)
            case = (tool, sorted(arguments), result.structured_content)
            assert result.structured_content["outcome"] == "invalid", case
            assert result.structured_content["error"]["code"] == "ARGUMENTS_INVALID", case
            assert gate.requests == [], case
            assert [reply.outcome for _, reply in gate.closed] == [Outcome.INVALID], case
            assert len(gate.opened) == 1, case
            json.dumps(gate.opened, allow_nan=False)


async def test_every_code_answers_by_the_declared_schema(connect: Connect, gate: FakeGate) -> None:
    """Whatever guardian refuses, with or without details, the reply fits the tool's one schema and says isError."""
    async with connect() as client:
        validator = (await validators_of(client))["create_order"]
        for code in Code:
            full = ReplyError(
                code=code,
                message="a sentence",
                hint="what next",
                denials=(
                    Denial(code=code, message="no", observed="2", limit="1", hint="less"),
                    Denial(code=code, message="no"),
                ),
                exchange_code=-2010,
                exchange_text="Account has insufficient balance",
                retry_after_s=3,
                client_order_id="g1-" + "0" * 32,
                situation=sample(Situation),
            )
            for error in (full, ReplyError(code=code, message="a sentence")):
                gate.answer = lambda info, request, code=code, error=error: Reply(outcome=code.outcome, error=error)
                result = await client.call_tool("create_order", ARGUMENTS["create_order"], raise_on_error=False)
                validator.validate(result.structured_content)
                assert json.loads(result.content[0].text) == result.structured_content
                assert result.is_error, code
                assert result.structured_content["error"]["code"] == code.name
            assert result.structured_content["error"]["exchange"] is None, code


async def test_denial_and_untrusted_text_are_told_apart(connect: Connect, gate: FakeGate) -> None:
    """All denials are listed with what was seen; the exchange's words stand in a field marked untrusted."""
    denial = Denial(code=Code.NOTIONAL_EXCEEDS_MAX, message="too much", observed="120", limit="100", hint="0.001")
    gate.answer = lambda info, request: denied((denial,))
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
        assert result.structured_content["error"]["denials"] == [
            {"code": "NOTIONAL_EXCEEDS_MAX", "message": "too much", "observed": "120", "limit": "100", "hint": "0.001"}
        ]
        gate.answer = lambda info, request: Reply(
            outcome=Outcome.REJECTED,
            error=ReplyError(code=Code.EXCHANGE_REJECTED, message="no", exchange_code=-2010, exchange_text="words"),
        )
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.structured_content["error"]["exchange"] == {"code": -2010, "text": "words", "untrusted": True}


async def test_denial_says_what_guardian_knows_and_other_errors_say_null(connect: Connect, gate: FakeGate) -> None:
    """In each era: the situation is that of the reply, and a tool that proposes nothing has none."""
    denial = Denial(code=Code.NOTIONAL_EXCEEDS_MAX, message="too much")
    held = HeldPosition(asset="BTC", held=Decimal("0.00150"), sell_back=None, symbol=None, orders=None)
    situation = Situation(
        trading="active",
        positions=(held,),
        currency="USDT",
        headroom={"rolling_notional 24h": "140 of 500", "max_daily_loss": None},
        frees={},
        waiting=(),
    )
    gate.answer = lambda info, request: with_situation(denied((denial,)), situation)
    async with connect() as client:
        validators = await validators_of(client)
        result = await call(client, "create_order", ARGUMENTS["create_order"], validators)
        assert result.structured_content["error"]["situation"] == {
            "trading": "active",
            "positions": [{"asset": "BTC", "held": "0.0015", "sell_back": None, "symbol": None, "orders": None}],
            "currency": "USDT",
            "headroom": {"rolling_notional 24h": "140 of 500", "max_daily_loss": None},
            "frees": {},
            "waiting": [],
        }
        gate.answer = lambda info, request: denied((denial,))
        result = await call(client, "get_balance", {}, validators)
    assert result.structured_content["error"]["situation"] is None


async def test_what_a_model_reads_first_of_a_placed_order_is_the_note(connect: Connect, gate: FakeGate) -> None:
    """It says whether anything was sent now; in the text, in each era."""
    gate.answer = lambda info, request: done(replace(sample(OrderPlaced), already_placed=True, note="nothing was sent"))
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.content[0].text.startswith(
        '{"outcome":"done","data":{"note":"nothing was sent","already_placed":true'
    )


async def test_reply_that_was_rendered_ahead_is_the_one_that_leaves(connect: Connect, gate: FakeGate) -> None:
    """It is rendered once, while its row is written; a later answer of the gate is rendered instead of it."""
    given = [done(sample(OrderPlaced)), done(replace(sample(OrderPlaced), note="another answer"))]

    def answer(info: CallInfo, _request: object) -> Reply:
        assert info.on_sent is not None
        info.on_sent(given[0])
        gate.fail_meta = RuntimeError("asked once more")  # what is rendered from now on has another `meta`
        return given.pop()

    gate.answer = answer
    async with connect() as client:
        other = await call(client, "create_order", ARGUMENTS["create_order"])
        gate.fail_meta = None
        ahead = await call(client, "create_order", ARGUMENTS["create_order"])
    assert other.structured_content["data"]["note"] == "another answer"
    assert other.structured_content["meta"]["policy"] is None
    assert ahead.structured_content["data"]["note"] != "another answer"
    assert ahead.structured_content["meta"]["policy"] == "3f9c3f9c3f9c"


async def test_reply_that_cannot_be_rendered_ahead_is_rendered_at_its_time(connect: Connect, gate: FakeGate) -> None:
    """A fault in rendering must not reach the writing of the outcome row."""
    reply = done({"price": 1.5})

    def answer(info: CallInfo, _request: object) -> Reply:
        assert info.on_sent is not None
        info.on_sent(reply)
        return reply

    gate.answer = answer
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.structured_content["error"]["code"] == "INTERNAL_ERROR"


async def test_confirmation_required_is_no_error(connect: Connect, gate: FakeGate) -> None:
    """An order that waits for a person is not an error, and its data says what the person must do."""
    gate.answer = lambda info, request: Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=sample(OrderProposed))
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert not result.is_error
    assert result.structured_content["outcome"] == "confirmation_required"
    assert result.structured_content["data"]["next_step"]


async def test_amounts_are_plain_strings(connect: Connect, gate: FakeGate) -> None:
    """An amount is written without an exponent."""
    gate.answer = lambda info, request: done(TickerPrice(symbol="BTCUSDT", price=Decimal("1E-8")))
    async with connect() as client:
        result = await call(client, "get_ticker_price", GOOD)
    assert result.structured_content["data"] == {"symbol": "BTCUSDT", "price": "0.00000001"}


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError, KeyError, StoreUnavailable])
async def test_exception_in_the_gate_is_opaque(
    connect: Connect, gate: FakeGate, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    """An exception that the gate lets out becomes `failed` without its text; the log row has the kind and the place."""
    caplog.set_level(logging.CRITICAL)
    gate.fail_handle = kind(CANARY)
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.is_error
    assert result.structured_content["outcome"] == "failed"
    assert result.structured_content["error"]["code"] == "INTERNAL_ERROR"
    assert "get_orders" in result.structured_content["error"]["hint"]
    assert CANARY not in json.dumps(result.structured_content)
    ((_, logged),) = gate.closed
    assert kind.__name__ in present(logged.detail)
    assert "fake_gate.py" in present(logged.detail)


async def test_text_of_foreign_exceptions_stays_out_of_the_log(connect: Connect, gate: FakeGate) -> None:
    """The text of an exception of another package may hold a signed address, so not even the log is given it."""
    gate.fail_handle = json.JSONDecodeError(CANARY, CANARY, 0)
    async with connect() as client:
        await call(client, "get_ticker", GOOD)
    ((_, logged),) = gate.closed
    assert "JSONDecodeError" in present(logged.detail)
    assert CANARY not in present(logged.detail)


async def test_nothing_is_done_without_a_record(connect: Connect, gate: FakeGate) -> None:
    """Where the record cannot be opened, the gate is not asked and the reply says that the log is the reason."""
    gate.fail_open = StoreUnavailable("the log is on a read-only disk")
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
        assert result.structured_content["outcome"] == "unavailable"
        assert result.structured_content["error"]["code"] == "LOG_UNAVAILABLE"
        assert "read-only disk" in result.structured_content["error"]["message"]
        assert result.structured_content["meta"]["call_id"] is None
        assert gate.requests == []
        cancelled = await call(client, "cancel_order", ARGUMENTS["cancel_order"])
    assert cancelled.structured_content["outcome"] == "done"
    assert [request.tool for request in gate.requests] == ["cancel_order"]


async def test_fault_while_opening_the_record_is_opaque_and_stops_the_call(connect: Connect, gate: FakeGate) -> None:
    """A bug in opening the record is reported without its text, and nothing is done."""
    gate.fail_open = RuntimeError(CANARY)
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.structured_content["outcome"] == "failed"
    assert CANARY not in json.dumps(result.structured_content)
    assert gate.requests == []


async def test_answer_stands_when_the_record_cannot_be_closed_or_meta_not_told(
    connect: Connect, gate: FakeGate
) -> None:
    """What happened to an order is reported even where guardian's own bookkeeping about the call breaks."""
    gate.fail_close = RuntimeError(CANARY)
    gate.fail_meta = RuntimeError(CANARY)
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.structured_content["outcome"] == "done"
    assert result.structured_content["meta"]["trading"] is None
    assert CANARY not in json.dumps(result.structured_content)


@pytest.mark.parametrize("data", [Secret(CANARY), 1.5, object(), {"price": Decimal("NaN")}, {"x": b"y"}])
async def test_data_that_no_reply_may_hold_becomes_failed(connect: Connect, gate: FakeGate, data: Any) -> None:
    """A secret, a float or a NaN in an answer never reaches the assistant; the record says what was answered before."""
    gate.answer = lambda info, request: done(data)
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert result.structured_content["outcome"] == "failed"
    assert CANARY not in json.dumps(result.structured_content)
    ((_, logged),) = gate.closed
    assert "after the gate had answered `done`" in present(logged.detail)


async def test_lone_surrogate_does_not_lose_the_reply(connect: Connect, gate: FakeGate) -> None:
    """Text that cannot be written as UTF-8 is mended instead of losing the whole reply."""
    gate.answer = lambda info, request: done(TickerPrice(symbol="A\ud800B", price=Decimal(1)))
    async with connect() as client:
        result = await call(client, "get_ticker_price", GOOD)
    assert result.structured_content["data"]["symbol"] == "A\\ud800B"


@pytest.mark.parametrize(
    ("tool", "arguments", "outcome", "code", "hint"),
    [
        ("get_ticker", GOOD, "unavailable", "READ_TAKEN_BACK", None),
        ("create_order", ARGUMENTS["create_order"], "failed", "CALL_TAKEN_BACK", "look the order up with get_orders"),
    ],
)
async def test_call_taken_back_is_closed_all_the_same(
    server: FastMCP,
    gate: FakeGate,
    tool: str,
    arguments: dict[str, Any],
    outcome: str,
    code: str,
    hint: str | None,
) -> None:
    """Where the client takes a call back while the gate works, the record of it is still closed, as no fault.

    A read has a code of its own: nothing is to be looked up after it.
    """
    entered, go_on = anyio.Event(), anyio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    gate.before_answer = wait
    async with Client(server, mode="legacy") as client, anyio.create_task_group() as group:
        group.start_soon(client.call_tool, tool, arguments)
        await entered.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(5):
        while not gate.closed:
            await anyio.sleep(0.01)
    ((_, logged),) = gate.closed
    error = present(logged.error)
    assert (logged.outcome, error.code.name) == (outcome, code)
    assert (error.hint is None) if hint is None else (error.hint or "").startswith(hint)


async def test_tokens_are_not_in_what_is_recorded(connect: Connect, gate: FakeGate) -> None:
    """The record of a call has a digest in a token's place, under whatever name and of whatever kind it came."""
    arguments = {"confirmation_token": CANARY, "confirmationToken": CANARY, "api_secret": [CANARY]}
    async with connect() as client:
        await call(client, "create_order", arguments)
        await call(client, "no_such_tool", arguments)
    assert CANARY not in json.dumps([opened[1] for opened in gate.opened])
    assert all(opened[1]["confirmation_token"].startswith("sha256:") for opened in gate.opened)


async def test_what_is_recorded_is_bounded(connect: Connect, gate: FakeGate) -> None:
    """Arguments of any size leave a record of at most a few kilobytes that can be written as JSON."""
    arguments: dict[str, Any] = {
        "symbol": "A" * 1_000_000,
        "order_id": 10**4000,
        "deep": {"a": {"b": {"c": {"d": [1]}}}},
    }
    arguments |= {f"k{i}": ["x" * 1000] * 1000 for i in range(100)}
    async with connect() as client:
        await call(client, "cancel_order", arguments)
    assert len(json.dumps(gate.opened[0][1], allow_nan=False)) < 20_000
    assert gate.opened[0][1]["symbol"].endswith("(cut, 1000000 characters)")


async def test_client_is_recorded_by_its_own_name(connect: Connect, gate: FakeGate) -> None:
    """The record names the client as it names itself."""
    async with connect() as client:
        await call(client, "get_ticker", GOOD)
    assert present(gate.opened[0][2]).startswith("mcp/")


async def test_failing_resource_says_nothing_of_why(connect: Connect, gate: FakeGate) -> None:
    """A resource that cannot be read is an error without the text of the exception, as is one that does not exist."""
    gate.fail_view = RuntimeError(CANARY)
    async with connect() as client:
        for uri in ("guardian://policy", "guardian://status", "guardian://audit/recent", "guardian://nothing"):
            with pytest.raises(MCPError) as failed:
                await client.read_resource(uri)
            assert CANARY not in str(failed.value)
        with pytest.raises(MCPError):
            await client.get_prompt("no_such_prompt")


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("guardian://nothing", {"uri": "guardian://nothing"}),
        ("guardian://" + "x" * 300, None),
    ],
)
async def test_error_of_an_unknown_resource_repeats_its_address(
    connect: Connect, uri: str, data: dict[str, str] | None
) -> None:
    """As the protocol wants it, so that a client with several requests knows which; never a long one."""
    async with connect() as client:
        with pytest.raises(MCPError) as failed:
            await client.read_resource(uri)
    assert failed.value.data == data


async def test_calls_at_the_same_time_do_not_mix(connect: Connect, gate: FakeGate) -> None:
    """Calls that overlap get each their own reply and their own record."""
    async with connect() as client:
        symbols = [f"AAA{i:03d}" for i in range(20)]
        gate.answer = lambda info, request: done(TickerPrice(symbol=request.symbol, price=Decimal(1)))
        gate.before_answer = anyio.lowlevel.checkpoint
        seen = {}

        async def ask(symbol: str) -> None:
            result = await client.call_tool("get_ticker_price", {"symbol": symbol})
            seen[symbol] = (result.structured_content["data"]["symbol"], result.structured_content["meta"]["call_id"])

        async with anyio.create_task_group() as group:
            for symbol in symbols:
                group.start_soon(ask, symbol)
    assert {symbol: got for symbol, (got, _) in seen.items()} == {symbol: symbol for symbol in symbols}
    assert len({call_id for _, call_id in seen.values()}) == 20


async def test_refusal_reaches_the_model_with_message_and_hint(connect: Connect, gate: FakeGate) -> None:
    """The words of a refusal are in the text that a model reads, not only in the structured part."""
    gate.answer = lambda info, request: refused(Code.SYMBOL_NOT_LISTED, "XYZ is not listed", hint="use BTCUSDT")
    async with connect() as client:
        result = await call(client, "create_order", ARGUMENTS["create_order"])
    assert "XYZ is not listed" in result.content[0].text
    assert "use BTCUSDT" in result.content[0].text
