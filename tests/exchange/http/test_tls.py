"""Whom the client believes: one fixed source of authorities, and no key log, whatever the environment says."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from guardian.exchange.http.tls import own_tls_context
from tests.support.authority import made_authority

CLIENT = """
import asyncio, sys, time
import aiohttp
from guardian.domain.trading import Environment
from guardian.exchange.http.client import GuardedClient
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.limits.rate_limits import RateLimits
from guardian.system.clock import SYSTEM_CLOCK

async def ask(session, url):
    try:
        async with session.get(url) as response:
            return str(response.status)
    except Exception as error:
        return type(error).__name__

async def main(url):
    spec = EnvironmentSpec(environment=Environment.LIVE)
    limits = RateLimits(spec, clock=SYSTEM_CLOCK)
    client = GuardedClient(spec, {}, clock=SYSTEM_CLOCK, correction_ms=lambda family: 0,
                           rate_limits=limits, random_fraction=lambda: 0.5,
                           is_closed=lambda: False)
    guarded = await ask(client._open_session(), url)
    await client.close_connection()
    async with aiohttp.ClientSession() as session:
        print(guarded, await ask(session, url))

asyncio.run(main(sys.argv[1]))
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def https(tmp_path: Path) -> Iterator[str]:
    """A real TLS server on loopback, with a certificate of a self-made authority."""
    made_authority(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_self_made_authority_is_refused_although_the_environment_names_it(https: str, tmp_path: Path) -> None:
    """`SSL_CERT_FILE`, `SSL_CERT_DIR` and a proxy mean nothing to the client, and `SSLKEYLOGFILE` gets nothing of it
    (before: accepted, and its secrets written). A session with aiohttp's own settings shows that they are heard."""
    log = tmp_path / "keys.log"
    environment = {
        **os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": str(tmp_path),
        "SSLKEYLOGFILE": str(log), "HTTPS_PROXY": "http://127.0.0.1:9", "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, https], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["ClientConnectorCertificateError", "200"], done.stderr
    assert len([line for line in log.read_text().splitlines() if line.startswith("CLIENT_HANDSHAKE")]) <= 1
    assert len({line.split()[1] for line in log.read_text().splitlines() if not line.startswith("#")}) == 1


def test_context_is_strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TLS 1.2 at least, names checked, certificates required, certifi's authorities alone, no key log."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    own_tls_context.cache_clear()
    context = own_tls_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.keylog_filename is None
    assert context.cert_store_stats()["x509_ca"] > 50
    assert not (tmp_path / "keys.log").exists()
