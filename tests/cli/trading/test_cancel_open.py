"""`guardian halt --cancel-open --all`: what the owner placed by hand is cancelled only after a person's yes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.home.folder import ready_made_policy
from tests.e2e.support.processes import Person, query
from tests.support import prefork
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange where guardian has one open order, and the owner two that they placed by hand."""
    with a_world_at_home(tmp_path, {"confirmation": {"required_above": "1000"}}) as made:
        made.assistant().order(order_type="LIMIT", quantity="0.001", price="59000")
        by_hand(made, "BTCUSDT", "0.002", "58000")
        by_hand(made, "ETHUSDT", "0.02", "2900")
        yield made


def by_hand(world: World, symbol: str, quantity: str, price: str) -> None:
    """An order that the owner places without guardian."""
    fields = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity}
    text = urllib.parse.urlencode({**fields, "price": price, "timestamp": int(time.time() * 1000)})
    key = world.paper.api_secret.reveal().encode()
    text += "&signature=" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"{world.paper.url}/api/v3/order", data=text.encode(), method="POST")
    request.add_header("X-MBX-APIKEY", world.paper.api_key.reveal())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def stands(world: World) -> list[tuple[str, str]]:
    return sorted((order["symbol"], order["status"]) for order in world.controls.orders())


def events(world: World) -> list[str]:
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    return [json.loads(bytes(row["body"]))["data"]["kind"] for row in rows]


IMPATIENCE = pytest.mark.parametrize("times", [1, 3], ids=["once", "impatiently"])


def press(person: Person, times: int) -> None:
    """Ctrl-C, again and again while the first is still being waited for."""
    for _ in range(times):
        person.receives(signal.SIGINT)
        time.sleep(0.2)


@IMPATIENCE
def test_ctrl_c_between_cancels_leaves_no_call_without_its_outcome(
    world: World, sit_down: Callable[..., Person], times: int
) -> None:
    """The cancel that is on its way is waited for, said and written down; how many were left alone is said as well.

    However often it is pressed. (The second one cut off the cancel that was on its way.)
    """
    world.assistant().order(order_type="LIMIT", quantity="0.001", price="58900")
    world.controls.fault("DELETE", "/api/v3/order", "delay", seconds=2)
    person = sit_down("halt", "--cancel-open")
    called = "SELECT call_id FROM audit WHERE phase = 'call' AND tool = 'cancel_order'"
    deadline = time.monotonic() + 20
    while not query(world.home, called):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    press(person, times)
    assert person.leaves() == (130, "")
    assert len(re.findall("cancelled: BTCUSDT g1-", person.seen)) == 1
    assert "stopped: 1 of guardian's orders were not cancelled" in person.seen
    ended = query(world.home, f"SELECT outcome FROM audit WHERE phase = 'outcome' AND call_id IN ({called})")
    assert [row["outcome"] for row in ended] == ["done"]


def test_ctrl_c_before_the_first_cancel_ends_at_once(world: World, sit_down: Callable[..., Person]) -> None:
    """While the other orders are looked up nothing is on its way: the command ends and cancels nothing more."""
    world.controls.fault("GET", "/api/v3/openOrders", "delay", seconds=20, times=5)
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("cancelled: BTCUSDT g1-")
    deadline = time.monotonic() + 20
    while not world.controls.requests("GET", "/api/v3/openOrders"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    person.receives(signal.SIGINT)
    assert person.leaves()[0] == 130
    assert time.monotonic() - began < 10
    assert person.seen.splitlines()[-1] == "guardian: stopped"
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]


def test_ctrl_c_during_the_last_cancel_looks_for_no_other_orders(world: World, sit_down: Callable[..., Person]) -> None:
    """With `--all`, what was asked to stop does not go on to the orders that guardian did not place."""
    world.controls.fault("DELETE", "/api/v3/order", "delay", seconds=2)
    person = sit_down("halt", "--cancel-open", "--all")
    deadline = time.monotonic() + 20
    while not world.controls.requests("DELETE", "/api/v3/order"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    press(person, 3)
    assert person.leaves()[0] == 130
    assert len(re.findall("^cancelled: BTCUSDT g1-", person.seen, re.MULTILINE)) == 1
    assert "did not place" not in person.seen
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]


def test_without_a_terminal_only_guardians_own_orders_are_cancelled(world: World) -> None:
    """It halts, cancels its own, names the others and leaves them; the exit code says that some are open."""
    done = world.command("halt", "--cancel-open", "--all")
    assert done.returncode == 3, done.stderr
    assert "trading is halted" in done.stderr
    assert done.stderr.count("not placed by guardian: BUY") == 2
    assert "no person is at a terminal" in done.stderr
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]
    assert "cancelling_foreign" not in events(world)


def test_after_a_yes_the_others_are_cancelled_one_by_one_with_a_row_each(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """The person sees each order, says yes, and each is cancelled and written down; then nothing else is open."""
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("cancel 2 orders that guardian did not place? [y/N]")
    assert "BUY 0.002 BTCUSDT at 58000" in person.seen
    person.types("y\n")
    assert person.leaves() == (0, "")
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "CANCELED"), ("ETHUSDT", "CANCELED")]
    assert events(world).count("cancelling_foreign") == events(world).count("cancelled_foreign") == 2
    again = world.command("halt", "--cancel-open", "--all")
    assert (again.returncode, "there are no other open orders" in again.stderr) == (0, True)
    assert world.command("audit", "verify").returncode == 3


@pytest.mark.parametrize(("answer", "code"), [("\n", 3), ("\x03", 130)], ids=["enter", "ctrl-c"])
def test_after_a_no_the_others_are_left_alone(
    world: World, sit_down: Callable[..., Person], answer: str, code: int
) -> None:
    """Anything but yes leaves them; trading is halted and guardian's own order is cancelled all the same."""
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("[y/N]")
    person.types(answer)
    assert person.leaves() == (code, "")
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]


def test_order_that_cannot_be_cancelled_is_said_and_keeps_no_other_from_it(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """The exchange breaks off once: of that order it is said, the other one is cancelled, exit code 3."""
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("[y/N]")
    world.controls.fault("DELETE", "/api/v3/order", "reset_before", times=1)
    person.types("y\n")
    assert person.leaves() == (3, "")
    assert person.seen.count("not known to be cancelled: BUY") == 1
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "CANCELED")]


def test_without_the_store_guardians_orders_are_known_by_their_mark(world: World) -> None:
    """A store that cannot be read traps no exit: what has guardian's mark is cancelled, nothing else; exit code 3."""
    for path in world.home.glob("guardian.db*"):
        path.unlink()
    (world.home / "guardian.db").write_bytes(b"no database at all")
    done = world.command("halt", "--cancel-open")
    assert done.returncode == 3, done.stderr
    assert "trading is halted, through the emergency file" in done.stderr
    assert "its open orders come from the exchange" in done.stderr
    assert re.search(r"^cancelled: BTCUSDT g1-[0-9a-f]{32} \(BUY 0.001 at 59000, open\)$", done.stderr, re.MULTILINE)
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]
    again = world.command("halt", "--cancel-open")
    assert (again.returncode, "no open orders of guardian's were found" in again.stderr) == (3, True)


def test_order_that_the_exchange_does_not_know_is_said_with_its_own_words(world: World) -> None:
    """An order whose fate is unknown and that is not there cannot be cancelled; the others are, exit code 3."""
    world.controls.fault("POST", "/api/v3/order", "reset_before")
    reply = world.assistant().order(order_type="LIMIT", quantity="0.0005", price="59500")
    assert reply["outcome"] == "unknown", reply
    done = world.command("halt", "--cancel-open")
    assert done.returncode == 3
    name = reply["error"]["client_order_id"]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("not cancelled: ")]
    assert line.startswith(f"not cancelled: BTCUSDT {name} (BUY 0.0005 at 59500, unknown): ")
    assert "the exchange's own words: 'Unknown order sent.'" in line
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]


def test_orders_of_another_environment_are_cancelled_where_they_are(world: World) -> None:
    """A policy for another environment keeps nothing from being cancelled; what is not known stays shown.

    They were named, and left for the owner to cancel by hand.
    """
    world.controls.fault("POST", "/api/v3/order", "reset_before")
    assert world.assistant().order(order_type="LIMIT", quantity="0.0005", price="59500")["outcome"] == "unknown"
    world.write(ready_made_policy("testnet").read_text("utf-8"))
    done = world.command("halt", "--cancel-open")
    assert done.returncode == 3
    assert done.stderr.count("not cancelled: BTCUSDT g1-") == 1
    assert re.search(r"^cancelled: BTCUSDT g1-", done.stderr, re.MULTILINE)
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]
    status = world.command("status")
    told = r"\nNOT RESOLVED  BUY 0.0005 BTCUSDT at 59500, g1-[0-9a-f]{32} \(.*\) in PAPER\n"
    assert re.search(told, status.stdout)
    (unresolved,) = json.loads(world.command("status", "--json").stdout)["unresolved"]
    assert unresolved["environment"] == "paper"


def test_halt_says_which_orders_it_leaves_open(world: World) -> None:
    """Halting alone cancels nothing, and says how what is open is cancelled; a second halt says what the first was."""
    done = world.command("halt", "--reducing", "--reason", "first")
    left = "1 order of guardian's is or may be open and stays so; `guardian halt --reducing --cancel-open` cancels it"
    assert left in done.stderr
    done = world.command("halt", "--reason", "second")
    assert "stays so; `guardian halt --cancel-open` cancels it" in done.stderr
    done = world.command("halt", "--cancel-open", "--reason", "third")
    assert re.search(r"trading was halted already, since [\d: -]+: second;", done.stderr)
    assert "stays so" not in done.stderr


def test_all_goes_with_cancel_open(world: World) -> None:
    """`--all` alone is wrong usage, and nothing is halted by it."""
    wrong = world.command("halt", "--all")
    assert (wrong.returncode, "--all goes with --cancel-open" in wrong.stderr) == (2, True)
    assert world.command("status").returncode == 0


@pytest.mark.parametrize("how", ["read-only", "broken", "absent"])
def test_own_orders_are_cancelled_whatever_the_policy_is(world: World, how: str) -> None:
    """`halt --cancel-open` asks no policy. (Under `read-only` each cancel was denied; without a policy it failed.)"""
    if how == "absent":
        world.policy_path.unlink()
    else:
        world.write(ready_made_policy("read-only").read_text("utf-8") if how == "read-only" else "schema = 2\n")
    done = world.command("halt", "--cancel-open")
    assert done.returncode == 0, done.stderr
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]


def test_orders_of_others_are_cancelled_without_a_policy(world: World, sit_down: Callable[..., Person]) -> None:
    """Without a usable policy `--all` looks where guardian placed its last order. (It failed.)"""
    world.write("schema = 2\n")
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("[y/N]")
    person.types("y\n")
    assert person.leaves()[0] == 0
    assert ("BTCUSDT", "NEW") not in stands(world)


@IMPATIENCE
def test_ctrl_c_between_cancels_of_others_says_what_was_not_cancelled(
    world: World, sit_down: Callable[..., Person], times: int
) -> None:
    """The cancel in progress is waited for and said, and so is the number that was left. (It said "stopped" alone.)"""
    person = sit_down("halt", "--cancel-open", "--all")
    person.waits_for("[y/N]")
    world.controls.fault("DELETE", "/api/v3/order", "delay", seconds=2)
    person.types("y\n")
    deadline = time.monotonic() + 20
    while "cancelling_foreign" not in events(world):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    press(person, times)
    assert person.leaves() == (130, "")
    assert len(re.findall("cancelled: BUY 0.00?2 ", person.seen)) == 1, person.seen
    assert "stopped: 1 of the orders that guardian did not place were not cancelled" in person.seen
    assert events(world).count("cancelled_foreign") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file here that is always full")
@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_words_that_nobody_can_read_keep_nothing_from_being_cancelled(world: World, target: str) -> None:
    """Standard error takes nothing: trading halts and every cancel is sent all the same. (It ended after the halt.)"""
    if target == "/dev/full":
        stderr = os.open(target, os.O_WRONLY)
    else:
        reading, stderr = os.pipe()
        os.close(reading)
    command = [sys.executable, "-m", "guardian", "halt", "--cancel-open"]
    environment = {**os.environ, "GUARDIAN_HOME": str(world.home)}
    try:
        done = prefork.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, timeout=60,
            check=False,
        )  # fmt: skip
    finally:
        os.close(stderr)
    assert stands(world) == [("BTCUSDT", "CANCELED"), ("BTCUSDT", "NEW"), ("ETHUSDT", "NEW")]
    assert done.returncode == (3 if target == "/dev/full" else 141)
