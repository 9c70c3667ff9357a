"""`guardian paper`: the paper exchange alone, for any client that speaks Binance's REST protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.render import say

if TYPE_CHECKING:
    from guardian.paper.home import PaperEndpoint


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Only loopback is taken.")
@click.option("--port", type=click.IntRange(0, 65535), default=18080, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same market.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep balances and orders in this file. Without it they are gone when it ends.",
)
def command(host: str, port: int, seed: int, state: Path | None) -> None:
    """Run the paper exchange alone, until Ctrl-C.

    It prints its address and the keys to use (they guard nothing). Guardian itself needs none of this: under
    `environment = "paper"` it starts and finds its own.
    """
    from guardian.paper.standalone import serve

    serve(host, port, seed, state, on_ready=_told)


def _told(endpoint: PaperEndpoint) -> None:
    # These keys guard nothing: they are of play money on this machine, and a client needs them to be pointed here.
    click.echo(f"url         {endpoint.url}")
    click.echo(f"api_key     {endpoint.api_key.reveal()}")
    click.echo(f"api_secret  {endpoint.api_secret.reveal()}")
    sys.stdout.flush()
    say("the paper exchange is up; Ctrl-C ends it")
