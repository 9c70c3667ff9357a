"""`guardian audit`: read the log of every call, verify that it is whole, and compare it with the exchange.

Nothing here writes to the log but `reconcile`, and `verify` where the log is broken: that halts trading.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.options import policy_option
from guardian.cli.support.times import moment_ms
from guardian.domain.text.names import is_name

if TYPE_CHECKING:
    from guardian.store.log.checkpoint import Checkpoint

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in UTC.")


class Moment(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time, as milliseconds since the epoch."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails on what is no time."""
        if isinstance(value, int):
            return value
        try:
            return moment_ms(str(value), datetime.now().astimezone())
        except (ValueError, OverflowError, OSError):
            self.fail("not a time: `2h` (ago), `today`, `yesterday`, `2026-11-01`, or an ISO date and time", param, ctx)


class SymbolParam(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A symbol as the exchange writes it."""

    name = "symbol"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails on what is no symbol."""
        text = str(value)
        if not is_name(text):
            self.fail("not a symbol: `BTCUSDT`, exactly as the exchange lists it", param, ctx)
        return text


class CheckpointParam(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A checkpoint: a file, or `SEQ:DIGEST`."""

    name = "checkpoint"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Checkpoint:
        """Fails on what is no checkpoint."""
        from guardian.store.log.checkpoint import parse_checkpoint

        text = str(value)
        try:
            if Path(text).is_file():
                text = Path(text).read_text(encoding="utf-8", errors="replace")
            return parse_checkpoint(text)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Read and verify the log of every call. Alone it lists the newest."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_calls)


@command.command("list")
@click.option("--since", type=Moment(), help="From then on: 2h, today, yesterday, 2026-11-01, or an ISO time.")
@click.option("--until", type=Moment(), help="Before then.")
@click.option("--tool", help="Calls of this tool.")
@click.option("--symbol", help="Calls about this symbol.")
@click.option("--outcome", help="Calls with this outcome, for instance done, denied, unknown; or pending.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Maximum number of calls."
)
@json_option
def list_calls(
    since: int | None = None,
    until: int | None = None,
    tool: str | None = None,
    symbol: str | None = None,
    outcome: str | None = None,
    limit: int = 50,
    as_json: bool = False,
) -> None:
    """List the newest calls, the newest last, one line each.

    Calls whose order may be at the exchange and is not known to be come first. `!` marks a row that was changed.
    """
    from guardian.cli.audit.calls import print_calls
    from guardian.store.log.history import CallFilter

    wanted = CallFilter(since_ms=since, until_ms=until, tool=tool, symbol=symbol, outcome=outcome, limit=limit)
    print_calls(wanted, as_json=as_json)


@command.command("show")
@click.argument("name", metavar="CALL_ID|ROW|CLIENT_ORDER_ID|last")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show every row of one call, each with whether it is as it was written."""
    from guardian.cli.audit.calls import print_call

    print_call(ctx, name, as_json=as_json)


@command.command("verify")
@click.option("--checkpoint", type=CheckpointParam(), metavar="FILE|SEQ:DIGEST", help="One that you kept elsewhere.")
@json_option
@click.pass_context
def verify(ctx: click.Context, checkpoint: Checkpoint | None, as_json: bool) -> None:
    """Verify that no row was changed, moved, left out, or cut off before a checkpoint. A broken log halts trading.

    What you resumed trading after is found again, and does not halt it again.

    0: intact. 1: it was tampered with or is damaged. 3: it could not be looked at, which says nothing.
    """
    from guardian.cli.audit.verification import verify_log

    ctx.exit(verify_log(checkpoint, as_json=as_json))


@command.command("reconcile")
@click.option("--symbol", "symbols", multiple=True, type=SymbolParam(), help="Only this symbol; can be repeated.")
@policy_option
@json_option
@click.pass_context
def reconcile_(ctx: click.Context, symbols: tuple[str, ...], policy_path: Path | None, as_json: bool) -> None:
    """Compare the store with the open and recent orders at the exchange, and bring it up to date.

    0: they agree. 1: they differed; each difference is in the log. 3: it could not be done, or not for every symbol.
    """
    from guardian.cli.audit.reconciliation import reconcile

    ctx.exit(reconcile(policy_path, symbols, as_json=as_json))


@command.command("receipt")
@click.argument("order", required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this new file.")
@click.option("--check", type=click.Path(path_type=Path, dir_okay=False), help="Check a receipt, without any home.")
@click.pass_context
def receipt(ctx: click.Context, order: str | None, out: Path | None, check: Path | None) -> None:
    """Write who approved ORDER, what exactly and at which price, into one file that can be checked on any machine.

    ORDER is a client order id, or the id of the proposal. With --check FILE it says what a receipt shows.

    0: a passkey signed it. 1: it was changed, or nobody approved the order. 3: nothing in it proves the approval.
    """
    from guardian.cli.audit import receipts

    if (order is None) == (check is None):
        raise click.UsageError("name an ORDER, or give --check FILE")
    if check is not None:
        ctx.exit(receipts.check(check))
    ctx.exit(receipts.receipt_of(str(order), out))


@command.command("checkpoint")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_context
def checkpoint(ctx: click.Context, out: Path | None) -> None:
    """Print how far the log has gone. Keep it elsewhere: with it, `verify` sees rows that were cut off or rewritten."""
    from guardian.cli.audit.verification import write_checkpoint

    write_checkpoint(ctx, out)
