"""The servers that run: how many serve this home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from guardian.cli.doctor.examined import Examined, RunningServer
from guardian.cli.doctor.findings import Finding, ok, unclear, warning

_PS: Final = "/bin/ps"
_PS_TIMEOUT_S: Final = 5.0


def running_servers() -> list[RunningServer] | None:
    """Returns this user's processes that serve guardian; None where this system does not say."""
    if sys.platform == "linux":
        return list(_by_proc(Path("/proc")))
    if sys.platform == "darwin":
        return _by_ps()
    return None


def _by_proc(proc: Path) -> Iterator[RunningServer]:
    for folder in proc.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # a process that has ended meanwhile, or another user's
            if not _serves((folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")):
                continue
            home = None
            with suppress(OSError):
                for variable in (folder / "environ").read_bytes().split(b"\0"):
                    if variable.startswith(b"GUARDIAN_HOME="):
                        home = os.fsdecode(variable.partition(b"=")[2])
            yield RunningServer(pid=int(folder.name), home=home)


def _by_ps() -> list[RunningServer] | None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, by its path
            [_PS, "-xww", "-o", "pid=,command="], capture_output=True, text=True, timeout=_PS_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (line.split(None, 1) for line in done.stdout.splitlines())
    return [RunningServer(pid=int(line[0]), home=None) for line in lines if len(line) > 1 and _serves(line[1].split())]


def _serves(words: list[str]) -> bool:
    names = {Path(word).name.lower() for word in words[:6]}
    return "serve" in words and bool(names & {"guardian", "guardian.exe"})


def check_servers(examined: Examined) -> Iterator[Finding]:
    """One server at most serves this home, or the person knows of the others."""
    found = examined.servers()
    if found is None:
        yield unclear("servers", "this system does not say which servers run", "your client's list of servers")
        return
    here = [server for server in found if server.home is None or Path(server.home) == examined.home]
    pids = ", ".join(str(server.pid) for server in sorted(here, key=lambda one: one.pid))
    if not here:
        yield ok("servers", "no server runs for this home; a client starts one")
    elif len(here) == 1:
        yield ok("servers", f"one server runs (process {pids})")
    else:
        text = f"{len(here)} servers run (processes {pids}): they share this home's budgets, and each takes its policy"
        yield warning("servers", text, "quit the clients that you do not need")
