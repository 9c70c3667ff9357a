"""`guardian audit`: read the log of every call, verify that it is whole, and compare it with the exchange.

Nothing here writes to the log but `reconcile`, and `verify` where the log is broken: that halts trading.

A command with a file of its own is listed in SUBCOMMANDS; such a file imports what it works with only where it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from guardian.cli.audit.answers.order_command import order
from guardian.cli.audit.answers.stats_command import stats
from guardian.cli.audit.answers.trades_command import trades
from guardian.cli.audit.backups.command import backup, rebuild, restore
from guardian.cli.audit.export.command import export
from guardian.cli.audit.listing.filter_options import DEFAULT_LIMIT, TypedFilter, filter_options
from guardian.cli.audit.log_options import CheckpointParam, PublicKeyParam, SymbolParam, json_option
from guardian.cli.audit.report.command import report
from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import require_owner

if TYPE_CHECKING:
    from guardian.store.schema.records import Checkpoint
    from guardian.store.seal.note import VerifierKey


class ListingGroup(CommandGroup):
    """The group of the log's commands: options alone are those of `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As the group's; `guardian audit -n 5` is `guardian audit list -n 5`."""
        if args and args[0].startswith("-") and args[0] not in {"--", *ctx.help_option_names}:
            args = [str(list_calls.name), *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListingGroup, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Read and verify the log of every call. Alone, or with options alone, it is `list`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_calls)


@click.command("list")
@filter_options
@click.option(
    "-n", "--limit", type=click.IntRange(1, 100_000),
    help=f"The newest N lines. Without it the newest {DEFAULT_LIMIT}; all of a window of time, and all as JSON.",
)  # fmt: skip
@click.option("-f", "--follow", "follows", is_flag=True, help="Then print each new line, until Ctrl-C.")
@json_option
@click.pass_context
def list_calls(ctx: click.Context, /, *, follows: bool, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """List calls and events, one line each, the newest last.

    Calls whose order may be at the exchange and is not known to be come first, marked `?`. `!` marks a row that was
    changed. Times are yours on screen, and UTC in JSON. Every option can be combined with every other.

    As JSON it is one list; with --follow it is one document a line.
    """
    from guardian.cli.audit.listing.list_command import print_list

    ctx.exit(print_list(TypedFilter(**typed), _searching, follows=follows, as_json=as_json))


def _searching() -> AbstractContextManager[Callable[[int, int], None] | None]:
    """Shows at a terminal how many rows were searched."""
    from guardian.cli.audit.verification import progress_shown

    return progress_shown("searched")


@click.command("show")
@click.argument("name", metavar="CALL_ID|ROW|CLIENT_ORDER_ID|last")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show every row of one call, each with whether it is as it was written."""
    from guardian.cli.audit.calls import print_call

    print_call(ctx, name, as_json=as_json)


@click.command("verify")
@click.option("--checkpoint", type=CheckpointParam(), metavar="FILE|SEQ:DIGEST", help="One that you kept elsewhere.")
@click.option(
    "--pubkey", type=PublicKeyParam(), metavar="FILE|KEY", help="The log's public key that you kept elsewhere."
)
@click.option("--with-exchange", is_flag=True, help="Ask the exchange too: it lists guardian's own orders.")
@policy_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    checkpoint: Checkpoint | None,
    pubkey: VerifierKey | None,
    with_exchange: bool,
    policy_path: Path | None,
    as_json: bool,
) -> None:
    """Verify that no row was changed, moved, left out, or cut off before a checkpoint. A broken log halts trading.

    What you resumed trading after is found again, and does not halt it again. With --with-exchange ids, fills, fees and
    times of guardian's own orders are held against the exchange's lists, and what only one of them has is named.

    0: intact, and something outside the folder proves it: the keyring, a public key or a checkpoint. 1: it was
    tampered with or is damaged. 3: it is intact in itself and nothing proves more, or it could not be looked at.
    """
    from guardian.cli.audit.testimony import heard
    from guardian.cli.audit.verification import verify_log

    witness = (lambda: heard(policy_path)) if with_exchange else None
    ctx.exit(verify_log(checkpoint, pubkey, as_json=as_json, witness=witness))


@click.command("seal")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep signed checkpoints in this folder too.")
@click.option("--no-folder", is_flag=True, help="Keep them in no second folder any more.")
@click.pass_context
def seal(ctx: click.Context, folder: Path | None, no_folder: bool) -> None:
    """Seal the log with a secret in the keyring or vault, and print the public key that verifies it anywhere.

    From then on checkpoints are signed, and `verify` finds what a program has forged that can write the folder and
    not open the keyring. `init`, `keys add`, `pin set` and `passkey add` seal it too. A synced folder or a USB stick
    is a good second folder; while it is away nothing stops.

    0: sealed. 1: the log is not intact, or the folder is missing. 3: the keyring did not answer.
    """
    from guardian.cli.audit import seal_command

    if folder is not None and no_folder:
        raise click.UsageError("either `--folder` or `--no-folder`")
    ctx.exit(seal_command.seal(folder, no_folder=no_folder))


@click.command("accept-loss")
@click.option("--reason", required=True, help="Why you accept it: a copy that was put back, a disk that failed.")
@policy_option
@click.pass_context
def accept_loss(ctx: click.Context, reason: str, policy_path: Path | None) -> None:
    """Accept that rows of the log are gone or changed, so that trading can be resumed and checkpoints go on.

    Shows all of it and asks you. A row of the log names it, signed where the log is sealed; `verify` reports it as
    accepted from then on, and new damage as new. A newer copy of `guardian.db` that you have is better: put it back.

    0: accepted. 1: you said no, there is nothing to accept, or other damage is left. 3: the keyring did not answer.
    """
    require_owner("accept a loss")
    from guardian.cli.audit import accepting

    ctx.exit(accepting.accept_loss(reason, policy_path))


@click.command("policies")
@click.argument("digest", required=False)
@json_option
@click.pass_context
def policies(ctx: click.Context, digest: str | None, as_json: bool) -> None:
    """List every policy that was in force, the newest last, with what became looser or tighter; or print one.

    DIGEST is the beginning of a digest, eight digits or more: the text of that policy is printed.

    0: fine. 1: there is no such policy, or a row was changed since it was logged. 3: the log could not be read.
    """
    from guardian.cli.audit.policy_list import list_policies, print_policy

    ctx.exit(list_policies(as_json=as_json) if digest is None else print_policy(digest))


@click.command("reconcile")
@click.option("--symbol", "symbols", multiple=True, type=SymbolParam(), help="Only this symbol; can be repeated.")
@policy_option
@json_option
@click.pass_context
def reconcile_(ctx: click.Context, symbols: tuple[str, ...], policy_path: Path | None, as_json: bool) -> None:
    """Compare the store with the open and recent orders at the exchange, and bring it up to date.

    Then all of guardian's own orders are held against the exchange's lists, as `verify --with-exchange` does.

    0: they agree. 1: they differed; each difference is in the log. 3: it could not be done, or not for every symbol.
    """
    from guardian.cli.audit.reconciliation import reconcile

    ctx.exit(reconcile(policy_path, symbols, as_json=as_json))


@click.command("receipt")
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


@click.command("checkpoint")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_context
def checkpoint(ctx: click.Context, out: Path | None) -> None:
    """Print how far the log has gone. Keep it elsewhere: with it, `verify` sees rows that were cut off or rewritten."""
    from guardian.cli.audit.verification import write_checkpoint

    write_checkpoint(ctx, out)


SUBCOMMANDS: Final = (
    list_calls,
    show,
    order,
    trades,
    stats,
    verify,
    reconcile_,
    export,
    report,
    receipt,
    checkpoint,
    seal,
    accept_loss,
    backup,
    restore,
    rebuild,
    policies,
)
"""Every command of the group, in the order of its help."""
for subcommand in SUBCOMMANDS:
    command.add_command(subcommand)
