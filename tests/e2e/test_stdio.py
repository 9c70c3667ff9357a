"""`guardian serve` as a client meets it: a process over STDIO, on the embedded paper exchange."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp.client.subscriptions import listen

from guardian.domain.codes import Outcome
from tests.e2e.support.processes import PATIENCE_S, Envelope, Machine, RawServed, Served, phases
from tests.server.support.notified import Notified
from tests.support.present import present
from tests.support.said_lines import faults
from tests.support.world import BASE, WIDE, merged, toml

pytestmark = pytest.mark.usefixtures("spawned")

PAPER = merged(BASE, WIDE)
"""No keys, no endpoint: the embedded exchange; no order needs a person."""

READS: dict[str, dict[str, Any]] = {
    "get_ticker_price": {"symbol": "BTCUSDT"},
    "get_ticker": {"symbol": "BTCUSDT"},
    "get_order_book": {"symbol": "BTCUSDT"},
    "get_available_assets": {"base_asset": "BTC"},
    "get_balance": {},
    "get_account_snapshot": {},
    "get_position_info": {},
    "get_pnl": {},
    "get_orders": {"symbol": "BTCUSDT"},
    "get_deposit_history": {},
    "get_deposit_address": {"coin": "BTC"},
    "get_withdraw_history": {},
    "get_fee_info": {"symbol": "BTCUSDT"},
    "get_liquidation_history": {},
    "get_universal_transfer_history": {"transfer_type": "MAIN_UMFUTURE"},
}
"""The 15 tools that read; the other two are called with the price of the moment."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One spied machine for the whole file."""
    machine = Machine(tmp_path_factory.mktemp("stdio"), spied=True)
    machine.write_policy(toml(PAPER))
    yield machine
    machine.end()


@pytest.fixture(scope="module", params=["auto", "legacy"])
def served(shared: Machine, request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server for each era of the protocol: stateless, and with `initialize`."""
    server = Served(shared, mode=request.param)
    yield server
    server.close()


def checked(served: Served, tool: str, **arguments: Any) -> Envelope:
    """A call whose reply is held against the schema that the tool declares, and whose rows are in the log."""
    result = served.raw(tool, arguments)
    envelope = result.structured_content
    assert isinstance(envelope, dict), result
    tools = {found.name: found for found in served.run(served.client.list_tools())}
    schema = (tools[tool] if tool in tools else tools["get_ticker"]).output_schema
    jsonschema.Draft202012Validator(schema).validate(envelope)
    assert [json.loads(block.text) for block in result.content] == [envelope]
    assert result.is_error is Outcome(envelope["outcome"]).is_error
    rows = [row for row in served.settled_rows() if row["call_id"] == envelope["meta"]["call_id"]]
    told = [(row["phase"], row["tool"], row["outcome"]) for row in rows if row["phase"] in {"call", "outcome"}]
    assert told == [("call", tool, None), ("outcome", tool, envelope["outcome"])]
    return envelope


def limit_price(served: Served) -> str:
    """A price two per cent below the market, where an order rests."""
    price = served.call("get_ticker_price", symbol="BTCUSDT")["data"]["price"]
    return f"{float(price) * 0.98:.2f}"


def test_seventeen_tools_are_listed(served: Served) -> None:
    """A client lists exactly 17 tools, each with a schema for its arguments and one for its replies."""
    tools = served.run(served.client.list_tools())
    assert {tool.name for tool in tools} == {*READS, "create_order", "cancel_order"}
    assert len(tools) == 17
    for tool in tools:
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["additionalProperties"] is False
        assert tool.description
        assert present(tool.annotations).read_only_hint is (tool.name in READS)


def test_each_tool_answers_on_paper_as_its_schema_says(served: Served) -> None:
    """Each of the 17 tools does its work on paper; the reply fits its schema and leaves two rows."""
    for tool, arguments in READS.items():
        envelope = checked(served, tool, **arguments)
        assert (envelope["outcome"], envelope["error"]) == ("done", None), (tool, envelope)
        assert envelope["meta"]["environment"] == "paper"
        assert envelope["meta"]["trading"] == "active"
    order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT", "price": limit_price(served)}
    placed = checked(served, "create_order", **order, quantity="0.0005" if served.mode == "auto" else "0.0006")
    assert placed["outcome"] == "done", placed
    assert placed["data"]["order"]["state"] == "open"
    name = placed["data"]["order"]["client_order_id"]
    assert phases(served.machine.rows(), placed["meta"]["call_id"]) == ["call", "intent", "outcome"]
    listed = checked(served, "get_orders", symbol="BTCUSDT", status="open")
    assert name in {found["client_order_id"] for found in listed["data"]["orders"]}
    cancelled = checked(served, "cancel_order", symbol="BTCUSDT", client_order_id=name)
    assert cancelled["data"]["order"]["state"] == "cancelled"
    market = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET"}
    bought = checked(served, "create_order", **market, quote_quantity="20" if served.mode == "auto" else "21")
    assert bought["data"]["order"]["state"] == "filled", bought


@pytest.mark.parametrize(
    ("tool", "arguments", "outcome", "code"),
    [
        ("withdraw", {"coin": "BTC", "address": "x"}, "invalid", "TOOL_UNKNOWN"),
        ("get_ticker", {}, "invalid", "ARGUMENTS_INVALID"),
        ("get_ticker", {"symbol": "BTCUSDT", "extra": 1}, "invalid", "ARGUMENTS_INVALID"),
        ("get_ticker", {"symbol": "btcusdt"}, "invalid", "ARGUMENTS_INVALID"),
        ("create_order", {"symbol": "BTCUSDT"}, "invalid", "ARGUMENTS_INVALID"),
        ("create_order", {"confirmation_token": "A" * 24}, "denied", "CONFIRMATION_UNKNOWN"),
        ("cancel_order", {"symbol": "BTCUSDT", "client_order_id": "web_abc"}, "denied", "ORDER_NOT_GUARDIANS"),
        ("get_ticker", {"symbol": "NOSUCHCOIN"}, "rejected", "EXCHANGE_REJECTED"),
    ],
)
def test_refusals_fit_the_schema_and_leave_rows(
    served: Served, tool: str, arguments: dict[str, Any], outcome: str, code: str
) -> None:
    """An unknown tool, bad arguments and every other no come in the same envelope and leave the same two rows."""
    envelope = checked(served, tool, **arguments)
    assert (envelope["outcome"], envelope["error"]["code"], envelope["data"]) == (outcome, code, None)


def test_resources_and_the_prompt_are_served(served: Served) -> None:
    """The three resources are JSON, the prompt is text, and none of them is a tool."""
    uris = {str(resource.uri) for resource in served.run(served.client.list_resources())}
    assert uris == {"guardian://policy", "guardian://status", "guardian://audit/recent"}
    policy = json.loads(served.resource("guardian://policy"))
    assert [found["symbol"] for found in policy["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert json.loads(served.resource("guardian://status"))["environment"] == "paper"
    served.call("get_ticker_price", symbol="ETHUSDT")
    recent = json.loads(served.resource("guardian://audit/recent"))
    assert (recent[-1]["tool"], recent[-1]["symbol"], recent[-1]["outcome"]) == ("get_ticker_price", "ETHUSDT", "done")
    prompt = served.run(served.client.get_prompt("trade_through_guardian"))
    assert "create_order" in getattr(prompt.messages[0].content, "text", "")


def test_nothing_is_written_outside_the_home_and_nothing_is_asked_but_loopback(shared: Machine, served: Served) -> None:
    """The server writes into guardian's home alone and connects to 127.0.0.1 alone; HOME and temp folder stay empty."""
    assert served.call("get_balance")["outcome"] == "done"
    assert shared.left_behind() == []
    assert faults(served.stderr) == []
    assert shared.spied is not None
    events = [line.split("\t", 1) for line in shared.spied.read_text("utf-8").splitlines()]
    reached = {told for event, told in events if event.startswith("socket.")}
    assert reached
    assert all(told.startswith("('127.0.0.1', ") for told in reached), reached
    written = {Path(told) for event, told in events if event in {"open", "os.rename"}}
    assert shared.home / "guardian.lock" in written, "the spy is blind"
    assert {path for path in written if shared.home not in path.parents} <= {Path("/dev/null")}


def test_standard_output_is_protocol_only(machine: Machine, serve_raw: Callable[..., RawServed]) -> None:
    """Every line on standard output is a JSON-RPC message; stderr says the start and the end alone; exit code 0."""
    machine.write_policy(toml(PAPER))
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_balance")["outcome"] == "done"
    assert talk.call("no_such_tool")["outcome"] == "invalid"
    assert talk.call("get_ticker", symbol=1)["outcome"] == "invalid"
    code, _, errors = talk.leave()
    assert (code, faults(errors)) == (0, [])
    start, end = errors.splitlines()
    assert " serves PAPER, policy " in start
    assert str(machine.home) in start
    assert end.endswith(" guardian ends")
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in talk.lines)


def test_edit_of_the_tools_reaches_clients_of_both_eras(machine: Machine, serve: Callable[..., Served]) -> None:
    """Neither calls anything: the one is notified in its session, the other on the stream that it asked for."""
    machine.write_policy(toml(PAPER))
    notified = Notified()
    legacy, modern = serve(machine, mode="legacy", message_handler=notified), serve(machine)

    async def next_of_stream() -> str:
        async with listen(modern.client.session, tools_list_changed=True) as stream:
            listening.set()
            return type(await asyncio.wait_for(anext(aiter(stream)), PATIENCE_S)).__name__

    listening = threading.Event()
    with ThreadPoolExecutor(1) as other:
        streamed = other.submit(modern.run, next_of_stream())
        assert listening.wait(PATIENCE_S)
        # `initialize` is answered before the server looks at the policy; this is not.
        assert legacy.run(legacy.client.ping())
        machine.write_policy(toml(merged(PAPER, {"tools": {"deny": ["create_order"]}})))
        assert legacy.run(notified.next()) == "tools"
        assert streamed.result(PATIENCE_S) == "ToolsListChanged"
    for served in (legacy, modern):
        assert "create_order" not in {tool.name for tool in served.run(served.client.list_tools())}


def test_log_of_the_day_is_whole(shared: Machine, served: Served) -> None:
    """After all these calls the chain is intact in itself, and every call has its outcome."""
    verified = shared.run("audit", "verify")
    assert verified.returncode == 3, verified.stdout + verified.stderr
    rows = shared.rows()
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    calls = {row["call_id"] for row in rows if row["phase"] == "call"}
    assert calls == {row["call_id"] for row in rows if row["phase"] == "outcome"}
