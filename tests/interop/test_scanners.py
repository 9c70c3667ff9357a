"""Programs that look for weaknesses: what a fuzzer can make the tools accept, and what a scanner finds in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.interop.conftest import Target
from tests.support.peer_packages import FUZZER, SCANNER
from tests.support.peers import installed

pytestmark = pytest.mark.interop

RUNS: Final = 2
SAFE: Final = "Safe items: 17"


def program(folder: Path, name: str) -> str:
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / name)


def test_fuzzer_breaks_nothing_and_makes_no_order(
    target: Target, cache: Path, tmp_path: Path, run: Callable[..., CompletedProcess[str]]
) -> None:
    """No crash, no odd answer, and no order; of cancels that of all orders alone is taken, where there are none."""
    folder = installed(FUZZER, cache)
    (auth := tmp_path / "auth.json").write_text(
        json.dumps(
            {"providers": {"http": {"type": "api_key", "api_key": target.http.token}}, "default_provider": "http"}
        )
    )
    done = run(
        *(program(folder, "mcp-fuzzer"), "--mode", "tools", "--phase", "both", "--runs", str(RUNS), "--seed", "1"),
        *("--protocol", "http", "--endpoint", target.http.url, "--allow-host", "127.0.0.1", "--no-network"),
        *("--auth-config", str(auth), "--output-dir", str(tmp_path / "found")),
    )
    summary = json.loads((tmp_path / "found" / "run_summary.json").read_text("utf-8"))
    assert summary["status"] == "completed", done.stdout[-2000:]
    tools = {name: found["outcomes"] for name, found in summary["tools"]["by_name"].items()}
    assert len(tools) == 17
    assert {name: found["crashed"] + found["anomaly"] for name, found in tools.items()} == dict.fromkeys(tools, 0)
    assert tools["create_order"]["accepted_malformed"] == 0
    rows = target.machine.rows()
    assert [row for row in rows if row["phase"] == "intent"] == []
    asked = {row["call_id"]: json.loads(row["body"]) for row in rows if row["phase"] == "call"}
    taken = [asked[row["call_id"]] for row in rows if (row["tool"], row["outcome"]) == ("cancel_order", "done")]
    assert [call for call in taken if call["data"]["arguments"].get("all") is not True] == []
    assert sum(found["server_rejected"] for found in tools.values()) > len(tools)


def test_scanner_finds_nothing_in_any_tool(
    target: Target, cache: Path, run: Callable[..., CompletedProcess[str]]
) -> None:
    """Over STDIO and HTTP: no instruction to a model, no odd schema. Of the protocol it says that HTTP is no HTTPS."""
    scanner = program(installed(SCANNER, cache), "mcp-scanner")
    environment = {**target.environment, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    for way in (
        ("stdio", "--stdio-command", target.command, "--stdio-arg", "serve"),
        ("remote", "--server-url", target.http.url, "--bearer-token", target.http.token),
    ):
        done = run(scanner, "--analyzers", "yara,schema", "--format", "summary", *way, env=environment)
        assert SAFE in done.stdout, done.stdout + done.stderr
    done = run(scanner, "protocol", "--server-url", target.http.url, env=environment)
    findings = json.loads(done.stdout)["findings"]
    assert [one["threat_category"] for one in findings] == ["Unencrypted Transport"]
