"""The harness end to end: a tiny run measures, prints, writes JSON, and leaves no process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import run as running
from tests.benchmarks.options import TINY, Options, read_options
from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.processes import Processes, memory_mb, run
from tests.benchmarks.subjects.stdio import Command, Failed, StdioServer
from tests.benchmarks.table.rows import Row


def options(tmp_path: Path, *only: str) -> Options:
    """Options of a tiny run of guardian alone, with the exchange near."""
    given = read_options(
        [*only, "--guardian-only", "--size", "tiny", "--scratch", str(tmp_path), "--json", str(tmp_path / "all.json")],
        list(running.SECTIONS),
        cache=tmp_path,
        python=sys.executable,
    )
    return replace(given, sizes=replace(TINY, reads=((0, 2),)))


@pytest.mark.slow
def test_tiny_run_measures_a_read_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed, the JSON has the same row, and what was not measured is said."""
    assert running.run(options(tmp_path, "warm")) == 0
    printed = capsys.readouterr().out
    assert "### warm" in printed
    assert "| read a price | 0 ms       | guardian |" in printed
    assert "not measured" in printed
    written = json.loads((tmp_path / "all.json").read_text("utf-8"))
    (row,) = written["rows"]
    assert (row["what"], row["subject"], row["samples"], row["ratio"]) == ("read a price", "guardian", 2, None)
    assert row["value"] > 0
    assert {bar["met"] for bar in written["bars"]} == {None}
    assert list(tmp_path.glob("guardian-bench-*")) == []


def test_interrupted_run_prints_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C every process that was started has ended, and the rows so far are in the table."""
    started: list[subprocess.Popen[bytes]] = []

    def measure(bench: Bench) -> None:
        bench.report.add(Row(section="s", what="w", subject="guardian", unit="ms", value=1.0))
        started.append(bench.processes.start([sys.executable, "-c", "import time; time.sleep(600)"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "SECTIONS", {"interrupted": measure})
    assert running.run(replace(options(tmp_path), only=())) == running.INTERRUPTED
    printed = capsys.readouterr().out
    assert "| w    | guardian | 1.00   | ms   |" in printed
    assert "interrupted" in printed
    assert started[0].poll() is not None


def test_section_that_fails_takes_nothing_from_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is in the notes and in the exit code, and the next section is measured."""

    def fails(_bench: Bench) -> None:
        raise Failed("no answer")

    def measures(bench: Bench) -> None:
        bench.report.add(Row(section="s", what="w", subject="guardian", unit="ms", value=1.0))

    monkeypatch.setattr(running, "SECTIONS", {"fails": fails, "measures": measures})
    assert running.run(replace(options(tmp_path), only=())) == 1
    printed = capsys.readouterr().out
    assert "- fails: not measured to its end: no answer" in printed
    assert "### measures" in printed


def a_program(tmp_path: Path, text: str) -> Command:
    return Command(argv=(sys.executable, "-c", text), env={}, cwd=tmp_path)


def test_answer_that_is_an_error_is_never_measured(tmp_path: Path) -> None:
    """An error of the protocol, and a server that ends, raise; lines that are no messages are skipped."""
    error = "input(); print('hello'); print('{\"id\": 1, \"error\": {}}', flush=True); input()"
    with Processes() as processes:
        server = StdioServer(processes, a_program(tmp_path, error), tmp_path / "log")
        with pytest.raises(Failed, match="tools/call"):
            server.call("x", {})
        gone = StdioServer(processes, a_program(tmp_path, "import sys; sys.exit('last words')"), tmp_path / "log")
        with pytest.raises(Failed, match="last words"):
            gone.call("x", {})


def test_server_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed, so that a run never hangs."""
    monkeypatch.setattr("tests.benchmarks.subjects.stdio.PATIENCE_S", 0.2)
    with Processes() as processes:
        server = StdioServer(processes, a_program(tmp_path, "import time; time.sleep(600)"), tmp_path / "log")
        with pytest.raises(Failed):
            server.call("x", {})


def test_memory_and_cpu_are_those_of_the_process(tmp_path: Path) -> None:
    """A program that uses much of either shows it; where they cannot be read, they are None and not zero."""
    done = run([sys.executable, "-c", "sum(range(10**6))"], env={}, cwd=tmp_path)
    assert done.code == 0
    assert done.cpu_ms is None or done.cpu_ms > 0
    with Processes() as processes:
        text = "kept = bytearray(b'x' * 80_000_000); print(1, flush=True); input()"
        big = processes.start(
            [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd=tmp_path
        )
        assert big.stdout is not None
        big.stdout.readline()
        found = memory_mb(big.pid)
        assert found is None or found > 80
    assert memory_mb(big.pid) is None


def test_things_are_measured_in_turn() -> None:
    """A B, A B: what disturbs the machine for a while hits all alike."""
    bench = Bench.__new__(Bench)
    bench.progress = lambda _line: None
    assert list(bench.in_turn("x", 2, ["a", "b"])) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]


def test_trees_have_labels_and_pythons(tmp_path: Path) -> None:
    """Another checkout is named by its folder and run by this Python, unless it is said otherwise."""
    sections = ["warm"]
    trees = ["--tree", str(tmp_path / "a"), "--label", "before", "--python", "py", "--tree", str(tmp_path / "b")]
    given = read_options(trees, sections, cache=tmp_path, python="this")
    assert given.trees == (("before", tmp_path / "a", "py"), ("guardian b", tmp_path / "b", "this"))
    with pytest.raises(SystemExit):
        read_options(["nothing"], sections, cache=tmp_path, python="this")
