"""`guardian position`: what guardian bought, what the account has, what can be sold back; and setting it right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.opened_home import carry_out, stopped_unchanged, with_home
from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import agree, require_owner
from guardian.cli.support.render import Column, print_json, say, table
from guardian.cli.support.stop_requests import StopRequested, StopRequests
from guardian.domain.money import parse_amount, plain
from guardian.domain.owner.statement import Statement, StatementKind

if TYPE_CHECKING:
    from decimal import Decimal

    from guardian.gate.reads.positions import Correction, Position
    from guardian.home.opened import OpenedHome


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@policy_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, policy_path: Path | None) -> None:
    """What guardian bought of each asset, what the account has of it, and what can be sold back without a budget.

    After a sale by hand, a withdrawal or a wiped testnet, `guardian position set ASSET QUANTITY` sets it right.
    """
    if ctx.invoked_subcommand is not None:
        return
    from guardian.domain.text.plain_data import to_plain
    from guardian.gate.reads.positions import Positions

    async def work(opened: OpenedHome) -> tuple[Position, ...]:
        return await Positions(opened.context).all()

    found = with_home(policy_path, work)
    if as_json:
        print_json(to_plain(found))
        return
    table(
        ["asset", *(Column(title, right=True, whole=True) for title in ("bought", "account has", "can be sold back"))],
        [(one.asset, plain(one.bought), plain(one.has), plain(one.sellable)) for one in found],
    )
    if any(0 < one.has < one.bought or (one.bought > 0 and one.has == 0) for one in found):
        say("the account has less than guardian bought; if that is right, `guardian position set ASSET QUANTITY`")


def _quantity(_ctx: click.Context, _parameter: click.Parameter, value: str) -> Decimal:
    try:
        return parse_amount(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@command.command("set")
@click.argument("asset")
@click.argument("quantity", callback=_quantity)
@policy_option
@click.pass_context
def set_position(ctx: click.Context, asset: str, quantity: Decimal, policy_path: Path | None) -> None:
    """Say how much of ASSET is what guardian bought: it can be sold back, and counts in `max_position`.

    Shows before and after, asks you, and needs a real terminal. It is neither gain nor loss.
    """
    require_owner("set a position")
    from guardian.gate.reads.positions import Positions

    async def look(opened: OpenedHome) -> Correction:
        return await Positions(opened.context).prepare(asset, quantity)

    correction = with_home(policy_path, look)
    was = correction.position
    say(f"{correction.scope.environment.upper()}: guardian bought {plain(was.bought)} {asset}, as its log has it")
    say(f"the account has {plain(was.has)} {asset}")
    if was.bought == quantity:
        say("nothing was changed")
        return
    say(f"from now on {plain(quantity)} {asset} can be sold back without a budget, and counts in `max_position`")
    statement = Statement(
        kind=StatementKind.LEDGER,
        fields={
            "decision": "set_position",
            "environment": correction.scope.environment,
            "account": correction.scope.account,
            "asset": asset,
            "was": plain(was.bought),
            "is": plain(quantity),
        },
    )
    question = f"set it from {plain(was.bought)} to {plain(quantity)} {asset}?"
    if agree(statement, question, policy_path=policy_path) is None:
        say("nothing was changed")
        ctx.exit(1)

    async def act(opened: OpenedHome, stop: StopRequests) -> None:
        positions = Positions(opened.context)
        try:
            await stop.unless_asked(positions.catch_up(correction))
        except StopRequested:
            raise stopped_unchanged() from None
        await positions.correct(correction)
        say(f"guardian's position is {plain(quantity)} {asset}")

    carry_out(policy_path, act)
