"""`guardian audit`: read the log of every call, verify that it is whole, and compare it with the exchange.

Nothing here writes to the log but `reconcile`, and `verify` where the log is broken: that halts trading.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.support.opened_home import policy_option
from guardian.cli.support.render import Column, fields, print_json, print_line, say, table
from guardian.cli.support.times import local_time, moment_ms, utc_time
from guardian.domain.text.escaping import clean
from guardian.domain.text.names import is_name

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.recovery.reconcile import Reconciled
    from guardian.store.log.checkpoint import Checkpoint
    from guardian.store.log.history import History, HistoryLine, HistoryPage
    from guardian.store.log.read_only import LogRow
    from guardian.store.log.verify import Report

NOTHING_YET = "the log is empty: no call has been made yet"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in UTC.")


def _home() -> Path:
    from guardian.home.folder import home_folder
    from guardian.system.private_files import check_home

    home = home_folder()
    check_home(home)
    return home


def _has_log(home: Path) -> bool:
    from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME

    return (home / DATABASE_NAME).exists() or (home / CHECKPOINT_NAME).exists()


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


@click.group(invoke_without_command=True)
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
    from guardian.store.log.history import CallFilter, open_history

    home = _home()
    if not _has_log(home):
        _tell_empty(as_json=as_json)
        return
    wanted = CallFilter(since_ms=since, until_ms=until, tool=tool, symbol=symbol, outcome=outcome, limit=limit)
    with open_history(home) as log:
        listing = log.newest(wanted)
        unresolved = log.unresolved_count()
    lines = (*listing.unresolved, *listing.lines)
    if as_json:
        print_json([_as_dict(line) for line in lines])
    elif lines:
        _print_lines(listing)
    else:
        narrowed = any(value is not None for value in (since, until, tool, symbol, outcome))
        say("no call fits" if narrowed else NOTHING_YET)
    if unresolved:
        say(f"{unresolved} order{'s' if unresolved != 1 else ''} may be at the exchange and not known to be")


def _tell_empty(*, as_json: bool) -> None:
    if as_json:
        print_json([])
    say(NOTHING_YET)


def _print_lines(listing: HistoryPage) -> None:
    table(
        [Column("row", right=True, whole=True), "time", "tool", "symbol", "outcome", "detail"],
        [
            (
                f"{'' if line.is_whole else '!'}{line.row.seq}",
                local_time(line.row.ts_ms),
                line.row.tool or f"({line.row.phase})",
                line.row.symbol,
                line.outcome,
                line.detail if line.reason is None else f"{line.detail}: {line.reason}",
            )
            for line in (*listing.unresolved, *listing.lines)
        ],
    )


def _as_dict(line: HistoryLine) -> dict[str, object]:
    row = line.row
    return {
        "seq": row.seq,
        "time": utc_time(row.ts_ms),
        "call_id": row.call_id,
        "phase": row.phase,
        "tool": row.tool,
        "symbol": row.symbol,
        "outcome": line.outcome,
        "detail": line.detail,
        "reason": line.reason,
        "environment": row.environment,
        "order_state": line.order_state,
        "verified": line.is_whole,
    }


@command.command("show")
@click.argument("name", metavar="CALL_ID|ROW|CLIENT_ORDER_ID|last")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show every row of one call, each with whether it is as it was written."""
    from guardian.store.log.history import open_history

    home = _home()
    if not _has_log(home):
        say(NOTHING_YET)
        ctx.exit(1)
    with open_history(home) as log:
        rows = [(row, _problem(log, row)) for row in log.find(name)]
    if as_json:
        print_json([_row_dict(row, problem) for row, problem in rows])
    elif rows:
        for number, (row, problem) in enumerate(rows):
            if number:
                print_line("")
            _print_row(row, problem)
    if not rows:
        say(f"nothing in the log is called `{name}`; `guardian audit list` shows what is")
        ctx.exit(1)


def _problem(log: History, row: LogRow) -> str | None:
    if not row.has_its_digest:
        return "no: it was changed since it was written"
    if row.changed_columns:
        return f"no: {', '.join(row.changed_columns)} was changed since it was written"
    if not log.follows(row):
        return "no: the row before it is missing or another one"
    return None


def _print_row(row: LogRow, problem: str | None) -> None:
    from guardian.store.log.encoding import client_order_id

    shown: list[tuple[str, object]] = [
        ("row", row.seq),
        ("phase", row.phase),
        ("time", local_time(row.ts_ms)),
        ("call", row.call_id),
        ("tool", row.tool),
        ("symbol", row.symbol),
        ("outcome", row.outcome),
        ("environment", row.environment),
        ("account", row.account),
    ]
    if row.phase == "intent":
        shown.append(("client order id", client_order_id(row.digest)))
    shown += [
        (f"  {clean(key)}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))
        for key, value in sorted(row.data.items())
    ]
    shown += [("digest", bytes(row.digest).hex()), ("verified", "yes" if problem is None else problem)]
    fields([(label, value) for label, value in shown if value is not None])


def _row_dict(row: LogRow, problem: str | None) -> dict[str, object]:
    from guardian.store.log.encoding import client_order_id

    return {
        "seq": row.seq,
        "phase": row.phase,
        "time": utc_time(row.ts_ms),
        "call_id": row.call_id,
        "tool": row.tool,
        "symbol": row.symbol,
        "outcome": row.outcome,
        "environment": row.environment,
        "account": row.account,
        "client_order_id": client_order_id(row.digest) if row.phase == "intent" else None,
        "data": row.data,
        "digest": bytes(row.digest).hex(),
        "previous": bytes(row.prev_hash).hex(),
        "verified": problem is None,
        "problem": problem,
    }


@command.command("verify")
@click.option("--checkpoint", type=CheckpointParam(), metavar="FILE|SEQ:DIGEST", help="One that you kept elsewhere.")
@json_option
@click.pass_context
def verify_log(ctx: click.Context, checkpoint: Checkpoint | None, as_json: bool) -> None:
    """Verify that no row was changed, moved, left out, or cut off before a checkpoint. A broken log halts trading.

    What you resumed trading after is found again, and does not halt it again.

    0: intact. 1: it was tampered with or is damaged. 3: it could not be looked at, which says nothing.
    """
    from guardian.cli.audit.broken_chain import halt_for
    from guardian.store.log.verify import verify

    report = verify(_home(), checkpoint)
    if as_json:
        print_json(_report_dict(report))
    else:
        _print_report(report)
    if not report.is_intact:
        halt_for(report)
    ctx.exit(0 if report.is_intact else 1)


def _report_dict(report: Report) -> dict[str, object]:
    return {
        "result": "intact" if report.is_intact else "tampered",
        "path": report.path,
        "rows": report.rows,
        "last_seq": report.last_seq,
        "head": report.head,
        "first": None if report.first_ts_ms is None else utc_time(report.first_ts_ms),
        "last": None if report.last_ts_ms is None else utc_time(report.last_ts_ms),
        "checkpoints": [{"source": a.source, "seq": a.seq, "holds": a.holds} for a in report.anchors],
        "unanchored": report.unanchored,
        "findings": [{"kind": f.kind.value, "seq": f.seq, "message": f.message} for f in report.findings],
    }


def _print_report(report: Report) -> None:
    shown: list[tuple[str, object]] = [("log", str(report.path)), ("rows", report.rows)]
    if report.first_ts_ms is not None and report.last_ts_ms is not None:
        shown.append(("from", local_time(report.first_ts_ms)))
        shown.append(("to", local_time(report.last_ts_ms)))
    shown += [(f"checkpoint ({a.source})", f"row {a.seq}, {'ok' if a.holds else 'NOT THERE'}") for a in report.anchors]
    shown.append(("after the last checkpoint", f"{report.unanchored} rows"))
    shown.append(("result", "INTACT" if report.is_intact else "TAMPERED OR DAMAGED"))
    fields(shown)
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}")
    if not report.anchors and report.rows:
        say("without a checkpoint, rows that were cut off at the end cannot be seen")


@command.command("reconcile")
@click.option("--symbol", "symbols", multiple=True, type=SymbolParam(), help="Only this symbol; can be repeated.")
@policy_option
@json_option
@click.pass_context
def reconcile(ctx: click.Context, symbols: tuple[str, ...], policy_path: Path | None, as_json: bool) -> None:
    """Compare the store with the open and recent orders at the exchange, and bring it up to date.

    0: they agree. 1: they differed; each difference is in the log. 3: it could not be done, or not for every symbol.
    """
    from guardian.cli.support.opened_home import with_guardian
    from guardian.domain.text.plain_data import to_plain
    from guardian.gate.recovery.reconcile import Reconciler

    async def work(opened: Guardian) -> Reconciled:
        return await Reconciler(opened.gate.context).run(symbols or None)

    found = with_guardian(policy_path, work)
    if as_json:
        print_json(to_plain(found))
    else:
        _print_reconciled(found)
    ctx.exit(3 if found.refused else 1 if found.differences else 0)


def _print_reconciled(found: Reconciled) -> None:
    from guardian.domain.money import plain

    fields(
        [
            ("environment", found.environment.upper()),
            ("account", found.account),
            ("symbols", ", ".join(found.symbols) or "none"),
            ("orders that agree", found.agreed),
            ("fees found out", found.fees),
            ("result", _result(found)),
        ]
    )
    for refused in found.refused:
        words = f"; the exchange's own words: {clean(refused.exchange_text)!r}"
        say(f"not compared: {refused.symbol}: {refused.why}{words}")
    for one in found.differences:
        here = "nothing" if one.store is None else one.store.value
        there = "nothing" if one.exchange is None else one.exchange.value
        say(f"{one.kind.value}: {one.symbol} {one.client_order_id}: guardian has {here}, the exchange {there}")
    for order in found.foreign:
        what = f"{clean(order.side)} {plain(order.quantity)} {clean(order.symbol)} order {order.order_id}"
        say(f"not guardian's, and not counted: {what} ({order.state})")


def _result(found: Reconciled) -> str:
    parts = [f"{len(found.differences)} DIFFERENCES"] if found.differences else []
    if found.refused:
        parts.append(f"COULD NOT TELL for {', '.join(one.symbol for one in found.refused)}")
    return "; ".join(parts) or "AGREE"


@command.command("checkpoint")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_context
def checkpoint_of_log(ctx: click.Context, out: Path | None) -> None:
    """Print how far the log has gone. Keep it elsewhere: with it, `verify` sees rows that were cut off or rewritten."""
    from guardian.errors import NotPrivate
    from guardian.store.log.checkpoint import Checkpoint
    from guardian.store.log.verify import verify
    from guardian.system.private_files import replace_file

    report = verify(_home())
    if not report.is_intact:
        say("the log is not intact, so there is no checkpoint of it; `guardian audit verify` shows what is wrong")
        ctx.exit(1)
    if report.head is None:
        say(NOTHING_YET)
        ctx.exit(1)
    found = Checkpoint(seq=report.last_seq, digest=report.head)
    if out is None:
        print_line(found.line.rstrip("\n"))
        return
    try:
        replace_file(out.absolute(), found.line.encode())
    except NotPrivate as error:
        raise click.BadParameter(f"{error.message}; nothing was written", ctx, param_hint="--out") from error
    except OSError as error:
        raise click.FileError(str(out), hint=error.strerror or "cannot be written") from error
    say(f"written to `{out}`: row {found.seq}; keep it away from this machine")
