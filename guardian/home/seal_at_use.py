"""Seals the log of the home after a command that has just used its keyring or vault."""

from __future__ import annotations

import secrets

from guardian.errors import CredentialsError, GuardianError
from guardian.home.folder import home_folder
from guardian.home.log import open_journal


def seal_home(*, asks_nothing: bool = False) -> str | None:
    """Seals the log, unless it is sealed; returns what a person should know of that, if anything.

    With `asks_nothing` only where the keyring opens no window. What fails here does not fail the command, whose own
    work is done: it is returned, unless there is no keyring at all.
    """
    from guardian.gate.seal.log_evidence import keyring_items
    from guardian.gate.seal.sealing import seal_log

    home = home_folder()
    try:
        items = keyring_items(home)
        if asks_nothing and not items.asks_nothing():
            return None
    except CredentialsError:
        return None
    try:
        journal = open_journal(home)
        try:
            done = seal_log(journal, items, secrets.token_bytes)
        finally:
            journal.close()
    except GuardianError as error:
        return f"guardian: warning: the log is not sealed: {error.message}"
    if not done.is_new:
        return None
    return f"the log is sealed with a secret in `{items.backend_name}`: `guardian audit verify` proves it from now on"
