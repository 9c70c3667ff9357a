"""`guardian disarm`: end the session mandate. It asks nothing."""

from __future__ import annotations

import click

from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.render import say


@click.command()
def command() -> None:
    """End what `guardian arm` allowed, now. From then on you are asked again as the policy says."""
    from guardian.gate.owner.session_mandate import disarm

    ended = with_journal(disarm)
    say("disarmed: you are asked again as the policy says" if ended else "nothing was armed")
