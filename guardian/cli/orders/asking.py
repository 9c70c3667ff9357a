"""Puts one order to the owner: first what is known, then the market as it arrives, then the question. Light to import.

The lines that need no exchange are on the screen at once. The exchange is asked meanwhile, in a thread of its own; no
answer is taken before its lines are on the screen as well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.cli.orders.background_home import BackgroundHome, result_of
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.owner import agree, wait_without_answer
from guardian.cli.support.render import say, say_error
from guardian.cli.support.stop_requests import stop_requests
from guardian.cli.support.times import clock_time
from guardian.domain.text.escaping import clean
from guardian.errors import StoreError
from guardian.gate.orders.proposal_views import known_lines
from guardian.home.folder import checked_home
from guardian.store.schema.records import Proposal
from guardian.store.waiting_proposals import WaitingProposals
from guardian.system.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.cli.orders.approval import Presentation

LOOK_S: Final = 0.5
"""How often it is looked whether the order on the screen has ended or was answered elsewhere, in seconds."""

MAX_CLIENT: Final = 30
"""Characters of the name that a client gives itself."""


@dataclass(slots=True, kw_only=True)
class ShownOrder:
    """The order on the screen, and whether it still waits for an answer."""

    proposal: Proposal
    waiting: WaitingProposals
    monotonic: Callable[[], float]
    stop_asked: bool = field(default=False, init=False)
    """Whether Ctrl-C, or its like, came while what was agreed to was done; that was finished all the same."""
    _looked: float = field(default=float("-inf"), init=False)
    _is_over: bool = field(default=False, init=False)

    def is_over(self, *, at_once: bool = False) -> bool:
        """Whether it has ended, has expired, or was approved elsewhere: now, or as of LOOK_S ago at most."""
        now = self.monotonic()
        if not self._is_over and (at_once or now - self._looked >= LOOK_S):
            self._looked, self._is_over = now, self._has_moved_on()
        return self._is_over

    def _has_moved_on(self) -> bool:
        try:
            found, now_ms = self.waiting.one(self.proposal.id)
        except StoreError:
            return False  # whoever approves it finds out
        shown = self.proposal
        return (
            found is None
            or not found.is_outstanding(now_ms)
            or (found.state, found.approved_ms) != (shown.state, shown.approved_ms)
        )


def shown_order(proposal: Proposal) -> ShownOrder:
    """The order that is about to be shown. Raises NotPrivate."""
    waiting = WaitingProposals(checked_home(), SYSTEM_CLOCK)
    return ShownOrder(proposal=proposal, waiting=waiting, monotonic=SYSTEM_CLOCK.monotonic)


def decide_on(
    shown: ShownOrder, now_ms: int, policy_path: Path | None, home: BackgroundHome, *, submit: bool, usb_key: bool
) -> int:
    """Show the order, ask, and do what the owner says; returns the exit code, NO where nothing was approved.

    `policy_path` is the policy of `home`, as `BackgroundHome` has it. With `usb_key` a USB security key signs the yes.

    Raises KeyboardInterrupt while it asks, and nothing was approved then; GuardianError where the home, the policy or
    the exchange cannot be used.
    """
    proposal = shown.proposal
    for line in known_lines(proposal, now_ms, clock=clock_time):
        say(line)

    async def look(opened: Guardian) -> Presentation:
        from guardian.cli.orders import approval

        return await approval.present(opened, proposal)

    looking = home.start(look)
    question = "place this order now?" if submit else "approve this order?"
    words = f"{question} (the market is asked first) "
    if not wait_without_answer(words, is_over=lambda: looking.done() or shown.is_over()):
        say("nothing was approved")
        return NO
    if not looking.done():
        looking.cancel()
        return _say_end(shown, home)
    present = result_of(looking)
    from guardian.cli.orders import approval
    from guardian.gate.owner.order_approval import order_statement

    for line in present.lines:
        say(line)
    if present.mismatch is not None or present.denials:
        approval.say_why_not(present)
        return NO
    proof = agree(
        order_statement(proposal, present.market),
        f"{_requested(shown)}{question}",
        policy_path=policy_path,
        is_over=shown.is_over,
        monotonic=shown.monotonic,
        usb_key=usb_key,
    )
    if shown.is_over(at_once=proof is not None):
        return _say_end(shown, home)
    if proof is None:
        say("nothing was approved; `guardian reject` turns it down for good")
        return NO
    with stop_requests() as stop:
        code = home.result(
            lambda opened: approval.approve_and_submit(opened, proposal, present, proof, stop, submit=submit)
        )
    # Not before the signals have their usual effect again: none is lost in between.
    shown.stop_asked = stop.asked
    return code


def _requested(shown: ShownOrder) -> str:
    """Returns `requested by claude-ai/1.0 for 50 USDT; `: who asked, by the name that it gave itself, and for what.

    Empty where neither is known besides what the first line has.
    """
    client = None
    with suppress(StoreError):  # the order is shown without it
        client = shown.waiting.client_of(shown.proposal)
    quote_quantity = shown.proposal.spec.get("quote_quantity")
    by = "" if client is None else f" by {clean(client, MAX_CLIENT)}"
    amount = "" if quote_quantity is None else f" for {quote_quantity} {shown.proposal.quote_asset}"
    return f"requested{by}{amount}; " if by or amount else ""


def _say_end(shown: ShownOrder, home: BackgroundHome) -> int:
    """Say why nobody's answer is waited for any more."""

    async def ended(opened: Guardian) -> str:
        from guardian.cli.orders.approval import approved_elsewhere
        from guardian.cli.orders.proposals import waiting_proposal

        found = await opened.journal.run(lambda: waiting_proposal(opened.journal, shown.proposal.id))
        return found if isinstance(found, str) else approved_elsewhere(shown.proposal.id)

    say_error(f"{home.result(ended)}; nothing was approved here")
    return NO
