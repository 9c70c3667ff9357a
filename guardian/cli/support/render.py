"""How guardian talks on the command line.

The rules, for every command:

- data goes to standard output, words for people to standard error, so that `guardian ... | jq` and `> file` work
- messages are in lower case, have no full stop, and put what a person would type or see elsewhere in `backticks`
- an error is `guardian: error: what, where`, followed by `guardian: hint: the next step` where there is one
- a command of guardian's in backticks is printed as it can be typed here, with its path where PATH does not lead to it
- nothing is printed but by the functions here, which clean each line and each value: text that a model, a policy, the
  exchange or a file supplied neither forges a line nor reaches the terminal's controls
- a table fits the terminal; an id is never wrapped or cut; through a pipe nothing is wrapped or cut
- a colour means something: red what is halted, denied or tampered with, yellow what waits, green what is done; the
  words say the same without it: through a pipe, where `NO_COLOR` is set, and on a terminal that is `dumb`
- wherever there is a table there is `--json`, which prints one JSON document

rich is imported where a table is drawn on a terminal, and nowhere else: it is slow to import.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO

import click

from guardian.cli.support.streams import note_if_lost
from guardian.domain.text.escaping import clean
from guardian.system.typed_command import as_typed

LESS_OPTIONS: Final = "FRX"
"""How `less` shows a list to a person who set nothing else: in colour, left on screen, and at once where it fits."""
MAX_LINE: Final = 8_000
MAX_CELL: Final = 65_536
"""Characters that are shown of one line of words, and of one value."""
_PROGRESS_WIDTH: Final = 50
_GAP: Final = 2
_MIN_WIDTH: Final = 8
"""Columns that may wrap are not made narrower than this."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `whole` cells (ids, keys, digests) are never wrapped or cut; `right` aligns numbers."""

    title: str
    right: bool = False
    whole: bool = False


class Tone(StrEnum):
    """What the colour of a text means; the value is its name for click and rich."""

    BAD = "red"
    WAITING = "yellow"
    GOOD = "green"


@dataclass(frozen=True, slots=True)
class Toned:
    """A value of a table or a field with the tone that it is shown in; None is the terminal's own."""

    value: object
    tone: Tone | None


def shows_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, to a person who wants them."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def say_warning(text: str) -> None:
    """As `say`, in red where that is shown: something that the owner has to see."""
    say(f"guardian: warning: {text}", Tone.BAD, bold=True)


def say_over(text: str) -> None:
    """Short words on standard error that the next ones are written over, such as how far something is."""
    with suppress(OSError):  # a terminal that is gone is no reason to stop; what follows says so
        click.echo(f"\r{clean(text, _PROGRESS_WIDTH):{_PROGRESS_WIDTH}}\r", nl=False, err=True)


def say(text: str, tone: Tone | None = None, *, bold: bool = False) -> None:
    """One line of words for a person, on standard error; what is not plain text in it, line ends too, is escaped.

    Where standard error takes nothing (a full disk, a pipe without a reader, a closed terminal) the command continues
    without a word, and `main` returns another exit code: a cancel is not left out because it cannot be reported.
    """
    line = clean(as_typed(text), MAX_LINE)
    try:
        if tone is not None and shows_colour(sys.stderr):
            line = click.style(line, fg=tone.value, bold=bold or None)
        click.echo(line, err=True)
    except OSError as error:
        if not note_if_lost(error):
            raise


def say_prompt(text: str) -> None:
    """A question on standard error, cleaned as all that is printed; the answer comes on the same line."""
    click.echo(clean(as_typed(text), MAX_LINE), nl=False, err=True)
    sys.stderr.flush()


def print_line(text: str) -> None:
    """One line of data, on standard output, cleaned as all that is printed."""
    click.echo(clean(text, MAX_CELL))


def say_error(message: str) -> None:
    """`guardian: error: ...` on standard error."""
    say(f"guardian: error: {message}")


def say_hint(hint: str) -> None:
    """`guardian: hint: ...` on standard error."""
    say(f"guardian: hint: {hint}")


def print_json(document: object) -> None:
    """One JSON document on standard output, in ASCII, keys in the order given.

    Takes Decimal (as a plain decimal string), aware datetime (ISO 8601 in UTC with a Z) and Path besides the usual.
    Raises TypeError for everything else, a Secret above all, and ValueError for NaN.
    """
    click.echo(_json_text(document, indent=2))


def print_json_list(documents: Iterable[object]) -> None:
    """A JSON list on standard output, in the form of `print_json`, each item written before the next one is made."""
    is_empty = True
    for document in documents:
        text = _json_text(document, indent=2).replace("\n", "\n  ")
        click.echo(("[\n  " if is_empty else ",\n  ") + text, nl=False)
        is_empty = False
    click.echo("[]" if is_empty else "\n]")


def print_json_line(document: object) -> None:
    """One JSON document on one line of standard output, at once: what follows a log comes in such lines."""
    click.echo(_json_text(document, indent=None))
    sys.stdout.flush()


def _json_text(document: object, *, indent: int | None) -> str:
    text = json.dumps(document, indent=indent, ensure_ascii=True, allow_nan=False, default=_json_value)
    # DEL is the one control character that JSON leaves as it is.
    return text.replace("\x7f", "\\u007f")


def print_laid_out_line(line: str) -> None:
    """One line on standard output that its maker cleaned and coloured, at once."""
    click.echo(line)
    sys.stdout.flush()


def print_laid_out(lines: Iterable[str]) -> None:
    """Lines on standard output, cleaned and coloured by their maker; in a pager where a terminal is too short."""
    if not (sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()):
        for line in lines:
            click.echo(line)
        return
    coming = iter(lines)
    first = list(islice(coming, shutil.get_terminal_size().lines))
    if len(first) < shutil.get_terminal_size().lines:
        for line in first:
            click.echo(line)
        return
    _page(chain(first, coming))


def _page(lines: Iterator[str]) -> None:
    """Lines in a person's pager, each as it is made; one that is left early ends it."""
    # The last line break is the one that the pager is given at the end.
    texts = (f"\n{line}" if number else line for number, line in enumerate(lines))
    has_own = "LESS" in os.environ
    os.environ.setdefault("LESS", LESS_OPTIONS)
    try:
        click.echo_via_pager(texts, color=shows_colour(sys.stdout))
    finally:
        if not has_own:
            del os.environ["LESS"]


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def iso_utc(moment: datetime) -> str:
    """An aware datetime as ISO 8601 in UTC, to the second or, where there are any, the microseconds, with a Z."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _cell(value: object) -> str:
    if isinstance(value, Toned):
        return _cell(value.value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value, MAX_CELL)
    return clean(_json_value(value) if isinstance(value, Decimal | datetime) else str(value), MAX_CELL)


def _tone(value: object) -> Tone | None:
    return value.tone if isinstance(value, Toned) else None


def styled(text: str, tone: Tone | None) -> str:
    """Returns a text in its tone's colour; for lines that are laid out by their maker."""
    return text if tone is None else click.style(text, fg=tone.value)


def _painted(text: str, tone: Tone | None) -> str:
    return styled(text, tone) if shows_colour(sys.stdout) else text


def fields(rows: Sequence[tuple[str, object]]) -> None:
    """`name  value` lines on standard output, the names aligned. Values are cleaned, never wrapped or cut."""
    named = [(clean(name), value) for name, value in rows]
    width = max((len(name) for name, _ in named), default=0)
    for name, value in named:
        click.echo(f"{name.ljust(width)}  {_painted(_cell(value), _tone(value))}")


def table(columns: Sequence[Column | str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output: drawn to fit on a terminal, plain aligned columns through a pipe.

    Cells may be str, Decimal, datetime, bool, int, None (`-`), or one of those with a tone.
    Raises ValueError for a row of the wrong length.
    """
    heads = [c if isinstance(c, Column) else Column(c) for c in columns]
    values = [tuple(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in values]
    for row in cells:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(heads)} columns")
    widths = [max(len(head.title), *(len(row[i]) for row in cells), 0) for i, head in enumerate(heads)]
    if sys.stdout.isatty():
        _draw(heads, cells, [[_tone(value) for value in row] for row in values], widths)
        return
    for row in [[head.title for head in heads], *cells]:
        padded = (
            cell.rjust(width) if head.right else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        )
        click.echo((" " * _GAP).join(padded).rstrip())


def _draw(
    heads: Sequence[Column],
    cells: Sequence[Sequence[str]],
    tones: Sequence[Sequence[Tone | None]],
    widths: Sequence[int],
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    least = [width if head.whole else min(width, _MIN_WIDTH) for head, width in zip(heads, widths, strict=True)]
    # Where even that does not fit, lines run over the edge: a terminal then wraps them and copying an id still works.
    console.width = max(console.width, sum(least) + _GAP * (len(heads) - 1))
    drawn = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    # rich counts a gap behind the last column too, and would cut the column for it.
    least[-1] = max(least[-1] - _GAP, 1)
    for head, width in zip(heads, least, strict=True):
        drawn.add_column(
            Text(head.title),
            justify="right" if head.right else "left",
            no_wrap=head.whole,
            overflow="fold",
            min_width=width,
        )
    for row, row_tones in zip(cells, tones, strict=True):
        drawn.add_row(*(Text(cell, style=tone or "") for cell, tone in zip(row, row_tones, strict=True)))
    console.print(drawn)
