"""What the server says on stderr beside calls: its start, its end, and what changed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest

from guardian import __version__
from guardian.bootstrap import Guardian, open_guardian
from guardian.gate.owner.tightening import halt_trading
from guardian.server.process.announcements import MOST_EVENTS, PolicyLook, Watch, announced, policy_lines, start_line
from guardian.server.process.list_changes import ToolListChanges
from guardian.server.process.stderr_log import NOTICES
from guardian.store.opening import begin_log
from guardian.store.schema.records import Record
from tests.gate.owner.test_policy_approval import Owner, a_policy
from tests.support.world import BASE, merged, toml


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    begin_log(folder)
    return folder


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, NOTICES)
    return caplog


def write_policy(home: Path, **changes: object) -> None:
    (home / "policy.toml").write_text(toml(merged(BASE, changes)))


@pytest.fixture
def opened(home: Path) -> Iterator[Guardian]:
    """A home with a policy of its own, opened as a server does."""
    write_policy(home)
    guardian = open_guardian(home=home)
    yield guardian
    guardian.journal.close()


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    """The lines since the last look."""
    found = [record.getMessage() for record in said.records]
    said.clear()
    return found


def test_first_line_says_what_serves(opened: Guardian, home: Path) -> None:
    """Version, environment, policy with its digest and place, home, number of tools."""
    digest = opened.policy_file.current().policy.digest[:12]
    assert start_line(opened) == (
        f"guardian {__version__} serves PAPER, policy {digest} (`{home / 'policy.toml'}`), home `{home}`, 17 tools"
    )


def test_first_line_says_that_the_policy_is_not_the_owners(home: Path) -> None:
    """A home without a policy serves the packaged one on TESTNET: that is said, with what makes one's own."""
    opened = open_guardian(home=home)
    assert "serves TESTNET" in start_line(opened)
    assert start_line(opened).endswith("no policy of yours yet: `guardian init`")
    opened.journal.close()


def test_first_line_says_that_no_policy_is_usable(home: Path) -> None:
    """A policy with a mistake serves nothing, and the line says so instead of failing."""
    (home / "policy.toml").write_text("schema = ")
    opened = open_guardian(home=home)
    assert "serves no environment, no usable policy" in start_line(opened)
    opened.journal.close()


def test_halt_and_its_reason_are_said_whoever_halted(opened: Guardian, said: pytest.LogCaptureFixture) -> None:
    """A halt by the owner in another process, and one by guardian itself, with the reason and what ends it."""
    watch = Watch(opened)
    watch.look()
    assert lines(said) == []
    halt_trading(opened.journal, "too hot")
    watch.look()
    watch.look()
    assert lines(said) == ["trading halted, by owner: too hot; `guardian resume` ends it"]


def test_policy_is_said_when_it_changes_breaks_and_is_mended(
    opened: Guardian, home: Path, said: pytest.LogCaptureFixture
) -> None:
    """An edit leaves no row in the log: its digest, the first mistake, and that it is valid again are said here."""
    watch, before = Watch(opened), opened.policy_file.current().policy.digest
    good = (home / "policy.toml").read_text()
    (home / "policy.toml").write_text(good.replace("max_open_orders", "max_open_ordres"))
    watch.look()
    watch.look()
    (broken,) = lines(said)
    assert broken.startswith("policy invalid, so no order is created: ")
    assert "max_open_ordres" in broken
    (home / "policy.toml").write_text(good)
    watch.look()
    assert lines(said) == ["policy valid again"]
    write_policy(home, limits={"max_open_orders": 4})
    watch.look()
    now = opened.policy_file.current().policy.digest
    assert now != before
    assert lines(said) == [f"policy changed: {now[:12]} is in force"]


def test_looser_policy_that_waits_is_said_with_the_command() -> None:
    """What the owner has to approve is named once."""
    before = PolicyLook(digest="a" * 64, problems=(), waiting=None)
    now = PolicyLook(digest="a" * 64, problems=(), waiting="b" * 64)
    assert policy_lines(before, now) == ["policy bbbbbbbbbbbb is looser and waits for you: `guardian policy approve`"]
    assert policy_lines(now, now) == []


def test_policy_that_waited_is_said_and_its_tools_are_allowed_once_it_is_approved_elsewhere(
    home: Path, said: pytest.LogCaptureFixture
) -> None:
    """The owner approves it in another process, and the assistant calls nothing."""
    owner, proof = Owner(home), {"confirmation": {"channel": "terminal", "proof": "pin"}}
    owner.set_pin()
    owner.serves(a_policy({"tools": {"deny": ["get_pnl"]}}))
    write_policy(home, **proof)
    opened = open_guardian(home=home)
    watch = Watch(opened)
    watch.look()
    assert (lines(said), "get_pnl" in opened.gate.allowed_tools()) == ([], False)
    owner.approves(a_policy())
    watch.look()
    assert f"policy changed: {a_policy().digest[:12]} is in force" in lines(said)
    assert "get_pnl" in opened.gate.allowed_tools()
    opened.journal.close()
    owner.journal.close()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            {"kind": "resolved", "client_order_id": "g1-a", "was": "unknown", "is": "filled"},
            "order filled: BTCUSDT g1-a, unknown before",
        ),
        ({"kind": "approved", "proposal": "7K2Q"}, "proposal 7K2Q approved"),
        ({"kind": "rejected", "proposal": "7K2Q", "reason": "no"}, "proposal 7K2Q turned down: no"),
        ({"kind": "active", "trading": "active", "by": "owner"}, "trading active, by owner"),
        ({"kind": "position_set"}, None),
        ({"trading": ["x"]}, None),
    ],
)
def test_event_is_a_line_where_a_person_waits_for_it(
    opened: Guardian, said: pytest.LogCaptureFixture, data: dict[str, object], line: str | None
) -> None:
    """What other processes did, and what came of an unknown order, is read from the log."""
    watch = Watch(opened)
    opened.journal.append(Record.event(None, data, symbol="BTCUSDT"))
    watch.look()
    assert lines(said) == ([] if line is None else [line])


def test_flood_of_events_is_counted(opened: Guardian, said: pytest.LogCaptureFixture) -> None:
    """One look says a few, and how many more there are."""
    watch = Watch(opened)
    for number in range(MOST_EVENTS + 5):
        opened.journal.append(Record.event(None, {"kind": "approved", "proposal": f"P{number}"}))
    watch.look()
    found = lines(said)
    assert len(found) == MOST_EVENTS + 1
    assert found[-1] == "5 more events; `guardian audit list` shows them"


def test_broken_store_ends_no_watch(opened: Guardian, home: Path, said: pytest.LogCaptureFixture) -> None:
    """A database that cannot be read is reported by the calls; the watch says nothing and goes on."""
    watch = Watch(opened)
    opened.journal.close()
    (home / "guardian.db").write_bytes(b"no database")
    watch.look()
    assert lines(said) == []


@pytest.mark.anyio
async def test_start_and_end_are_said(opened: Guardian, said: pytest.LogCaptureFixture) -> None:
    """The first line comes before the first message, the last one when the server ends."""
    async with announced(opened, nullcontext()):
        assert [line.split(" serves ")[0] for line in lines(said)] == [f"guardian {__version__}"]
    assert lines(said) == ["guardian ends"]


@pytest.mark.anyio
async def test_fault_of_a_look_is_logged_once_and_ends_neither_the_looks_nor_the_notifications(
    opened: Guardian, said: pytest.LogCaptureFixture
) -> None:
    """A bug in what is said costs the clients nothing and is not hidden."""
    looks: list[str] = []

    class Changes:
        async def look(self) -> None:
            looks.append("notified")
            raise ZeroDivisionError

    async with announced(opened, nullcontext(), changes=cast("ToolListChanges", Changes()), period_s=0.01):
        while len(looks) < 3:
            await asyncio.sleep(0.01)
    faults = [record for record in said.records if record.exc_info is not None]
    assert [record.getMessage() for record in faults] == ["what is new could not be looked at"]
