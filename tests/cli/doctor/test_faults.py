"""A table of faults: each leads to its finding, by name and verdict, with what to do; nothing leads to a traceback."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import ssl
import stat
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.doctor import running
from guardian.cli.doctor.checks import keyring, log_copy
from guardian.cli.doctor.checks.clients import start_entry
from guardian.cli.doctor.checks.hosts import within
from guardian.cli.doctor.checks.processes import _by_proc
from guardian.cli.doctor.examined import Examined, RunningServer
from guardian.cli.doctor.findings import Check, Finding, Health, exit_code, findings_of, ok
from guardian.cli.doctor.printing import document, write_bundle
from guardian.cli.doctor.running import CHECKS
from guardian.clients.entries import ServerEntry
from guardian.clients.known import client_named
from guardian.clients.places import Machine
from guardian.credentials.log.home_items import HomeItems
from guardian.credentials.store import CredentialStore
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.errors import ExchangeUnavailable, GuardianError, KeyringUnavailable
from guardian.home.log import open_journal
from guardian.store.opening import begin_log
from guardian.store.schema.records import Record
from tests.support.keyring import MemoryKeyring
from tests.support.tamper import tamper
from tests.support.world import BASE, merged, toml

NOW = 1_795_000_000_000
CANARY = "canary-5d1e-secret"
"""Stands where no report may have it."""


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keyring and no client of the machine is looked at: a keyring of the test, and a user without clients."""
    monkeypatch.setattr(keyring, "try_backends", lambda: iter([("a keyring", MemoryKeyring())]))
    machine = Machine(system="linux", home=tmp_path / "user", variables={})
    monkeypatch.setattr(Machine, "this", lambda: machine)


def examined(folder: Path, **changes: Any) -> Examined:
    """A machine on which nothing is wrong."""
    usual: dict[str, Any] = {
        "home": folder,
        "now_ms": NOW,
        "reach_host": lambda host: None,
        "clock_skew_ms": lambda environment: 3,
        "ask_key": lambda pair, policy: (True, ()),
        "open_keys": lambda place: CredentialStore(MemoryKeyring()),
        "keyring_of_clients": lambda: True,
        "servers": list,
        "clients": tuple,
        "open_log_items": lambda place: HomeItems(MemoryKeyring(), KeyringQueue(3.0, Turn()), place),
        "start_entry": lambda entry: "guardian 0.1.0",
    }
    return Examined(**(usual | changes))


def write_policy(folder: Path, environment: str = "paper", **changes: object) -> Path:
    path = folder / "policy.toml"
    path.write_text(toml(merged(BASE, {"environment": environment}, changes)))
    path.chmod(0o600)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with a policy for paper and a log with a row."""
    place = tmp_path / "home"
    place.mkdir()
    begin_log(place)
    write_policy(place)
    journal = open_journal(place)
    for number in range(3):
        journal.append(Record.event(None, {"kind": "log_begun", "number": number}))
    journal.close()
    return place


def found(machine: Examined) -> list[Finding]:
    return list(findings_of(CHECKS, machine))


def bad(machine: Examined) -> list[tuple[str, str]]:
    """Name and verdict of what is not fine."""
    return [(one.name, one.health.value) for one in found(machine) if one.health is not Health.OK]


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a home, with mode, time and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_nothing_is_wrong_on_a_machine_without_a_fault(folder: Path) -> None:
    """Every check says `ok`, but that no client is here; the exit code is 0, and the home is as it was."""
    before = state_of(folder)
    findings = found(examined(folder))
    assert bad(examined(folder)) == [("clients", "warning")]
    assert exit_code(findings) == 0
    assert {one.name.split(".")[0] for one in findings} >= {check.name.split(".")[0] for check in CHECKS} - {"clock"}
    assert state_of(folder) == before


def test_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Before `guardian init`: the command is said, and the missing key is the one problem; no home is made."""
    place = tmp_path / "none"
    findings = {one.name: one for one in found(examined(place))}
    assert findings["home"].health is Health.WARNING
    assert "guardian init" in str(findings["home"].remedy)
    assert findings["policy"].text.startswith("no policy of yours yet")
    assert findings["policy"].remedy == "`guardian init`"
    assert findings["database"].health is Health.OK
    assert findings["keys"].remedy == "`guardian keys add testnet`"
    assert not place.exists()


# faults of the home and its files


def a_policy_with_a_mistake(folder: Path) -> None:
    write_policy(folder, limits={"max_open_ordres": 5})


def a_policy_that_others_can_change(folder: Path) -> None:
    write_policy(folder).chmod(0o666)


def a_policy_that_is_a_folder(folder: Path) -> None:
    (folder / "policy.toml").unlink()
    (folder / "policy.toml").mkdir()


def a_policy_of_bytes(folder: Path) -> None:
    (folder / "policy.toml").write_bytes(b"\xff\xfe\x00")


def a_database_of_noise(folder: Path) -> None:
    (folder / "guardian.db").write_bytes(b"noise" * 5_000)


def a_database_that_is_gone(folder: Path) -> None:
    (folder / "guardian.db").unlink()


def a_database_of_another(folder: Path) -> None:
    (folder / "guardian.db").unlink()
    with closing(sqlite3.connect(folder / "guardian.db")) as connection:
        connection.execute("CREATE TABLE other (x)")
    (folder / "guardian.db").chmod(0o600)


def a_database_of_a_newer_guardian(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "guardian.db")) as connection:
        connection.execute("PRAGMA user_version = 99")


def a_row_that_was_changed(folder: Path) -> None:
    tamper(SimpleNamespace(home=folder), "UPDATE audit SET body = replace(body, 'log_begun', 'log_bogun')")


def a_checkpoint_of_noise(folder: Path) -> None:
    (folder / "audit.checkpoint").write_text("noise\n")


def a_home_that_others_can_read(folder: Path) -> None:
    folder.chmod(0o755)


def a_record_beside_the_log(folder: Path) -> None:
    journal = open_journal(folder)
    journal.note_emergency({"kind": "halted"})
    journal.close()


def an_old_copy(folder: Path) -> None:
    (folder / "policy.toml.20260101-000000.bak").write_text("")


posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no modes of this kind")


@pytest.mark.parametrize(
    ("fault", "name", "verdict", "remedy"),
    [
        (a_policy_with_a_mistake, "policy", "problem", "max_open_orders"),
        pytest.param(a_policy_that_others_can_change, "policy", "problem", "chmod", marks=posix),
        (a_policy_that_is_a_folder, "policy", "problem", "guardian policy check"),
        (a_policy_of_bytes, "policy", "problem", "guardian policy check"),
        (a_database_of_noise, "database", "problem", "backup"),
        (a_database_that_is_gone, "database", "problem", "backup"),
        (a_database_of_another, "database", "problem", "backup"),
        (a_database_of_a_newer_guardian, "database", "problem", "upgrade guardian"),
        (a_row_that_was_changed, "database.chain", "problem", "guardian audit verify"),
        (a_checkpoint_of_noise, "database.checkpoint", "problem", ""),
        pytest.param(a_home_that_others_can_read, "home", "problem", "chmod", marks=posix),
        (a_record_beside_the_log, "emergency file", "problem", "guardian resume"),
        (an_old_copy, "old copies", "warning", "remove"),
    ],
)
def test_fault_of_the_home_is_found_by_name(
    folder: Path, fault: Callable[[Path], None], name: str, verdict: str, remedy: str
) -> None:
    """Each fault has its finding, with what to do; every other check still answers, and nothing is changed."""
    machine = replace(examined(folder), now_ms=NOW + 10**12)
    fault(folder)
    before = state_of(folder)
    findings = found(machine)
    (first, *_) = [one for one in findings if one.name == name and one.health is not Health.OK]
    assert first.health.value == verdict, first
    assert remedy in str(first.remedy), first
    assert exit_code(findings) == (1 if verdict == "problem" else 0)
    assert {one.name for one in findings} >= {"versions", "servers", "keyring", "disk"}
    assert state_of(folder) == before


def test_sqlite_that_is_too_old_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its version, the one that is needed, and what to type."""
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    (one,) = [one for one in found(examined(folder)) if one.name == "versions.sqlite"]
    assert one.health is Health.PROBLEM
    assert "SQLite 3.34.1, and guardian needs 3.35 or newer" in one.text
    assert "uv tool install" in str(one.remedy)


def test_home_on_a_shared_disk_is_found_and_read_without_traces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which disk, and what guardian does there; the file with its rollback journal is looked at as it is."""
    monkeypatch.setattr(log_copy, "shared_disk", lambda _folder: "nfs4")
    with closing(sqlite3.connect(folder / "guardian.db", isolation_level=None)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        before = state_of(folder)
        (one,) = [one for one in found(examined(folder)) if one.name == "database.journal"]
        assert one.health is Health.WARNING
        assert "a disk that other machines may use (nfs4)" in one.text
        assert "GUARDIAN_HOME" in str(one.remedy)
        assert [one.health for one in found(examined(folder)) if one.name == "database"] == [Health.OK]
        assert state_of(folder) == before
        # What a process that was killed left unfinished is undone in the copy alone.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        for number in range(200):
            connection.execute("INSERT INTO leases VALUES (?, ?, 1, 1)", (f"lease {number}", "x" * 500))
        left = folder.with_name("left")
        shutil.copytree(folder, left)
        before = state_of(left)
        assert [one.health for one in found(examined(left)) if one.name == "database"] == [Health.OK]
        assert state_of(left) == before


def test_long_write_ahead_log_is_found_with_who_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that keeps it long is named where the system knows; else what to do."""
    monkeypatch.setattr(log_copy, "_LARGE_WAL", 1000)
    journal = open_journal(folder)
    journal.append(Record.event(None, {"kind": "log_begun"}))
    for readers, said in (({4711, 12}, "process 12, 4711 is reading"), (set(), "a process was reading for long")):
        monkeypatch.setattr(log_copy, "readers_of_wal", lambda _database, readers=readers: readers)
        (one,) = [one for one in found(examined(folder)) if one.name == "database.wal"]
        assert one.health is Health.WARNING
        assert said in one.text
        assert one.remedy
    journal.close()


def test_looser_policy_that_waits_is_found(folder: Path) -> None:
    """A file that is not in force is said to wait for the owner. (A home of paper takes every edit: it is in force.)"""
    names = {one.name: one.text for one in found(examined(folder))}
    assert names["policy.in-force"] == "the file is in force"


# faults of the keyring, the keys, the network


class LockedKeyring(MemoryKeyring):
    """A keyring that refuses everything."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(CANARY)


class ForgetfulKeyring(MemoryKeyring):
    """A keyring that takes an item and does not keep it."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


def no_keys(_folder: Path) -> CredentialStore:
    raise KeyringUnavailable("no keyring works", hint="make a vault")


def a_key(_folder: Path) -> CredentialStore:
    store = CredentialStore(MemoryKeyring())
    pair = ApiKeyPair(
        environment="testnet",
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=Secret("a" * 64),
        signing_key=Secret("b" * 64),
    )
    store.put(pair)
    return store


def unreachable(*_: object) -> Any:
    raise ExchangeUnavailable("no connection to the exchange could be made")


def fails_with(error: Exception) -> Callable[[object], Any]:
    def fail(_: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "said"),
    [
        ({}, "keys", "problem", "there is no `testnet` spot key"),
        ({"open_keys": no_keys}, "keys", "could not tell", "no keyring works"),
        ({"open_keys": a_key, "ask_key": lambda *_: (False, ("-2015",))}, "keys", "problem", "-2015"),
        ({"open_keys": a_key, "ask_key": lambda *_: (True, ("it may withdraw",))}, "keys", "problem", "may withdraw"),
        ({"open_keys": a_key, "ask_key": unreachable}, "keys", "could not tell", "could not be tried"),
        ({"reach_host": fails_with(socket.gaierror())}, "hosts.testnet.binance.vision", "problem", "no address"),
        ({"reach_host": fails_with(TimeoutError())}, "hosts.testnet.binance.vision", "problem", "does not answer"),
        ({"reach_host": fails_with(ssl.SSLError())}, "hosts.testnet.binance.vision", "problem", "speaks no TLS"),
        ({"reach_host": lambda _: "CN=Scanner"}, "hosts.testnet.binance.vision", "problem", "is by CN=Scanner"),
        ({"clock_skew_ms": lambda _: 90_000}, "clock", "problem", "90000 ms"),
        ({"clock_skew_ms": unreachable}, "clock", "could not tell", "could not be asked"),
        ({"keyring_of_clients": lambda: False, "platform": "linux"}, "keyring.in-client", "warning", "D-Bus"),
        ({"keyring_of_clients": lambda: None, "platform": "linux"}, "keyring.in-client", "could not tell", "tried"),
        ({"servers": lambda: None}, "servers", "could not tell", "does not say"),
        ({"servers": lambda: [RunningServer(1, None), RunningServer(2, None)]}, "servers", "warning", "2 servers"),
        ({"secret_variables": ("BINANCE_API_KEY",)}, "environment", "problem", "BINANCE_API_KEY"),
        ({"removed_variables": frozenset({"HTTPS_PROXY"})}, "environment.proxy", "warning", "HTTPS_PROXY"),
        ({"removed_variables": frozenset({"SSL_CERT_FILE"})}, "environment.authorities", "warning", "SSL_CERT_FILE"),
        ({"servers": fails_with(ZeroDivisionError(CANARY))}, "servers", "could not tell", "TypeError"),
    ],
)  # fmt: skip
def test_fault_outside_of_the_home_is_found_by_name(
    folder: Path, changes: dict[str, Any], name: str, verdict: str, said: str
) -> None:
    """The keyring, the keys, the hosts, the clock, other servers, the environment: each has its own finding."""
    write_policy(folder, "testnet")
    findings = [one for one in found(examined(folder, **changes)) if one.name == name]
    assert (name, verdict) in [(one.name, one.health.value) for one in findings], findings
    assert any(said in one.text for one in findings), findings


@pytest.mark.parametrize(
    ("backend", "verdict", "said"),
    [(LockedKeyring(), "could not tell", "keyring"), (ForgetfulKeyring(), "problem", "did not keep it")],
)
def test_keyring_that_does_not_give_back_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, backend: MemoryKeyring, verdict: str, said: str
) -> None:
    """A locked keyring could not be told; one that forgets is a problem. What it says is not repeated."""
    monkeypatch.setattr(keyring, "try_backends", lambda: iter([("one", "is missing"), ("two", backend)]))
    findings = found(examined(folder))
    by_name = {one.name: one for one in findings}
    assert by_name["keyring.backend"].text == "one does not work here: is missing"
    assert by_name["keyring.round-trip"].health.value == verdict
    assert said in by_name["keyring.round-trip"].text
    assert CANARY not in repr(findings)


def test_round_trip_leaves_nothing_in_the_keyring(folder: Path) -> None:
    """The test item is removed again."""
    backend = MemoryKeyring()
    (finding,) = keyring.round_trip(backend)
    assert finding.health is Health.OK
    assert backend.items == {}


def test_no_keyring_at_all_is_a_problem_where_one_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each backend is named with its reason, and the vault as the way out; `paper` needs none."""
    monkeypatch.setattr(keyring, "try_backends", lambda: iter([("one", "is missing")]))
    assert ("keyring", "problem") not in bad(examined(folder))
    write_policy(folder, "testnet")
    machine = examined(folder, platform="linux")
    assert ("keyring", "problem") in bad(machine)
    assert ("keyring.d-bus", "warning") in bad(machine)


def test_full_disk_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room is a warning, next to none a problem."""
    for free, verdict in ((1_000, "problem"), (100_000_000, "warning")):
        usage = type("Usage", (), {"free": free})()
        monkeypatch.setattr(shutil, "disk_usage", lambda place, usage=usage: usage)
        assert ("disk", verdict) in bad(examined(folder))


# clients


def configured(tmp_path: Path, entry: object) -> dict[str, Any]:
    config = tmp_path / "user" / ".cursor" / "mcp.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"mcpServers": {"guardian": entry}}) if not isinstance(entry, str) else entry)
    return {"clients": lambda: (client_named("cursor"),)}


def an_entry(home: Path, *arguments: str, command: str = sys.executable) -> dict[str, object]:
    return {"command": command, "args": [*arguments, "guardian", "serve"], "env": {"GUARDIAN_HOME": str(home)}}


@pytest.mark.parametrize(
    ("start", "verdict", "said"),
    [
        (lambda entry: "guardian 9.9", "ok", "starts as guardian 9.9"),
        (fails_with(FileNotFoundError(2, "No such file or directory")), "problem", "No such file"),
        (fails_with(TimeoutError()), "problem", "does not answer"),
        (fails_with(OSError("what it answers is not MCP")), "problem", "is not MCP"),
    ],
)
def test_entry_that_does_not_start_is_found(
    folder: Path, tmp_path: Path, start: Callable[[ServerEntry], str], verdict: str, said: str
) -> None:
    """The entry of each client is started once; what it does instead of answering is said, with how to mend it."""
    machine = examined(folder, start_entry=start, **configured(tmp_path, an_entry(folder)))
    (finding,) = [one for one in found(machine) if one.name == "clients.cursor"]
    assert (finding.health.value, said in finding.text) == (verdict, True), finding


def test_entry_of_another_home_and_of_none_is_a_warning(folder: Path, tmp_path: Path) -> None:
    """A client that serves another home than the terminal looks at is what people stumble over."""
    machine = examined(folder, **configured(tmp_path, an_entry(tmp_path / "elsewhere")))
    assert ("clients.cursor", "warning") in bad(machine)


def test_config_that_cannot_be_read_and_client_without_guardian_are_found(folder: Path, tmp_path: Path) -> None:
    """A broken configuration is a problem with its place; one without guardian names the command."""
    machine = examined(folder, **configured(tmp_path, "{ broken"))
    assert ("clients.cursor", "problem") in bad(machine)
    (tmp_path / "user" / ".cursor" / "mcp.json").write_text("{}")
    (finding,) = [one for one in found(machine) if one.name == "clients.cursor"]
    assert (finding.health, finding.remedy) == (Health.WARNING, "`guardian install cursor`")


def test_entry_is_started_on_an_empty_home_and_ended(folder: Path) -> None:
    """The real start: `initialize` is answered, and the entry's own home is not touched."""
    before = state_of(folder)
    entry = ServerEntry(sys.executable, ("-I", "-m", "guardian", "serve"), {"GUARDIAN_HOME": str(folder)})
    assert start_entry(entry, 60).startswith("guardian ")
    assert state_of(folder) == before


@pytest.mark.parametrize(
    ("program", "error"), [("print('hello')", OSError), ("import time; time.sleep(60)", TimeoutError)]
)
def test_program_that_is_no_server_is_not_waited_for(program: str, error: type[Exception]) -> None:
    """What prints something else is no server, and what says nothing is ended in time."""
    with pytest.raises(error):
        start_entry(ServerEntry(sys.executable, ("-c", program), {}), 1.0)


# all of them together


def test_check_that_fails_costs_no_other() -> None:
    """A bug in a check is its own finding with the kind of the fault, and not with its text."""

    def fails(_: Examined) -> list[Finding]:
        raise RuntimeError(CANARY)

    def refuses(_: Examined) -> list[Finding]:
        raise GuardianError("no", hint="do this")

    checks = [Check("a", fails), Check("b", refuses), Check("c", lambda _: [ok("c", "fine")])]
    begun: list[str] = []
    findings = list(findings_of(checks, examined(Path("/nowhere")), begun.append))
    assert [(one.name, one.health.value, one.text, one.remedy) for one in findings] == [
        ("a", "could not tell", "could not be looked at (RuntimeError)", None),
        ("b", "could not tell", "no", "do this"),
        ("c", "ok", "fine", None),
    ]
    assert begun == ["a", "b", "c"]
    assert exit_code(findings) == 3


def test_ctrl_c_is_no_finding() -> None:
    """It ends the command, whatever is being looked at."""

    def interrupted(_: Examined) -> list[Finding]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(findings_of([Check("a", interrupted)], examined(Path("/nowhere"))))


def test_bundle_has_no_key_no_account_and_no_folder_of_the_user(folder: Path, tmp_path: Path) -> None:
    """The file is new, the owner's alone, and has the findings and versions, with the folders shortened."""
    write_policy(folder, "testnet")
    findings = found(examined(folder, open_keys=a_key))
    path = tmp_path / "report.json"
    write_bundle(path, findings, folder)
    text = path.read_text()
    report = json.loads(text)
    assert {one["name"] for one in report["findings"]} >= {"keys", "policy", "database"}
    assert report["versions"]["guardian"]
    assert str(folder) not in text
    assert "a" * 64 not in text
    assert "b" * 64 not in text
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(GuardianError, match="there already"):
        write_bundle(path, findings, folder)
    assert document(findings)["result"] == "ok"


def test_resolver_that_hangs_is_not_waited_for() -> None:
    """The system's resolver knows no time limit; the check does."""
    with pytest.raises(TimeoutError):
        within(0.05, lambda: time.sleep(5))
    with pytest.raises(socket.gaierror):
        within(5, lambda: fails_with(socket.gaierror())(None))
    assert within(5, lambda: 7) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are listed in another way")
def test_servers_are_found_by_their_command_line(tmp_path: Path) -> None:
    """A process that serves guardian, with its home; no other, none that ended, and none that cannot be read."""

    def process(pid: str, words: list[str], *variables: str) -> None:
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes("\0".join([*words, ""]).encode())
        (tmp_path / pid / "environ").write_bytes("\0".join([*variables, ""]).encode())

    process("10", ["/v/bin/python", "-I", "-m", "guardian", "serve"], "A=1", "GUARDIAN_HOME=/h")
    process("11", ["/v/bin/guardian", "serve", "--policy", "x"])
    process("12", ["/v/bin/guardian", "status"])
    process("13", ["vim", "serve.py"])
    (tmp_path / "14").mkdir()
    (tmp_path / "self").mkdir()
    assert sorted(_by_proc(tmp_path), key=lambda one: one.pid) == [RunningServer(10, "/h"), RunningServer(11, None)]


def test_command_prints_findings_writes_the_bundle_and_ends_by_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each finding with what to do below it; JSON has the same; the exit code is that of the worst."""
    monkeypatch.setenv("GUARDIAN_HOME", str(folder))
    monkeypatch.setattr(running, "this_machine", lambda home: examined(home, servers=lambda: None))
    assert main(["doctor", "--bundle", str(tmp_path / "report.json")]) == 3
    out, said = capsys.readouterr()
    assert (
        "could not tell  servers: this system does not say which servers run\n                -> your client's" in out
    )
    assert "not everything could be found out: " in said
    assert json.loads((tmp_path / "report.json").read_text())["result"] == "could not tell"
    assert main(["doctor", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert {"name": "hosts", "health": "ok", "text": "`paper` needs no network", "remedy": None} in report["findings"]
    (folder / "policy.toml").write_text("schema =")
    assert main(["doctor"]) == 1


def test_ctrl_c_ends_the_command_with_130(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a check."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("GUARDIAN_HOME", str(folder))
    monkeypatch.setattr(running, "this_machine", lambda home: examined(home, servers=interrupted))
    assert main(["doctor"]) == 130
