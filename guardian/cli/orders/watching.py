"""`guardian approve --watch`: stays, and puts one order after the other to the owner as they come. Light to import."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guardian.cli.orders.asking import decide_on, shown_order
from guardian.cli.orders.background_home import BackgroundHome
from guardian.cli.orders.waiting_list import policy_of, read_waiting, say_owner_changes
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.render import say, say_error, say_hint
from guardian.errors import GuardianError
from guardian.store.schema.records import Proposal, ProposalState

LOOK_S: Final = 0.5
"""How often it is looked whether something new waits, in seconds."""


@dataclass(slots=True)
class Watched:
    """What came of the orders of one watch, by the ids of their proposals."""

    done: list[str] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Sent, and their outcome is not known."""

    @property
    def asked(self) -> frozenset[str]:
        """All that were put to the owner."""
        return frozenset((*self.done, *self.not_done, *self.unknown))


def watch_and_ask(
    policy_path: Path | None, *, submit: bool, usb_key: bool, pause: Callable[[float], None] = time.sleep
) -> None:
    """Ask about each order that waits, and about each that comes, until Ctrl-C; each is asked about once.

    Raises KeyboardInterrupt, when what was and what was not done is said; StoreError and NotPrivate.
    """
    watched = Watched()
    say_owner_changes()
    say("watching: each order that waits for you is asked about here; Ctrl-C ends it")
    try:
        while True:
            next_one = next(iter(_not_asked(watched)), None)
            if next_one is None:
                pause(LOOK_S)
            else:
                _ask(next_one, watched, policy_path, submit=submit, usb_key=usb_key)
    except KeyboardInterrupt:
        say("")
        _say_what_was_done(watched, submit=submit)
        raise


def _not_asked(watched: Watched) -> list[Proposal]:
    """What waits for an answer and was not put to the owner yet, oldest first."""
    return [p for p in read_waiting().proposals if p.state is ProposalState.WAITING and p.id not in watched.asked]


def _ask(proposal: Proposal, watched: Watched, policy_path: Path | None, *, submit: bool, usb_key: bool) -> None:
    """Put one order to the owner. What fails for one order, its policy or its exchange, is said and ends no watch."""
    waiting = read_waiting()
    say("")
    say(f"proposal {proposal.id}:")
    code, shown = NO, shown_order(proposal)
    path = policy_path or policy_of(proposal)
    try:
        with BackgroundHome(path) as home:
            code = decide_on(shown, waiting.now_ms, path, home, submit=submit, usb_key=usb_key)
    except GuardianError as error:
        say_error(error.message)
        if error.hint:
            say_hint(error.hint)
        say(f"proposal {proposal.id} still waits; `guardian approve {proposal.id}` asks again")
    finally:
        ended_as = {FINE: watched.done, COULD_NOT_TELL: watched.unknown}
        ended_as.get(code, watched.not_done).append(proposal.id)
    if shown.stop_asked:
        raise KeyboardInterrupt


def _say_what_was_done(watched: Watched, *, submit: bool) -> None:
    what = "placed" if submit else "approved"
    say(f"{what}: {', '.join(watched.done) or 'nothing'}")
    if watched.unknown:
        say(f"sent, with an outcome that is not known: {', '.join(watched.unknown)}; see `guardian status`")
    if watched.not_done:
        say(f"not {what}: {', '.join(watched.not_done)}")
    left = [proposal.id for proposal in _not_asked(watched)]
    if left:
        say(f"not asked about: {', '.join(left)}")
