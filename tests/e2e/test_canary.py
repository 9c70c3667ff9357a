"""A key and a secret that can be recognised appear in no file, log, error, repr or result, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardian.credentials import store as credential_store
from guardian.exchange.http.client import GuardedClient
from guardian.paper.host.standalone import Controls, PaperServer
from tests.e2e.support.processes import Machine, Served, query
from tests.e2e.support.testnet_in_a_box import divert, keyring_with
from tests.support.person import approve
from tests.support.world import WIDE, World

pytestmark = pytest.mark.usefixtures("spawned")

API_KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"[:64]
API_SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"[:64]
WORN = {
    form
    for word in (API_KEY, API_SECRET)
    for form in (word, word[6:], word[::-1], base64.b64encode(word.encode()).decode(), word.encode().hex())
}
"""Both halves, as they are, without their first letters, backwards, in base 64 and in hexadecimal."""

Call = Callable[..., dict[str, Any]]
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT", "quantity": "0.001"}


def found_in(text: str) -> set[str]:
    return {form for form in WORN if form.lower() in text.lower()}


def files_with_canary(folder: Path) -> dict[str, set[str]]:
    """Every file below the folder that has either half in it, in whatever form."""
    texts = {path: path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}
    return {path.name: found for path, text in texts.items() if (found := found_in(text))}


def bad_day(call: Call, controls: Controls, place: Callable[..., dict[str, Any]]) -> list[str]:
    """A day on which everything goes wrong; returns the outcomes in order."""
    order, account = ("POST", "/api/v3/order"), ("GET", "/api/v3/account")
    outcomes = [call("get_balance")["outcome"], call("get_position_info")["outcome"]]
    fields: dict[str, Any]
    for kind, fields in (
        ("html_502", {}),
        ("status", {"status": 500}),
        ("status", {"status": 400, "body": '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'}),
        ("status", {"status": 401, "body": '{"code":-2014,"msg":"API-key format invalid."}'}),
        ("bad_json", {}),
        ("empty_200", {}),
        ("reset_before", {"times": 3}),
        ("hang", {"seconds": 0.8, "times": 3}),
    ):
        controls.fault(*account, kind, **fields)
        outcomes.append(call("get_balance")["outcome"])
        controls.clear_faults()
    spoiled: tuple[tuple[str, dict[str, Any]], ...] = (
        ("status", {"status": 400, "body": '{"code":-2010,"msg":"Account has insufficient balance."}'}),
        ("reply_lost", {}),
        ("bad_json", {}),
        ("html_502", {}),  # last: an order that is not known lets no other of its symbol through
    )
    for number, (kind, fields) in enumerate(spoiled):
        controls.fault(*order, kind, **fields)
        outcomes.append(place(price=str(59000 + number))["outcome"])
    outcomes.append(call("create_order", **ORDER, price="1")["outcome"])
    outcomes.append(call("create_order", **ORDER, price=API_SECRET[:5])["outcome"])
    outcomes.append(call("get_ticker", symbol="NOSUCHCOIN")["outcome"])
    return outcomes


EXPECTED = {"done", "unavailable", "rejected", "unknown", "invalid", "denied"}


def test_keys_of_the_policy_stay_in_the_policy(machine: Machine, serve: Callable[..., Served]) -> None:
    """A whole bad day through the real server on a simulator of the user's own: only the policy file has its keys."""
    with PaperServer(api_key=API_KEY, api_secret=API_SECRET) as paper:
        world = World(paper, machine.home.parent)
        machine.home.mkdir(mode=0o700)
        world.home, world.policy_path = machine.home, machine.policy
        world.policy(WIDE)
        server = serve(machine)
        replies: list[str] = []

        def call(tool: str, **arguments: Any) -> dict[str, Any]:
            result = server.raw(tool, arguments)
            replies.append(f"{result!r}")
            return dict(result.structured_content)

        def place(**fields: Any) -> dict[str, Any]:
            return call("create_order", **ORDER, **fields)

        outcomes = bad_day(call, paper.controls, place)
        said = [server.resource(f"guardian://{name}") for name in ("policy", "status", "audit/recent")]
        commands = [
            machine.run(*words)
            for words in (
                ("status", "--json"), ("audit", "list", "--json"), ("audit", "show", "last", "--json"),
                ("policy", "show"), ("halt", "--cancel-open"),
            )
        ]  # fmt: skip
    # The exchange is gone.
    outcomes += [call("get_balance")["outcome"], place(price="58000")["outcome"]]
    commands.append(machine.run("status"))
    world.write(world.policy_path.read_text().replace("schema = 1", "schema = 2"))
    outcomes.append(place(price="57999")["outcome"])
    commands += [machine.run(*words) for words in (("policy", "check"), ("status", "--json"), ("--debug", "status"))]
    server.close()
    assert set(outcomes) == EXPECTED, outcomes
    # The database keeps the text of the last good policy, which stands in for a broken file; it is nowhere else in it.
    assert set(files_with_canary(machine.home.parent)) == {"policy.toml", "guardian.db"}
    tables = [row["name"] for row in query(machine.home, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert [t for t in tables if found_in(str(query(machine.home, f"SELECT * FROM {t}")))] == ["policies"]
    assert found_in("".join(replies + said) + server.stderr) == set()
    assert found_in("".join(command.stdout + command.stderr for command in commands)) == set()
    assert "Traceback" not in server.stderr


def test_keys_of_the_keyring_stay_in_the_keyring(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A bad day on the testnet, with the client's time-outs running out: no file, log line, stream or repr has them."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(GuardedClient, "READ_TIMEOUT_S", 0.4)
    monkeypatch.setattr(GuardedClient, "WRITE_TIMEOUT_S", 0.4)
    store = keyring_with(API_KEY, API_SECRET)
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: store)
    with PaperServer(api_key=API_KEY, api_secret=API_SECRET) as paper:
        divert(monkeypatch, paper.url)
        world = World(paper, tmp_path / "world")
        world.home.parent.mkdir()
        world.policy({"environment": "testnet", "paper": None, "confirmation": {"channel": "terminal"}}, WIDE_LIMITS)
        assistant = world.assistant()

        def place(**fields: Any) -> dict[str, Any]:
            proposed = assistant.call("create_order", **ORDER, **fields)
            assert proposed["outcome"] == "confirmation_required", proposed
            token = approve(assistant, proposed["data"]["proposal_id"])
            return assistant.call("create_order", confirmation_token=token)

        outcomes = bad_day(assistant.call, paper.controls, place)
        reprs = [repr(assistant.guardian), repr(vars(assistant.guardian.connector)), repr(store.list())]
        connection = assistant.run(assistant.guardian.connector.connect(needs_keys=True))
        reprs += [repr(connection), repr(vars(connection.exchange))]
        assistant.close()
        world._assistants.clear()
    assert set(outcomes) == EXPECTED, outcomes
    assert files_with_canary(tmp_path) == {}
    assert found_in(json.dumps(assistant.replies) + "".join(reprs)) == set()
    assert found_in(caplog.text + "".join(capfd.readouterr())) == set()


WIDE_LIMITS = {"limits": WIDE["limits"]}
