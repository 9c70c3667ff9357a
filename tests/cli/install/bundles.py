"""A bundle as a client takes it: unpacked, its manifest read, its server started as that says."""

from __future__ import annotations

import io
import json
import subprocess
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-ai", "version": "1"}}


def unpacked(bundle: bytes, folder: Path) -> dict[str, Any]:
    """Unpacks the bundle into the folder; its manifest."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def started(command: Sequence[str], environment: Mapping[str, str], patience_s: float) -> tuple[dict[str, Any], int]:
    """Starts a server, initializes it, lists its tools and ends it: what it says of itself, and the number of tools."""
    with subprocess.Popen(
        command, env=environment, cwd=environment["HOME"], text=True, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        watchdog = threading.Timer(patience_s, server.kill)
        watchdog.start()
        try:
            about = _ask(server, "initialize", INITIALIZE)["serverInfo"]
            tools = _ask(server, "tools/list", {})["tools"]
            assert server.stdin is not None
            server.stdin.close()
            assert server.wait() == 0
        finally:
            watchdog.cancel()
            server.kill()
    return about, len(tools)


def _ask(server: subprocess.Popen[str], method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, f"no reply to {method}"
    result: dict[str, Any] = json.loads(line)["result"]
    return result
