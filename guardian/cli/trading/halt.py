"""`guardian halt`: no order is created from now on; reads and cancels go on. Tightening asks nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.opened_home import note_act, policy_option, with_guardian
from guardian.cli.support.owner import ask_yes
from guardian.cli.support.render import say, say_error, say_hint
from guardian.cli.support.stop_requests import stop_requests
from guardian.cli.support.times import local_time
from guardian.errors import GuardianError, OwnerNotPresent
from guardian.store.schema.files import DATABASE_NAME

if TYPE_CHECKING:
    from guardian.domain.trading import TradingState
    from guardian.errors import StoreError
    from guardian.gate.base.journal import Journal
    from guardian.store.database import Transaction

DEFAULT_REASON: Final = "requested by a person"
MOST_REASON: Final = 300
"""Characters of a reason; what is longer is cut."""

HALTED: Final = "trading is halted: no order is created; `guardian resume` lets it go on"
REDUCING: Final = (
    "trading is reducing: only selling back what guardian bought passes; `guardian resume` lets the rest go on"
)


@click.command()
@click.option("--reducing", is_flag=True, help="Stop all but selling back what guardian bought.")
@click.option("--cancel-open", is_flag=True, help="Then cancel guardian's own open orders, one by one, SELLs too.")
@click.option("--all", "every", is_flag=True, help="With --cancel-open: then also orders that guardian did not place.")
@click.option("--reason", default=DEFAULT_REASON, show_default=True, help="Written in the log and shown.")
@policy_option
@click.pass_context
def command(
    ctx: click.Context, reducing: bool, cancel_open: bool, every: bool, reason: str, policy_path: Path | None
) -> None:
    """Stop trading now, in every process of this home. Cancelling and reading go on; `guardian resume` ends it.

    --reducing lets what guardian bought be sold, no more than that, and nothing else. Where trading is halted it
    changes nothing, for it would loosen, and the exit code is 1.

    With --cancel-open the exit code is 3 where an order could not be cancelled. --all adds the account's other open
    orders, on the symbols that the policy lists or that guardian has traded; it shows them and asks you first.
    """
    if every and not cancel_open:
        raise click.UsageError("--all goes with --cancel-open")
    from guardian.home.log import open_journal

    code, reason = 0, _bounded(reason)
    # Through the log alone: trading can be stopped also where the policy is broken.
    journal = open_journal()
    is_new = not (journal.home / DATABASE_NAME).exists()
    try:
        if not reducing:
            say(halt(journal, reason))
        elif not reduce(journal, reason):
            code = 1
        _say_where(journal, is_new=is_new)
        if not cancel_open:
            _say_what_stays(journal, "guardian halt --reducing" if reducing and code == 0 else "guardian halt")
    finally:
        journal.close()
    if cancel_open:
        # Also where --reducing was refused: cancelling tightens, and was requested.
        code = max(code, _cancel_own(policy_path, go_on=every))
        code = max(code, _cancel_others(policy_path)) if every else code
    ctx.exit(code)


def _bounded(reason: str) -> str:
    """A reason that every denial can carry; a halt is never refused for the words that come with it."""
    reason = reason.strip() or DEFAULT_REASON
    return reason if len(reason) <= MOST_REASON else f"{reason[: MOST_REASON - 3]}..."


def halt(journal: Journal, reason: str) -> str:
    """Halt and write it down, in one transaction; where the log takes nothing, through the emergency file.

    Returns what to say.

    Raises:
        StoreError: neither took it.
        GuardianError: they took it, and a server would not find it.
    """
    from guardian.domain.trading import TradingState
    from guardian.errors import StoreError

    try:
        with journal.transaction() as tx:
            before = tx.trading.status()
            tx.trading.set(TradingState.HALTED, reason=reason, by="owner")
            _note(tx, TradingState.HALTED, before.state, reason)
    except StoreError as error:
        _halt_without_log(journal, reason, error)
        _prove(journal, (TradingState.HALTED,))
        return f"trading is halted, through the emergency file ({error.message}); `guardian resume` lets it go on"
    _prove(journal, (TradingState.HALTED,))
    if before.state is not TradingState.HALTED:
        return HALTED
    since = "" if before.since_ms is None else f", since {local_time(before.since_ms)}"
    return f"trading was halted already{since}: {before.reason}; `guardian resume` lets it go on"


def reduce(journal: Journal, reason: str) -> bool:
    """Let exits through and nothing else, and write it down; False where trading is halted, which is left as it is.

    Where the log takes nothing, trading is halted through the emergency file. Says how it went. Raises as `halt`.
    """
    from guardian.domain.trading import TradingState
    from guardian.errors import StoreError

    try:
        with journal.transaction() as tx:
            before, why = journal.trading(tx)
            if before is TradingState.ACTIVE:
                tx.trading.set(TradingState.REDUCING, reason=reason, by="owner")
                _note(tx, TradingState.REDUCING, before, reason)
    except StoreError as error:
        _halt_without_log(journal, reason, error)
        _prove(journal, (TradingState.HALTED,))
        say(
            f"trading is halted, selling back too, through the emergency file ({error.message}); "
            "`guardian resume --reducing` lets selling back go on"
        )
        return True
    because = f" ({why})" if why else ""
    if before is TradingState.HALTED:
        say_error(f"trading is halted{because}, and stays so: letting exits through would loosen that")
        say_hint("`guardian resume --reducing` lets what guardian bought be sold")
        return False
    _prove(journal, (TradingState.REDUCING, TradingState.HALTED))
    say(REDUCING if before is TradingState.ACTIVE else f"trading is reducing already{because}; nothing was changed")
    return True


def _prove(journal: Journal, states: tuple[TradingState, ...]) -> None:
    """Read the trading state as a server of this home reads it, through handles of its own.

    Raises GuardianError: a server would not find it in one of `states`.
    """
    from guardian.errors import StoreError
    from guardian.home.log import open_journal

    journal.close()
    with closing(open_journal(journal.home)) as other:
        try:
            with other.transaction() as tx:
                found = other.trading(tx)[0]
        except StoreError:
            if not other.emergency.is_empty():
                return  # halted by that, whether a server can open the log or not
            found = None
    if found not in states:
        raise GuardianError(
            f"that trading is stopped was written, and a server of `{journal.home}` would not find it: it may go on",
            hint="quit the client that runs the server; `guardian status` shows the trading state",
        )


def _say_where(journal: Journal, *, is_new: bool) -> None:
    """Name the home, and say so where it had no log: then no server has used it, and one may use another."""
    from guardian.home.folder import HOME_VARIABLE

    say(f"this is for every guardian of the home `{journal.home}`")
    if is_new:
        say(
            f"that home had no log until now: if your client's entry has another {HOME_VARIABLE}, its server is not "
            "stopped; set that here and run this again"
        )


def _say_what_stays(journal: Journal, command: str) -> None:
    """Halting leaves orders in the book, which may still fill: say so, where the store can be read."""
    from guardian.errors import StoreError

    try:
        with journal.transaction() as tx:
            count = len(tx.orders.unresolved(None)) + len(tx.orders.live(None))
    except StoreError:
        return
    if count:
        what, them = "1 order of guardian's is or may be open and stays so", "it"
        if count > 1:
            what, them = f"{count} orders of guardian's are or may be open and stay so", "them"
        say(f"{what}; `{command} --cancel-open` cancels {them}")


def _note(tx: Transaction, now: TradingState, before: TradingState, reason: str) -> None:
    fields = {"by": "owner", "reason": reason, "trading": now.value, "trading_was": before.value}
    note_act(tx, now.value, fields)


def _halt_without_log(journal: Journal, reason: str, error: StoreError) -> None:
    """An owner's halt through the emergency file; it holds until they resume. Raises `error` where that fails too."""
    from guardian.store.emergency import OWNER_HALT

    if not journal.note_emergency({"kind": OWNER_HALT, "reason": reason}):
        raise error


def _cancel_own(policy_path: Path | None, *, go_on: bool) -> int:
    """Cancel guardian's own orders; the exit code. Raises click.Abort where it was asked to stop before all was done.

    `go_on` is whether something is to be done after that.
    """
    from guardian.cli.trading.cancel_own import cancel_own

    with stop_requests() as stop:
        code = with_guardian(policy_path, lambda opened: cancel_own(opened, stop), needs_policy=False)
    if go_on and stop.asked:
        raise click.Abort
    return code


def _cancel_others(policy_path: Path | None) -> int:
    """Show the orders that guardian did not place, ask, and cancel them. Halting is done whatever comes of this."""
    from guardian.cli.trading.cancel_others import cancel_foreign, describe, foreign_orders

    others, complete = with_guardian(policy_path, foreign_orders, needs_policy=False)
    if not others:
        say("there are no other open orders" if complete else "no other open orders were found")
        return 0 if complete else 3
    for report in others:
        say(f"not placed by guardian: {describe(report)}")
    try:
        # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
        agreed = ask_yes(f"cancel {len(others)} orders that guardian did not place?")
    except OwnerNotPresent as error:
        say(f"not cancelled: {error.message}")
        return 3
    if not agreed:
        say("the orders that guardian did not place are left alone")
        return 3
    with stop_requests() as stop:
        cancelled = with_guardian(policy_path, lambda opened: cancel_foreign(opened, others, stop), needs_policy=False)
    return 0 if cancelled and complete else 3
