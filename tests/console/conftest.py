"""A world, its console, and requests to it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.cli.test_owner_commands import TERMINAL
from tests.console.support.browser import Owner, chromium
from tests.console.support.served import RawBrowser, ServedConsole
from tests.support.world import World, a_world_at_home


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


@pytest.fixture
def console(world: World) -> Iterator[ServedConsole]:
    """The page of the world's home."""
    made = ServedConsole(world.home, world.policy_path)
    yield made
    made.close()


@pytest.fixture
def raw(console: ServedConsole) -> RawBrowser:
    """Requests without a session."""
    return RawBrowser(console)


@pytest.fixture
def page(console: ServedConsole, raw: RawBrowser) -> RawBrowser:
    """Requests with a session."""
    assert raw.log_in(console.link()).status == 200
    return raw


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file; each gets a context of its own, which shares nothing with another.

    No longer: while Playwright runs, this thread has an event loop, and a test of another file may need its own.
    """
    # Chromium makes a socket in it, and the name of a socket is short: a test's own folder lies too deep.
    with tempfile.TemporaryDirectory(prefix="gc-") as folder, chromium(Path(folder)) as made:
        yield made


@pytest.fixture
def sit_at_browser(browser: Browser) -> Iterator[Callable[..., Owner]]:
    """Starts people at browsers. No request has left the machine when the test ends, and no script has failed."""
    started: list[Owner] = []

    def start(**options: Any) -> Owner:
        started.append(Owner(browser, **options))
        return started[-1]

    yield start
    for owner in started:
        owner.leaves()
    for owner in started:
        assert {host.partition(":")[0] for host in owner.hosts()} <= {"localhost"}
        assert owner.problems == []
