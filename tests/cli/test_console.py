"""`guardian console` at a terminal: its link, a new one at Enter, and its end."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.cli.test_owner_commands import TERMINAL
from tests.e2e.support.processes import Person
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")
LINK = re.compile(r"http://localhost:([0-9]+)/#([0-9A-Z]{12})")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_console_prints_a_link_and_ends_cleanly(
    world: World, sit_down: Callable[..., Person], number: signal.Signals
) -> None:
    """The link is the one thing on standard output; a signal ends it with code 0, and the port is closed."""
    person = sit_down("console")
    person.waits_for("Ctrl-C to end")
    person.receives(number)
    code, out = person.leaves()
    assert (code, "the page is closed" in person.seen) == (0, True), person.seen
    (link,) = LINK.finditer(out)
    assert out.strip() == link[0]
    assert "Traceback" not in person.seen
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection("127.0.0.1", int(link[1]), timeout=5).request("GET", "/")


def test_enter_prints_a_new_link(world: World, sit_down: Callable[..., Person]) -> None:
    """For the same page, with another code."""
    person = sit_down("console")
    person.waits_for("Ctrl-C to end")
    person.seen = ""
    person.types("\n")
    person.waits_for("Ctrl-C to end")
    person.receives(signal.SIGINT)
    code, out = person.leaves()
    first, second = LINK.findall(out)
    assert (code, first[0] == second[0], first[1] == second[1]) == (0, True, False)


def test_port_that_no_user_may_have_is_refused(world: World) -> None:
    """A port below 1024 is wrong usage."""
    refused = world.command("console", "--port", "80")
    assert refused.returncode == 2
    assert "1024" in refused.stderr


def test_browser_that_is_opened_gets_no_code_in_its_arguments(
    world: World, sit_down: Callable[..., Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of a machine can read the arguments of a process, so the page asks for the code instead."""
    folder, log = tmp_path / "bin", tmp_path / "opened"
    folder.mkdir()
    program = folder / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$@" > {log}.new; /bin/mv {log}.new {log}; /bin/sleep 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))  # no other browser of the machine is found
    monkeypatch.setenv("DISPLAY", ":99")
    person = sit_down("console", "--open")
    person.waits_for("Ctrl-C to end")
    ends = time.monotonic() + 20
    while not log.exists():
        assert time.monotonic() < ends, person.seen
        time.sleep(0.05)
    person.receives(signal.SIGINT)
    code, out = person.leaves()
    (link,) = LINK.finditer(out)
    assert (code, log.read_text().strip()) == (0, f"http://localhost:{link[1]}")
