"""What a host looks like whose TLS is intercepted, or that speaks none; on loopback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from guardian.cli.doctor.checks import hosts
from tests.support.authority import made_authority


@contextmanager
def answering(answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answers every connection to the port that the check connects to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(hosts, "PORT", server.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        answer(connection)

        Thread(target=serve, daemon=True).start()
        yield


def test_who_intercepts_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that Mozilla's authorities did not issue is not believed, and its issuer is named."""
    made_authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")

    def answer(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with answering(answer, monkeypatch):
        issuer = hosts.reach_host("localhost", 5.0)
    assert issuer == "CN=an authority of my own"


def test_host_that_speaks_no_tls_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that answers in plain text, and a port at which nobody listens, are errors that the check words."""
    with (
        answering(lambda connection: connection.sendall(b"HTTP/1.1 302 Found\r\n\r\n"), monkeypatch),
        pytest.raises(ssl.SSLError),
    ):
        hosts.reach_host("localhost", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setattr(hosts, "PORT", closed.getsockname()[1])
    with pytest.raises(ConnectionRefusedError):
        hosts.reach_host("localhost", 5.0)
