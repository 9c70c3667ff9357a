"""Whether a valid policy file is in force, or waits for the owner's yes or for its time."""

from __future__ import annotations

from dataclasses import dataclass

from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.times import local_time
from guardian.errors import StoreError
from guardian.gate.base.journal import Journal
from guardian.gate.owner.policy_approval import ApprovedPolicies, PendingPolicy
from guardian.home.folder import home_folder
from guardian.policy.model import Policy
from guardian.store.schema.files import DATABASE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStanding:
    """`in_force` is None where the log cannot be read; `words` say the same for a person."""

    in_force: bool | None
    words: str
    looser: tuple[str, ...] = ()
    takes_effect_ms: int | None = None


def file_standing(policy: Policy) -> FileStanding:
    """Returns whether a policy that the home serves is in force; a home without a log takes every edit."""
    if not (home_folder() / DATABASE_NAME).exists():
        return FileStanding(in_force=True, words="yes")
    try:
        pending = with_journal(lambda journal: _pending(journal, policy))
    except StoreError as error:
        return FileStanding(in_force=None, words=f"not known: {error.message}")
    if pending is None:
        return FileStanding(in_force=True, words="yes")
    looser = tuple(map(str, pending.comparison.looser))
    if pending.effective_ms is not None:
        words = f"not yet: you approved it, and it takes effect at {local_time(pending.effective_ms)}"
        return FileStanding(in_force=False, words=words, looser=looser, takes_effect_ms=pending.effective_ms)
    return FileStanding(in_force=False, words="no: it waits for `guardian policy approve`", looser=looser)


def _pending(journal: Journal, policy: Policy) -> PendingPolicy | None:
    with journal.transaction() as tx:
        return ApprovedPolicies().pending(tx, policy)
