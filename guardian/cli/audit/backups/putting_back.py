"""Puts a backup in the place of the home's log, after saying what is lost by that and taking the owner's yes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from guardian.cli.audit.verification import progress_shown
from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.owner import agree
from guardian.cli.support.render import Tone, say, say_error, say_hint
from guardian.cli.support.vault_prompt import unlock_or_say
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.errors import StoreCorrupt
from guardian.gate.seal.log_evidence import gather_evidence, keyring_items
from guardian.home.folder import checked_home
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.verify import verify
from guardian.store.restoring import Comparison, Relation, compare, restore, staged
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.evidence import NO_EVIDENCE
from guardian.system.clock import SYSTEM_CLOCK, wall_clock_ms

_WORDS: Final = {
    Relation.SAME: "the log of this home ends with the same row: nothing is lost",
    Relation.OLDER: "THE BACKUP IS OLDER: {lost} rows that this home's log has after it go out of use",
    Relation.NEWER: "the backup has all rows of this home's log, and more: this home was put back before",
    Relation.FORKED: "THE LOGS DIFFER: they began as one and went different ways; {lost} rows go out of use",
    Relation.OTHER: "ANOTHER LOG: the backup is not of this home's log, of which {lost} rows go out of use",
    Relation.MISSING: "this home has no log that can be read",
}


def put_back(source: Path) -> int:
    """Restore a backup; returns the exit code.

    Raises StoreError and GuardianError: nothing was changed.
    """
    home = checked_home()
    unlock_or_say(home)
    with staged(source, home, wall_clock_ms()) as folder:
        if not _is_intact(folder, home):
            say_error("the backup is not intact; nothing was changed")
            say_hint("restore another one; in a home without a log `guardian init` begins a new one")
            return NO
        shown = compare(folder, home)
        for line in _lines(source, shown, _checkpoint(home)):
            say(line, Tone.WAITING if line.isupper() else None)
        statement = _statement(shown)
        # A log that cannot be opened cannot say which proof is demanded: the backup does.
        log_in = folder if shown.relation is Relation.MISSING else None
        proof = agree(statement, "put the backup in the place of the log, and halt trading?", log_in=log_in)
        if proof is None:
            say("nothing was changed")
            return NO
        agreed = {"statement": statement.as_dict(), "proof": proof.as_record()}
        kept = restore(folder, home, shown, SYSTEM_CLOCK, agreed)
    say(f"restored; trading is halted, and orders after row {shown.backup.seq} are not in the log")
    for path in kept:
        say(f"kept from before: `{path}`")
    say_hint("`guardian audit reconcile` finds the orders that the exchange knows, then `guardian resume`")
    if shown.lost:
        say_hint('where `guardian audit verify` misses rows: `guardian audit accept-loss --reason "..."`')
    return FINE


def _is_intact(folder: Path, home: Path) -> bool:
    """Whether the staged backup verifies, with the keyring's key where a checkpoint came along; says what is wrong.

    That the keyring knows of later rows is no finding here: it is what a restoration is about.
    """
    evidence = NO_EVIDENCE
    if (folder / CHECKPOINT_NAME).exists():
        evidence = replace(gather_evidence(folder, asks_nothing=True, items=lambda _: keyring_items(home)), anchor=None)
    with progress_shown() as progress:
        report = verify(folder, None, progress, evidence)
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
    return report.is_intact


def _checkpoint(home: Path) -> Checkpoint | None:
    try:
        return read_checkpoint(home)
    except (OSError, StoreCorrupt):
        return None


def _lines(source: Path, shown: Comparison, checkpoint: Checkpoint | None) -> list[str]:
    lines = [f"{source}: {shown.backup.seq} rows; its last one is {shown.backup.digest[:16] or 'none'}"]
    if shown.present is not None:
        lines.append(f"this home: {shown.present.seq} rows, {shown.orders} orders")
    lines.append(_WORDS[shown.relation].format(lost=shown.lost))
    if checkpoint is not None and checkpoint.seq > shown.backup.seq and shown.relation is Relation.MISSING:
        more = checkpoint.seq - shown.backup.seq
        lines.append(f"the home's checkpoint knows of {more} rows after the backup, which are lost")
    return lines


def _statement(shown: Comparison) -> Statement:
    """What the owner agrees to: which log takes the place of which."""
    present = shown.present
    return Statement(
        kind=StatementKind.LEDGER,
        fields={
            "decision": "restore",
            "relation": shown.relation.value,
            "backup_row": str(shown.backup.seq),
            "backup_digest": shown.backup.digest,
            "replaced_row": None if present is None else str(present.seq),
            "replaced_digest": None if present is None else present.digest,
        },
    )
