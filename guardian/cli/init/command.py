"""`guardian init`: a home, and a policy to start from."""

from __future__ import annotations

import click

from guardian.cli.parser.choices import OneOf


@click.command()
@click.option(
    "--from",
    "name",
    type=OneOf(["testnet", "paper", "read-only"]),
    default="testnet",
    show_default=True,
    help="The ready-made policy to start from.",
)
@click.pass_context
def command(ctx: click.Context, name: str) -> None:
    """Make guardian's home, begin its log, and put a policy into it that you can edit.

    Nothing that is there is overwritten. Where a policy is there and the log is gone, it says what a new log means,
    asks you, and begins it.
    """
    from guardian.cli.init.first_policy import set_up_home

    set_up_home(ctx, name)
