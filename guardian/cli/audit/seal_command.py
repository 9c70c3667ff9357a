"""`guardian audit seal`: seals the log, and names the second folder for its checkpoints."""

from __future__ import annotations

import secrets
from pathlib import Path

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.owner import require_owner
from guardian.cli.support.render import print_line, say, say_error, say_hint
from guardian.cli.support.vault_prompt import unlock_vault
from guardian.errors import CredentialsError
from guardian.gate.seal.log_evidence import keyring_items, seal_of_log
from guardian.gate.seal.sealing import name_folder, seal_log
from guardian.home.folder import checked_home
from guardian.home.log import open_journal


def seal(folder: Path | None, *, no_folder: bool) -> int:
    """Seal the log of the home, and print its public key; returns the exit code.

    The second folder is named for the first time by anybody, and changed by the owner alone: what is written there may
    be the only thing that shows a forgery.
    """
    home = checked_home()
    named = seal_of_log(home).rows.folder
    wanted = None if folder is None else str(folder.absolute())
    if wanted is not None and not Path(wanted).is_dir():
        say_error(f"there is no folder `{wanted}`; nothing was changed")
        return NO
    if named is not None and (no_folder or wanted not in {None, named}):
        require_owner("keep checkpoints in another folder")
    unlock_vault(home)
    journal = open_journal(home)
    try:
        if no_folder or wanted not in {None, named}:
            name_folder(journal, wanted)
        items = keyring_items(home)
        done = seal_log(journal, items, secrets.token_bytes)
    except CredentialsError as error:
        say_error(f"the log is not sealed: {error.message}")
        say_hint(error.hint or "`guardian doctor` says what is wrong with the keyring")
        return COULD_NOT_TELL
    finally:
        journal.close()
    print_line(done.verifier.text)
    say(f"the log {'is sealed' if done.is_new else 'was sealed before'}, with a secret in `{items.backend_name}`")
    if not done.is_signed:
        say_error("no checkpoint could be signed now; `guardian audit verify` says why")
        return NO
    if not items.keeps_anchors:
        say("no anchor is kept there as the log grows: a copy of the whole folder that is put back is not seen")
        say_hint("`guardian audit seal --folder DIR` keeps checkpoints in a second folder too")
    say("with this public key, `guardian audit verify --pubkey KEY` verifies a copy of the log on any machine")
    return FINE
