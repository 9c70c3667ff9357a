"""A page for one question, asked in a thread as a command asks it."""

from __future__ import annotations

import asyncio
import secrets
import threading
from typing import Any

from guardian.console.one_question import OneQuestion, registration_question, yes_question
from guardian.domain.owner.statement import Statement
from guardian.errors import GuardianError
from guardian.gate.owner.agreement import Agreement
from guardian.gate.owner.changes import OwnerChanges
from tests.console.support.served import PATIENCE_S, ServedConsole


class Asked:
    """One question that is open until it is answered; `result` has what the command gets, or what it raises."""

    def __init__(self, page: OneQuestion[Any]) -> None:
        self.page = page
        self._found: Any = None
        self._failed: GuardianError | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        async def until_over() -> None:
            while not self._over.is_set():
                await asyncio.sleep(0.05)

        try:
            self._found = asyncio.run(self.page.ask(until_over))
        except GuardianError as error:
            self._failed = error

    @property
    def link(self) -> str:
        return self.page.link

    def over(self) -> None:
        """Nobody waits for the answer any more."""
        self._over.set()

    def result(self) -> Any:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if self._failed is not None:
            raise self._failed
        return self._found


def asked_to_register(console: ServedConsole, name: str) -> Asked:
    """What `guardian passkey add NAME` asks, for a first passkey."""
    changes = OwnerChanges(console.opened.journal, random_bytes=secrets.token_bytes, keyring=lambda: console.items)
    return Asked(registration_question(changes, name, None))


def asked_to_agree(console: ServedConsole, statement: Statement, title: str) -> Asked:
    """What a command asks that loosens something."""
    agreement = Agreement(console.opened.journal, random_bytes=secrets.token_bytes, pins=lambda: console.items)
    return Asked(yes_question(agreement, statement, title))
