"""The manifest of an export: what the file is, which part of the log it has, and how the log ended then.

With a checkpoint that was kept elsewhere, the digests in it show whether the log that the file is of is still the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guardian import __version__
from guardian.cli.support.times import utc_time
from guardian.domain.milliseconds import LATEST_MS

MANIFEST_VERSION: Final = 1
FORMAT_VERSION: Final = 1
"""Of the fields and columns of all formats: they keep their names and meanings, and a later version may add some."""


@dataclass(slots=True, kw_only=True)
class Exported:
    """What was written, gathered while it is written."""

    format: str
    since_ms: int | None
    until_ms: int | None
    redacted: bool
    changed_rows: int | None
    """Rows that are not as they were written, or do not follow on the one before; None for trades, which have no
    digest of their own."""
    rows: int = 0
    first: tuple[int, object] | None = None
    """The first row: its number and its time, which may be anything in a log that was tampered with."""
    last: tuple[int, object] | None = None
    size: int = 0
    digest: str = ""
    head: tuple[int, str] | None = None
    checkpoint: tuple[int, str] | None = None

    def add(self, number: int, time_ms: object, *, verified: bool = True) -> None:
        """Counts one row."""
        self.rows += 1
        if self.changed_rows is not None:
            self.changed_rows += not verified
        self.first = self.first or (number, time_ms)
        self.last = (number, time_ms)


def manifest_path(file: Path) -> Path:
    """Returns where the manifest of a file is: `FILE.manifest.json`."""
    return file.with_name(f"{file.name}.manifest.json")


def manifest_json(exported: Exported, file: Path, now_ms: int) -> bytes:
    """Returns the manifest of a file that was written at this time."""
    document = {
        "v": MANIFEST_VERSION,
        "file": file.name,
        "format": exported.format,
        "format_version": FORMAT_VERSION,
        "sha256": exported.digest,
        "bytes": exported.size,
        "rows": exported.rows,
        "changed_rows": exported.changed_rows,
        "redacted": exported.redacted,
        "requested": {"since": utc_or_none(exported.since_ms), "until": utc_or_none(exported.until_ms)},
        "first": _end(exported.first),
        "last": _end(exported.last),
        "head": _point(exported.head),
        "checkpoint": _point(exported.checkpoint),
        "exported": utc_time(now_ms),
        "guardian": __version__,
    }
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()


def _point(point: tuple[int, str] | None) -> dict[str, object] | None:
    return None if point is None else {"seq": point[0], "digest": point[1]}


def _end(end: tuple[int, object] | None) -> dict[str, object] | None:
    return None if end is None else {"number": end[0], "time": utc_or_none(end[1])}


def utc_or_none(milliseconds: object) -> str | None:
    """Returns the time of a cell; None where it holds no time, which somebody wrote into it."""
    return utc_time(milliseconds) if isinstance(milliseconds, int) and 0 <= milliseconds <= LATEST_MS else None
