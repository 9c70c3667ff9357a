"""Halts trading, or reduces it to exits, and proves that a server finds it so."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from guardian.cli.support.acts import note_act
from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import say, say_error, say_hint
from guardian.cli.support.times import local_time
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError, StoreError
from guardian.gate.base.journal import Journal
from guardian.gate.owner.tightening import halt_beside_log, halt_trading
from guardian.home.folder import HOME_VARIABLE
from guardian.home.log import open_journal
from guardian.store.database import Transaction
from guardian.store.schema.files import DATABASE_NAME

HALTED: Final = "trading is halted: no order is created; `guardian resume` lets it go on"
REDUCING: Final = (
    "trading is reducing: only selling back what guardian bought passes; `guardian resume` lets the rest go on"
)


def stop_trading(reason: str, *, reducing: bool, cancels: bool) -> int:
    """Halt, or let exits alone through, and say how it went; the exit code. `cancels`: open orders are cancelled next.

    Raises StoreError and GuardianError, as `halt`.
    """
    code = FINE
    # Through the log alone: trading can be stopped also where the policy is broken.
    # The keyring, which may take seconds, is left alone: whoever writes next signs the row of the halt too.
    journal = open_journal(signs_at_end=False)
    is_new = not (journal.home / DATABASE_NAME).exists()
    try:
        if not reducing:
            say(halt(journal, reason))
        elif not reduce(journal, reason):
            code = NO
        _print_home(journal, is_new=is_new)
        if not cancels:
            _print_what_stays_open(
                journal, "guardian halt --reducing" if reducing and code == FINE else "guardian halt"
            )
    finally:
        journal.close()
    return code


def halt(journal: Journal, reason: str) -> str:
    """Halt and write it down, in one transaction; where the log takes nothing, through the emergency file.

    Returns what to say.

    Raises:
        StoreError: neither took it.
        GuardianError: they took it, and a server would not find it.
    """
    halted = halt_trading(journal, reason)
    _check_that_a_server_sees(journal, (TradingState.HALTED,))
    if halted.before is None:
        why = "" if halted.beside_log is None else f" ({halted.beside_log.message})"
        return f"trading is halted, through the emergency file{why}; `guardian resume` lets it go on"
    before = halted.before
    if before.state is not TradingState.HALTED:
        return HALTED
    since = "" if before.since_ms is None else f", since {local_time(before.since_ms)}"
    return f"trading was halted already{since}: {before.reason}; `guardian resume` lets it go on"


def reduce(journal: Journal, reason: str) -> bool:
    """Let exits through and nothing else, and write it down; False where trading is halted, which is left as it is.

    Where the log takes nothing, trading is halted through the emergency file. Says how it went. Raises as `halt`.
    """
    try:
        with journal.transaction() as tx:
            before, why = journal.trading(tx)
            if before is TradingState.ACTIVE:
                tx.trading.set(TradingState.REDUCING, reason=reason, by="owner")
                _note_state(tx, TradingState.REDUCING, before, reason)
    except StoreError as error:
        halt_beside_log(journal, reason, error)
        _check_that_a_server_sees(journal, (TradingState.HALTED,))
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
    _check_that_a_server_sees(journal, (TradingState.REDUCING, TradingState.HALTED))
    say(REDUCING if before is TradingState.ACTIVE else f"trading is reducing already{because}; nothing was changed")
    return True


def _check_that_a_server_sees(journal: Journal, states: tuple[TradingState, ...]) -> None:
    """Read the trading state as a server of this home reads it, through handles of its own.

    Raises GuardianError: a server would not find it in one of `states`.
    """
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


def _print_home(journal: Journal, *, is_new: bool) -> None:
    """Name the home, and say so where it had no log: then no server has used it, and one may use another."""
    say(f"this is for every guardian of the home `{journal.home}`")
    if is_new:
        say(
            f"that home had no log until now: if your client's entry has another {HOME_VARIABLE}, its server is not "
            "stopped; set that here and run this again"
        )


def _print_what_stays_open(journal: Journal, command: str) -> None:
    """Halting leaves orders in the book, which may still fill: say so, where the store can be read."""
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


def _note_state(tx: Transaction, now: TradingState, before: TradingState, reason: str) -> None:
    fields = {"by": "owner", "reason": reason, "trading": now.value, "trading_was": before.value}
    note_act(tx, now.value, fields)
