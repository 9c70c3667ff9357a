"""Writes a copy of the log, verified as `guardian audit verify` does, with a checkpoint of it beside it."""

from __future__ import annotations

import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guardian.cli.audit.verification import progress_shown
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.render import Tone, fields, print_json, say, say_error, say_hint
from guardian.cli.support.terminal import is_terminal
from guardian.cli.support.vault_prompt import unlock_or_say
from guardian.gate.seal.log_evidence import gather_evidence
from guardian.home.folder import checked_home
from guardian.store.copies import copy_database, dated_name
from guardian.store.log.checkpoint import read_checkpoint_text
from guardian.store.log.read_only import read_only
from guardian.store.log.verify import verify
from guardian.store.log_findings import Report
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.evidence import NO_EVIDENCE, SealEvidence
from guardian.system.clock import wall_clock_ms
from guardian.system.private_files import FOLDER_MODE, create_file, publish_file

NAME: Final = "guardian-backup"
"""How the name begins that a backup gets in a folder."""
NOT_IN_IT: Final = "API keys, PIN, `policy.toml` and the balances of a paper exchange are not in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was written, and what verifying the copy found."""

    path: Path
    checkpoint: Path | None
    """None for an empty log, and for one that is not intact: there is no checkpoint of that."""
    report: Report


def back_up(target: Path, *, as_json: bool) -> int:
    """Write a backup of the home's log, and say what is in it; returns the exit code."""
    home = checked_home()
    unlock_or_say(home)
    # Before the copy: a log only grows, so the copy must have all that is named here.
    evidence = gather_evidence(home, asks_nothing=not is_terminal(sys.stderr))
    try:
        made = _write(home, _path_of(target), evidence)
    except FileExistsError as error:
        say_error(f"`{error.filename}` is there already; it was left as it is")
        say_hint("name a new file, or a folder: a backup gets a dated name there")
        return NO
    except OSError as error:
        say_error(f"the backup could not be written: {error.strerror or 'no reason given'}")
        return COULD_NOT_TELL
    report = made.report
    if as_json:
        print_json(
            {
                "backup": made.path,
                "checkpoint": made.checkpoint,
                "bytes": made.path.stat().st_size,
                "rows": report.rows,
                "last_seq": report.last_seq,
                "head": report.head,
                "intact": report.is_intact,
                "findings": [{"kind": f.kind.value, "seq": f.seq, "message": f.message} for f in report.findings],
            }
        )
    else:
        fields(
            [
                ("backup", str(made.path)),
                ("checkpoint", "none" if made.checkpoint is None else str(made.checkpoint)),
                ("bytes", made.path.stat().st_size),
                ("rows", report.rows),
                ("ends with", "nothing" if report.head is None else f"row {report.last_seq}, {report.head}"),
                ("the copy is", "INTACT" if report.is_intact else "AS BROKEN AS THE LOG"),
            ]
        )
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
    say(NOT_IN_IT)
    return FINE if report.is_intact else NO


def _path_of(target: Path) -> Path:
    return dated_name(target, NAME, wall_clock_ms(), suffix=".db") if target.is_dir() else target


def _write(home: Path, target: Path, evidence: SealEvidence) -> Backup:
    """Writes the copy where nothing else is, verifies it, and only then gives it its name.

    Raises StoreError, OSError and FileExistsError, which names the file; nothing is written then.
    """
    beside = target.with_name(f"{target.name}.checkpoint")
    for path in (target, beside):
        if path.exists():
            raise FileExistsError(None, None, str(path))
    folder = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    folder.mkdir(mode=FOLDER_MODE)
    try:
        own = read_checkpoint_text(home)
        if own is not None:
            create_file(folder / CHECKPOINT_NAME, own.encode())
        with read_only(home / DATABASE_NAME) as connection:
            copy_database(connection, folder / DATABASE_NAME)
        with progress_shown() as progress:
            report = verify(folder, None, progress, evidence if own is not None else NO_EVIDENCE)
        publish_file(folder / DATABASE_NAME, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not report.is_intact or report.head is None:
        return Backup(path=target, checkpoint=None, report=report)
    text = Checkpoint(seq=report.last_seq, digest=report.head).line
    if evidence.keys is not None and report.is_proven:
        text = evidence.keys.note(report.last_seq, report.head).text
    create_file(beside, text.encode())
    return Backup(path=target, checkpoint=beside, report=report)
