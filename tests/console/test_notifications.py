"""Desktop notifications: the program of each system, text that is never part of a script, and a word where none works.

The programs of macOS and Windows are not run here: what is tested is what they would be started with.
"""

from __future__ import annotations

import asyncio
import base64
import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.console import notifications
from guardian.console.notifications import NotifyCommand, notify_command, show_notification
from tests.cli.test_owner_commands import proposed
from tests.console.support.served import ServedConsole
from tests.support.present import present
from tests.support.world import World

Notifying = Callable[[str], ServedConsole]

HOSTILE = '\'; rm -rf ~; "$(id)`id` --icon=/etc/passwd <img src="http://evil">\u202e\n&'


def found(name: str) -> str:
    return f"/bin/{name}"


def missing(_name: str) -> None:
    return None


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "freebsd"])
def test_foreign_text_is_never_part_of_a_script(platform: str) -> None:
    """It is an argument of its own, or JSON on standard input; what else there is does not depend on it."""
    plain = present(notify_command("title", "body", platform=platform, find=found))
    hostile = present(notify_command(HOSTILE, HOSTILE, platform=platform, find=found))
    assert len(plain.arguments) == len(hostile.arguments)
    fixed = [a for a, b in zip(plain.arguments, hostile.arguments, strict=True) if a == b]
    varying = len(plain.arguments) - len(fixed)
    assert varying == (0 if platform == "win32" else 2)
    assert not any("\n" in argument or "\u202e" in argument for argument in hostile.arguments)
    if platform == "win32":
        script = base64.b64decode(hostile.arguments[-1]).decode("utf-16-le")
        assert "rm -rf" not in script
        assert json.loads(hostile.stdin)["title"].startswith("'; rm -rf")
        assert hostile.stdin.isascii()


def test_desktop_of_linux_gets_no_markup_and_no_option() -> None:
    """A desktop may read the body as markup, and what begins with a dash comes after the end of the options."""
    command = present(notify_command("-t", "<b>&", platform="linux", find=found))
    assert command.arguments[-3:] == ("--", "-t", "&lt;b&gt;&amp;")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_system_without_the_program_has_no_notifications(platform: str) -> None:
    """None, so that it can be said."""
    assert notify_command("title", "body", platform=platform, find=missing) is None


def test_program_that_fails_or_is_missing_is_reported() -> None:
    """In a few words; nothing is raised."""
    assert asyncio.run(show_notification(NotifyCommand(("/bin/true",)))) is None
    assert "exit code 1" in str(asyncio.run(show_notification(NotifyCommand(("/bin/false",)))))
    assert "could not be started" in str(asyncio.run(show_notification(NotifyCommand(("/no/such/program",)))))


def test_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is served on."""
    monkeypatch.setattr(notifications, "PATIENCE_S", 0.2)
    assert "did not end" in str(asyncio.run(show_notification(NotifyCommand(("/bin/sleep", "30")))))


@pytest.fixture
def notifying(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifying]:
    """A console with `--notify`, and a `notify-send` that does what a test says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    started: list[ServedConsole] = []

    def start(script: str) -> ServedConsole:
        program = folder / "notify-send"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
        started.append(ServedConsole(world.home, world.policy_path, notify=True))
        return started[-1]

    yield start
    for one in started:
        one.close()


def until(reached: Callable[[], bool]) -> None:
    ends = time.monotonic() + 15
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_each_order_that_waits_is_shown_once(world: World, tmp_path: Path, notifying: Notifying) -> None:
    """With the environment in capitals, the order and the money."""
    log = tmp_path / "shown"
    notifying(f'printf "%s|" "$@" >> {log}; echo >> {log}')
    assistant = world.assistant()
    proposed(assistant)
    until(log.exists)
    proposed(assistant, side="SELL", order_type="LIMIT", quantity="0.001", price="60500")
    until(lambda: len(log.read_text().splitlines()) == 2)
    time.sleep(1.5)
    first, second = log.read_text().splitlines()
    assert "guardian, PAPER: an order waits for you|BUY 0.00082 BTCUSDT" in first
    assert "costs at most 49.6928282 USDT" in first
    assert "SELL 0.001 BTCUSDT LIMIT at 60500; brings at least 60.5 USDT" in second


def test_desktop_without_notifications_is_said_once(world: World, notifying: Notifying) -> None:
    """And the page is served as before."""
    console = notifying("exit 1")
    assistant = world.assistant()
    proposed(assistant)
    until(lambda: len(console.said) == 1)
    proposed(assistant, order_type="LIMIT", quantity="0.001", price="59000")
    time.sleep(1.5)
    assert [words for words in console.said if "no notification could be shown" in words] == console.said
    assert len(console.said) == 1
