"""The processes of a run: each is ended with the run, however it ends. Their memory and CPU, where readable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Self

END_S: Final = 5.0
_KEPT: Final = (
    "PATH",
    "SYSTEMROOT",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LANG",
    "LD_LIBRARY_PATH",
)


def environment(scratch: Path) -> dict[str, str]:
    """Returns the variables that every subject is started with: nothing of the user's own, and bytecode is written."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    home = str(scratch)
    return {**kept, "HOME": home, "USERPROFILE": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}


class Processes:
    """Starts processes and ends all of them. A context manager."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for process in reversed(self._started):
            end(process, patience_s=0.0)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Starts a process; what it says on standard error is dropped unless `stderr` is given."""
        self._started = [one for one in self._started if one.poll() is None]
        process = subprocess.Popen(list(command), **{"stderr": subprocess.DEVNULL, "bufsize": -1, **options})
        self._started.append(process)
        return process


def end(process: subprocess.Popen[bytes], *, patience_s: float = END_S) -> None:
    """Closes the input of a process and waits for its end; one that does not end in time is killed."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that has run to its end: how long it took, the CPU that it took where that is readable, its output."""

    wall_ms: float
    cpu_ms: float | None
    code: int
    out: str


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float = 600) -> Finished:
    """Runs a program to its end, from its start to the end of its output."""
    before, start = _children_cpu_s(), perf_counter()
    done = subprocess.run(
        list(command), env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        timeout=timeout_s,
    )  # fmt: skip
    wall, after = perf_counter() - start, _children_cpu_s()
    out = (done.stdout + done.stderr).decode("utf-8", "replace")
    cpu_ms = None if before is None or after is None else (after - before) * 1000
    return Finished(wall_ms=wall * 1000, cpu_ms=cpu_ms, code=done.returncode, out=out)


def _children_cpu_s() -> float | None:
    """Returns the CPU time of all children that have ended."""
    if sys.platform == "win32":
        return None
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory_mb(pid: int) -> float | None:
    """Returns the resident memory of a process in MB (10^6 bytes); None where it cannot be read."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        return None
    if sys.platform == "darwin":
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
            return int(shown.stdout) * 1024 / 1e6
    return None


def cpu_ms(pid: int) -> float | None:
    """Returns the CPU time of all threads of a process so far; None where it cannot be read."""
    if sys.platform != "linux":
        return None
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e6
    except (OSError, ValueError, IndexError):
        return None
