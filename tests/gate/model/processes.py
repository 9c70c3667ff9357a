"""Two processes of guardian on one home."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from guardian.gate import pipeline
from guardian.gate.recovery.resolve import Resolver
from tests.gate.model.terms import (
    Killed,
)
from tests.gate.support.fakes import Room


class TwoProcesses(Room):
    """Two processes on one home, each with its own store, gate and resolver. One of them is spoken to at a time."""

    def __init__(self, folder: Path, *changes: Any) -> None:
        self.number = 0
        self.others: dict[int, dict[str, Any]] = {}
        self.dice = random.Random(0)
        super().__init__(folder, *changes)
        self.turn_to(1)

    def start(self) -> None:
        """As ever, but that a play can be played again: no dice of its own, and calls take turns where they wait."""
        super().start()
        self.context = replace(self.context, random_bytes=self.dice.randbytes)
        self.gate, self.resolver = pipeline.Gate(self.context), Resolver(context=self.context)

        async def run(work: Callable[[], Any], **_: Any) -> Any:
            await asyncio.sleep(0)
            done = work()
            await asyncio.sleep(0)
            return done

        self.journal.run = run

    def turn_to(self, number: int) -> None:
        if number != self.number:
            names = ("journal", "policy_file", "context", "gate", "resolver")
            self.others[self.number] = {name: getattr(self, name) for name in names}
            self.number = number
            found = self.others.pop(number, None)
            if found is None:
                self.start()
            else:
                self.__dict__.update(found)

    def of_the_other(self, name: str) -> Any:
        return self.others[1 - self.number][name]

    def close(self) -> None:
        for other in self.others.values():
            other["journal"].close()
        super().close()

    @contextmanager
    def dying(self, nth: int, before_the_commit: bool) -> Iterator[None]:
        """The process dies in its nth transaction from now, or right behind it."""
        journal, real, left = self.journal, self.journal.transaction, nth

        @contextmanager
        def transaction(**_: Any) -> Iterator[Any]:
            nonlocal left
            left -= 1
            dies = left == 0
            with real() as tx:
                yield tx
                if dies and before_the_commit:
                    raise Killed
            if dies:
                raise Killed

        journal.transaction = transaction
        try:
            yield
        finally:
            del journal.transaction
