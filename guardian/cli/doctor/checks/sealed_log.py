"""The seal of the log: whether it is sealed, up to which row that is signed, and where else that is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.cli.doctor.checks.log_copy import scratch_home
from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, GuardianError
from guardian.gate.seal.keeping import loss_since
from guardian.gate.seal.log_evidence import LogSeal, evidence_of, seal_of_log
from guardian.store.log.checkpoint import kept_checkpoint, kept_copy
from guardian.store.log.read_only import database_path, last_seq, read_only
from guardian.store.log_findings import Finding as LostRow
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.seal.evidence import SealEvidence

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

NAME: Final = "seal"
_VERIFY: Final = "`guardian audit verify` says what is wrong"
_FOLDER: Final = "`guardian audit seal --folder DIR` keeps checkpoints in a second folder"


def check_seal(examined: Examined) -> Iterator[Finding]:
    """The log is sealed, its checkpoint is signed, and an anchor or a second folder would show a rollback."""
    with scratch_home(examined.home) as copy:
        if copy is None:
            yield ok(NAME, "no log yet, so nothing is sealed")
            return
        seal = seal_of_log(copy)
        items, evidence = _evidence(examined, seal)
        lost = _lost(examined, copy, evidence)
        if lost is not None:
            yield problem(NAME, lost.message, f"{_VERIFY}; `guardian audit accept-loss --reason TEXT` accepts it")
        if not seal.rows.keys:
            yield from _unsealed(examined, has_keyring=items is not None, is_lost=lost is not None)
            return
        yield from _signed(copy)
        yield from _key(evidence)
        if lost is None:
            yield from _anchor(items, evidence, seal)
        yield from _folder(seal)


def _evidence(examined: Examined, seal: LogSeal) -> tuple[HomeItems | None, SealEvidence]:
    try:
        items = examined.open_log_items(examined.home)
    except CredentialsError as error:
        return None, SealEvidence(unchecked=(error.message,))
    return items, evidence_of(items, seal.name, asks_nothing=True)


def _lost(examined: Examined, copy: Path, evidence: SealEvidence) -> LostRow | None:
    """Returns the finding that the log lacks the anchor's row; a copy from before the anchor was set is no proof."""
    if evidence.anchor is None or loss_since(copy, evidence.anchor) is None:
        return None
    with scratch_home(examined.home) as newer:
        return None if newer is None else loss_since(newer, evidence.anchor)


def _unsealed(examined: Examined, *, has_keyring: bool, is_lost: bool) -> Iterator[Finding]:
    if is_lost:
        return
    text = "the log was never sealed: whoever can write this folder can write all of it again, and nobody sees it"
    command = "`guardian audit seal`" if has_keyring else "`guardian keys vault create`, then `guardian audit seal`"
    if examined.policy is not None and examined.policy.environment is Environment.PAPER:
        yield ok(NAME, f"the log was never sealed, and `paper` needs no seal; {command} seals it")
    else:
        yield warning(NAME, text, command)


def _signed(copy: Path) -> Iterator[Finding]:
    try:
        found = kept_checkpoint(copy)
        with read_only(database_path(copy)) as connection:
            last = last_seq(connection)
    except (GuardianError, OSError):
        found, last = None, 0
    if found is None or found.note is None:
        yield problem(NAME, f"the log is sealed, and `{CHECKPOINT_NAME}` has no signed checkpoint", _VERIFY)
    else:
        yield ok(NAME, f"the log is sealed, and signed up to row {found.seq} of {last}")


def _key(evidence: SealEvidence) -> Iterator[Finding]:
    if evidence.unchecked:
        remedy = "unlock the keyring or vault, and run this again: no order is sent without the key of a sealed log"
        yield unclear(f"{NAME}.key", f"the key of the log could not be looked at: {evidence.unchecked[0]}", remedy)
    elif evidence.keys is None:
        remedy = "open the keyring that it was sealed with; on a new machine `guardian audit accept-loss --reason TEXT`"
        yield problem(f"{NAME}.key", "this keyring does not have the secret that the log is sealed with", remedy)


def _anchor(items: HomeItems | None, evidence: SealEvidence, seal: LogSeal) -> Iterator[Finding]:
    if items is None or evidence.unchecked:
        return
    name, anchor = f"{NAME}.anchor", evidence.anchor
    if not items.keeps_anchors:
        text = f"`{items.backend_name}` gets no anchor as the log grows"
        if seal.rows.folder is not None:
            yield ok(name, f"{text}; the second folder has the checkpoint")
        else:
            yield warning(name, f"{text}: a copy of the whole folder that is put back is not seen", _FOLDER)
    elif anchor is None:
        yield warning(name, "the keyring has no anchor of this log", "`guardian audit seal` sets it")
    else:
        yield ok(name, f"the keyring's anchor is row {anchor.seq}")


def _folder(seal: LogSeal) -> Iterator[Finding]:
    folder, name = seal.rows.folder, f"{NAME}.folder"
    if folder is None or seal.name is None:
        yield ok(name, f"no second folder is named; {_FOLDER}")
        return
    try:
        found = kept_copy(folder, seal.name)
    except OSError:
        remedy = "attach it, and `guardian audit seal`; or name another: `guardian audit seal --folder DIR`"
        yield warning(name, f"the second folder `{folder}` is not there, or has no checkpoint of this log", remedy)
    except ValueError:
        yield problem(name, f"what the second folder `{folder}` has is not a checkpoint", _VERIFY)
    else:
        yield ok(name, f"the second folder `{folder}` has the checkpoint of row {found.seq}")
