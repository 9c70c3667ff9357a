"""What `guardian audit verify` does where the log is broken: trading halts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from guardian.cli.support.render import say, say_error, say_hint
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError
from guardian.home.log import open_journal
from guardian.store.log_findings import Report


def halt_for(report: Report) -> Callable[[], None]:
    """Halt trading because of the report's findings, and print nothing; returns what prints how that went.

    A failure to halt is printed by it, not raised.
    """
    try:
        journal = open_journal()
        try:
            state = journal.halt_on_broken_chain(report.findings)
        finally:
            journal.close()
    except GuardianError as error:
        return partial(_print_failure, error)
    if state is TradingState.HALTED and any(finding.lost is not None for finding in report.findings):
        way = "put the newest copy of the log back, or `guardian audit accept-loss --reason TEXT`"
        return partial(say, f"trading is halted; {way}")
    if state is TradingState.HALTED:
        return partial(say, "trading is halted; `guardian resume` lets it continue all the same")
    return partial(say, f"trading is {state.value}: all of this was reported before the owner resumed")


def _print_failure(error: GuardianError) -> None:
    say_error(f"trading could not be halted for this: {error.message}")
    say_hint(error.hint or "`guardian halt`")
