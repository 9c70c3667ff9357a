"""A fork of the server cannot be distinguished from a process that was spawned, but by how soon it is there."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.processes import CONTROLLING, Machine
from tests.support import prefork
from tests.support.present import present

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.environ.get(prefork.SPAWN) == "1", reason="nothing is forked in this run"
)

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
LOOK = """
import gc, json, os, random, signal, sys, tempfile, threading, time, warnings
def stream(file):
    if file is None:
        return None
    raw = getattr(file.buffer, 'raw', file.buffer)
    return [repr(file), file.encoding, file.errors, file.line_buffering, file.write_through, file.mode, repr(raw),
            type(file.buffer).__name__, file.isatty(), file is getattr(sys, '__' + file.name.strip('<>') + '__')]
ignored = [line for line in open('/proc/self/status') if line.startswith(('Sig', 'Shd')) and 'SigQ' not in line]
handlers = [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())]
open_files = [int(number) for number in os.listdir('/proc/self/fd')]
seen = {
    'argv': [sys.argv, sys.orig_argv, sys.path[0], __name__, sorted(globals())],
    'streams': [stream(file) for file in (sys.stdin, sys.stdout, sys.stderr)],
    'environment': [dict(os.environ), os.getcwd(), tempfile.gettempdir(), time.tzname, sys.dont_write_bytecode],
    'session': [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
    'signals': [ignored, handlers, str(signal.pthread_sigmask(signal.SIG_BLOCK, []))],
    'files': sorted(open_files),
    'rest': [os.umask(0), threading.active_count(), gc.isenabled(), str(warnings.filters), sys.flags.utf8_mode],
}
print(json.dumps(seen, indent=1))
"""
"""What a process can tell about itself."""


@pytest.fixture(autouse=True)
def nothing_acts_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine sets, there is no variable here that would have every process spawned."""
    for name in [name for name in os.environ if prefork._EARLY.match(name)]:
        monkeypatch.delenv(name)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def forked(command: list[str], **options: Any) -> subprocess.Popen[Any]:
    """A process that was certainly forked."""
    process = prefork.popen(command, **options)
    assert type(process) is prefork._Forked
    return process


def both(command: list[str], **options: Any) -> list[tuple[int, Any, Any]]:
    """Exit code, output and errors of a command that is forked, and of the same one spawned."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    found = []
    for start in (forked, subprocess.Popen):
        with start([sys.executable, *command], **options) as process:
            out, errors = process.communicate(timeout=PATIENCE_S)
        found.append((process.returncode, out, errors))
    return found


def same(command: list[str], **options: Any) -> tuple[int, Any, Any]:
    """What both have in common, which is all."""
    fork, spawn = both(command, **options)
    assert fork == spawn
    return fork


@pytest.mark.parametrize("switch", [[], ["-u"]])
@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("more", [{}, {"PYTHONUNBUFFERED": "1", "TZ": "Asia/Tokyo", "PYTHONDONTWRITEBYTECODE": "1"}])
def test_process_sees_the_same(tmp_path: Path, switch: list[str], new_session: bool, more: dict[str, str]) -> None:
    """Arguments, streams, environment, folder, signals, session, umask and open files are a new interpreter's."""
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "ODD": "\udcff=\n", **more}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_"))}
    code, out, errors = same(
        [*switch, "-c", LOOK, "one", "--two", "\u20bf"], env=environment, cwd=tmp_path, start_new_session=new_session,
        stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    seen = json.loads(out)
    assert seen["environment"][0]["ODD"] == environment["ODD"]
    assert seen["environment"][1:3] == [str(tmp_path)] * 2
    assert seen["session"] == [new_session] * 2
    assert len(seen["files"]) == 4  # one is the folder that it was reading


def test_program_of_the_tests_is_found_in_its_folder() -> None:
    """`-m` runs the module as `__main__`, from the current folder."""
    assert same(["-m", "tests.reference.page"], cwd=ROOT)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["frobnicate"], 2), (["audit", "verify"], 3), (["status"], 1), (["policy", "show"], 0)],
)
def test_command_of_guardian_says_the_same(machine: Machine, arguments: list[str], code: int) -> None:
    """Exit code, output and errors of a command, with no home there."""
    assert same(["-m", "guardian", *arguments], env=machine.environment, cwd=machine.work, text=True)[0] == code
    assert machine.left_behind() == []


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(259)", 3),
        ("raise SystemExit('words')", 1),
        ("raise SystemExit", 0),
        ("def f(): return 1 / 0\nf()", 1),
        ("1 +", 1),
        ("import os; os._exit(9)", 9),
        ("import os; os.abort()", -6),
        ("raise KeyboardInterrupt", -2),
        ("import signal; signal.raise_signal(signal.SIGTERM)", -15),
        ("import atexit; atexit.register(print, 'last'); print('first')", 0),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()", 0),
        ("class Mine:\n def __del__(self): print('gone')\nloop = Mine(); loop.loop = loop; del loop", 0),
        ("import sys; sys.stdout.write('no end of line'); sys.stderr.write('nor here')", 0),
        ("import sys; sys.stdout.buffer.write(b'bytes')", 0),
        ("import sys; print(sys.stdin.read() == '')", 0),
        ("import sys; sys.stdout.close()", 0),
        ("import sys; sys.excepthook = lambda *given: print(given[0]); raise ValueError", 1),
    ],
)
def test_end_is_the_same(program: str, code: int) -> None:
    """Exit code or signal, and all that is said on the way out."""
    assert same(["-c", program], stdin=subprocess.DEVNULL)[0] == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_it_the_same(number: signal.Signals) -> None:
    """The pid is the process's own, it can be sent signals, and which one ended it is known."""
    for start in (forked, subprocess.Popen):
        command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
        with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.poll() is None
            assert int(present(process.stdout).readline()) == process.pid
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
            process.send_signal(number)
            errors = process.communicate(timeout=PATIENCE_S)[1]
            assert process.returncode == process.poll() == process.wait() == -number
            assert errors.endswith("KeyboardInterrupt\n" if number == signal.SIGINT else "")
            process.kill()  # does nothing, as nobody is there


def test_process_that_has_ended_keeps_its_pid_until_that_is_known() -> None:
    """A signal that is sent too late meets nobody else."""
    for start in (forked, subprocess.Popen):
        with start([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
            assert present(process.stdout).read() == b""
            time.sleep(0.2)
            os.kill(process.pid, 0)
            assert process.wait() == 0
            deadline = time.monotonic() + PATIENCE_S
            while Path(f"/proc/{process.pid}").exists():
                assert time.monotonic() < deadline, "it is still there"
                time.sleep(0.01)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_stream_that_is_closed_is_closed_there_too(tmp_path: Path, number: int) -> None:
    """A process of which this one has closed a standard stream has none: Python makes it None, guardian works on."""
    told = tmp_path / "told"
    look = "import sys; missing = sys.stdin is None, sys.stdout is None, sys.stderr is None\n"
    look += f"open({str(told)!r}, 'a').write(str(missing))"
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    del streams[list(streams)[number]]
    forked([sys.executable, "-c", ""]).wait()  # the server is there
    kept = os.dup(number)
    os.close(number)
    try:
        codes = [
            start([sys.executable, *command], **streams).wait(PATIENCE_S)
            for command in (["-c", look], ["-m", "guardian", "frobnicate"])
            for start in (forked, subprocess.Popen)
        ]
    finally:
        os.dup2(kept, number)
        os.close(kept)
    assert codes == [0, 0, 2, 2]
    assert told.read_text() == 2 * str(tuple(one == number for one in range(3)))


@pytest.mark.parametrize("command", [["-m", "guardian", "--help"], ["-c", "print('x')"], ["-u", "-c", "print('x')"]])
@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_output_that_nobody_takes_ends_it_the_same(command: list[str], target: str) -> None:
    """A full disk and a reader that has gone: what Python says at its very end is said too."""
    if target == "/dev/full":
        stdout = os.open(target, os.O_WRONLY)
    else:
        reading, stdout = os.pipe()
        os.close(reading)
    code, _, _ = same(command, stdout=stdout)
    os.close(stdout)
    assert code in {1, 3, 120, 141}


def test_terminal_is_a_terminal() -> None:
    """It is the controlling one: /dev/tty is there, Ctrl-C typed interrupts, and its closing hangs up."""
    program = (
        "import os, sys, time; tty = open('/dev/tty', 'w'); print(sys.stdin.isatty(), sys.stdout.isatty())\n"
        "try:\n    print(input('name? ')); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('stopped', file=tty, flush=True)\n"
        "time.sleep(60)"
    )
    screens = []
    for start in (forked, subprocess.Popen):
        ours, its = pty.openpty()
        command = [sys.executable, "-c", CONTROLLING + program]
        with start(command, stdin=its, stdout=its, stderr=its, start_new_session=True) as process:
            os.close(its)
            seen = b""
            for text, answer in ((b"name? ", b"me\n"), (b"me\r\nme\r\n", b"\x03"), (b"stopped", b"")):
                while text not in seen:
                    assert select.select([ours], [], [], PATIENCE_S)[0], seen
                    seen += os.read(ours, 4096)
                os.write(ours, answer)
            os.close(ours)
            assert process.wait(PATIENCE_S) == -signal.SIGHUP
            screens.append(seen.strip())
    assert screens[0] == screens[1]
    assert b"True True" in screens[0]


def test_run_is_that_of_subprocess() -> None:
    """Input, time limit and check do what they do there, and a process that took too long is gone."""
    upper = [sys.executable, "-c", "import sys; print(sys.stdin.read().upper(), end='')"]
    fork = prefork.run(upper, input="words", capture_output=True, text=True)
    spawn = subprocess.run(upper, input="words", capture_output=True, text=True, check=False)
    assert (fork.args, fork.returncode, fork.stdout, fork.stderr) == (spawn.args, 0, spawn.stdout, spawn.stderr)
    with pytest.raises(subprocess.TimeoutExpired):
        prefork.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        prefork.run([sys.executable, "-c", "raise SystemExit(7)"], check=True)
    assert failed.value.returncode == 7


def test_two_forks_have_nothing_in_common() -> None:
    """Random numbers, identifiers and names of temporary files are each process's own."""
    program = "import random, secrets, tempfile, uuid; print(random.random(), uuid.uuid4(), secrets.token_hex(8))\n"
    program += "print(next(tempfile._get_candidate_names()))"
    outputs = [prefork.run([sys.executable, "-c", program], capture_output=True, text=True).stdout for _ in range(2)]
    assert not set(outputs[0].split()) & set(outputs[1].split())


def test_processes_of_a_machine_are_named_by_their_own_commands(machine: Machine) -> None:
    """A fork is found by its environment, under its command line, for as long as it lives."""
    with forked([sys.executable, "-m", "guardian", "serve"], env=machine.environment, stdin=subprocess.PIPE) as process:
        assert machine.processes() == [f"{sys.executable} -m guardian serve"]
        process.kill()
        process.wait()
        assert machine.processes() == []


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ([sys.executable, "-m", "guardian.paper.host.process"], {}),
        ([sys.executable, "-P", "-m", "guardian"], {}),
        ([sys.executable, "-m"], {}),
        ([sys.executable], {}),
        (["/bin/true", "-c", ""], {}),
        ([sys.executable, "-c", ""], {"preexec_fn": print}),
        ([sys.executable, "-c", ""], {"cwd": "/nowhere"}),
        ([sys.executable, "-c", ""], {"env": {"PYTHONPATH": "x"}}),
        ([sys.executable, "-c", ""], {"env": {"PYTHONUTF8": "1"}}),
        ([sys.executable, "-c", ""], {"env": {"COVERAGE_PROCESS_START": "x"}}),
        ([sys.executable, "-c", ""], {"env": {"OPENSSL_CONF": "x"}}),
        ([sys.executable, "-c", ""], {"env": {"LC_ALL": "POSIX"}}),
    ],
)
def test_what_a_fork_would_do_otherwise_is_spawned(command: list[str], options: dict[str, Any]) -> None:
    """Another program, other options, and variables that act before Python's first line."""
    assert not prefork._can_fork(command, options)


def test_forks_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test, by `spawning`; for a run, by a variable; and there are none but on Linux."""
    command = [sys.executable, "-m", "guardian"]
    assert prefork._can_fork(command, {})
    with prefork.spawning(), prefork.popen([*command, "--version"], stdout=subprocess.PIPE) as process:
        assert type(process) is subprocess.Popen
    assert prefork._can_fork(command, {})
    ask = "from tests.support.prefork import _can_fork; import sys; print(_can_fork([sys.executable, '-c', ''], {}))"
    off = {**os.environ, prefork.SPAWN: "1"}
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, env=off, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    monkeypatch.setattr(prefork, "_IS_KNOWN", False)
    assert not prefork._can_fork(command, {})


def test_server_ends_with_the_process_that_started_it() -> None:
    """Also with one that is killed: neither a process nor a file of it is left."""
    program = (
        "import subprocess, sys, time\nfrom tests.support import prefork\n"
        "prefork.run([sys.executable, '-c', ''])\n"
        "print(prefork._servers[0]._process.pid, prefork._servers[0]._path, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        pid, path = present(process.stdout).readline().split()
        assert Path(path).exists()
        process.kill()
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists() or Path(path).parent.exists():
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.02)
