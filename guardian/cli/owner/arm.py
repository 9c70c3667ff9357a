"""`guardian arm`: the owner allows orders within a budget and a time, without a question for each."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import require_owner
from guardian.domain.milliseconds import DAY_MS, HOUR_MS, MINUTE_MS
from guardian.domain.money import parse_amount
from guardian.domain.text.names import is_name

_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})(m|h)", re.ASCII)
_UNITS: Final = {"m": MINUTE_MS, "h": HOUR_MS}


def _span(_ctx: click.Context, _parameter: click.Parameter, value: str) -> int:
    found = _SPAN.fullmatch(value.strip())
    lasts_ms = 0 if found is None else int(found[1]) * _UNITS[found[2]]
    if not 0 < lasts_ms <= DAY_MS:
        raise click.BadParameter("a time such as 30m or 2h, at most 24h")
    return lasts_ms


def _amount(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = parse_amount(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if amount <= 0:
        raise click.BadParameter("an amount above zero")
    return amount


def _symbols(_ctx: click.Context, _parameter: click.Parameter, value: str) -> frozenset[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if not is_name(name):
            raise click.BadParameter(f"`{name}` is no symbol; name them as the exchange does: BTCUSDT,ETHUSDT")
    if not names:
        raise click.BadParameter("at least one symbol")
    return frozenset(names)


@click.command()
@click.option(
    "--for", "lasts_ms", required=True, callback=_span, metavar="TIME", help="How long: 30m, 2h; at most 24h."
)
@click.option("--budget", required=True, callback=_amount, help="The most that all its orders may count as together.")
@click.option("--symbols", required=True, callback=_symbols, help="The symbols, with commas between them.")
@click.option("--max-order", callback=_amount, help="The most that one of its orders may count as.")
@policy_option
@click.pass_context
def command(
    ctx: click.Context,
    lasts_ms: int,
    budget: Decimal,
    symbols: frozenset[str],
    max_order: Decimal | None,
    policy_path: Path | None,
) -> None:
    """Allow orders within a budget and a time, without a question for each.

    Every other rule of the policy holds. It ends by its time or budget, when the server is started again, by a halt,
    when the policy becomes looser, and by `guardian disarm`. Amounts are in the policy's accounting currency.
    """
    require_owner("arm")
    from guardian.cli.owner.arming import arm_session

    ctx.exit(arm_session(lasts_ms, budget, symbols, max_order, policy_path))
