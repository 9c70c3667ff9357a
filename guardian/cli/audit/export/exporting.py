"""Writes rows of the log, or trades, to a file with its manifest beside it, or to standard output.

A file appears as a whole with its manifest, or not at all: what is left of an export that was stopped is nothing.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import BinaryIO, Final

import click

from guardian.cli.audit.export.log_lines import LOG_COLUMNS, csv_cells, ndjson_line, read_rows
from guardian.cli.audit.export.manifest import Exported, manifest_json, manifest_path
from guardian.cli.audit.export.trade_lines import TRADE_CSV_COLUMNS, trade_lines
from guardian.cli.audit.verification import progress_shown
from guardian.cli.support.exit_codes import FINE, NO, USAGE
from guardian.cli.support.render import say, say_error, say_hint, say_warning
from guardian.errors import NotPrivate, StoreCorrupt
from guardian.home.folder import checked_home
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.order_rows import order_flows
from guardian.store.log.read_only import first_seq_at, last_seq, read_only, row_at, rows_between
from guardian.store.schema.files import DATABASE_NAME
from guardian.system.clock import wall_clock_ms
from guardian.system.private_files import create_file, file_as_a_whole, replace_file

PROGRESS_EVERY: Final = 5_000
"""Rows between two reports of how far an export is."""


class ExportFormat(StrEnum):
    """What the rows are written as."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to export, and how. Times are milliseconds since the epoch, `until_ms` is exclusive."""

    format: ExportFormat
    trades: bool
    since_ms: int | None
    until_ms: int | None
    redact: bool


class CannotWrite(Exception):
    """The output takes no more; `error` says why. It is no OSError, which reading the log has a meaning for."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Sink:
    """Where lines go: bytes are counted and digested as they are written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = sha256()
        self.size = 0

    def write(self, line: str) -> None:
        """Writes one line with its end. Raises CannotWrite."""
        content = line.encode("utf-8", "backslashreplace")
        self._digest.update(content)
        self.size += len(content)
        try:
            self._stream.write(content)
        except OSError as error:
            raise CannotWrite(error) from None

    def write_cells(self, cells: list[str]) -> None:
        """Writes one line of CSV. Raises CannotWrite."""
        text = StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(cells)
        self.write(text.getvalue())

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()


def write_export(wanted: Wanted, out: Path | None, *, force: bool) -> int:
    """Export what is wanted, and say on standard error what that was; the exit code.

    Raises StoreError where the log cannot be read.
    """
    try:
        return _to_stdout(wanted) if out is None else _to_file(wanted, out.absolute(), force=force)
    except CannotWrite as failed:
        if out is None:
            raise failed.error from None
        raise click.FileError(str(out), hint=failed.error.strerror or "cannot be written") from None


def _to_stdout(wanted: Wanted) -> int:
    if sys.stdout.isatty():
        say_error("an export is for a file or another program, and neither is there to take it")
        say_hint("name a file with `--out FILE`, or pipe it: `guardian audit export | jq`")
        return USAGE
    stream = sys.stdout.buffer
    exported = _write(wanted, Sink(stream))
    stream.flush()
    return _report(exported, "standard output")


def _to_file(wanted: Wanted, out: Path, *, force: bool) -> int:
    there = [path for path in (out, manifest_path(out)) if os.path.lexists(path)]
    if there and not force:
        say_error(f"`{there[0]}` is there already; nothing was written")
        say_hint("name another file, or replace it with `--force`")
        return USAGE
    try:
        with _file_with_manifest(out, replaces=force) as (file, finish):
            exported = _write(wanted, Sink(file))
            finish(manifest_json(exported, out, wall_clock_ms()))
    except NotPrivate as error:
        raise click.BadParameter(f"{error.message}; nothing was written", param_hint="--out") from error
    except OSError as error:
        raise click.FileError(str(out), hint=error.strerror or "cannot be written") from error
    return _report(exported, f"`{out}`, with `{manifest_path(out).name}` beside it")


@contextmanager
def _file_with_manifest(out: Path, *, replaces: bool) -> Iterator[tuple[BinaryIO, Callable[[bytes], None]]]:
    """Yields a file, and what is to be called with its manifest once it is written. Raises as `file_as_a_whole`."""
    beside, written = manifest_path(out), False

    def finish(content: bytes) -> None:
        nonlocal written
        (replace_file if replaces else create_file)(beside, content)
        written = True

    try:
        with file_as_a_whole(out, replaces=replaces) as file:
            yield file, finish
    except BaseException:
        if written:  # a manifest of a file that is not there
            with suppress(OSError):
                beside.unlink()
        raise


def _write(wanted: Wanted, sink: Sink) -> Exported:
    exported = Exported(
        format="trades" if wanted.trades else wanted.format.value,
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        redacted=wanted.redact,
        changed_rows=None if wanted.trades else 0,
    )
    if wanted.trades or wanted.format is ExportFormat.CSV:
        sink.write_cells(list(TRADE_CSV_COLUMNS if wanted.trades else LOG_COLUMNS))
    home = checked_home()
    checkpoint = None
    with suppress(OSError, StoreCorrupt):  # `verify` reports that it is damaged; the manifest has none then
        checkpoint = read_checkpoint(home)
    if (home / DATABASE_NAME).exists() or checkpoint is not None:
        with read_only(home / DATABASE_NAME) as connection:
            exported.head = _head(connection)
            if wanted.trades:
                _write_trades(wanted, sink, connection, exported)
            else:
                _write_rows(wanted, sink, connection, exported)
    exported.checkpoint = None if checkpoint is None else (checkpoint.seq, checkpoint.digest)
    exported.size, exported.digest = sink.size, sink.digest
    return exported


def _head(connection: sqlite3.Connection) -> tuple[int, str] | None:
    row = row_at(connection, last_seq(connection))
    return None if row is None else (row.seq, bytes(row.digest).hex())


def _write_rows(wanted: Wanted, sink: Sink, connection: sqlite3.Connection, exported: Exported) -> None:
    first = 1 if wanted.since_ms is None else first_seq_at(connection, wanted.since_ms)
    last = 0 if exported.head is None else exported.head[0]
    if wanted.until_ms is not None:
        last = min(last, first_seq_at(connection, wanted.until_ms) - 1)
    rows = read_rows(rows_between(connection, first - 1, last), row_at(connection, first - 1))
    with progress_shown("exported") as progress:
        for read in rows:
            if wanted.format is ExportFormat.CSV:
                sink.write_cells(csv_cells(read, redact=wanted.redact))
            else:
                sink.write(ndjson_line(read, redact=wanted.redact) + "\n")
            exported.add(read.row.seq, read.row.ts_ms, verified=read.verified)
            if progress is not None and exported.rows % PROGRESS_EVERY == 0:
                progress(exported.rows, last - first + 1)


def _write_trades(wanted: Wanted, sink: Sink, connection: sqlite3.Connection, exported: Exported) -> None:
    for line in trade_lines(order_flows(connection), wanted.since_ms, wanted.until_ms):
        for cells in line.cells(redact=wanted.redact):
            sink.write_cells(cells)
            exported.add(line.flow.id, line.flow.clock_ms)


def _report(exported: Exported, where: str) -> int:
    """Says what was written; returns the exit code."""
    what = "line" if exported.format == "trades" else "row"
    say(f"exported {exported.rows} {what}{'' if exported.rows == 1 else 's'} to {where}")
    if not exported.changed_rows:
        return FINE
    were = "row is" if exported.changed_rows == 1 else "rows are"
    say_warning(f"{exported.changed_rows} {were} not as they were written; `guardian audit verify` shows what is wrong")
    return NO
