"""The 17 tools under `policies/testnet.toml`: where requests go, what is not there, and what happens without keys."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.credentials import store as credential_store
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import KeyFamily, Secret
from guardian.home.folder import ready_made_policy
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import HmacVerifier
from tests.e2e.support.testnet_in_a_box import divert, keyring_with
from tests.support.keyring import MemoryKeyring
from tests.support.person import approve
from tests.support.world import Assistant, World

HOSTS = {"testnet.binance.vision", "testnet.binancefuture.com"}
WALLET: dict[str, dict[str, Any]] = {
    "get_account_snapshot": {},
    "get_deposit_history": {},
    "get_deposit_address": {"coin": "BTC"},
    "get_withdraw_history": {},
    "get_universal_transfer_history": {"transfer_type": "MAIN_UMFUTURE"},
}
MARKET: dict[str, dict[str, Any]] = {
    "get_ticker_price": {"symbol": "BTCUSDT"},
    "get_ticker": {"symbol": "BTCUSDT"},
    "get_order_book": {"symbol": "BTCUSDT"},
    "get_available_assets": {"base_asset": "BTC"},
}
SIGNED: dict[str, dict[str, Any]] = {
    "get_balance": {},
    "get_position_info": {},
    "get_pnl": {"market": "futures"},
    "get_orders": {"symbol": "BTCUSDT"},
    "get_fee_info": {"symbol": "BTCUSDT"},
    "get_liquidation_history": {},
}
ORDER = {"order_type": "LIMIT", "quantity": "0.001", "price": "59000"}

ACCOUNT = "/api/v3/account"
BY_ITSELF = {"/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades", ACCOUNT}
"""What a server asks by itself after its start: whose a new key is, and what its log is compared with."""
OWN = {"get_orders": BY_ITSELF - {ACCOUNT}, "get_balance": {ACCOUNT}}
"""Tools that ask for some of these themselves."""


class OnTestnet:
    """An assistant on the testnet in a box."""

    def __init__(self, world: World, asked: list[tuple[str, str, str, str]]) -> None:
        self.world = world
        self.asked = asked
        shutil.copyfile(ready_made_policy("testnet"), world.policy_path)
        world.policy_path.chmod(0o600)
        self.assistant: Assistant = world.assistant()

    def call(self, tool: str, **arguments: Any) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
        """A call's reply, and what it asked of the exchange, without what runs in the background."""
        before = len(self.asked)
        reply = self.assistant.call(tool, **arguments)
        by_itself = BY_ITSELF - OWN.get(tool, set())
        return reply, [place for place in self.asked[before:] if place[3] not in by_itself]

    def again(self) -> OnTestnet:
        """The same home after a restart of the server."""
        self.world.close()
        return OnTestnet(self.world, self.asked)

    def count(self, path: str) -> int:
        """How often this was asked so far."""
        return sum(place[3] == path for place in self.asked)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[World]:
    with PaperServer() as paper:
        world = World(paper, tmp_path)
        yield world
        world.close()


@pytest.fixture
def testnet(stand_in: World, monkeypatch: pytest.MonkeyPatch) -> OnTestnet:
    """With both pairs in the keyring."""
    paper = stand_in.paper
    store = keyring_with(paper.api_key.reveal(), paper.api_secret.reveal())
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: store)
    return OnTestnet(stand_in, divert(monkeypatch, paper.url))


@pytest.fixture
def keyless(stand_in: World, monkeypatch: pytest.MonkeyPatch) -> OnTestnet:
    """With an empty keyring."""
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: CredentialStore(MemoryKeyring()))
    return OnTestnet(stand_in, divert(monkeypatch, stand_in.paper.url))


def test_all_seventeen_tools_ask_the_two_testnet_hosts_alone(testnet: OnTestnet) -> None:
    """Reads, an order that a person approved and its cancel: every request goes to the testnet's hosts over https."""
    for tool, arguments in {**MARKET, **SIGNED}.items():
        reply, asked = testnet.call(tool, **arguments)
        assert reply["outcome"] == "done", (tool, reply)
        assert asked, tool
        assert reply["meta"]["environment"] == "testnet"
    for tool, arguments in WALLET.items():
        testnet.call(tool, **arguments)
    proposed = testnet.assistant.order(**ORDER)
    assert proposed["outcome"] == "confirmation_required", proposed
    token = approve(testnet.assistant, proposed["data"]["proposal_id"])
    placed, asked = testnet.call("create_order", confirmation_token=token)
    assert placed["outcome"] == "done", placed
    assert [place for place in asked if place[0] != "GET"] == [
        ("POST", "https", "testnet.binance.vision", "/api/v3/order")
    ]
    name = placed["data"]["order"]["client_order_id"]
    cancelled, asked = testnet.call("cancel_order", symbol="BTCUSDT", client_order_id=name)
    assert cancelled["data"]["order"]["state"] == "cancelled"
    assert ("DELETE", "https", "testnet.binance.vision", "/api/v3/order") in asked
    assert {(scheme, host) for _, scheme, host, _ in testnet.asked} == {("https", host) for host in HOSTS}
    assert not [path for _, _, _, path in testnet.asked if path.startswith("/sapi")]
    assert {method for method, *_ in testnet.asked} == {"GET", "POST", "DELETE"}
    assert len({envelope["meta"]["call_id"] for envelope in testnet.assistant.replies}) == 14 + 4


@pytest.mark.parametrize("tool", WALLET)
def test_wallet_tools_are_not_available_and_ask_nothing(testnet: OnTestnet, tool: str) -> None:
    """The testnet has no wallet: the answer says so, with a hint, and no request is made."""
    reply, asked = testnet.call(tool, **WALLET[tool])
    assert (reply["outcome"], reply["error"]["code"]) == ("unavailable", "NOT_AVAILABLE_HERE")
    assert reply["error"]["hint"]
    assert asked == []


def test_fees_are_read_from_the_commission_of_the_account(testnet: OnTestnet) -> None:
    """`get_fee_info` uses the one fee request that the testnet has."""
    reply, asked = testnet.call("get_fee_info", symbol="BTCUSDT")
    assert reply["outcome"] == "done"
    assert ("GET", "https", "testnet.binance.vision", "/api/v3/account/commission") in asked


def test_futures_are_asked_at_the_futures_host(testnet: OnTestnet) -> None:
    """Positions, income and forced orders come from the futures testnet and nowhere else."""
    for tool in ("get_position_info", "get_pnl", "get_liquidation_history"):
        _, asked = testnet.call(tool, **SIGNED[tool])
        paths = {(host, path.split("/")[1]) for _, _, host, path in asked if "/time" not in path}
        assert paths == {("testnet.binancefuture.com", "fapi")}, (tool, asked)


def test_market_tools_work_without_keys(keyless: OnTestnet) -> None:
    """Prices need no key."""
    for tool, arguments in MARKET.items():
        reply, _ = keyless.call(tool, **arguments)
        assert reply["outcome"] == "done", reply


@pytest.mark.parametrize("tool", [*SIGNED, "create_order", "cancel_order"])
def test_other_tools_say_which_command_adds_a_key(keyless: OnTestnet, tool: str) -> None:
    """Without a key nothing is asked of the exchange, and the answer names the command that stores one."""
    others = {
        "create_order": {"symbol": "BTCUSDT", "side": "BUY", **ORDER},
        "cancel_order": {"symbol": "BTCUSDT", "client_order_id": "g1-" + "0" * 32},
    }
    reply, asked = keyless.call(tool, **{**SIGNED, **others}[tool])
    assert (reply["outcome"], reply["error"]["code"]) == ("unavailable", "CREDENTIALS_MISSING"), reply
    assert "guardian keys add testnet" in f"{reply['error']['message']} {reply['error']['hint']}"
    assert asked == []


def test_key_that_is_added_while_the_server_runs_is_found(keyless: OnTestnet, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `guardian keys add` the next call works, with no restart."""
    assert keyless.call("get_balance")[0]["error"]["code"] == "CREDENTIALS_MISSING"
    paper = keyless.world.paper
    store = keyring_with(paper.api_key.reveal(), paper.api_secret.reveal())
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: store)
    assert keyless.call("get_balance")[0]["outcome"] == "done"


@pytest.mark.parametrize("tool", ["get_position_info", "get_pnl", "get_liquidation_history"])
def test_spot_key_alone_is_not_offered_to_the_futures_host(
    stand_in: World, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    """The testnet's futures have keys of their own: without one the answer names the command with its family."""
    paper = stand_in.paper
    store = keyring_with(paper.api_key.reveal(), paper.api_secret.reveal(), (KeyFamily.SPOT,))
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: store)
    testnet = OnTestnet(stand_in, divert(monkeypatch, paper.url))
    reply, asked = testnet.call(tool, **SIGNED[tool])
    assert (reply["outcome"], reply["error"]["code"]) == ("unavailable", "CREDENTIALS_MISSING"), reply
    assert "guardian keys add testnet --family futures" in f"{reply['error']['message']} {reply['error']['hint']}"
    assert [path for _, _, _, path in asked if not path.endswith("/time")] == []
    assert testnet.call("get_balance")[0]["outcome"] == "done"


def test_new_key_costs_one_read_of_the_account_and_a_known_one_none(testnet: OnTestnet) -> None:
    """Whose a key is, is asked once; calls, restarts and an order that is ready to go ask nothing more for it."""
    for _ in range(2):
        testnet.call("get_ticker_price", symbol="BTCUSDT")
        testnet.call("get_orders", symbol="BTCUSDT")
        testnet.call("get_fee_info", symbol="BTCUSDT")
    assert testnet.count(ACCOUNT) == 1
    for _ in range(2):
        testnet = testnet.again()
        testnet.call("get_orders", symbol="BTCUSDT")
        testnet.call("get_position_info", symbol="BTCUSDT")
        assert testnet.assistant.resource("guardian://status")
        assert testnet.count(ACCOUNT) == 1
    # An order looks at the balances, once, as it did before.
    assert testnet.assistant.order(**ORDER)["outcome"] == "confirmation_required"
    assert testnet.count(ACCOUNT) == 2
    assert testnet.assistant.order(**ORDER)["outcome"] == "confirmation_required"
    assert testnet.count(ACCOUNT) == 3


def test_replaced_key_of_the_account_is_asked_about_once(
    testnet: OnTestnet, stand_in: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the key was replaced by another of the account there is one more read, and the account is the same."""
    key, secret = Secret("r" * 64), Secret("s" * 64)
    stand_in.paper.venue.keys[key.reveal()] = HmacVerifier(secret)  # type: ignore[index]  # a dict there
    assert testnet.call("get_orders", symbol="BTCUSDT")[0]["outcome"] == "done"
    account = testnet.assistant.run(testnet.assistant.guardian.connector.connect(needs_keys=True)).account
    assert account == f"uid-{stand_in.paper.venue.uid}"
    store = keyring_with(key.reveal(), secret.reveal())
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: store)
    testnet = testnet.again()
    assert testnet.call("get_orders", symbol="BTCUSDT")[0]["outcome"] == "done"
    assert testnet.count(ACCOUNT) == 2
    connection = testnet.assistant.run(testnet.assistant.guardian.connector.connect(needs_keys=True))
    assert connection.account == account
    assert testnet.count(ACCOUNT) == 2
