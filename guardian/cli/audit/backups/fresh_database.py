"""Makes a fresh database from the log alone, and says what the tables beside it say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from guardian.cli.audit.verification import progress_shown
from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import Tone, fields, print_json, say, say_error, say_hint
from guardian.errors import StoreConflict
from guardian.home.folder import checked_home
from guardian.store.answers.rebuilding import rebuild
from guardian.store.copies import dated_name
from guardian.store.log.verify import verify
from guardian.store.schema.files import DATABASE_NAME
from guardian.system.clock import wall_clock_ms

NAME: Final = "guardian-rebuilt"
"""How the name begins that a rebuilt database gets in a folder."""


def rebuild_from_log(target: Path | None, *, as_json: bool) -> int:
    """Write the new database, into the home if no other place is named, and say what differs; returns the exit code."""
    home = checked_home()
    if not (home / DATABASE_NAME).exists():
        say("the log is empty: there is nothing to rebuild")
        return NO
    place = home if target is None else target
    path = dated_name(place, NAME, wall_clock_ms(), suffix=".db") if place.is_dir() else place
    try:
        made = rebuild(home, path)
    except StoreConflict as error:
        say_error(error.message)
        if error.hint is not None:
            say_hint(error.hint)
        return NO
    with progress_shown() as progress:
        report = verify(made.path, None, progress)
    if as_json:
        print_json(
            {
                "rebuilt": made.path,
                "rows": made.rows,
                "tables": made.tables,
                "differences": made.differences,
                "intact": report.is_intact,
                "findings": [{"kind": f.kind.value, "seq": f.seq, "message": f.message} for f in report.findings],
            }
        )
    else:
        fields(
            [
                ("rebuilt", str(made.path)),
                ("rows", made.rows),
                *((f"  {name}", count) for name, count in made.tables.items() if count),
                ("the log in it is", "INTACT" if report.is_intact else "BROKEN"),
            ]
        )
    for sentence in made.differences:
        say(f"this home's tables differ: {sentence}", Tone.BAD)
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
    if made.differences and report.is_intact:
        say_hint(f"`guardian audit restore {made.path}` puts it in the place of this home's database, halted")
    return FINE if report.is_intact and not made.differences else NO
