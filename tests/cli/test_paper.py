"""`guardian paper` as a person runs it: its help, its options, and what it prints."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from guardian.cli.paper import FAULTS, command
from guardian.paper.rest.faults import FaultKind, read_spec
from tests.support import prefork

GUARDIAN = [sys.executable, "-m", "guardian"]


def test_help_answers_fast_and_names_every_fault_with_an_example() -> None:
    """Help imports no web server, says how to point a client at it, and each line of its examples is a real one."""
    code = "import sys; from guardian.cli.app import main; main(['paper', '--help']);"
    code += (
        "print([m for m in ('starlette', 'uvicorn', 'cryptography', 'sqlite3') if m in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert told.stderr.strip() == "[]"
    assert "api.binance.com" in told.stdout
    for kind in FaultKind:
        assert kind.value in told.stdout
    named = [line.split("   ")[0] for line in FAULTS.splitlines() if re.match(r"  \w.*   ", line)]
    specs = [spec.strip() for names in named for spec in names.split(", ")]
    assert len(specs) >= len(FaultKind)
    for spec in specs:
        read_spec(spec)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--fault", "nonsense"], "'nonsense' is no fault"),
        (["--fault", "delay,seconds=x"], "'seconds=x' is not a value for seconds"),
        (["--speed", "0"], "is not a number from 0.001"),
        (["--speed", "NaN"], "is not a number from 0.001"),
        (["--replay", "nowhere.gz"], "does not exist"),
        (["--port", "70000"], "not in the range"),
        (["--max-weight", "0"], "not in the range"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(options: list[str], says: str) -> None:
    """The exchange is not started, and the option is named with what is wrong with it."""
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert says in result.output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """Starts `guardian paper` with options and gives what it printed; all are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> dict[str, str]:
        process = prefork.popen(
            [*GUARDIAN, "paper", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        assert process.stderr is not None
        assert process.stdout is not None
        said = ""
        while "Ctrl-C ends it" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        rows = 3 + 2 * ("--control-port" in options) + ("--public-key" in options)
        told = dict(process.stdout.readline().rstrip("\n").rsplit(None, 1) for _ in range(rows))
        return told | {"said": said, "pid": str(process.pid)}

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=10)


def ask(url: str, method: str, target: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_it_prints_where_it_is_and_how_to_control_it(start: Callable[..., dict[str, str]]) -> None:
    """Address, keys, and the control endpoint's address and token are on standard output, and they work."""
    told = start(
        "--control-port", "0", "--fault", "status,method=GET,path=/api/v3/time,status=503", "--max-weight", "3"
    )
    assert ask(told["url"], "GET", "/api/v3/time")[0] == 503
    assert ask(told["url"], "GET", "/api/v3/time")[0] == 200
    bearer = {"Authorization": f"Bearer {told['control_token']}"}
    spec = json.dumps({"fault": "bad_json,times=3"})
    assert ask(told["control_url"], "POST", "/fault", spec, **bearer)[1]["faults"][0]["times"] == 3
    assert ask(told["control_url"], "POST", "/fault", spec)[0] == 403
    assert [ask(told["url"], "GET", "/api/v3/ping")[0] for _ in range(3)] == [200, 200, 429]


def test_a_recorded_market_is_played(start: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    """With --replay the book is the recorded one, and it is said when it will stand still."""
    events = [
        {"lastUpdateId": 10, "bids": [["41000.00", "1"]], "asks": [["41000.50", "2"]]},
        {"e": "depthUpdate", "s": "BTCUSDT", "U": 11, "u": 12, "b": [["41000.10", "3"]], "a": []},
    ]
    lines = [f"{10**18 + number * 10**6} {json.dumps(event)}" for number, event in enumerate(events)]
    (tmp_path / "market.txt").write_text("\n".join(lines))
    told = start("--replay", "market.txt", "--speed", "10")
    assert "and then stops moving" in told["said"]
    time.sleep(0.05)
    status, book = ask(told["url"], "GET", "/api/v3/depth?symbol=BTCUSDT")
    assert (status, book["bids"][0], book["lastUpdateId"]) == (200, ["41000.10000000", "3.00000000"], 12)


@pytest.mark.skipif(os.name != "posix", reason="interrupts are sent as signals")
def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    """An interrupt ends it with 0 and no traceback, with a control endpoint too."""
    command_line = [*GUARDIAN, "paper", "--port", "0", "--control-port", "0"]
    process = prefork.popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        for _ in range(4):
            assert process.stdout.readline()
        assert ask(url, "GET", "/api/v3/ping") == (200, {})
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert complaints == "the paper exchange is up; Ctrl-C ends it\n"


def test_a_capture_that_is_none_is_told_in_words(tmp_path: Path) -> None:
    """A file that is no capture ends the command with 3, the line, and a hint."""
    file = tmp_path / "market.txt"
    file.write_text("nothing of the kind")
    command_line = [*GUARDIAN, "paper", "--port", "0", "--replay", str(file)]
    told = prefork.run(command_line, capture_output=True, text=True, timeout=30, check=False)
    assert (told.returncode, told.stdout) == (3, "")
    assert "line 1 of market.txt is not an event" in told.stderr
    assert "hint:" in told.stderr


def test_a_public_key_is_given_an_api_key(start: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    """With --public-key the key's owner can sign with the private key; its API key is printed."""
    import base64
    from urllib.parse import quote

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "mine.pem").write_bytes(pem)
    told = start("--public-key", "mine.pem")
    payload = f"timestamp={time.time_ns() // 1_000_000}"
    signature = quote(base64.b64encode(private.sign(payload.encode())).decode(), safe="")
    key = {"X-MBX-APIKEY": told["api_key of mine.pem"]}
    assert ask(told["url"], "GET", f"/api/v3/account?{payload}&signature={signature}", **key)[0] == 200
