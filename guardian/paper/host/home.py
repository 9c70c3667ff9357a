"""The paper exchange of a home folder: found, or started by whoever finds nobody there.

It is a detached helper process of its own, because Claude Desktop starts and ends servers in pairs: an exchange inside
the first of them would take the other's replies with it. This module stays light: the HTTP server is the helper's.
"""

from __future__ import annotations

import hmac
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

import guardian
from guardian.domain.secrets import Secret
from guardian.domain.trading import PAPER_HOST
from guardian.errors import ExchangeUnavailable
from guardian.system.private_files import check_home, make_folder, read_private
from guardian.system.variables import known_variables

PORT_FILE: Final = "paper.port"
DATABASE_FILE: Final = "paper.db"
LOG_FILE: Final = "paper.log"
LIFE_LOCK: Final = "paper.lock"
"""Held by the helper for as long as it lives: there is never more than one."""
START_LOCK: Final = "paper.start.lock"
"""Held by whoever is starting a helper: the others wait and then find it."""
IDLE_EXIT_S: Final = 900.0

_PROBE_TIMEOUT_S: Final = 2.0
_POLL_S: Final = 0.02
_END_TIMEOUT_S: Final = 10.0
_REPLACE_TRIES: Final = 50

_started: list[subprocess.Popen[bytes]] = []
"""The helpers that this process started. They outlive it, and are only kept so that those that end are reaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperEndpoint:
    """Where a paper exchange is, and the key that it takes."""

    url: str
    api_key: Secret
    api_secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFile:
    """What a running helper leaves in the home folder for those who look for it."""

    port: int
    pid: int
    api_key: Secret
    api_secret: Secret
    nonce: Secret
    """Proves the identity of the client to the helper and of the helper to the client; random for each start."""

    def endpoint(self) -> PaperEndpoint:
        """Returns where the helper serves."""
        return PaperEndpoint(url=f"http://{PAPER_HOST}:{self.port}", api_key=self.api_key, api_secret=self.api_secret)


def find_or_start(home: Path, *, timeout_s: float = 20.0, idle_exit_s: float = IDLE_EXIT_S) -> PaperEndpoint:
    """Returns the running paper exchange of the home folder, after starting it where needed. Blocks.

    `idle_exit_s` is after how many seconds without a request a helper that is started here ends by itself.

    Raises:
        NotPrivate: the home or a file in it is another user's, open to others, or a link.
        ExchangeUnavailable: it does not answer after `timeout_s` seconds.
    """
    home = home.resolve()
    check_home(home)
    deadline = time.monotonic() + timeout_s
    found = find(home)
    if found is not None:
        return found
    try:
        make_folder(home)
        with FileLock(home / START_LOCK, timeout=timeout_s, mode=0o600):
            while time.monotonic() < deadline:
                found = find(home)
                if found is not None:
                    return found
                found = _start(home, idle_exit_s, deadline)
                if found is not None:
                    return found
    except (OSError, Timeout) as error:
        raise _not_there(home) from error
    raise _not_there(home)


def find(home: Path) -> PaperEndpoint | None:
    """Returns the running paper exchange of the home folder, which has to prove its identity, or None."""
    written = read_port_file(home)
    return written.endpoint() if written is not None and _answers(written) else None


def stop(home: Path) -> bool:
    """Ends the home folder's paper exchange and waits until it has ended. Returns False where it was not running.

    Raises:
        ExchangeUnavailable: it has not ended in time.
    """
    home = home.resolve()
    written = read_port_file(home)
    if written is None or not _answers(written):
        return False
    challenge = secrets.token_hex(16)
    _ask(written, "POST", f"/guardian/end?challenge={challenge}&proof={proof(written.nonce, 'end', challenge)}")
    try:
        with FileLock(home / LIFE_LOCK, timeout=_END_TIMEOUT_S, mode=0o600):
            reap()
    except Timeout as error:
        raise ExchangeUnavailable("the paper exchange does not end", hint="try again") from error
    return True


def reap() -> None:
    """Forgets the helpers started by this process that have ended."""
    _started[:] = [process for process in _started if process.poll() is None]


def proof(nonce: Secret, purpose: str, challenge: str) -> str:
    """Returns a proof that only a process that has read the port file can compute."""
    return hmac.new(nonce.reveal().encode(), f"{purpose}/{challenge}".encode(), sha256).hexdigest()


def read_port_file(home: Path) -> PortFile | None:
    """Returns what a helper wrote, or None where nothing readable is there. The helper may have ended."""
    try:
        stored = json.loads(read_private(home / PORT_FILE))
        return PortFile(
            port=int(stored["port"]),
            pid=int(stored["pid"]),
            api_key=Secret(str(stored["api_key"])),
            api_secret=Secret(str(stored["api_secret"])),
            nonce=Secret(str(stored["nonce"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_port_file(home: Path, content: PortFile) -> None:
    """Replaces the port file in one step; only its owner can read it. Raises OSError."""
    text = json.dumps(
        {
            "port": content.port,
            "pid": content.pid,
            "api_key": content.api_key.reveal(),
            "api_secret": content.api_secret.reveal(),
            "nonce": content.nonce.reveal(),
        }
    )
    # mkstemp makes it 0600 from the first moment.
    descriptor, name = tempfile.mkstemp(prefix=PORT_FILE, dir=home)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    for attempt in range(_REPLACE_TRIES):
        try:
            Path(name).replace(home / PORT_FILE)
        except PermissionError:
            # Windows: somebody is just reading the old one.
            if attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(_POLL_S)
        else:
            return


def remove_leftovers(home: Path) -> None:
    """Removes port files whose helpers were killed while they wrote them; for whoever holds the life lock."""
    for leftover in home.glob(f"{PORT_FILE}?*"):
        # On Windows somebody may be looking at it; the next one removes it.
        with suppress(OSError):
            leftover.unlink()


def remove_port_file(home: Path, nonce: Secret) -> None:
    """Removes the port file if it still is the one with this nonce."""
    written = read_port_file(home)
    if written is not None and written.nonce == nonce:
        (home / PORT_FILE).unlink(missing_ok=True)


def _start(home: Path, idle_exit_s: float, deadline: float) -> PaperEndpoint | None:
    """Starts a helper and waits until one answers; None when this one gave up, for instance as another was ending."""
    process = _spawn(home, idle_exit_s)
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        found = find(home)
        if found is not None:
            return found
        if ended:
            reap()
            if process.returncode != 0:
                raise _not_there(home)
            return None
        time.sleep(_POLL_S)
    raise _not_there(home)


def _spawn(home: Path, idle_exit_s: float) -> subprocess.Popen[bytes]:
    reap()
    # -P: the home folder, where it runs, is not on its import path.
    command = [sys.executable, "-P", "-m", "guardian.paper.host.process"]
    command += ["--home", str(home), "--idle-exit", str(idle_exit_s)]
    if sys.platform == "win32":
        apart = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            # Out of the caller's job as well, for a job may end all that is in it with the caller.
            process = _popen(command, home, creationflags=apart | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:
            process = _popen(command, home, creationflags=apart)  # a job that lets nobody out
    else:
        process = _popen(command, home, start_new_session=True)
    _started.append(process)
    return process


def _popen(
    command: list[str], home: Path, *, creationflags: int = 0, start_new_session: bool = False
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 -- our own command
        command,
        cwd=home,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        creationflags=creationflags,
        start_new_session=start_new_session,
    )


def _environment() -> dict[str, str]:
    environment = known_variables(os.environ)
    package = Path(guardian.__file__).resolve().parent.parent
    if package.name not in {"site-packages", "dist-packages"}:
        # Run from a source tree, guardian may be importable only because of where its parent stood.
        environment["PYTHONPATH"] = str(package)
    return environment


def _answers(written: PortFile) -> bool:
    """Whether the one behind the port knows the nonce: the port may have become somebody else's."""
    challenge = secrets.token_hex(16)
    reply = _ask(written, "GET", f"/guardian/identity?challenge={challenge}")
    expected = proof(written.nonce, "identity", challenge)
    return isinstance(reply, dict) and hmac.compare_digest(str(reply.get("proof", "")), expected)


def _ask(written: PortFile, method: str, target: str) -> object:
    """Returns the JSON of the reply, or None where no valid reply came."""
    connection = http.client.HTTPConnection(PAPER_HOST, written.port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request(method, target)
        reply = connection.getresponse()
        body = reply.read(4096)
        return json.loads(body) if reply.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _not_there(home: Path) -> ExchangeUnavailable:
    return ExchangeUnavailable(
        "the paper exchange could not be started", hint=f"see {home / LOG_FILE}, and that {home} can be written"
    )
