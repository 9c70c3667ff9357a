"""`guardian init`: a home, and a policy to start from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from guardian.cli.init.caps import LEAST, MOST_PER_DAY, MOST_PER_ORDER, read_cap
from guardian.cli.parser.choices import OneOf


def _cap_option(name: str, most: Decimal, help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that takes an amount within what a first policy takes."""

    def read(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> Decimal | None:
        try:
            return None if text is None else read_cap(text, LEAST, most)
        except ValueError as mistake:
            raise click.BadParameter(str(mistake)) from mistake

    return click.option(name, metavar="AMOUNT", callback=read, help=help_text)


@click.command()
@click.option(
    "--from",
    "name",
    type=OneOf(["testnet", "paper", "read-only"]),
    help="The ready-made policy to start from.  [default: testnet]",
)
@_cap_option("--per-order", MOST_PER_ORDER, "At most for one order, in USDT.")
@_cap_option("--per-day", MOST_PER_DAY, "At most in any 24 hours, in USDT.")
@click.option("--replace", is_flag=True, help="Put it in the place of the policy that is there; a dated copy is kept.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing, and take what is usual.")
@click.pass_context
def command(
    ctx: click.Context, name: str | None, per_order: Decimal | None, per_day: Decimal | None, replace: bool, yes: bool
) -> None:
    """Make guardian's home, begin its log, and put a policy into it that you can edit.

    At a terminal it asks what an option has not said: where the assistant may act, and how much for one order and in a
    day. Nothing that is there is overwritten without `--replace`. Where a policy is there and the log is gone, it says
    what a new log means, asks you, and begins it.
    """
    if name == "read-only" and (per_order is not None or per_day is not None):
        raise click.UsageError("under `read-only` nothing is bought, so there are no amounts", ctx=ctx)
    if per_order is not None and per_day is not None and per_order > per_day:
        raise click.UsageError("`--per-order` is more than `--per-day`", ctx=ctx)
    from guardian.cli.init.first_policy import Wishes, set_up_home

    wishes = Wishes(name=name, per_order=per_order, per_day=per_day, replace=replace, asks=not yes)
    set_up_home(ctx, wishes, datetime.now().astimezone())
