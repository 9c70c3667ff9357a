"""The counts of the log as a table, or as JSON."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final

from guardian.cli.support.render import Column, Tone, Toned, print_json, say, table
from guardian.cli.support.times import utc_time
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.home.folder import checked_home
from guardian.store.answers.stats import By, StatLine, Stats, read_stats
from guardian.store.schema.files import DATABASE_NAME

NOTHING: Final = "the log has no calls"
_HOUR_MS: Final = 3_600_000
_NO_TIME: Final = "at no time"
_MAX_NAME: Final = 40
_WHOLE_NAME: Final = 32
"""Characters of the longest name that guardian has itself; a longer one, which a model made up, is folded."""


def print_stats(by: str, since_ms: int | None, *, as_json: bool) -> None:
    """Print the counts of the home by one thing. Raises StoreError."""
    home = checked_home()
    kind = By(by)
    bucket = _day if kind is By.DAY else _hour
    has_log = (home / DATABASE_NAME).exists()
    found = (
        read_stats(home, kind, since_ms=since_ms, bucket=bucket) if has_log else Stats(by=kind, lines=(), newest=None)
    )
    if as_json:
        plain_data = to_plain(found)
        since = None if since_ms is None else utc_time(since_ms)
        print_json({"since": since, **(plain_data if isinstance(plain_data, dict) else {})})
    elif found.lines:
        _print(found)
    else:
        say(NOTHING if since_ms is None else "the log has no calls since then")
    if found.newest is not None:
        say(f"only the newest {found.newest} calls are counted; with --since all of that period are")


def _print(found: Stats) -> None:
    # Columns of orders are left out where no line has an order: a long code is whole then on 80 columns.
    has_orders = any(line.orders for line in found.lines)
    of_orders = ("orders", "notional", "not known") if has_orders else ()
    names = [clean(line.name, _MAX_NAME) for line in found.lines]
    is_whole = all(len(name) <= _WHOLE_NAME for name in names)
    heads = [Column(title, right=True) for title in ("calls", "denied", *of_orders, "p50 ms", "p95 ms")]
    table(
        [Column(found.by.value, whole=is_whole), *heads],
        [
            (
                name,
                line.calls,
                Toned(line.denied, Tone.BAD if line.denied else None),
                *(_order_cells(line) if has_orders else ()),
                line.p50_ms,
                line.p95_ms,
            )
            for name, line in zip(names, found.lines, strict=True)
        ],
    )
    if any(line.latency_calls < line.calls - line.orders for line in found.lines):
        say("p50 and p95 are of the newest calls of each line")


def _order_cells(line: StatLine) -> tuple[object, ...]:
    notional = ", ".join(f"{_short(amount)} {currency}" for currency, amount in sorted(line.notional.items()))
    return line.orders, notional or None, Toned(line.unresolved, Tone.WAITING if line.unresolved else None)


def _short(amount: Decimal) -> str:
    return plain(amount if amount.as_tuple().exponent >= -2 else amount.quantize(Decimal("0.01")))  # type: ignore[operator]  # finite


def _day(time_ms: int) -> tuple[str, int]:
    """The day that a time is in where the person is, and when it ends; a time that no clock shows ends never."""
    try:
        day = datetime.fromtimestamp(time_ms // 1000).astimezone().date()
        ends = datetime.combine(day + timedelta(days=1), time.min).astimezone()
    except (ValueError, OverflowError, OSError):
        return _NO_TIME, 2**62
    return f"{day:%Y-%m-%d}", int(ends.timestamp()) * 1000


def _hour(time_ms: int) -> tuple[str, int]:
    """The hour of the day, and when that hour ends."""
    try:
        moment = datetime.fromtimestamp(time_ms // 1000).astimezone()
    except (ValueError, OverflowError, OSError):
        return _NO_TIME, 2**62
    begins = int(moment.replace(minute=0, second=0).timestamp()) * 1000
    return f"{moment:%H}:00", begins + _HOUR_MS
