"""What `guardian audit verify` does where the log is broken: trading halts."""

from __future__ import annotations

from guardian.cli.support.render import say, say_error, say_hint
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError
from guardian.home.log import open_journal
from guardian.store.log.verify import Report


def halt_for(report: Report) -> None:
    """Halt trading because of the report's findings and print the result; a failure to halt is printed, not raised."""
    try:
        journal = open_journal()
        try:
            state = journal.halt_on_broken_chain(report.findings)
        finally:
            journal.close()
    except GuardianError as error:
        say_error(f"trading could not be halted for this: {error.message}")
        say_hint(error.hint or "`guardian halt`")
        return
    if state is TradingState.HALTED:
        say("trading is halted; `guardian resume` lets it continue all the same")
    else:
        say(f"trading is {state.value}: all of this was reported before the owner resumed")
