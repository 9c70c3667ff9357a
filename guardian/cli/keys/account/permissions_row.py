"""The permissions of a `live` key on the command line: what the home's policy admits, and their row in the log."""

from __future__ import annotations

from guardian.cli.support.render import say
from guardian.domain.accounts import KeyPermissions
from guardian.errors import GuardianError, StoreError
from guardian.gate.live.key_check import record_permissions
from guardian.home.folder import find_policy_file, home_folder
from guardian.policy.loading.load import load_policy
from guardian.policy.permissions import ExtraPermission, KeyJudgement
from guardian.store.database import Store
from guardian.system.clock import SYSTEM_CLOCK
from guardian.system.private_files import open_without_waiting


def allowed_permissions() -> tuple[ExtraPermission, ...]:
    """Returns what `[live] allow_permissions` of the home's policy admits; nothing where it cannot be read."""
    try:
        with open_without_waiting(find_policy_file(home_folder())) as file:
            return tuple(load_policy(file.read().decode("utf-8")).live.allow_permissions)
    except (OSError, UnicodeDecodeError, GuardianError):
        return ()


def note_permissions(found: KeyPermissions, judgement: KeyJudgement) -> None:
    """Writes what a key may do in the log; says it where that fails."""
    try:
        store = Store.open(home_folder(), SYSTEM_CLOCK)
        try:
            with store.transaction() as tx:
                record_permissions(tx, None, found, judgement)
        finally:
            store.close()
    except StoreError as error:
        say(f"guardian: warning: this is not in the log: {error.message}")
