"""`guardian tour`: see everything once, with no keys and no network."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """See guardian at work: no keys, no network, nothing of yours is touched, under half a minute.

    It starts the paper exchange and the real MCP server on a throw-away home, and drives them with a real MCP client.
    """
    from guardian.cli.tour.steps import run

    run()
