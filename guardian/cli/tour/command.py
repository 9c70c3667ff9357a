"""`guardian tour`: see everything once, with no keys and no network."""

from __future__ import annotations

import click

from guardian.cli.support.render import print_line


@click.command()
def command() -> None:
    """See guardian at work: no keys, no network, nothing of yours is touched, under half a minute.

    It starts the paper exchange and the real MCP server on a throw-away home, and drives them with a real MCP client.
    """
    # Before what takes seconds to import: a person sees at once that it runs.
    print_line("guardian's tour: a real MCP server and a paper exchange on this machine; no keys, no network, no money")
    from guardian.cli.tour.steps import run

    run()
