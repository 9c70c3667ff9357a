"""`guardian halt --reducing` and `guardian resume --reducing`: who may tighten and loosen what, and what is said."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.trading import TradingState
from guardian.gate.base.auto_halt import halt as halt_by_itself
from guardian.home.log import open_journal
from tests.e2e.support.processes import Person, query
from tests.support.world import World, a_world_at_home, codes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; no order needs a person."""
    with a_world_at_home(tmp_path, {"confirmation": {"required_above": "1000"}}) as made:
        yield made


def trading(world: World) -> tuple[str, str | None, str | None]:
    (row,) = query(world.home, "SELECT state, reason, by FROM control")
    return row["state"], row["reason"], row["by"]


def events(world: World) -> list[dict[str, Any]]:
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    bodies = [json.loads(bytes(row["body"]))["data"] for row in rows]
    return [body for body in bodies if body["kind"] in {"halted", "reducing", "resumed"}]


def halted_by_itself(world: World, reason: str) -> None:
    journal = open_journal(world.home)
    try:
        with journal.transaction() as tx:
            halt_by_itself(tx, None, "test", reason)
    finally:
        journal.close()


def test_reducing_is_set_by_the_owner_and_lets_only_selling_back_pass(world: World) -> None:
    """No question is asked; a running server sees it at once: buying is denied, what was bought is sold, cancels go."""
    assistant = world.assistant()
    resting = assistant.order(order_type="LIMIT", quantity="0.0005", price="59000")["data"]["order"]
    assert assistant.order(order_type="MARKET", quantity="0.001")["data"]["order"]["state"] == "filled"
    reduced = world.command("halt", "--reducing", "--reason", "too hot")
    assert (reduced.returncode, reduced.stdout) == (0, "")
    assert "only selling back what guardian bought passes" in reduced.stderr
    assert trading(world) == ("reducing", "too hot", "owner")
    told = {"by": "owner", "reason": "too hot", "trading": "reducing", "trading_was": "active"}
    assert events(world) == [{"kind": "reducing", **told}]
    denied = assistant.order(order_type="MARKET", quantity="0.0004")
    assert "TRADING_REDUCING" in codes(denied)
    denial = next(d for d in denied["error"]["denials"] if d["code"] == "TRADING_REDUCING")
    assert denial["message"] == "trading is reducing: too hot; only selling back what guardian bought passes"
    assert denied["meta"]["trading"] == "reducing"
    assert "TRADING_REDUCING" in codes(assistant.order(side="SELL", order_type="MARKET", quantity="0.0011"))
    sold = assistant.order(side="SELL", order_type="MARKET", quantity="0.0009")
    assert (sold["outcome"], sold["data"]["order"]["state"]) == ("done", "filled")
    cancelled = assistant.call("cancel_order", symbol="BTCUSDT", client_order_id=resting["client_order_id"])
    assert (cancelled["outcome"], cancelled["meta"]["trading"]) == ("done", "reducing")


def test_status_says_why_and_since_when_and_what_to_do(world: World) -> None:
    """The state, its reason, who and since when; what still passes; the command that ends it; exit 1."""
    assert world.command("status").returncode == 0
    world.command("halt", "--reducing", "--reason", "too hot")
    status = world.command("status")
    assert status.returncode == 1
    line = next(line for line in status.stdout.splitlines() if line.startswith("trading "))
    assert re.search(r"reducing since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((now|\d+ s ago)\), by the owner: too hot$", line)
    means = next(line for line in status.stdout.splitlines() if line.startswith("which means "))
    assert "only selling back what guardian bought passes" in means
    assert "`guardian resume`" in means
    as_json = json.loads(world.command("status", "--json").stdout)
    assert (as_json["trading"], as_json["trading_reason"], as_json["trading_by"]) == ("reducing", "too hot", "owner")
    assert as_json["trading_since"].endswith("Z")


def test_reducing_never_loosens_a_halt(world: World) -> None:
    """From halted it is refused with the way that asks the owner, whoever halted; nothing is changed."""
    halted_by_itself(world, "enough")
    refused = world.command("halt", "--reducing", "--reason", "other")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "trading is halted (enough), and stays so" in refused.stderr
    assert "guardian: hint: `guardian resume --reducing`" in refused.stderr
    assert trading(world) == ("halted", "enough", "guardian")
    assert [event["kind"] for event in events(world)] == ["halted"]


def test_reducing_again_keeps_the_reason_and_halting_tightens_it(world: World) -> None:
    """A second time nothing is changed, exit 0; `halt` and guardian's own halts make it halted with their reason."""
    world.command("halt", "--reducing", "--reason", "first")
    again = world.command("halt", "--reducing", "--reason", "second")
    assert (again.returncode, "reducing already (first); nothing was changed" in again.stderr) == (0, True)
    assert trading(world) == ("reducing", "first", "owner")
    assert world.command("halt", "--reason", "all of it").returncode == 0
    assert trading(world) == ("halted", "all of it", "owner")
    assert [(e["kind"], e["trading_was"]) for e in events(world)] == [("reducing", "active"), ("halted", "reducing")]


@pytest.mark.parametrize(("given", "kept"), [("  ", "requested by a person"), ("x" * 5000, "x" * 297 + "...")])
def test_halt_is_not_refused_for_its_reason(world: World, given: str, kept: str) -> None:
    """No reason and an endless one halt as well; denials carry the reason, so it is cut to what they can."""
    assert world.command("halt", "--reason", given).returncode == 0
    assert trading(world) == ("halted", kept, "owner")


def test_guardians_own_halt_tightens_reducing(world: World) -> None:
    """An automatic halt while trading is reducing stops selling back too."""
    world.command("halt", "--reducing")
    halted_by_itself(world, "the clock is wrong")
    assert trading(world) == ("halted", "the clock is wrong", "guardian")


def test_cancel_open_goes_with_reducing_also_where_it_is_refused(world: World) -> None:
    """Cancelling tightens: it is done after reducing, and where trading is halted already, then with exit 1."""
    assistant = world.assistant()
    assistant.order(order_type="LIMIT", quantity="0.001", price="59000")
    assistant.order(order_type="LIMIT", quantity="0.0005", price="59100")
    reduced = world.command("halt", "--reducing", "--cancel-open")
    assert (reduced.returncode, reduced.stderr.count("cancelled: BTCUSDT")) == (0, 2), reduced.stderr
    assert trading(world)[0] == "reducing"
    assert {order["status"] for order in world.controls.orders()} == {"CANCELED"}
    world.command("halt")
    refused = world.command("halt", "--reducing", "--cancel-open")
    assert (refused.returncode, "guardian has no open orders" in refused.stderr) == (1, True)


def test_reducing_halts_in_full_where_the_log_takes_nothing(world: World) -> None:
    """Without the log it cannot be reducing, so it is halted through the emergency file, and says so."""
    (world.home / "guardian.db").rename(world.home / "away.db")
    (world.home / "guardian.db").mkdir()
    halted = world.command("halt", "--reducing", "--reason", "no log")
    assert halted.returncode == 0, halted.stderr
    assert "trading is halted, selling back too, through the emergency file" in halted.stderr
    (world.home / "guardian.db").rmdir()
    (world.home / "away.db").rename(world.home / "guardian.db")
    status = json.loads(world.command("status", "--json").stdout)
    assert (status["trading"], status["trading_reason"]) == ("halted", "no log")


def test_owner_loosens_a_halt_to_reducing_and_then_to_active(world: World, sit_down: Callable[..., Person]) -> None:
    """Each step shows why trading stopped, asks, and is a row with who and what it was; a no changes nothing."""
    halted_by_itself(world, "enough")
    for answer, code, state in (("n\n", 1, "halted"), ("\x03", 130, "halted"), ("y\n", 0, "reducing")):
        person = sit_down("resume", "--reducing")
        person.waits_for("let what guardian bought be sold, and nothing else? [y/N] ")
        assert re.search(r"trading is halted since [\d: -]+: enough", person.seen)
        person.types(answer)
        assert person.leaves() == (code, "")
        assert trading(world)[0] == state
    assert "TRADING_REDUCING" in codes(world.assistant().order(order_type="MARKET", quantity="0.001"))
    nothing = sit_down("resume", "--reducing")
    assert nothing.leaves() == (0, "")
    assert "nothing was changed" in nothing.seen
    person = sit_down("resume")
    person.waits_for("let trading go on? [y/N] ")
    assert re.search(r"trading is reducing since [\d: -]+: enough \(the owner lets exits through\)", person.seen)
    person.types("y\n")
    assert person.leaves() == (0, "")
    assert trading(world) == ("active", "resumed by the owner", "owner")
    assert [(e["kind"], e["by"]) for e in events(world)] == [
        ("halted", "guardian"), ("resumed", "owner"), ("resumed", "owner"),
    ]  # fmt: skip
    first, second = events(world)[1:]
    assert (first["trading"], first["trading_was"], first["reason_was"]) == ("reducing", "halted", "enough")
    assert (second["trading"], second["trading_was"]) == ("active", "reducing")


def test_resume_to_reducing_does_not_tighten(world: World, sit_down: Callable[..., Person]) -> None:
    """From active it is refused with the command that tightens, and nothing is asked."""
    person = sit_down("resume", "--reducing")
    assert person.leaves() == (1, "")
    assert "guardian: hint: `guardian halt --reducing`" in person.seen
    assert "[y/N]" not in person.seen
    assert trading(world)[0] == "active"


def test_resume_while_active_says_what_a_yes_is_for(world: World, sit_down: Callable[..., Person]) -> None:
    """Nothing is to be let go on; a yes is a person acting, from which orders are counted again."""
    assert world.assistant().order(order_type="MARKET", quantity="0.0005")["outcome"] == "done"
    for answer, code, counted in (("n\n", 1, 1), ("y\n", 0, 0)):
        person = sit_down("resume")
        person.waits_for("trading is active already; reset the count of orders since a person acted to zero? [y/N] ")
        person.types(answer)
        assert person.leaves() == (code, "")
        assert json.loads(world.command("status", "--json").stdout)["orders_since_person"] == counted
    assert trading(world)[0] == "active"


def test_without_a_terminal_a_halt_is_not_loosened_to_reducing(world: World) -> None:
    """Nobody is at a terminal: exit 1, and trading stays halted."""
    world.command("halt")
    done = world.command("resume", "--reducing")
    assert (done.returncode, "no person is at a terminal" in done.stderr) == (1, True)
    assert trading(world)[0] == "halted"


@pytest.mark.parametrize("shown", [TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE])
def test_halt_that_comes_while_the_owner_is_asked_is_not_lifted(
    world: World, sit_down: Callable[..., Person], shown: TradingState
) -> None:
    """The yes was to what was shown: a stop with another reason that came meanwhile stays, exit 1."""
    if shown is not TradingState.ACTIVE:
        world.command("halt", *(["--reducing"] if shown is TradingState.REDUCING else []), "--reason", "first")
    person = sit_down("resume")
    person.waits_for("[y/N] ")
    if shown is TradingState.HALTED:  # somebody else resumed, and then it halted again
        other = sit_down("resume")
        other.waits_for("[y/N] ")
        other.types("y\n")
        assert other.leaves()[0] == 0
    halted_by_itself(world, "second")
    person.types("y\n")
    assert person.leaves() == (1, "")
    assert "trading stopped again while you were asked; nothing was changed" in person.seen
    assert trading(world) == ("halted", "second", "guardian")
