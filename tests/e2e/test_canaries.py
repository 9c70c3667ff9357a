"""A key, a secret, a PIN and a passphrase that can be recognised, and a day on which everything goes wrong.

The machine has no keyring; all four are in or around its vault. Whatever is written, shown, logged, replied or visible
to other processes meanwhile has none of them, in whatever form; the vault itself has them encrypted.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from guardian.domain.secrets import Secret
from guardian.paper.host.standalone import PaperServer
from tests.e2e.support.canaries import (
    API_KEY,
    API_SECRET,
    CONTROL,
    PASSPHRASE,
    PIN,
    SECRETS,
    ProcessWatch,
    forms,
    found_below,
    found_in,
)
from tests.e2e.support.loud import BUGS, write_with_locals
from tests.e2e.support.processes import Machine, Person, RawServed, query
from tests.e2e.support.vaulted import ENTRY, ROOT, descriptor_with, serve_diverted
from tests.support.terminals import people

pytestmark = [
    pytest.mark.usefixtures("spawned"),
    pytest.mark.skipif(os.name != "posix", reason="terminals and /proc as on Linux"),
]
VAULT: Final = "passphrase of the vault (not shown; empty to continue without it): "
SEEN: Final = {"api key", "policy", "reveal", "send", "sign", "signers", "store", "unpack"}
"""The bugs whose tracebacks reach somebody who could write them down; those of the keyring's thread end in it."""
ORDER: Final = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT", "quantity": "0.001"}


class Day:
    """A machine, who uses it, and everything that was shown to anybody."""

    def __init__(self, machine: Machine, paper: PaperServer, sit_down: Callable[..., Person]) -> None:
        self.machine = machine
        self.paper = paper
        self.sit_down = sit_down
        self.shown: list[str] = []
        self.bug = machine.temp / "bug"
        self.servers: list[RawServed] = []

    @property
    def program(self) -> str:
        return ENTRY.format(root=str(ROOT), url=self.paper.url, more="")

    def person(self, *arguments: str, answers: tuple[tuple[str, str], ...], code: int = 0) -> str:
        """Someone at a terminal who runs a command and answers its questions; what it printed."""
        one = self.sit_down(*arguments, program=self.program)
        for question, answer in answers:
            one.waits_for(question)
            self.shown.append(one.seen)
            one.seen = ""
            time.sleep(1.1 if question.startswith("place") else 0)  # what comes at once is no answer
            one.types(answer + "\n")
        found, out = one.leaves()
        self.shown += [one.seen, out]
        assert found == code, (arguments, one.seen, out)
        return out

    def command(self, *arguments: str) -> None:
        """A command with no terminal; whatever it answers."""
        done = self.machine.run(*arguments)
        self.shown += [done.stdout, done.stderr]

    def server(self) -> RawServed:
        """A server that was given the passphrase, and is as loud as can be."""
        reading = descriptor_with(PASSPHRASE)
        more = f"from tests.e2e.support.loud import be_loud\nbe_loud({str(self.machine.temp)!r})"
        try:
            with (self.machine.temp / "stderr.log").open("ab") as errors:  # a pipe that nobody reads would stop it
                server = serve_diverted(
                    self.machine, self.paper.url, "--vault-passphrase-fd", str(reading),
                    more=more, pass_fds=(reading,), stderr=errors,
                )  # fmt: skip
            self.servers.append(server)
            return server
        finally:
            os.close(reading)

    def ask(self, server: RawServed, tool: str, **arguments: Any) -> dict[str, Any]:
        """The reply of a tool; a call that the protocol answers with an error has none."""
        result = server.ask("tools/call", {"name": tool, "arguments": arguments})
        reply: dict[str, Any] = result.get("result", {}).get("structuredContent") or {"outcome": f"{result}"}
        return reply

    def end(self, server: RawServed) -> None:
        with suppress(Exception):
            server.leave()
        server.is_gone()
        self.shown += server.lines

    def breaks(self, bug: str | None) -> None:
        if bug is None:
            self.bug.unlink(missing_ok=True)
        else:
            self.bug.write_text(bug, "utf-8")


@pytest.fixture
def day(machine: Machine) -> Iterator[Day]:
    def person(*arguments: str, **options: Any) -> Person:
        return Person(machine.environment, *arguments, **options)

    with PaperServer(api_key=API_KEY, api_secret=API_SECRET) as paper, people(person) as sit_down:
        made = Day(machine, paper, sit_down)
        yield made
        for server in made.servers:
            server.is_gone()


def set_up(day: Day) -> None:
    """What the owner does first, all of it by hand: home, vault, keys, PIN."""
    day.command("init")
    new = "new passphrase, at least 12 characters (not shown): "
    day.person("keys", "vault", "create", answers=((new, PASSPHRASE), ("the same again: ", PASSPHRASE)))
    keys = (("API key (not shown): ", API_KEY), ("API secret (not shown): ", API_SECRET))
    for family in ("spot", "futures"):
        arguments = ("keys", "add", "testnet", "--kind", "hmac", "--family", family)
        day.person(*arguments, answers=((VAULT, PASSPHRASE), *keys))
    day.person(
        "pin", "set",
        answers=(
            ("set the PIN? [y/N] ", "y"), ("6 characters or more: ", PIN), ("the same again: ", PIN),
            (VAULT, PASSPHRASE),
        ),
    )  # fmt: skip
    text = day.machine.policy.read_text("utf-8")
    assert "[confirmation]\n" in text
    day.machine.write_policy(text.replace("[confirmation]\n", '[confirmation]\nproof = "pin"\n'))


def bad_morning(day: Day, server: RawServed) -> set[str]:
    """Every tool fails in every way that the exchange can make it; the outcomes."""
    controls, found = day.paper.controls, set()
    account, order = ("GET", "/api/v3/account"), ("POST", "/api/v3/order")
    found.add(day.ask(server, "get_balance")["outcome"])
    refusal = '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'
    faults: tuple[tuple[str, dict[str, Any]], ...] = (
        ("html_502", {}), ("status", {"status": 400, "body": refusal}), ("bad_json", {}), ("empty_200", {}),
        ("reset_before", {"times": 3}), ("status", {"status": 418}),
    )  # fmt: skip
    for kind, fields in faults[:-1]:
        controls.fault(*account, kind, **fields)
        for tool in ("get_balance", "get_position_info"):
            found.add(day.ask(server, tool)["outcome"])
        controls.clear_faults()
    found.add(day.ask(server, "create_order", **ORDER, price=API_SECRET[:4])["outcome"])
    found.add(day.ask(server, "get_ticker", symbol="NOSUCHCOIN")["outcome"])
    found.add(day.ask(server, "get_orders", symbol="BTCUSDT", order_id="0")["outcome"])
    proposed = day.ask(server, "create_order", **ORDER, price="59000")
    found.add(proposed["outcome"])
    controls.fault(*order, "reply_lost")
    proposal = proposed["data"]["proposal_id"]
    answers = ((VAULT, PASSPHRASE), ("type your PIN", PIN[:-1] + "x"))
    day.person("approve", proposal, "--submit", answers=answers, code=1)
    answers = ((VAULT, PASSPHRASE), ("type your PIN", PIN))
    with suppress(AssertionError):  # its reply is lost: the exit code says so
        day.person("approve", proposal, "--submit", answers=answers)
    controls.clear_faults()
    return found


def look_around(day: Day) -> None:
    """Every command that shows something, with and without the passphrase, and what can be carried out of the log."""
    for words in (
        ("--debug", "status"), ("audit", "list", "--json"), ("audit", "show", "last", "--json"),
        ("audit", "checkpoint", "--out", str(day.machine.work / "checkpoint")),
        ("--debug", "keys", "list"), ("keys", "vault", "status", "--json"), ("halt", "--cancel-open"),
    ):  # fmt: skip
        day.command(*words)
    (order,) = query(day.machine.home, "SELECT client_order_id FROM orders")
    day.command("audit", "receipt", order["client_order_id"], "--out", str(day.machine.work / "receipt"))
    assert (day.machine.work / "receipt").stat().st_size > 500, day.shown[-2:]
    day.person("--debug", "keys", "list", answers=((VAULT, "wrong " + PASSPHRASE[::-1]), (VAULT, PASSPHRASE)))


def test_no_secret_is_anywhere_after_a_day_of_errors_crashes_bugs_and_loud_logs(day: Day) -> None:
    """HOME, TMP, every file, stream, reply, command line and environment: none of the four, in no form."""
    outcomes: set[str] = set()
    with ProcessWatch() as watch:
        set_up(day)
        server = day.server()
        outcomes |= bad_morning(day, server)
        for bug in ("sign", "api key", "send", "reveal", "policy"):
            day.breaks(bug)
            outcomes.add(day.ask(server, "get_balance")["outcome"])
            outcomes.add(day.ask(server, "create_order", **ORDER, price="58500")["outcome"])
        day.breaks(None)
        day.shown.append(json.dumps(server.ask("resources/read", {"uri": "guardian://status"})))
        server.send_call("create_order", **ORDER, price="58000")
        server.process.kill()  # in the middle of it
        day.end(server)
        for bug in ("signers", "store", "unpack", "derive"):
            day.breaks(bug)
            server = day.server()
            outcomes.add(day.ask(server, "get_balance")["outcome"])
            day.breaks("decrypt" if bug == "store" else "backend")
            outcomes.add(day.ask(server, "get_balance")["outcome"])
            assert day.ask(server, "get_ticker_price", symbol="BTCUSDT")["outcome"] in {"done", "failed"}
            assert server.process.pid in watch.seen or server.process.poll() is None
            day.end(server)
        day.breaks(None)
        look_around(day)
    assert {"done", "failed", "unavailable", "rejected", "confirmation_required", "invalid"} <= outcomes, outcomes
    # The day was as loud as it claims: without that, nothing would be found either.
    loud = (day.machine.temp / "tracebacks.txt").read_text("utf-8")
    assert loud.count(CONTROL) > 20
    assert {bug for bug in BUGS if f"an injected bug in {bug}" in loud} >= SEEN
    assert "DEBUG" in (day.machine.temp / "everything.log").read_text("utf-8")
    assert (day.machine.home / "vault").stat().st_size > 1000
    assert len(watch.seen) > 5
    assert found_below(day.machine.home.parent) == {}
    assert found_in("".join(day.shown)) == set()
    assert watch.found == set()


@pytest.mark.parametrize("name", list(SECRETS))
def test_each_secret_is_found_in_each_form_wherever_it_is(tmp_path: Path, name: str) -> None:
    """The search is no blind one: every form, in a file, in a file's name, within other text, and in base64 of more."""
    word = SECRETS[name]
    for how, form in forms(word).items():
        (tmp_path / "file").write_bytes(b"before" + form + b"after")
        assert any(hit.startswith(name) for hit in found_below(tmp_path)["file"]), how
    for before in ("", "a", "ab", "abc"):
        encoded = base64.b64encode(f'{before}{{"k":"{word}"}}'.encode())
        assert any("base64" in hit and hit.startswith(name) for hit in found_in(encoded)), before
    assert found_in(json.dumps({"k": word}).encode("utf-16"))
    (tmp_path / "file").unlink()
    (tmp_path / word.replace("/", "")).write_text("")
    assert ("/" in word) or found_below(tmp_path)
    assert found_in("nothing of it, and CANARY alone is none") == set()


def test_traceback_with_locals_shows_what_is_not_hidden(tmp_path: Path) -> None:
    """The tracebacks of the day would show a plain string, an attribute and a dictionary; a `Secret` they do not."""

    def fail() -> None:
        hidden = Secret(API_KEY)  # noqa: F841 - for the traceback
        plain = {"deep": [API_SECRET]}  # noqa: F841 - for the traceback
        raise ValueError("a bug")

    try:
        fail()
    except ValueError as error:
        write_with_locals(tmp_path, error)
    shown = found_below(tmp_path)["tracebacks.txt"]
    assert any(hit.startswith("API secret") for hit in shown)
    assert not any(hit.startswith("API key") for hit in shown)
