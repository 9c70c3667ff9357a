"""What `guardian passkey` and `guardian pin` do."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.owner import agree_with, ask_secret, ask_yes
from guardian.cli.support.render import say, say_error, say_hint
from guardian.cli.support.times import local_time
from guardian.cli.support.vault_prompt import unlock_vault
from guardian.credentials.owner_items import OwnerItems, open_owner_items
from guardian.domain.owner.proof import ProofGiven
from guardian.gate.owner.agreement import Agreement
from guardian.gate.owner.changes import OwnerChanges, change_statement
from guardian.home.folder import home_folder
from guardian.home.log import open_journal
from guardian.home.seal_at_use import seal_home
from guardian.proofs.pin_hash import UnfitPin, pin_hash
from guardian.store.owner.owner_records import ChangeKind

PROMPT = "a new PIN, 6 characters or more"


class _Owner:
    """The log of the home, opened, and what changes are made with."""

    def __init__(self) -> None:
        self.journal = open_journal()
        self.changes = OwnerChanges(self.journal, random_bytes=secrets.token_bytes, keyring=_items)
        self.agreement = Agreement(self.journal, random_bytes=secrets.token_bytes, pins=_items)


def _items() -> OwnerItems:
    home = home_folder()
    unlock_vault(home)
    return open_owner_items(home)


def _with_owner(
    kind: ChangeKind, name: str, question: str, *, wait: bool, act: Callable[[_Owner, ProofGiven | None], bool]
) -> int:
    """Take the proof that a change needs, and make it; with `wait` have it wait instead. Returns the exit code."""
    owner = _Owner()
    try:
        if wait:
            return _wait(owner, kind, name)
        needed = owner.changes.needed(kind, name)
        given: ProofGiven | None = None
        if needed is None:
            if not ask_yes(question):
                return _unchanged()
        else:
            say(f"this needs your {needed.value}; without it, `--wait` has it wait for 24 hours")
            given = agree_with(owner.agreement, needed, change_statement(kind, name), question)
            if given is None:
                return _unchanged()
        return FINE if act(owner, given) else _unchanged()
    finally:
        owner.journal.close()


def _unchanged() -> int:
    say("nothing was changed")
    return NO


def _wait(owner: _Owner, kind: ChangeKind, name: str) -> int:
    if owner.changes.needed(kind, name) is None:
        say_error("this need not wait: leave `--wait` out")
        return NO
    change = owner.changes.request(kind, name)
    say(f"it can be made from {local_time(change.effective_ms)} on, for 24 hours, by the same command without `--wait`")
    say_hint(f"until then every approval shows it; `guardian passkey cancel {change.id}` cancels it")
    return FINE


def add_passkey(name: str, *, wait: bool) -> int:
    """Register a passkey on a page; returns the exit code."""

    def act(owner: _Owner, given: ProofGiven | None) -> bool:
        if not _register_on_page(owner.changes, name, given):
            return False
        _say_seal()
        say(f"the passkey `{name}` is registered; the policy demands it with `proof = 'passkey'`")
        return True

    return _with_owner(ChangeKind.PASSKEY_ADD, name, f"register the passkey `{name}`?", wait=wait, act=act)


def _register_on_page(changes: OwnerChanges, name: str, given: ProofGiven | None) -> bool:
    from guardian.console.one_question import answer_on_page, registration_question

    return answer_on_page(registration_question(changes, name, given), say) is not None


def remove_passkey(name: str, *, wait: bool) -> int:
    """Remove a passkey; returns the exit code."""

    def act(owner: _Owner, given: ProofGiven | None) -> bool:
        owner.changes.remove_passkey(name, given)
        say(f"the passkey `{name}` is removed")
        return True

    return _with_owner(ChangeKind.PASSKEY_REMOVE, name, f"remove the passkey `{name}`?", wait=wait, act=act)


def _say_seal() -> None:
    if (sealed := seal_home()) is not None:
        say(sealed)


def set_new_pin(*, wait: bool) -> int:
    """Set the PIN; returns the exit code."""

    def act(owner: _Owner, given: ProofGiven | None) -> bool:
        pin = ask_secret(PROMPT)
        if not pin:
            return False
        try:
            hashed = pin_hash(pin, secrets.token_bytes)
        except UnfitPin as error:
            say_error(str(error))
            return False
        if ask_secret("the same again") != pin:
            say_error("the two differ")
            return False
        owner.changes.set_pin(hashed, given)
        _say_seal()
        say('the PIN is set; with `proof = "pin"` under [confirmation] the policy demands it')
        return True

    return _with_owner(ChangeKind.PIN_SET, "", "set the PIN?", wait=wait, act=act)


def remove_the_pin(*, wait: bool) -> int:
    """Remove the PIN; returns the exit code."""

    def act(owner: _Owner, given: ProofGiven | None) -> bool:
        owner.changes.remove_pin(given)
        say("the PIN is removed")
        return True

    return _with_owner(ChangeKind.PIN_REMOVE, "", "remove the PIN?", wait=wait, act=act)


def cancel_change(change: int) -> None:
    """Cancel a change that waits. Raises StoreConflict: it does not."""
    owner = _Owner()
    try:
        owner.changes.cancel(change)
    finally:
        owner.journal.close()
