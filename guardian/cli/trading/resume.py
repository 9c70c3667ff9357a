"""`guardian resume`: the owner lets trading go on after a halt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.support.opened_home import carry_out, with_home
from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import agree, require_owner
from guardian.cli.support.render import say, say_error, say_hint
from guardian.domain.trading import TradingState

if TYPE_CHECKING:
    from guardian.cli.support.stop_requests import StopRequests
    from guardian.home.opened import OpenedHome


@click.command()
@click.option("--reducing", is_flag=True, help="After a halt: let what guardian bought be sold, and nothing else.")
@policy_option
@click.pass_context
def command(ctx: click.Context, reducing: bool, policy_path: Path | None) -> None:
    """Let trading go on. Shows why it stopped, asks you, and needs a real terminal."""
    require_owner("resume trading")
    from guardian.cli.trading.resuming import resume, resume_statement, trading_shown

    shown = with_home(policy_path, lambda opened: opened.journal.run(lambda: trading_shown(opened)), needs_policy=False)
    say(shown.summary)
    if reducing and shown.state is not TradingState.HALTED:
        ctx.exit(_nothing_to_loosen(shown.state))
    question = "let what guardian bought be sold, and nothing else?" if reducing else "let trading go on?"
    if shown.state is TradingState.ACTIVE:
        question = "trading is active already; reset the count of orders since a person acted to zero?"
    # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
    target = TradingState.REDUCING if reducing else TradingState.ACTIVE
    if agree(resume_statement(shown, target), question, policy_path=policy_path) is None:
        say("nothing was changed")
        ctx.exit(1)

    async def act(opened: OpenedHome, _stop: StopRequests) -> None:
        await opened.journal.run(lambda: resume(opened, shown, target))
        say("trading is reducing: only selling back what guardian bought passes" if reducing else "trading is active")

    carry_out(policy_path, act, needs_policy=False)


def _nothing_to_loosen(state: TradingState) -> int:
    """Say why there is nothing to loosen by `--reducing`; the exit code."""
    if state is TradingState.REDUCING:
        say("nothing was changed")
        return 0
    say_error("trading is active: letting only exits through would tighten that")
    say_hint("`guardian halt --reducing`")
    return 1
