"""`guardian resume`: the owner lets trading go on after a halt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.opened import note_act, policy_option, with_guardian
from guardian.cli.owner import ask_yes, require_owner
from guardian.cli.render import say

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian


@click.command()
@policy_option
@click.pass_context
def command(ctx: click.Context, policy_path: Path | None) -> None:
    """Let trading go on after a halt. Shows why it halted, asks you, and needs a real terminal."""
    require_owner("resume trading")
    say(with_guardian(policy_path, lambda guardian: guardian.journal.run(lambda: _why(guardian))))
    # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
    if not ask_yes("let trading go on?"):
        say("nothing was changed")
        ctx.exit(1)
    with_guardian(policy_path, lambda guardian: guardian.journal.run(lambda: resume(guardian)))
    say("trading is active")


def _why(guardian: Guardian) -> str:
    with guardian.journal.transaction() as tx:
        state, reason = guardian.journal.trading(tx)
        unresolved = tx.unresolved(None)
    waiting = f"; {len(unresolved)} orders are not resolved yet" if unresolved else ""
    imported = f"; {guardian.imported} emergency records were taken into the log" if guardian.imported else ""
    return f"trading is {state.value}{f': {reason}' if reason else ''}{waiting}{imported}"


def resume(guardian: Guardian) -> None:
    """Take what the emergency file has into the log, then let trading go on. Raises StoreError."""
    from guardian.domain.trading import TradingState

    if not guardian.journal.emergency.is_empty():
        guardian.journal.emergency.import_into(guardian.journal.store())
    with guardian.journal.transaction() as tx:
        tx.set_trading(TradingState.ACTIVE, reason="resumed by the owner", by="owner")
        tx.person_acted(None, "resumed")
        note_act(tx, "resumed", {})
