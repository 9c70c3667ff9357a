"""One exchange per home folder: found, started, stopped, killed, raced for."""

from __future__ import annotations

import os
import random
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from guardian.domain.secrets import Secret
from guardian.errors import ExchangeUnavailable
from guardian.paper.host import home as paper_home
from guardian.paper.host.home import PortFile, find, find_or_start, read_port_file, stop, write_port_file
from tests.paper.support.client import ClientFor
from tests.support import prefork


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home folder whose exchange, if one was started, is ended with the test."""
    folder = tmp_path / "guardian home"
    yield folder
    # One that was started while another held the place may take it only now.
    wait_until(lambda: nobody_is_left(folder), timeout_s=10)


def nobody_is_left(folder: Path) -> bool:
    stop(folder)
    paper_home.reap()
    return not paper_home._started and find(folder) is None


def has_grown(names: Sized, count: int) -> bool:
    return len(names) > count


def wait_until(true: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def kill(pid: int) -> None:
    """Ends a helper that this test started, the hard way, and nothing else."""
    for process in paper_home._started:
        if process.pid == pid:
            process.kill()


def test_an_exchange_is_started_found_again_and_stopped(home: Path, client_for: ClientFor) -> None:
    """The first call starts one, the second finds the same, stop ends it, and then there is none."""
    assert find(home) is None
    assert not stop(home)
    first = find_or_start(home)
    assert first.url.startswith("http://127.0.0.1:")
    assert find_or_start(home) == first == find(home)
    assert client_for(first).signed("GET", "/api/v3/account").status == 200
    assert stop(home)
    assert find(home) is None
    assert not (home / "paper.port").exists()


def test_what_was_bought_is_still_there_after_a_restart(home: Path, client_for: ClientFor) -> None:
    """Balances, orders, the port and the key are the same after a stop and a start."""
    first = find_or_start(home)
    client = client_for(first)
    client.order(type="MARKET", quantity="0.01")
    client.order(price="40000", newClientOrderId="rest")
    before = client.balances()
    assert stop(home)
    second = find_or_start(home)
    assert second == first
    client = client_for(second)
    assert client.balances() == before
    assert [row["clientOrderId"] for row in client.signed("GET", "/api/v3/openOrders").json] == ["rest"]


def test_looking_for_an_exchange_imports_no_web_server(tmp_path: Path) -> None:
    """guardian.paper.host.home can be imported without starlette and uvicorn."""
    code = (
        "import sys, guardian.paper.host.home;"
        " print([m for m in ('starlette', 'uvicorn', 'anyio') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.strip() == "[]"


@pytest.mark.skipif(os.name != "posix", reason="modes and /proc are POSIX")
def test_the_helper_keeps_its_secrets_to_its_owner(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of it is 0600; the helper's arguments and environment hold no secret of anybody's."""
    monkeypatch.setenv("MY_API_SECRET", "canary-in-the-environment")
    endpoint = find_or_start(home)
    written = read_port_file(home)
    assert written is not None
    names = {path.name for path in home.iterdir()}
    assert {"paper.port", "paper.db", "paper.lock"} <= names
    assert {name for name in names if stat.S_IMODE((home / name).stat().st_mode) != 0o600} == set()
    own = [endpoint.api_key, endpoint.api_secret, written.nonce]
    secrets = [b"canary", *(secret.reveal().encode() for secret in own)]
    proc = Path(f"/proc/{written.pid}")
    if proc.exists():
        seen = (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()
        assert b"guardian.paper.host.process" in seen
        assert not [secret for secret in secrets if secret in seen]
        assert {str((proc / "fd" / str(number)).readlink()) for number in (0, 1, 2)} == {"/dev/null"}
    assert "canary" not in repr(endpoint) + repr(written)
    assert endpoint.api_secret.reveal() not in repr(endpoint) + repr(written)


def test_a_port_that_became_somebody_elses_is_not_believed(home: Path) -> None:
    """A port file whose port answers without knowing the nonce, or not at all, counts as no exchange."""
    home.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"proof":"believe"}')

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        impostor = listener.getsockname()[1]
        stale = PortFile(port=impostor, pid=0, api_key=Secret("k"), api_secret=Secret("s"), nonce=Secret("n"))
        write_port_file(home, stale)
        assert find(home) is None
        endpoint = find_or_start(home)
        assert not endpoint.url.endswith(f":{impostor}")
        assert endpoint.api_key != Secret("k")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"port": "x"}', '{"port": 1}', "\x00\xff"])
def test_an_unreadable_port_file_counts_as_none(home: Path, content: str) -> None:
    """Whatever is in the port file, it is either a helper's or nothing."""
    home.mkdir(parents=True)
    (home / "paper.port").write_text(content, encoding="utf-8")
    assert find(home) is None


def test_a_lost_port_file_comes_back(home: Path) -> None:
    """When somebody removes the port file, the running exchange is found again, and no second one is started."""
    first = find_or_start(home)
    (home / "paper.port").unlink()
    wait_until(lambda: find(home) is not None)
    assert find_or_start(home) == first


def test_an_idle_exchange_ends_and_leaves_nothing_behind(home: Path) -> None:
    """Without requests it ends by itself after the idle time; what it kept is there for the next one."""
    first = find_or_start(home, idle_exit_s=0.3)
    wait_until(lambda: not (home / "paper.port").exists())
    wait_until(lambda: find(home) is None)
    assert find_or_start(home) == first


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder with open files cannot be moved away")
def test_an_exchange_whose_home_is_gone_ends(home: Path, tmp_path: Path) -> None:
    """When its folder is removed or moved away the helper does not stay behind."""
    find_or_start(home)
    written = read_port_file(home)
    assert written is not None
    home.rename(tmp_path / "elsewhere")

    def is_gone() -> bool:
        paper_home.reap()
        return not paper_home._started

    wait_until(is_gone)


def test_a_home_that_cannot_be_used_is_an_error_that_says_so(home: Path) -> None:
    """With a damaged database there is no exchange, the error names the log, and the log says why."""
    home.mkdir(parents=True)
    (home / "paper.db").write_bytes(b"this is not a database at all, by no means" * 30)
    started = time.monotonic()
    with pytest.raises(ExchangeUnavailable) as caught:
        find_or_start(home)
    assert time.monotonic() - started < 10
    assert caught.value.hint is not None
    assert "paper.log" in caught.value.hint
    assert "not a paper exchange's file" in (home / "paper.log").read_text()


def test_a_helper_that_cannot_answer_is_not_replaced_by_a_second_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the home's life lock, no other exchange is started, and the caller gets an error."""
    home.mkdir(parents=True)
    code = "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
    code += "print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(home / "paper.lock")], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ExchangeUnavailable):
            find_or_start(home, timeout_s=2.5)
        assert not (home / "paper.port").exists()
    finally:
        holder.kill()
        holder.communicate()


RACER = """
import sys, pathlib
from guardian.paper.host.home import find_or_start
sys.stdin.readline()
try:
    print(find_or_start(pathlib.Path(sys.argv[1])).url, flush=True)
finally:
    sys.stdin.readline()
"""


def test_processes_that_race_to_start_it_end_with_one_exchange(tmp_path: Path) -> None:
    """Two processes started together on an empty folder, 25 times: one exchange, seen by both."""

    def race(number: int) -> tuple[str, str]:
        folder = tmp_path / f"home {number}"
        racers = [
            prefork.popen(
                [sys.executable, "-c", RACER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        try:
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("go\n")
                racer.stdin.flush()
            seen = [racer.stdout.readline().strip() for racer in racers if racer.stdout is not None]
            found = find(folder)
            assert found is not None
            assert seen == [found.url, found.url]
            assert stop(folder)
            return seen[0], seen[1]
        finally:
            for racer in racers:
                racer.communicate("end\n", timeout=10)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(race, range(25)))
    assert len(outcomes) == 25


def test_killed_in_mid_traffic_it_comes_back_with_nothing_lost_or_doubled(home: Path, client_for: ClientFor) -> None:
    """Killed five times while two threads trade: every acknowledged order is there once, and all adds up."""
    dice = random.Random(20)
    acknowledged: list[str] = []
    asked: list[str] = []
    ended = threading.Event()

    def trade(name: str) -> None:
        number = 0
        while not ended.is_set():
            client_order_id = f"{name}-{number}"
            number += 1
            asked.append(client_order_id)
            try:
                client = client_for(find_or_start(home))
                kind = (
                    {"type": "MARKET", "quantity": "0.0001"} if number % 2 else {"price": "40000", "quantity": "0.0002"}
                )
                reply = client.order(newClientOrderId=client_order_id, **kind)
                if reply.status == 200:
                    acknowledged.append(client_order_id)
            except (OSError, ExchangeUnavailable, ValueError, AssertionError):
                continue
            except Exception as error:
                if type(error).__module__ != "http.client":
                    raise

    find_or_start(home)
    threads = [threading.Thread(target=trade, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for _ in range(5):
        before = len(acknowledged)
        wait_until(partial(has_grown, acknowledged, before + 5), timeout_s=10)
        time.sleep(dice.random() * 0.05)
        written = read_port_file(home)
        assert written is not None
        kill(written.pid)
    before = len(acknowledged)
    wait_until(lambda: len(acknowledged) > before + 5)
    ended.set()
    for thread in threads:
        thread.join(20)
    client = client_for(find_or_start(home))
    rows = client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000).json
    ids = [row["clientOrderId"] for row in rows]
    assert len(rows) < 1000
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids) <= set(asked)
    still_open = [row for row in rows if row["status"] == "NEW"]
    filled = [row for row in rows if row["status"] == "FILLED"]
    free, locked = (Decimal(amount) for amount in client.balances()["USDT"])
    assert locked == 8 * len(still_open)
    assert free + locked == 10000 - sum(Decimal(row["cummulativeQuoteQty"]) for row in filled)
