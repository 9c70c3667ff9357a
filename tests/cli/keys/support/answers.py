"""A person who answers the questions of `guardian keys`, without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from guardian.credentials.owner_items import OwnerItems
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import Secret

_MODULES = [import_module(f"guardian.cli.keys.{name}") for name in ("add", "check", "stored_keys", "remove", "rotate")]
_PROMPTS = import_module("guardian.cli.keys.prompts")
_OWNER = import_module("guardian.cli.support.owner")


def answer_with(
    monkeypatch: pytest.MonkeyPatch,
    store: CredentialStore,
    ask_yes: Callable[[str], bool],
    ask_secret: Callable[[str], Secret],
) -> None:
    """Gives the commands this keyring and these answers. The owner check itself is tested with a real terminal."""
    for module in _MODULES:
        monkeypatch.setattr(module, "open_store", lambda: store)
        if hasattr(module, "ask_yes"):
            monkeypatch.setattr(module, "ask_yes", ask_yes)
    for module in (_PROMPTS, _OWNER):
        monkeypatch.setattr(module, "require_owner", lambda action: None)
    items = OwnerItems(store._backend, store._queue, home="")
    monkeypatch.setattr("guardian.credentials.owner_items.open_owner_items", lambda home: items)
    monkeypatch.setattr(_OWNER, "ask_yes", ask_yes)
    monkeypatch.setattr(_OWNER, "ask_secret", lambda prompt, is_over=None: ask_secret(prompt))
    monkeypatch.setattr(_PROMPTS, "ask_secret", ask_secret)
