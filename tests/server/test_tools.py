"""What an assistant sees: the tools, their schemas, and what the gate is asked."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from fastmcp import FastMCP

from guardian.domain.market import CandleInterval, CandleSpan
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import (
    REQUESTS,
    TOOLS,
    CancelOrder,
    CreateOrder,
    GetFuturesPnl,
    GetOrders,
    GetPnl,
    GetTicker,
    WithdrawProposal,
)
from guardian.domain.secrets import Secret
from guardian.domain.text.plain_data import to_plain
from guardian.gate.base.replies import done
from guardian.server.instructions import INSTRUCTIONS
from tests.server.support.fake_gate import ARGUMENTS, RETURNS, Connect, FakeGate, sample
from tests.server.support.validators import reply_schema
from tests.support.present import present

pytestmark = pytest.mark.anyio

WRITERS = {"create_order", "cancel_order"}


async def test_exactly_the_17_tools_are_listed(connect: Connect) -> None:
    """An assistant sees the 17 tools and no other, each with a title, a description and both schemas."""
    async with connect() as client:
        tools = await client.list_tools()
    assert len(tools) == 17
    assert {tool.name for tool in tools} == set(TOOLS)
    for tool in tools:
        assert tool.title
        assert len(tool.description) > 60
        assert tool.output_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False


async def test_protocol_eras_are_both_served(server: FastMCP) -> None:
    """A client of the handshake era and one of the stateless era are both served, each in its own protocol."""
    from fastmcp import Client

    versions = {}
    for mode in ("legacy", "auto"):
        async with Client(server, mode=mode) as client:
            versions[mode] = client.protocol_version
    assert versions["legacy"] <= "2025-11-25" < versions["auto"]


async def test_annotations_are_set_and_true(connect: Connect) -> None:
    """Reads say that they are read-only; creating and cancelling say that they destroy; cancelling can be repeated."""
    async with connect() as client:
        tools = await client.list_tools()
    for tool in tools:
        hints = tool.annotations
        assert hints.open_world_hint is True
        assert hints.read_only_hint is (tool.name not in WRITERS)
        assert hints.destructive_hint is (tool.name in WRITERS)
        assert hints.idempotent_hint is (tool.name != "create_order")


async def test_orders_are_asked_for_by_the_ids_that_are_enough(connect: Connect, gate: FakeGate) -> None:
    """A call by its id alone, an order of guardian's without its symbol; for another's the symbol is needed."""
    async with connect() as client:
        for wanted in (GetOrders(call_id="0" * 32), GetOrders(client_order_id="g1-abc")):
            given = {"call_id": wanted.call_id, "client_order_id": wanted.client_order_id}
            await client.call_tool("get_orders", {name: value for name, value in given.items() if value is not None})
            assert gate.requests[-1] == wanted


async def test_every_string_is_bounded_and_every_parameter_described(connect: Connect) -> None:
    """Each parameter has a description, each string a greatest length or a list of choices, each number its bounds."""
    async with connect() as client:
        tools = await client.list_tools()
    for tool in tools:
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], (tool.name, name)
            for branch in schema.get("anyOf", [schema]):
                if branch["type"] == "string":
                    assert "maxLength" in branch or "enum" in branch, (tool.name, name)
                if branch["type"] == "integer":
                    assert "minimum" in branch, (tool.name, name)


async def test_the_list_of_tools_stays_small(connect: Connect) -> None:
    """The whole of tools/list stays under 50 KB, and what a model is shown of it under 16 KB.

    Before: 79 KB and 19 KB, most of it the same envelope 17 times, in all its detail.
    """
    async with connect() as client:
        tools = await client.list_tools()
    whole = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    shown = [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in whole]
    assert len(json.dumps(whole, separators=(",", ":"))) < 50_000
    assert len(json.dumps(shown, separators=(",", ":"))) < 16_000


async def test_model_reads_what_guardian_does_not_do_and_what_to_ask(connect: Connect) -> None:
    """A model that sees tools alone can answer "buy every Monday" and "convert my BNB", and finds limits and profit."""
    async with connect() as client:
        described = {tool.name: tool.description for tool in await client.list_tools()}
        instructions = client.initialize_result.instructions if client.initialize_result else INSTRUCTIONS
    for text in (instructions, described["create_order"]):
        for word in ("schedule", "repeat", "convert", "borrow", "futures", "withdraw", "transfer"):
            assert word in text, word
    assert "get_balance" in instructions
    assert "get_orders" in instructions
    assert "get_pnl" in instructions
    assert "`meta.period`" in instructions
    assert "what did I spend today?" in described["get_pnl"]


async def test_schemas_name_no_tags(connect: Connect) -> None:
    """Nothing about how guardian sorts its tools is shown to clients."""
    async with connect() as client:
        tools = await client.list_tools()
    assert all(not (tool.meta or {}).get("fastmcp", {}).get("tags") for tool in tools)


@pytest.mark.parametrize("tool", TOOLS)
async def test_every_tool_builds_its_request_and_answers_by_its_schema(
    connect: Connect, gate: FakeGate, tool: str
) -> None:
    """A call with good arguments reaches the gate as its one frozen request; the reply fits the declared schema."""
    async with connect() as client:
        schema = next(reply_schema(t) for t in await client.list_tools() if t.name == tool)
        for kind in RETURNS[tool]:
            for full in (True, False):
                gate.answer = lambda call, request, kind=kind, full=full: done(sample(kind, full=full))
                result = await client.call_tool(tool, ARGUMENTS[tool], raise_on_error=False)
                assert not result.is_error
                assert result.structured_content["outcome"] == "done"
                jsonschema.validate(result.structured_content, schema)
                assert json.loads(result.content[0].text) == result.structured_content
    assert {type(request) for request in gate.requests} == {REQUESTS[tool]}
    assert len(gate.opened) == len(gate.closed) == len(gate.requests)


async def test_proposal_is_withdrawn_by_its_id_alone_and_null_is_leaving_out(connect: Connect, gate: FakeGate) -> None:
    """`cancel_order` with a proposal's id asks for its withdrawal; the other fields may be null and not more."""
    async with connect() as client:
        nulls = {"symbol": None, "order_id": None, "client_order_id": None}
        for arguments in ({"proposal_id": "K7QM2X"}, {"proposal_id": "K7QM2X", **nulls}):
            await client.call_tool("cancel_order", arguments)
        await client.call_tool("cancel_order", {"symbol": "BTCUSDT", "order_id": 28, "proposal_id": None})
    withdrawal = WithdrawProposal(proposal_id="K7QM2X")
    assert gate.requests == [withdrawal, withdrawal, CancelOrder(symbol="BTCUSDT", order_id=28)]


async def test_good_arguments_fit_the_declared_input_schema(connect: Connect) -> None:
    """Good arguments, as a model writes them, are good by the input schema; numbers for amounts are taken besides."""
    async with connect() as client:
        for tool in await client.list_tools():
            jsonschema.validate(ARGUMENTS[tool.name], tool.input_schema)


async def test_order_reaches_the_gate_as_it_was_asked(connect: Connect, gate: FakeGate) -> None:
    """A limit order reaches the gate with exact amounts and, where none was named, GTC."""
    async with connect() as client:
        await client.call_tool("create_order", ARGUMENTS["create_order"])
    expected = OrderSpec(
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.001"),
        price=Decimal("60000.00"),
        time_in_force=TimeInForce.GTC,
    )
    assert gate.requests == [CreateOrder(order=expected)]


async def test_token_alone_reaches_the_gate_as_a_secret(connect: Connect, gate: FakeGate) -> None:
    """A call with a confirmation token alone asks for the stored order; the token is a Secret from there on."""
    async with connect() as client:
        await client.call_tool("create_order", {"confirmation_token": "abcDEF_-12345678"})
    assert gate.requests == [CreateOrder(confirmation_token=Secret("abcDEF_-12345678"))]


async def test_fields_beside_a_token_are_handed_on_without_defaults(connect: Connect, gate: FakeGate) -> None:
    """Fields beside a token reach the gate as stated, in plain notation, and nothing is added to them."""
    arguments = {"confirmation_token": "abcDEF_-1234", "symbol": "BTCUSDT", "quantity": 0.0010, "order_type": "LIMIT"}
    async with connect() as client:
        await client.call_tool("create_order", arguments)
    (request,) = gate.requests
    assert request.order is None
    assert request.stated == (("symbol", "BTCUSDT"), ("order_type", "LIMIT"), ("quantity", "0.001"))


@pytest.mark.parametrize("order_type", [OrderType.STOP_LOSS, OrderType.TAKE_PROFIT])
async def test_unpriced_stops_are_not_offered_and_reach_the_gate(
    connect: Connect, gate: FakeGate, order_type: OrderType
) -> None:
    """A type that is always denied is not in the enum, and the policy's denial still says which form to use."""
    arguments = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "order_type": order_type.value,
        "quantity": "0.001",
        "stop_price": "50000",
    }
    async with connect() as client:
        (tool,) = [tool for tool in await client.list_tools() if tool.name == "create_order"]
        await client.call_tool("create_order", arguments)
    assert tool.input_schema["properties"]["order_type"]["enum"] == [
        "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT",
    ]  # fmt: skip
    assert gate.requests[0].order.order_type is order_type
    assert gate.requests[0].order.time_in_force is None


async def test_times_become_milliseconds(connect: Connect, gate: FakeGate) -> None:
    """ISO 8601 with any offset and milliseconds mean the same to the gate."""
    async with connect() as client:
        times = {"start_time": "2025-11-22T08:26:40Z", "end_time": "2025-11-22T10:26:40.5+02:00"}
        await client.call_tool("get_pnl", times)
        await client.call_tool("get_pnl", {"start_time": 1_763_800_000_000})
    assert gate.requests == [
        GetPnl(start_time=1_763_800_000_000, end_time=1_763_800_000_500),
        GetPnl(start_time=1_763_800_000_000),
    ]


async def test_days_are_those_of_this_machine_and_the_reply_says_which(connect: Connect, gate: FakeGate) -> None:
    """A date is the whole day where the person is; `meta.period` gives both ends with their offset, null without any.

    Before: a date without a time was refused, and nothing said what "today" was.
    """
    async with connect() as client:
        given = await client.call_tool("get_pnl", {"start_time": "2026-11-23", "end_time": "2026-11-23"})
        open_end = await client.call_tool("get_deposit_history", {"start_time": "2026-11-23T10:00:00+05:00"})
        none = await client.call_tool("get_pnl", {})
    (request, later, _) = gate.requests
    start = datetime.fromisoformat("2026-11-23").astimezone()
    end = datetime.fromisoformat("2026-11-23T23:59:59.999").astimezone()
    assert (request.start_time, request.end_time) == tuple(round(at.timestamp() * 1000) for at in (start, end))
    period = f"{start.isoformat()}/{end.isoformat(timespec='milliseconds')}"
    assert given.structured_content["meta"]["period"] == period
    assert later.end_time is None
    assert open_end.structured_content["meta"]["period"].endswith("/..")
    assert none.structured_content["meta"]["period"] is None


async def test_candles_and_the_market_reach_the_gate(connect: Connect, gate: FakeGate) -> None:
    """A chart has 24 candles unless a count is given; profit and loss is that of spot unless futures are named."""
    async with connect() as client:
        for candles in (None, {"interval": "1h"}, {"interval": "1M", "count": 96}):
            await client.call_tool("get_ticker", {"symbol": "BTCUSDT", "candles": candles})
        await client.call_tool("get_pnl", {"market": "spot", "symbol": "BTCUSDT"})
        await client.call_tool("get_pnl", {"market": "futures", "limit": 5})
    assert gate.requests == [
        GetTicker(symbol="BTCUSDT"),
        GetTicker(symbol="BTCUSDT", candles=CandleSpan(interval=CandleInterval.H1, count=24)),
        GetTicker(symbol="BTCUSDT", candles=CandleSpan(interval=CandleInterval.MONTH, count=96)),
        GetPnl(symbol="BTCUSDT"),
        GetFuturesPnl(limit=5),
    ]


async def test_names_in_any_script_reach_the_gate_as_they_are(connect: Connect, gate: FakeGate) -> None:
    """A symbol, an asset and a cursor as the exchange lists them fit the schema and the check.

    Before: the server refused every name that was not 5 to 20 ASCII capitals, its own cursor `BTCU` included.
    """
    async with connect() as client:
        schemas = {tool.name: tool.input_schema for tool in await client.list_tools()}
        for tool, arguments in (
            ("get_ticker", {"symbol": "币安人生USDT"}),
            ("get_available_assets", {"cursor": "BTCU", "base_asset": "这是测试币456"}),
            ("get_available_assets", {"cursor": "USDeUSDT"}),
            ("get_position_info", {"symbol": "BTCUSDT_240628"}),
        ):
            jsonschema.validate(arguments, schemas[tool])
            result = await client.call_tool(tool, arguments)
            assert result.structured_content["outcome"] == "done", arguments
            sent: Any = to_plain(gate.requests[-1])
            assert sent == {**sent, **arguments}


async def test_small_letters_are_refused_with_the_name_in_capitals(connect: Connect) -> None:
    """What was nearly right is said: nothing is put into capitals for the caller."""
    async with connect() as client:
        result = await client.call_tool("get_ticker", {"symbol": "btcusdt"}, raise_on_error=False)
    assert 'such as "BTCUSDT"' in result.structured_content["error"]["message"]


@pytest.mark.parametrize("tool", TOOLS)
async def test_null_for_an_optional_argument_is_as_if_left_out(connect: Connect, gate: FakeGate, tool: str) -> None:
    """Clients that send null for what is not set are understood, whatever the default; the schema offers no null.

    Before: null for `limit`, `status`, `offset` and every other argument with a default was invalid.
    """
    async with connect() as client:
        (schema,) = [found.input_schema for found in await client.list_tools() if found.name == tool]
        required = {name: ARGUMENTS[tool][name] for name in schema.get("required", ())}
        plain = required or ARGUMENTS[tool]
        nulls = plain | dict.fromkeys(schema["properties"].keys() - plain.keys())
        for arguments in (plain, nulls):
            await client.call_tool(tool, arguments, raise_on_error=False)
    assert len(gate.requests) % 2 == 0
    assert gate.requests[: len(gate.requests) // 2] == gate.requests[len(gate.requests) // 2 :]
    if tool != "cancel_order":
        assert len(gate.requests) == 2


@pytest.mark.parametrize(
    ("tool", "field"), [("get_ticker", "symbol"), ("get_deposit_address", "coin"), ("get_fee_info", "symbol")]
)
async def test_null_for_a_required_argument_is_invalid(connect: Connect, gate: FakeGate, tool: str, field: str) -> None:
    """What must be there is said to be required."""
    async with connect() as client:
        result = await client.call_tool(tool, {**ARGUMENTS[tool], field: None}, raise_on_error=False)
    assert result.structured_content["outcome"] == "invalid"
    assert result.structured_content["error"]["message"] == f"{field}: is required, and null is no value"
    assert gate.requests == []


async def test_tools_that_the_policy_does_not_allow_are_hidden(connect: Connect, gate: FakeGate) -> None:
    """A tool that the policy does not allow is not listed, and a call of it is still the gate's to refuse."""
    gate.allowed = frozenset(TOOLS) - WRITERS
    async with connect() as client:
        tools = await client.list_tools()
        await client.call_tool("cancel_order", ARGUMENTS["cancel_order"])
    assert {tool.name for tool in tools} == set(TOOLS) - WRITERS
    assert [request.tool for request in gate.requests] == ["cancel_order"]


async def test_cancelling_stays_listed_when_the_policy_cannot_be_told(connect: Connect, gate: FakeGate) -> None:
    """Where the allowed tools cannot be known, the one that takes risk away is still listed, and no other."""
    gate.fail_allowed = RuntimeError("canary-text")
    async with connect() as client:
        tools = await client.list_tools()
    assert [tool.name for tool in tools] == ["cancel_order"]


async def test_resources_and_prompt_can_be_read(connect: Connect) -> None:
    """The three resources are JSON, the prompt is words, and reading them asks for nothing to be done."""
    async with connect() as client:
        uris = {str(resource.uri) for resource in await client.list_resources()}
        assert uris == {"guardian://policy", "guardian://status", "guardian://audit/recent"}
        for uri in uris:
            (content,) = await client.read_resource(uri)
            assert content.mime_type == "application/json"
            assert "100.5" in json.dumps(json.loads(content.text))
        (prompt,) = await client.list_prompts()
        assert prompt.name == "trade_through_guardian"
        shown = await client.get_prompt(prompt.name)
        assert "create_order" in shown.messages[0].content.text


async def test_server_says_who_it_is(server: FastMCP) -> None:
    """The server names itself guardian with guardian's own version, and explains to the model how to read replies."""
    from fastmcp import Client

    from guardian import __version__

    async with Client(server, mode="legacy") as client:
        said = client.initialize_result
    assert (said.server_info.name, said.server_info.version) == ("guardian", __version__)
    assert "confirmation_required" in said.instructions


async def test_no_change_of_a_list_is_declared_that_is_never_sent(connect: Connect) -> None:
    """A server that nothing looks for promises `list_changed` in neither era, as FastMCP would by itself."""
    async with connect() as client:
        declared = present(client.server_capabilities)
    lists = (declared.tools, declared.prompts, declared.resources)
    assert [present(one).list_changed for one in lists] == [False, False, False]
