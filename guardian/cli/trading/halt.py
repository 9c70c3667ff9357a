"""`guardian halt`: no order is created from now on; reads and cancels go on. Tightening asks nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from guardian.cli.support.options import policy_option, reason_option

DEFAULT_REASON: Final = "requested by a person"


@click.command()
@click.option("--reducing", is_flag=True, help="Stop all but selling back what guardian bought.")
@click.option("--cancel-open", is_flag=True, help="Then cancel guardian's own open orders, one by one, SELLs too.")
@click.option("--all", "every", is_flag=True, help="With --cancel-open: then also orders that guardian did not place.")
@reason_option(DEFAULT_REASON, "Written in the log and shown.")
@policy_option
@click.pass_context
def command(
    ctx: click.Context, reducing: bool, cancel_open: bool, every: bool, reason: str, policy_path: Path | None
) -> None:
    """Stop trading now, in every process of this home. Cancelling and reading go on; `guardian resume` ends it.

    --reducing lets what guardian bought be sold, no more than that, and nothing else. Where trading is halted it
    changes nothing, for it would loosen, and the exit code is 1.

    With --cancel-open the exit code is 3 where an order could not be cancelled. --all adds the account's other open
    orders, on the symbols that the policy lists or that guardian has traded; it shows them and asks you first.
    """
    if every and not cancel_open:
        raise click.UsageError("--all goes with --cancel-open")
    from guardian.cli.trading.halting import stop_trading

    code = stop_trading(reason, reducing=reducing, cancels=cancel_open)
    if cancel_open:
        from guardian.cli.trading.cancel_others import cancel_others
        from guardian.cli.trading.cancel_own import cancel_own

        # Also where --reducing was refused: cancelling tightens, and was requested.
        code = max(code, cancel_own(policy_path, more_to_do=every))
        code = max(code, cancel_others(policy_path)) if every else code
    ctx.exit(code)
