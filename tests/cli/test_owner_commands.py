"""The owner's commands on a real home, at a real pseudo-terminal where one is needed, and with none where not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.gate.owner.policy_history import IN_FORCE
from tests.e2e.support.processes import Person, query
from tests.support import prefork
from tests.support.world import Assistant, World, a_world_at_home, codes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")

TERMINAL: dict[str, Any] = {"confirmation": {"channel": "terminal"}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


def proposed(assistant: Assistant, **fields: Any) -> str:
    """Ask for an order that waits for a person; returns the proposal's id."""
    reply = assistant.order(**(fields or {"quote_quantity": "50"}))
    assert reply["outcome"] == "confirmation_required", reply
    assert reply["data"]["confirmation_token"] is None
    name = reply["data"]["proposal_id"]
    assert isinstance(name, str)
    return name


def states(world: World) -> dict[str, str]:
    return {row["id"]: row["state"] for row in query(world.home, "SELECT id, state FROM proposals")}


def on_screen(person: Person) -> list[str]:
    """The lines above the question, as a terminal shows them: `\\r` goes back to the beginning of its line."""
    lines = []
    for line in person.seen.split("[y/N]")[0].replace("\r\n", "\n").split("\n")[:-1]:
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return [line for line in lines if line]


def trading(world: World) -> str:
    (row,) = query(world.home, "SELECT state FROM control")
    return str(row["state"])


def events(world: World) -> list[str]:
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    return [json.loads(row["body"])["data"]["kind"] for row in rows]


# approve


def test_person_approves_and_the_token_works_once_through_the_server(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """At most five lines say what is agreed to; the token is the only thing on standard output, and works once."""
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name.lower())
    person.waits_for("approve this order? [y/N] ")
    shown = on_screen(person)
    assert len(shown) <= 5, shown
    assert shown[0] == "PAPER  BUY 0.00082 BTCUSDT MARKET as LIMIT IOC at 60601.01"
    assert shown[1] == "costs at most 49.6928282 USDT before fees"
    assert re.fullmatch(r"asked \d+s ago at 60000/60001; 14m left, until (\S+ )?\d\d:\d\d:\d\d", shown[2])
    assert re.fullmatch(r"fills at once, like a market order: 60000/60001 at \d\d:\d\d:\d\d", shown[3])
    assert re.search(r"requested by \S+ for 50 USDT; approve this order\? \[y/N\] ", person.seen)
    assert shown[4] == "your limits with it: 25% of 200 in 5m, 10% of 500 in 24h"
    assert max(len(line) for line in shown) <= 60
    person.answers("y\n")
    code, out = person.leaves()
    assert code == 0
    token = out.strip()
    assert len(token) == 24
    assert token not in person.seen
    assert world.sent() == []
    assert states(world) == {name: "approved"}
    assert events(world) == [IN_FORCE, "approved"]
    again = assistant.order(quote_quantity="50")
    assert (again["data"]["proposal_id"], again["data"]["state"]) == (name, "approved")
    first = assistant.call("create_order", confirmation_token=token)
    assert (first["outcome"], first["data"]["order"]["state"]) == ("done", "filled")
    second = assistant.call("create_order", confirmation_token=token)
    assert second["data"]["already_placed"]
    assert len(world.sent()) == 1
    assert token not in str(query(world.home, "SELECT body FROM audit"))


def test_person_places_the_order_right_there(world: World, sit_down: Callable[..., Person]) -> None:
    """`--submit` sends it once, prints its id, and the assistant that asks again is informed."""
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name, "--submit")
    person.waits_for("place this order now? [y/N] ")
    person.answers("yes\n")
    code, out = person.leaves()
    (sent,) = world.sent()
    assert (code, out.strip()) == (0, sent["newClientOrderId"])
    assert "placed: filled: 0.00082 at 60001 on average" in person.seen
    again = assistant.order(quote_quantity="50")
    assert (again["outcome"], again["data"]["already_placed"]) == ("done", True)
    assert again["data"]["order"]["client_order_id"] == sent["newClientOrderId"]
    assert len(world.sent()) == 1
    assert states(world) == {name: "sent"}


def test_order_that_is_no_longer_allowed_is_not_placed_by_submit(world: World, sit_down: Callable[..., Person]) -> None:
    """The policy is judged again at that moment; the person sees every reason and the exit code is 1."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    world.market("60400", "60401")
    person.answers("y\n")
    code, out = person.leaves()
    assert (code, out) == (1, "")
    assert "CONFIRMATION_PRICE_DRIFT" in person.seen
    assert world.sent() == []
    assert "Traceback" not in person.seen


def test_approval_under_another_policy_is_refused_before_it_is_asked(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """A policy that was moved since is named with what to do, with and without `--submit`; the order is left alone."""
    name = proposed(world.assistant())
    elsewhere = world.home.parent / "elsewhere.toml"
    world.policy_path.rename(elsewhere)
    for submit in ((), ("--submit",)):
        person = sit_down("approve", name, *submit)
        assert person.leaves() == (1, "")
        assert "with `--policy` if the policy was moved" in person.seen
        assert "[y/N]" not in person.seen
        assert states(world) == {name: "waiting"}
    person = sit_down("approve", name, "--submit", "--policy", str(elsewhere))
    person.waits_for("[y/N] ")
    person.answers("y\n")
    assert person.leaves()[0] == 0
    assert len(world.sent()) == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x03", "\x04"], ids=["no", "enter", "ctrl-c", "end of input"])
def test_anything_but_yes_approves_nothing(world: World, sit_down: Callable[..., Person], answer: str) -> None:
    """No, Enter, Ctrl-C and the end of the input leave the proposal waiting, with nothing on standard output."""
    name = proposed(world.assistant())
    person = sit_down("approve", name)
    person.waits_for("[y/N] ")
    person.answers(answer)
    code, out = person.leaves()
    assert (code, out) == (130 if answer == "\x03" else 1, "")
    assert ("guardian: stopped" if answer == "\x03" else "nothing was approved") in person.seen
    assert "Traceback" not in person.seen
    assert states(world) == {name: "waiting"}
    assert (events(world), world.sent()) == ([IN_FORCE], [])


def test_terminal_that_is_closed_approves_nothing(world: World, sit_down: Callable[..., Person]) -> None:
    """A window that is closed at the question is not a yes."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    person.hangs_up()
    code, out = person.leaves()
    assert code != 0
    assert out == ""
    assert states(world) == {name: "waiting"}
    assert world.sent() == []


def test_without_a_terminal_nothing_is_loosened(world: World) -> None:
    """A `y` from a pipe, or /dev/null, is no person: exit 1, a hint, and nothing is changed."""
    name = proposed(world.assistant())
    assert world.command("halt").returncode == 0
    before = query(world.home, "SELECT * FROM audit")
    for arguments in (("approve", name), ("approve", name, "--submit"), ("resume",)):
        for stdin in ({"input": "y\ny\n"}, {"stdin": subprocess.DEVNULL}):
            done = prefork.run(
                [sys.executable, "-m", "guardian", *arguments],
                env={**os.environ, "GUARDIAN_HOME": str(world.home)},
                capture_output=True, text=True, timeout=30, check=False, **stdin,
            )  # fmt: skip
            assert (done.returncode, done.stdout) == (1, "")
            assert "no person is at a terminal" in done.stderr
            assert "guardian: hint:" in done.stderr
    assert states(world) == {name: "waiting"}
    assert trading(world) == "halted"
    assert query(world.home, "SELECT * FROM audit") == before


def test_expired_unknown_and_sent_proposals_cannot_be_approved(world: World, sit_down: Callable[..., Person]) -> None:
    """Each is named as what it is, exit 1, and no question is asked."""
    assistant = world.assistant()
    sent = proposed(assistant)
    person = sit_down("approve", sent, "--submit")
    person.waits_for("[y/N] ")
    person.answers("y\n")
    assert person.leaves()[0] == 0
    world.policy(TERMINAL, {"confirmation": {"proposal_ttl": "300ms"}})
    expired = proposed(assistant, quote_quantity="40")
    time.sleep(0.4)
    unknown = ("\x1b[2JNOPE", "no proposal `\\x1b[2JNOPE`")
    for name, words in ((sent, "was sent as order g1-"), (expired, "is expired"), unknown):
        person = sit_down("approve", name)
        code, out = person.leaves()
        assert (code, out) == (1, ""), name
        assert words in person.seen, person.seen
        assert "[y/N]" not in person.seen
    assert len(world.sent()) == 1


def test_what_waits_is_listed(world: World) -> None:
    """`guardian approve` alone needs no terminal, lists what waits, and shows nothing that redeems it."""
    name = proposed(world.assistant())
    listed = world.command("approve")
    assert listed.returncode == 0
    assert name in listed.stdout
    assert "BUY 0.00082 BTCUSDT MARKET" in listed.stdout
    assert "guardian approve" in listed.stderr
    (entry,) = json.loads(world.command("approve", "--json").stdout)
    assert (entry["id"], entry["state"]) == (name, "waiting")
    assert not {key for key in entry if "token_digest" in key}


@pytest.mark.parametrize("empty", [False, True], ids=["no database", "empty database"])
def test_nothing_to_list_is_said_kindly(world: World, empty: bool) -> None:
    """Where nothing was ever requested, listing is fine and says so in words."""
    if empty:
        world.assistant().call("get_ticker_price", symbol="BTCUSDT")
    for arguments, data, words in ((("approve",), "", "nothing waits for you\n"), (("approve", "--json"), "[]\n", "")):
        listed = world.command(*arguments)
        assert (listed.returncode, listed.stdout, listed.stderr) == (0, data, words)


# reject


def test_rejecting_needs_no_terminal_and_is_final(world: World, sit_down: Callable[..., Person]) -> None:
    """What was turned down cannot be approved, not even with a token that was given out before."""
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name)
    person.waits_for("[y/N] ")
    person.answers("y\n")
    _, token = person.leaves()
    rejected = world.command("reject", name.lower())
    assert rejected.returncode == 0
    assert f"turned down: `{name}`" in rejected.stderr
    refused = assistant.call("create_order", confirmation_token=token.strip())
    assert codes(refused) == {"CONFIRMATION_REJECTED"}
    assert refused["error"]["message"] == "this proposal was turned down by a person"
    assert refused["error"]["denials"][0]["observed"] == "turned down by a person"
    assert world.sent() == []
    again = world.command("reject", name)
    assert (again.returncode, "turned down by a person; there is nothing" in again.stderr) == (1, True)
    unknown = world.command("reject", "NOPE")
    assert (unknown.returncode, "no proposal `NOPE`" in unknown.stderr) == (1, True)
    assert events(world) == [IN_FORCE, "approved", "rejected"]


def test_reason_of_a_rejection_reaches_the_log_and_the_assistant_as_foreign_text(world: World) -> None:
    """Bounded, on one line and without hidden characters; never a part of a sentence of guardian's."""
    assistant = world.assistant()
    name = proposed(assistant)
    reason = "too early\x1b[2J\u202e\nwait for " + "the close " * 60
    assert world.command("reject", name, "--reason", reason).returncode == 0
    again = assistant.order(quote_quantity="50")["data"]
    assert (again["proposal_id"], again["state"]) == (name, "rejected")
    words = again["rejected_because"]
    assert words.startswith("too early\\x1b[2J\\u202e\\nwait for the close")
    assert words.isprintable()
    assert len(words) < 400
    assert not any("too early" in str(value) for key, value in again.items() if key != "rejected_because")
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    first, row = (json.loads(row["body"]) for row in rows)
    assert first["data"]["kind"] == IN_FORCE
    assert (row["data"]["kind"], row["data"]["reason"]) == ("rejected", words)


# halt and resume


def test_halt_stops_creates_and_resume_lets_them_go_on(world: World, sit_down: Callable[..., Person]) -> None:
    """Halting asks nothing; a running server sees it at once; resuming shows why it halted and needs a yes."""
    assistant = world.assistant()
    name = proposed(assistant)
    halted = world.command("halt", "--reason", "the \x1b[31mmarket\u202e looks odd")
    assert (halted.returncode, halted.stdout) == (0, "")
    assert "TRADING_HALTED" in codes(assistant.order(quote_quantity="40"))
    assert assistant.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    for answer, code in (("n\n", 1), ("\x03", 130), ("y\n", 0)):
        assert trading(world) == "halted"
        person = sit_down("resume")
        person.waits_for("let trading go on? [y/N] ")
        assert ": the \\x1b[31mmarket\\u202e looks odd" in person.seen
        person.types(answer)
        assert person.leaves() == (code, "")
    assert trading(world) == "active"
    assert states(world) == {name: "waiting"}
    assert events(world) == [IN_FORCE, "halted", "resumed"]
    assert assistant.order(quote_quantity="40")["outcome"] == "confirmation_required"


def test_halt_cancels_guardians_open_orders_and_no_others(world: World) -> None:
    """`--cancel-open` halts first, cancels what guardian placed, says each, and leaves the owner's own orders alone."""
    world.policy(TERMINAL, {"confirmation": {"required_above": "1000"}})
    assistant = world.assistant()
    reply = assistant.order(order_type="LIMIT", quantity="0.001", price="59000")
    name = reply["data"]["order"]["client_order_id"]
    halted = world.command("halt", "--cancel-open")
    assert halted.returncode == 0, halted.stderr
    assert f"cancelled: BTCUSDT {name}" in halted.stderr
    assert [order["status"] for order in world.controls.orders()] == ["CANCELED"]
    assert trading(world) == "halted"
    again = world.command("halt", "--cancel-open")
    assert (again.returncode, "guardian has no open orders" in again.stderr) == (0, True)


def test_halt_holds_when_the_exchange_does_not_answer_the_cancels(world: World) -> None:
    """Trading is halted whatever becomes of the cancels; the exit code says that their fate could not be known."""
    world.policy(TERMINAL, {"confirmation": {"required_above": "1000"}})
    reply = world.assistant().order(order_type="LIMIT", quantity="0.001", price="59000")
    name = reply["data"]["order"]["client_order_id"]
    world.controls.fault("DELETE", "/api/v3/order", "reset_before", times=5)
    halted = world.command("halt", "--cancel-open")
    assert halted.returncode == 3
    assert "trading is halted" in halted.stderr
    assert f"not known to be cancelled: BTCUSDT {name}" in halted.stderr
    assert trading(world) == "halted"


def test_halt_needs_neither_a_policy_nor_a_log(world: World) -> None:
    """Trading is stopped also under a policy that is broken, and by the emergency file where the log takes nothing."""
    world.write("schema = 1\nenvironment = 'papr'\n")
    halted = world.command("halt")
    assert (halted.returncode, "trading is halted" in halted.stderr) == (0, True), halted.stderr
    assert trading(world) == "halted"
    (world.home / "guardian.db").rename(world.home / "away.db")
    (world.home / "guardian.db").mkdir()
    halted = world.command("halt", "--reason", "no log")
    assert (halted.returncode, "through the emergency file" in halted.stderr) == (0, True), halted.stderr
    (world.home / "guardian.db").rmdir()
    (world.home / "away.db").rename(world.home / "guardian.db")
    world.policy(TERMINAL)
    for _ in range(2):  # the first start takes the record into the log; the halt stays
        status = json.loads(world.command("status", "--json").stdout)
        assert (status["trading"], status["trading_reason"]) == ("halted", "requested by a person; no log")
        assert status["emergency_records"] == 0


# status


def test_status_tells_how_things_stand(world: World) -> None:
    """What waits, what is used of the budgets and the environment in capitals; exit 0 while nothing is amiss."""
    assistant = world.assistant()
    name = proposed(assistant)
    status = world.command("status")
    assert (status.returncode, status.stderr) == (0, "")
    lines = {line.split("  ")[0]: line for line in status.stdout.splitlines()}
    assert "PAPER" in lines["environment"]
    waiting = r"waiting for you   " + name + r": BUY \S+ BTCUSDT at \S+, costs at most \S+ USDT, 14 min left"
    assert re.fullmatch(waiting, lines["waiting for you"])
    as_json = json.loads(world.command("status", "--json").stdout)
    assert [p["proposal_id"] for p in as_json["proposals"]] == [name]
    assert as_json["proposals"][0]["confirmation_token"] is None


def test_status_says_no_where_something_is_amiss(world: World) -> None:
    """Exit 1 where trading is halted or the policy is broken; the mistakes are shown, and the last good holds."""
    world.assistant().call("get_ticker_price", symbol="BTCUSDT")
    world.command("halt")
    halted = world.command("status")
    assert halted.returncode == 1
    assert re.search(r"halted since .*, by the owner: requested by a person", halted.stdout)
    good = world.policy_path.read_text()
    world.write(good.replace("max_open_orders = 5", "max_open_ordres = 5"))
    broken = world.command("status")
    assert broken.returncode == 1
    assert "max_open_ordres" in broken.stderr
    assert "max_open_orders" in broken.stdout
    first = broken.stdout.splitlines()[0]
    assert first.startswith("orders  stopped, because ")
    assert "max_open_ordres" in first
    assert json.loads(world.command("status", "--json").stdout)["orders"].startswith("stopped, because ")
    assert json.loads(world.command("status", "--json").stdout)["policy_problems"]


def test_unresolved_order_comes_first_in_status(world: World) -> None:
    """An order that may exist is named right after what stops orders, and the exit code is 1."""
    world.policy(TERMINAL, {"confirmation": {"required_above": "1000"}})
    world.controls.fault("POST", "/api/v3/order", "reset_before")
    world.controls.fault("GET", "/api/v3/order", "not_found_2013", seconds=60)
    reply = world.assistant().order(quote_quantity="50")
    assert reply["outcome"] == "unknown", reply
    name = reply["error"]["client_order_id"]
    status = world.command("status")
    assert status.returncode == 1
    assert status.stdout.startswith(
        f"orders  stopped on BTCUSDT, because the fate of the order {name} is not known\n"
        f"NOT RESOLVED  BUY 0.00082 BTCUSDT at 60601.01, {name}"
    )


def test_status_shows_the_exchanges_word_for_an_open_order(world: World) -> None:
    """The state is guardian's word; the exchange's own is beside it. Before, only `--json` had it."""
    world.policy(TERMINAL, {"confirmation": {"required_above": "1000"}})
    reply = world.assistant().order(order_type="LIMIT", quantity="0.001", price="59000")
    assert reply["outcome"] == "done", reply
    shown = next(line for line in world.command("status").stdout.splitlines() if "at 59000" in line)
    assert re.search(r"\(open since .*, NEW at the exchange\)", shown), shown


def test_status_fits_a_narrow_terminal(world: World, sit_down: Callable[..., Person]) -> None:
    """On a terminal of 40 columns no line of the table is wider, and ids stay whole."""
    name = proposed(world.assistant())
    person = sit_down("status", all_tty=True, columns=40)
    assert person.leaves()[0] == 0
    assert name in person.seen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", person.seen)
    table = plain[plain.index("limit  ") :].splitlines()
    assert max(len(line.rstrip()) for line in table) <= 45, table
