"""Lines for a person on stderr: they never make a call wait, and a flood of them stays small."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from guardian.server.process.stderr_lines import BURST, MOST_QUEUED, REFILL_S, StderrLines, write_to_stderr


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_written_in_order() -> None:
    """What was put first is written first, by another thread than the one that puts it."""
    written: list[tuple[str, bool]] = []
    caller = threading.get_ident()
    lines = StderrLines(lambda line: written.append((line, threading.get_ident() != caller)))
    for number in range(5):
        assert lines.put(f"line {number}", "orders")
    assert lines.drain(5)
    assert written == [(f"line {number}", True) for number in range(5)]


def test_put_does_not_wait_for_a_reader_that_reads_nothing() -> None:
    """Where the pipe is full, a write waits for ever: each put returns at once, and the queue stays short."""
    blocked, held = threading.Event(), threading.Event()

    def write(_line: str) -> None:
        held.set()
        blocked.wait(10)

    lines = StderrLines(write, monotonic=Time())
    started = time.monotonic()
    taken = sum(lines.put("x" * 400, f"kind {number % 50}") for number in range(2_000))
    assert time.monotonic() - started < 2
    assert held.wait(5)
    assert taken == MOST_QUEUED
    assert not lines.drain(0.01)
    blocked.set()
    assert lines.drain(5)


def test_flood_of_one_kind_is_cut_and_another_kind_still_passes() -> None:
    """Of 10,000 denials a few are written with the number of the rest; that trading was halted is not lost in them."""
    written: list[str] = []
    clock = Time()
    lines = StderrLines(written.append, monotonic=clock)
    for _ in range(10_000):
        lines.put("denied", "denials")
        lines.drain(5)
    assert written == ["denied"] * BURST
    lines.put("halted", "events")
    clock.now = REFILL_S
    lines.put("denied", "denials")
    assert lines.drain(5)
    assert written[BURST:] == [
        "halted",
        f"guardian: {10_000 - BURST} more lines about denials were left out",
        "denied",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe whose reader is gone says so in another way there")
def test_stderr_without_a_reader_or_closed_loses_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that closed its end, and a process without stderr, cost a line and no exception."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        write_to_stderr("heard")
        assert os.read(reading, 100) == b"heard\n"
        os.close(reading)
        write_to_stderr("lost")
    write_to_stderr("closed")
    monkeypatch.setattr(sys, "stderr", None)
    write_to_stderr("none")
