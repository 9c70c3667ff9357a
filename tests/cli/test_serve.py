"""`guardian serve` over HTTP: what it refuses before anything is opened or anybody can connect."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.credentials import store as credential_store
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import Secret
from guardian.home.folder import home_folder
from guardian.loopback import listening
from tests.support.keyring import MemoryKeyring


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CredentialStore:
    """The keyring that the command opens, without a token."""
    opened = CredentialStore(MemoryKeyring())
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: opened)
    return opened


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The addresses that sockets were bound to; none is, in these tests."""
    asked: list[object] = []
    monkeypatch.setattr(listening, "_bound", lambda _family, host, _port: asked.append(host))
    return asked


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.2", "example.com", "localhost.example.com"])
def test_bind_beyond_loopback_is_refused_before_anything(
    store: CredentialStore, bound: list[object], capsys: pytest.CaptureFixture[str], transport: str, host: str
) -> None:
    """Also with a token; no socket is made and no home."""
    store.http_token(home_folder()).create(secrets.token_bytes)
    assert main(["serve", "--transport", transport, "--host", host]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "on loopback alone" in said.err
    assert "127.0.0.1" in said.err
    assert bound == []
    assert not Path(os.environ["GUARDIAN_HOME"]).exists()


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_without_a_token_nothing_is_served(
    store: CredentialStore, bound: list[object], capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    """It names the command that makes one; a damaged token is none either."""
    assert main(["serve", "--transport", transport, "--port", "0"]) != 0
    assert "guardian keys token create" in capsys.readouterr().err
    store._items.put(store.http_token(home_folder()).service, Secret("{}"))
    assert main(["serve", "--transport", transport, "--port", "0"]) != 0
    assert "damaged" in capsys.readouterr().err
    assert bound == []


def test_port_that_is_taken_is_said(store: CredentialStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither shared with another program nor replaced by another port: the client would not find it."""
    store.http_token(home_folder()).create(secrets.token_bytes)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", "--transport", "http", "--port", port]) == 1
    assert f"port {port} of this machine is taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "8737"],
        ["--host", "127.0.0.1"],
        ["--stateless"],
        ["--transport", "sse", "--stateless"],
        ["--transport", "http", "--port", "65536"],
        ["--transport", "http", "--port", "-1"],
        ["--transport", "http", "--token", "x"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments: list[str]) -> None:
    """Who names a port expects it to be used. There is no option for a token: arguments can be read by everybody."""
    assert main(["serve", *arguments]) == 2


def test_help_says_that_sse_is_deprecated(capsys: pytest.CaptureFixture[str]) -> None:
    """And which one to take instead."""
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "`sse` is deprecated" in text
    assert "`http` is streamable HTTP" in text
