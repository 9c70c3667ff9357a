"""A server on a machine without a keyring: it signs with what is in the vault, once it was given the passphrase."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.e2e.support.processes import Machine, Person, RawServed
from tests.e2e.support.vaulted import ENTRY, ROOT, credential_in, descriptor_with, put_keys, serve_diverted
from tests.support.said_lines import faults
from tests.support.vaults import PASSPHRASE, WRONG

pytestmark = [
    pytest.mark.usefixtures("spawned"),
    pytest.mark.skipif(os.name != "posix", reason="descriptors are passed on as POSIX does"),
]


@pytest.fixture
def paper() -> Iterator[PaperServer]:
    with PaperServer() as served:
        yield served


@pytest.fixture
def vaulted(machine: Machine, paper: PaperServer) -> Machine:
    put_keys(machine, paper.api_key, paper.api_secret)
    return machine


@pytest.fixture
def started() -> Iterator[list[RawServed]]:
    """Servers that are ended with the test."""
    found: list[RawServed] = []
    yield found
    for server in found:
        server.is_gone()


def error_of(reply: dict[str, Any]) -> str:
    return f"{reply['error']['code']} {reply['error']['message']} {reply['error']['hint']}"


@pytest.mark.parametrize("source", ["descriptor", "credential"])
def test_server_with_the_passphrase_signs_with_the_keys_of_the_vault(
    vaulted: Machine, paper: PaperServer, started: list[RawServed], tmp_path: Path, source: str
) -> None:
    """Given by a descriptor or by systemd, the vault opens; an order is proposed, and its account is the key's."""
    pipe = ""
    if source == "descriptor":
        reading = descriptor_with()
        pipe = f"pipe:[{os.fstat(reading).st_ino}]"
        options: dict[str, Any] = {"pass_fds": (reading,)}
        arguments: tuple[str, ...] = ("--vault-passphrase-fd", str(reading))
    else:
        options = {"env": {**vaulted.environment, **credential_in(tmp_path / "credentials")}}
        arguments = ()
    server = serve_diverted(vaulted, paper.url, *arguments, **options)
    started.append(server)
    if pipe:
        os.close(reading)
    assert server.call("get_balance")["outcome"] == "done"
    order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT", "quantity": "0.001", "price": "59000"}
    proposed = server.call("create_order", **order)
    assert proposed["outcome"] == "confirmation_required", proposed
    open_files = {os.readlink(link) for link in Path(f"/proc/{server.process.pid}/fd").iterdir()}  # noqa: PTH115 - "pipe:"
    assert not [name for name in open_files if "credentials" in name or name == pipe]
    code, _, errors = server.leave()
    assert (code, faults(errors)) == (0, [])


@pytest.mark.parametrize("given", ["nothing", "a wrong one", "a credential open to others"])
def test_server_whose_vault_is_locked_starts_and_market_tools_work(
    vaulted: Machine, paper: PaperServer, started: list[RawServed], tmp_path: Path, given: str
) -> None:
    """Prices work; what needs a key says that the vault is locked and how the passphrase is given."""
    arguments: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    if given == "a wrong one":
        reading = descriptor_with(WRONG)
        arguments, options = ("--vault-passphrase-fd", str(reading)), {"pass_fds": (reading,)}
    elif given == "a credential open to others":
        options = {"env": {**vaulted.environment, **credential_in(tmp_path / "credentials")}}
        (tmp_path / "credentials" / "guardian-vault").chmod(0o444)
    server = serve_diverted(vaulted, paper.url, *arguments, **options)
    started.append(server)
    assert server.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    for _ in range(2):
        said = error_of(server.call("get_balance"))
        assert said.startswith("KEYRING_UNAVAILABLE ")
        if given == "a credential open to others":
            assert "can be read or changed by others" in said
            assert "LoadCredentialEncrypted=guardian-vault" in said
        else:
            assert ("was not given" in said) is (given == "nothing")
            assert "`guardian serve --vault-passphrase-fd N`" in said
    status = server.ask("resources/read", {"uri": "guardian://status"})["result"]["contents"][0]["text"]
    assert "vault" in status
    assert PASSPHRASE not in status + said
    assert server.leave()[0] == 0


def test_machine_with_neither_keyring_nor_vault_names_the_command(
    machine: Machine, paper: PaperServer, started: list[RawServed]
) -> None:
    """Without a vault nothing changes: the error says that no keyring works, and which command makes a vault."""
    machine.write_policy((ROOT / "policies" / "testnet.toml").read_text("utf-8"))
    server = serve_diverted(machine, paper.url)
    started.append(server)
    said = error_of(server.call("get_balance"))
    assert said.startswith("KEYRING_UNAVAILABLE no keyring that guardian trusts works here")
    assert "`guardian keys vault create`" in said
    assert not (machine.home / "vault").exists()


@pytest.mark.parametrize(("number", "why"), [("0", "the MCP client and the log use it"), ("77", "is not open")])
def test_server_with_an_unusable_descriptor_does_not_start(vaulted: Machine, number: str, why: str) -> None:
    """A descriptor that cannot have a passphrase is a mistake of the command line, said before anything is opened."""
    done = vaulted.run("serve", "--vault-passphrase-fd", number)
    assert (done.returncode, done.stdout) == (3, "")
    assert why in done.stderr
    assert vaulted.run("serve", "--vault-passphrase-fd", "words").returncode == 2


def test_vault_is_not_opened_by_a_variable_or_an_argument(vaulted: Machine) -> None:
    """There is no such option, and variables with likely names do nothing."""
    names = ("GUARDIAN_VAULT_PASSPHRASE", "GUARDIAN_PASSPHRASE", "VAULT_PASSPHRASE")
    done = vaulted.run("keys", "list", env={**vaulted.environment, **dict.fromkeys(names, PASSPHRASE)})
    assert (done.returncode, "the vault is locked" in done.stderr) == (3, True)
    assert vaulted.run("serve", "--vault-passphrase", PASSPHRASE).returncode == 2


def test_damaged_vault_stops_no_market_tool_and_is_named(
    vaulted: Machine, paper: PaperServer, started: list[RawServed]
) -> None:
    """One changed byte: prices work, and what needs a key says that the vault is damaged, not that it is locked."""
    path = vaulted.home / "vault"
    content = path.read_bytes()
    path.write_bytes(content[:400] + bytes([content[400] ^ 1]) + content[401:])
    reading = descriptor_with()
    server = serve_diverted(vaulted, paper.url, "--vault-passphrase-fd", str(reading), pass_fds=(reading,))
    started.append(server)
    assert server.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    assert "the vault is damaged" in error_of(server.call("get_balance"))


def test_status_at_a_terminal_opens_the_vault_and_names_it(vaulted: Machine, paper: PaperServer) -> None:
    """A person types the passphrase; the keys are there, and where they come from is said."""
    code = ENTRY.format(root=str(ROOT), url=paper.url, more="")
    person = Person(vaulted.environment, "status", program=code)
    try:
        person.waits_for("passphrase of the vault")
        person.types(PASSPHRASE + "\n")
        _, out = person.leaves()
    finally:
        person.is_gone()
    assert f"present, in vault {vaulted.home / 'vault'}" in out, (out, person.seen)
    assert PASSPHRASE not in out + person.seen
    assert sys.executable not in person.seen
