"""A home on paper, `guardian serve` on it in both transports, and the programs of others that play against it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.over_http import OverHttp, with_token
from tests.e2e.support.processes import Machine
from tests.support.peer_packages import NODE
from tests.support.peers import MACHINE, installed, peer_cache

NODE_MAJOR = 22
PEER_S = 120
LIMITS = "[limits]\n"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the peers are installed."""
    with peer_cache(tmp_path_factory) as folder:
        yield folder


@pytest.fixture(scope="session")
def node(cache: Path) -> str:
    """A Node.js that is new enough: the machine's own, else the one of npm for Linux."""
    own = shutil.which("node", path=MACHINE.get("PATH"))
    if own is not None:
        said = subprocess.run([own, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"v(\d+)\.", said)
        if found is not None and int(found[1]) >= NODE_MAJOR:
            return own
    if sys.platform != "linux":
        pytest.skip(f"there is no Node.js {NODE_MAJOR} on this machine")
    return str(installed(NODE, cache) / "node_modules" / NODE.name / "bin" / "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One home, its server over HTTP, and how its server over STDIO is started."""

    machine: Machine
    http: OverHttp
    command: str

    @property
    def environment(self) -> dict[str, str]:
        """What the peers and the servers that they start have."""
        return {**self.machine.environment, "NO_PROXY": "127.0.0.1"}

    @property
    def headers(self) -> dict[str, str]:
        """What a client over HTTP sends."""
        return {"Authorization": f"Bearer {self.http.token}"}


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The paper policy as it comes with guardian, but that many calls may come in a minute."""
    folder = tmp_path_factory.mktemp("target")
    machine = Machine(folder / "machine")
    assert machine.run("init", "--from", "paper").returncode == 0
    policy = machine.policy.read_text("utf-8")
    assert LIMITS in policy
    machine.write_policy(policy.replace(LIMITS, f"{LIMITS}max_calls_per_minute = 100000\n"))
    token, passphrase = with_token(machine, folder / "credentials")
    server = OverHttp(machine, token, "--transport", "http", "--port", "0", **passphrase)
    try:
        yield Target(machine=machine, http=server, command=str(Path(sys.executable).with_name("guardian")))
        assert server.process.poll() is None, "the server did not survive its peers"
    finally:
        server.is_gone()
        machine.end()


@pytest.fixture
def run(target: Target) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a peer on the target's machine."""

    def run_peer(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        settings = {"env": target.environment, "cwd": target.machine.work, **options}
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=PEER_S, check=False, **settings
        )

    return run_peer
