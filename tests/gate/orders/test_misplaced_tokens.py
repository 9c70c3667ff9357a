"""A confirmation token in a place where none belongs gets into no row of the log and no reply."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from guardian.store.emergency import EmergencyFile
from guardian.store.log.redaction import TOKEN_LENGTH, short_digest, token_pieces, without_token_shapes
from tests.gate.support.fakes import Room
from tests.support.person import approve
from tests.support.world import World

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SIGNING = "MC4CAQAwBQYDK2VwBCIEIHKj/3K5+1a2b3c4d5e6f7g8h9i0jA=="


def token_of(world: World) -> str:
    world.policy({"confirmation": {"channel": "terminal"}})
    assistant = world.assistant()
    proposed = assistant.order(quote_quantity="50")
    return approve(assistant, proposed["data"]["proposal_id"])


def everything_written(world: World) -> str:
    """Every text of every row of every table."""
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in names for row in connection.execute(f"SELECT * FROM {name}")]
    return "\n".join(str(field if not isinstance(field, bytes) else field.decode("utf-8", "replace"))
                     for row in rows for field in row)  # fmt: skip


def misplaced(token: str) -> list[tuple[str, dict[str, Any]]]:
    """The token as everything that a call has."""
    long = "x" * 190
    return [
        (token, {}),
        (f"use-{token}", {}),
        ("get_ticker", {token: "BTCUSDT"}),
        ("get_ticker", {"symbol": "BTCUSDT", "note": {token: [token, {"deep": f"it is {token}."}]}}),
        ("get_ticker", {"symbol": token}),
        ("get_ticker", {"symbol": f"{long}{token}"}),
        ("get_ticker", {"symbol": "BTCUSDT", f"{'y' * 50}{token}": 1}),
        ("get_orders", {"symbol": "BTCUSDT", "client_order_id": token}),
        ("get_orders", {"symbol": f"BTCUSDT {token}", "status": token}),
        ("cancel_order", {"symbol": "BTCUSDT", "client_order_id": token}),
        ("cancel_order", {"symbol": "BTCUSDT", "client_order_id": f"a{token}z"}),
        ("cancel_order", {"proposal_id": token}),
        ("get_available_assets", {"cursor": token}),
        ("get_available_assets", {"base_asset": token}),
        ("get_deposit_address", {"coin": token, "network": token}),
        ("create_order", {"symbol": "BTCUSDT", "side": token, "order_type": token, "quantity": token}),
        ("create_order", {"confirmation_token": f" {token}", "symbol": f"{token}{token}"}),
        ("create_order", {"confirmation_token": [token], "price": token}),
        ("get_pnl", {"symbol": "BTCUSDT", "start_time": token, "end_time": [[[token]]]}),
    ]


def test_token_in_any_place_reaches_no_row_and_no_reply(world: World) -> None:
    """As a tool's name, another argument, a name, within a text, nested, at a cut: it is replaced by its digest
    (before: the log had it in all of these)."""
    token = token_of(world)
    assistant = world._assistants[0]
    replies = []
    for tool, arguments in misplaced(token):
        result = assistant.run(assistant._client.call_tool(tool, arguments, raise_on_error=False))
        replies.append(str(result.structured_content) + "".join(str(c) for c in result.content))
    replies.append(assistant.resource("guardian://audit/recent"))
    told = "\n".join(replies)
    written = everything_written(world)
    for size in (TOKEN_LENGTH, TOKEN_LENGTH - 6):  # nor the most of it, where something was cut
        for start in range(TOKEN_LENGTH - size + 1):
            assert token[start : start + size] not in written
    assert short_digest(token) in written
    leaks = [call for call, reply in zip(misplaced("TOKEN"), replies, strict=False) if token in reply]
    assert leaks == []
    assert token not in told
    done = assistant.call("create_order", confirmation_token=token)
    assert done["outcome"] == "done", done  # it was spent on nothing
    assert token not in everything_written(world)


def test_keys_in_any_place_reach_no_row(world: World) -> None:
    """What looks like an API key or a private key is not written down either, whatever it is called."""
    assistant = world.assistant()
    for key in (KEY, SIGNING):
        nested: dict[str, Any] = {"x": {key: [f"key={key}"]}}
        for tool, arguments in (
            ("get_ticker", {"symbol": key}),
            (key, {}),
            ("get_ticker", nested),
            ("get_ticker", {"symbol": "x " * 90 + key}),
        ):
            assistant.run(assistant._client.call_tool(tool, arguments, raise_on_error=False))
        written = everything_written(world)
        assert all(key[start : start + 12] not in written for start in range(len(key) - 11)), key


def test_what_the_log_needs_stays_as_it_is(world: World) -> None:
    """Ids of orders, guardian's and others', long names and numbers are not taken for tokens."""
    token_of(world)
    assistant = world._assistants[0]
    others = {"symbol": "BTCUSDT", "client_order_id": "web_3f9c0a1b2c3d4e5f60718293a4b5c6d7"}
    own = {"symbol": "BTCUSDT", "client_order_id": "g1-0123456789abcdef0123456789abcdef"}
    for arguments in (others, own, {"symbol": "BTCUSDT", "client_order_id": "x" * 30}):
        assistant.run(assistant._client.call_tool("get_orders", arguments, raise_on_error=False))
    assistant.run(assistant._client.call_tool("get_ticker", {"symbol": "BTCUSDT", "n": "9" * 60}, raise_on_error=False))
    written = everything_written(world)
    for kept in (others["client_order_id"], own["client_order_id"], "x" * 30, "9" * 60):
        assert kept in written


def test_token_reaches_no_emergency_record(room: Room) -> None:
    """Where the log takes nothing and a token cannot be looked up, whatever looks like one is left out."""
    token = "A-b_" * 6
    emergency = EmergencyFile(room.home)
    own = "g1-0123456789abcdef0123456789abcdef"
    room.journal.note_emergency({"kind": "call", "arguments": {"symbol": f"x {token} y", token: own}})
    records = json.dumps(emergency.pending())
    assert token not in records
    assert own in records
    assert short_digest(token) in records


@pytest.mark.parametrize("value", [None, 5, "short", {"a": [True, {"b": "f" * 64}]}, "x" * 23])
def test_what_cannot_be_a_token_costs_no_query(value: object) -> None:
    """In data without anything of a token's shape nothing is looked up, and nothing is replaced."""
    assert token_pieces(json.dumps(value).encode()) == frozenset()
    assert without_token_shapes(value) == value
