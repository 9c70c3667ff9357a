"""`guardian console`: one page on this machine to approve orders on, and to look and halt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.opened_home import with_guardian
from guardian.cli.support.options import policy_option
from guardian.cli.support.render import print_line, say
from guardian.cli.support.stop_requests import StopRequests, stop_requests
from guardian.cli.support.terminal import line_was_typed
from guardian.cli.support.vault_prompt import unlock_or_say

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.console.run import ConsoleServer

LOOK_S: Final = 0.3
"""How often the terminal is looked at for an Enter."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    help="Serve on this port of `localhost`. Default: one that is free.",
)
@click.option("--notify", is_flag=True, help="Show a desktop notification when an order waits.")
@click.option("--open/--no-open", "opens", default=False, help="Open the page in your browser; it asks for the code.")
@policy_option
def command(port: int | None, notify: bool, opens: bool, policy_path: Path | None) -> None:
    """Serve a page on this machine: what waits for you, each cap before and after, orders, the log, and a halt button.

    Open the link that it prints. A link works once, for five minutes; press Enter for a new one, Ctrl-C to end.
    """
    from guardian.home.folder import home_folder
    from guardian.loopback.listening import listen

    unlock_or_say(home_folder())  # also on paper: it may have the PIN's hash
    sockets = listen(port or 0)
    try:
        with stop_requests() as stop:

            async def work(opened: Guardian) -> None:
                from guardian.console.run import ConsoleServer
                from guardian.credentials.owner_items import open_owner_items

                server = ConsoleServer(
                    opened,
                    sockets,
                    lambda words: say(f"guardian: {words}"),
                    pins=lambda: open_owner_items(opened.home),
                )
                _print_link(server)
                if opens:
                    _open(server.origin)
                await server.serve(lambda: _until_stopped(server, stop), notify=notify)

            with_guardian(policy_path, work)
    finally:
        for one in sockets:
            one.close()
    say("guardian: the page is closed")


def _print_link(server: ConsoleServer) -> None:
    print_line(server.new_link())
    say("open this link in a browser on this machine: it works once, for five minutes")
    say("press Enter for a new link, Ctrl-C to end")


async def _until_stopped(server: ConsoleServer, stop: StopRequests) -> None:
    """Print a new link at each Enter; return once the command is asked to stop."""
    import asyncio

    asked = asyncio.ensure_future(stop.wait())
    while not asked.done():
        await asyncio.wait({asked}, timeout=LOOK_S)
        if not asked.done() and line_was_typed():
            _print_link(server)


def _open(address: str) -> None:
    """Open the page without its code: arguments of a browser's process can be read by every user of the machine."""
    import webbrowser

    if not webbrowser.open(address):
        say("guardian: no browser could be opened here; open the link yourself")
