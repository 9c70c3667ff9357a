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
from guardian.store.answers.stats import By, Stats, read_stats
from guardian.store.schema.files import DATABASE_NAME

NOTHING: Final = "the log has no calls"
_HOUR_MS: Final = 3_600_000
_NO_TIME: Final = "at no time"
_MAX_NAME: Final = 40


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
    table(
        [
            Column(found.by.value), Column("calls", right=True), Column("denied", right=True),
            Column("orders", right=True), Column("notional", right=True), Column("not known", right=True),
            Column("p50 ms", right=True), Column("p95 ms", right=True),
        ],
        [
            (
                clean(line.name, _MAX_NAME),
                line.calls,
                Toned(line.denied, Tone.BAD if line.denied else None),
                line.orders,
                ", ".join(f"{_short(amount)} {currency}" for currency, amount in sorted(line.notional.items())) or None,
                Toned(line.unresolved, Tone.WAITING if line.unresolved else None),
                line.p50_ms,
                line.p95_ms,
            )
            for line in found.lines
        ],
    )  # fmt: skip
    if any(line.latency_calls < line.calls - line.orders for line in found.lines):
        say("p50 and p95 are of the newest calls of each line")


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
