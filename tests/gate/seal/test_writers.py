"""Verifying a sealed log while two processes write and sign: never a false alarm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from guardian.gate.base.journal import Journal
from tests.support.sealed import SealedHome

ROUNDS = 5
"""`python -m tests.longrun.sealed_writers` plays more."""


@contextmanager
def two_writers(home: SealedHome) -> Iterator[None]:
    """Two journals, as two servers have them, that append, sign and anchor without a pause."""
    stop = threading.Event()

    def write(journal: Journal, name: str) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            with journal.transaction() as tx:
                tx.audit.append(SealedHome.record(f"{name}-{count}"))
                head = tx.head
            journal.anchor(head)
            if count % 10 == 0 and journal.seal is not None:
                journal.seal.look()

    with ExitStack() as stack:
        threads = []
        for name in ("a", "b"):
            journal = stack.enter_context(home.journal())
            journal.begin_seal()
            threads.append(threading.Thread(target=write, args=(journal, name)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def play(home: SealedHome, rounds: int) -> None:
    home.seal()
    with two_writers(home):
        for _ in range(rounds):
            report = home.verified()
            assert (report.findings, report.is_proven) == ((), True)
    report = home.verified()
    assert (report.findings, report.is_proven, report.unanchored) == ((), True, 0)


def test_verifying_a_sealed_log_while_two_write_gives_no_false_alarm(home: SealedHome) -> None:
    """T4: checkpoints, MACs and the anchor hold at every moment; at the end nothing is unanchored."""
    play(home, ROUNDS)
