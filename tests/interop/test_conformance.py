"""The protocol's own conformance suite against guardian's HTTP transport, in both eras."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.interop.conftest import Target
from tests.support.peer_packages import CONFORMANCE
from tests.support.peers import installed

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent
PROGRAM = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
FOLDER = re.compile(r"^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$")
PASSES = {
    "2025-11-25": {
        "dns-rebinding-protection": 2,
        "logging-set-level": 2,
        "ping": 2,
        "prompts-list": 2,
        "resources-list": 2,
        "server-initialize": 3,
        "server-session-lifecycle": 3,
        "server-sse-multiple-streams": 2,
        "tools-list": 3,
    },
    "2026-07-28": {
        "caching": 8,
        "dns-rebinding-protection": 2,
        "http-header-validation": 14,
        "prompts-list": 2,
        "resources-list": 2,
        "sep-2164-resource-not-found": 4,
        "server-stateless": 26,
        "tools-list": 4,
    },
}
"""Scenarios that ask nothing of a server but the protocol, and the checks that pass in each."""


def checks(results: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of each scenario: its folder is `server-SCENARIO-DATE`."""
    return {
        FOLDER.sub(r"\1", path.parent.name): json.loads(path.read_text("utf-8"))
        for path in results.glob("*/checks.json")
    }


@pytest.mark.parametrize("revision", sorted(PASSES))
def test_server_conforms_to_each_revision(
    target: Target, cache: Path, node: str, tmp_path: Path, run: Callable[..., CompletedProcess[str]], revision: str
) -> None:
    """What fails needs tools of the suite's own that guardian does not have: `expected_failures_*.yml` has each.

    The suite knows no tokens, so its requests are given one on their way.
    """
    folder = installed(CONFORMANCE, cache)
    (token := tmp_path / "token").write_text(target.http.token, "ascii")
    done = run(
        *(node, "--import", str(HERE / "peers" / "send_token.mjs"), PROGRAM, "server", "--url", target.http.url),
        *("--requirements", revision, "--output-dir", str(tmp_path / "results")),
        *("--expected-failures", str(HERE / f"expected_failures_{revision}.yml")),
        cwd=folder,
        env={**target.environment, "PEER_TOKEN_FILE": str(token)},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = checks(tmp_path / "results")
    passed = {name: sum(check["status"] == "SUCCESS" for check in rows) for name, rows in found.items()}
    assert {name: passed[name] for name in PASSES[revision]} == PASSES[revision]
