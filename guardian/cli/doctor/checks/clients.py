"""The clients on this machine: whether guardian is in their configuration, and whether that entry still starts."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Timer
from typing import Final

from guardian import __version__
from guardian.cli.doctor.examined import START_TIMEOUT_S, Examined, given_by_clients
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.clients.entries import ServerEntry
from guardian.clients.known import AssistantClient
from guardian.clients.places import Machine
from guardian.errors import ClientConfigUnusable

_HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "guardian-doctor", "version": __version__},
    },
}


def start_entry(entry: ServerEntry, timeout_s: float = START_TIMEOUT_S) -> str:
    """Starts an entry as a client does, on a home of its own, and returns the name and version that it answers with.

    Raises OSError where the program cannot be started or does not answer as a server, TimeoutError where not in time.
    """
    with tempfile.TemporaryDirectory(prefix="guardian-doctor-") as folder:
        # Not on its own home: a server that starts ends what was armed there.
        environment = {**given_by_clients(), **entry.env, "GUARDIAN_HOME": folder}
        process = subprocess.Popen(  # noqa: S603 - the user's own entry, which their client starts every day
            [entry.command, *entry.args], env=environment, cwd=folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        is_late = Event()

        def end() -> None:
            is_late.set()
            process.kill()

        late = Timer(timeout_s, end)
        late.start()
        try:
            answer = _answer(process)
        except OSError:
            if is_late.is_set():
                raise TimeoutError from None
            raise
        finally:
            late.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
    return answer


def _answer(process: subprocess.Popen[bytes]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # it has ended already: that shows in what it answers
        process.stdin.write(json.dumps(_HELLO).encode() + b"\n")
        process.stdin.flush()
    line = process.stdout.readline(1 << 20)
    try:
        info = json.loads(line)["result"]["serverInfo"]
        return f"{info['name']} {info['version']}"
    except (ValueError, KeyError, TypeError):
        raise OSError("it ended without an answer" if not line else "what it answers is not MCP") from None


def check_clients(examined: Examined) -> Iterator[Finding]:
    """Each client that is here has an entry for guardian that starts and names this home."""
    machine, found = Machine.this(), 0
    for client in examined.clients():
        if not any(place.is_here() for place in client.places(machine)):
            continue
        found += 1
        try:
            entries = {name: one for name, one in client.read_servers().items() if one.is_guardian}
        except ClientConfigUnusable as error:
            yield problem(f"clients.{client.name}", error.message, error.hint)
            continue
        if not entries:
            yield warning(
                f"clients.{client.name}",
                f"{client.title} is here, and has no guardian",
                f"`guardian install {client.name}`",
            )
        for name, entry in entries.items():
            yield from _look_at(examined, client, name, entry)
    if not found:
        yield warning(
            "clients", "no client that guardian knows is here", "`guardian install --print` shows the entry for others"
        )


def _look_at(examined: Examined, client: AssistantClient, name: str, entry: ServerEntry) -> Iterator[Finding]:
    where, again = f"clients.{client.name}", f"`guardian install {client.name}` writes it again"
    if entry.home is None:
        yield warning(where, f"the entry `{name}` names no home (GUARDIAN_HOME)", again)
    elif Path(entry.home) != examined.home:
        yield warning(where, f"the entry `{name}` names another home, `{entry.home}`", again)
    if "--vault-passphrase-fd" in entry.args:
        yield unclear(where, f"the entry `{name}` is given a passphrase by what starts it, so it was not started here")
        return
    try:
        answer = examined.start_entry(entry)
    except TimeoutError:
        yield problem(where, f"the entry `{name}` does not answer within {START_TIMEOUT_S:.0f} s", again)
    except OSError as error:
        yield problem(where, f"the entry `{name}` does not start: {error.strerror or error}", again)
    else:
        yield ok(where, f"{client.title} has `{name}`, which starts as {answer}")
