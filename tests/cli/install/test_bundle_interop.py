"""The bundle with the tools of others: its publisher's validator, and `uv`, which a client starts it with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardian import __version__
from guardian.cli.install.bundle_files import bundle
from tests.cli.install.bundles import started, unpacked

pytestmark = pytest.mark.interop

MACHINE = dict(os.environ)
"""As the tests were started: where packages come from is the machine's setting."""
REQUIRED = MACHINE.get("GUARDIAN_TEST_REQUIRE_INTEROP") == "1"
MCPB, UV = "@anthropic-ai/mcpb@2.1.2", "uv==0.13.9"
INSTALL_S = 120


def absent(reason: str) -> None:
    """Leaves the test out, or fails it where the machine has to have everything."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False, **options)


def installed(*command: str) -> None:
    """One step of an installation, without which the test is left out."""
    try:
        done = run(*command, env=MACHINE)
    except subprocess.TimeoutExpired:
        absent(f"{Path(command[0]).name} has not answered within {INSTALL_S} s")
        return
    if done.returncode != 0:
        absent((done.stderr or done.stdout or "no reason given").strip().splitlines()[-1])


def test_publishers_validator_finds_nothing(tmp_path: Path) -> None:
    """`mcpb validate` passes the manifest, and `mcpb info` reads the file."""
    npm, node = (shutil.which(name, path=MACHINE.get("PATH")) for name in ("npm", "node"))
    if npm is None or node is None:
        absent("there is no Node.js")
        return
    folder, file = tmp_path / "extension", tmp_path / "guardian.mcpb"
    file.write_bytes(bundle())
    unpacked(bundle(), folder)
    (tmp_path / "package.json").write_text('{"private": true}', "utf-8")
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    installed(npm, "install", *quiet, "--prefix", str(tmp_path), MCPB)
    program = str(tmp_path / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js")
    validated = run(node, program, "validate", str(folder / "manifest.json"))
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "validation passes" in validated.stdout
    assert run(node, program, "info", str(file)).returncode == 0


def test_uv_starts_it_as_the_manifest_says(tmp_path: Path) -> None:
    """From an empty cache, with no home chosen: packages are fetched, and the server answers."""
    tools, person, folder = tmp_path / "tools", tmp_path / "person", tmp_path / "extension"
    installed(sys.executable, "-m", "venv", str(tools))
    installed(str(tools / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", UV)
    made = unpacked(bundle(), folder)
    config = made["server"]["mcp_config"]
    person.mkdir()
    environment = {
        **{name: value for name, value in MACHINE.items() if name.startswith(("UV_", "SSL_"))},
        "HOME": str(person), "PATH": os.pathsep.join((str(tools / "bin"), "/usr/bin", "/bin")), **config["env"],
    }  # fmt: skip
    arguments = [argument.replace("${__dirname}", str(folder)) for argument in config["args"]]
    about, count = started([str(tools / "bin" / config["command"]), *arguments], environment, INSTALL_S)
    assert (about["name"], about["version"], count) == ("guardian", __version__, len(made["tools"]))
    assert run(str(folder / ".venv" / "bin" / "guardian"), "--version").stdout == f"guardian {__version__}\n"
