"""Opens the log of a home and nothing else."""

from __future__ import annotations

from pathlib import Path

from guardian.gate.base.journal import Journal
from guardian.gate.seal.keeping import SealKeeper
from guardian.home.folder import home_folder, make_home
from guardian.system.clock import SYSTEM_CLOCK, Clock


def open_journal(home: Path | None = None, *, clock: Clock = SYSTEM_CLOCK, signs_at_end: bool = True) -> Journal:
    """The log of a home and nothing else: for what has to work whatever the policy says.

    With `signs_at_end` a sealed log has a signed checkpoint of what was written when this is closed, where the keyring
    gives its key without a window.

    Raises:
        NotPrivate: the home is another user's.
        PolicyInvalid: what is named as the home is not a folder.
    """
    folder = home_folder() if home is None else home
    make_home(folder)
    journal = Journal(folder, clock)
    journal.use_seal(SealKeeper(journal, signs_at_end=signs_at_end))
    return journal
