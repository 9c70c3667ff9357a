"""`guardian serve --transport http` as a process, on a machine whose vault has a token."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from guardian.credentials.store import CredentialStore
from tests.e2e.support.processes import PATIENCE_S, Machine
from tests.e2e.support.vaulted import credential_in
from tests.support import prefork
from tests.support.vaults import vault_in

URL: Final = re.compile(r"http://127\.0\.0\.1:(\d+)/(?:mcp|sse)")


def with_token(machine: Machine, folder: Path) -> tuple[str, Mapping[str, str]]:
    """A token for the machine's home, and the variable by which its servers open the vault."""
    item = CredentialStore(vault_in(machine.home)).http_token(machine.home.resolve())
    return item.create(secrets.token_bytes).reveal(), credential_in(folder)


class OverHttp:
    """A server of the machine's home over HTTP, which takes the vault's passphrase from systemd's folder."""

    def __init__(self, machine: Machine, token: str, *arguments: str, **environment: str) -> None:
        self.token = token
        self.process = prefork.popen(
            [sys.executable, "-m", "guardian", "serve", *arguments],
            cwd=machine.work, env={**machine.environment, **environment}, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines: list[str] = []
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        assert self.process.stderr is not None
        while not self.lines or not URL.search(self.lines[-1]):
            self.lines.append(self.process.stderr.readline())
            assert self.lines[-1], self.lines
        watchdog.cancel()
        found = URL.search(self.lines[-1])
        assert found is not None
        self.url, self.port = found[0], int(found[1])

    def client(self, mode: str, **options: Any) -> Client[Any]:
        kind = SSETransport if self.url.endswith("/sse") else StreamableHttpTransport
        return Client(kind(self.url, headers={"Authorization": f"Bearer {self.token}"}), mode=mode, **options)

    def is_gone(self) -> tuple[str, str]:
        """What was left on its outputs."""
        self.process.kill()
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        return out, "".join(self.lines) + errors
