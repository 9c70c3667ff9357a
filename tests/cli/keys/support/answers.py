"""A person who answers the questions of `guardian keys`, without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import Secret

_MODULES = [import_module(f"guardian.cli.keys.{name}") for name in ("add", "check", "stored_keys", "remove", "rotate")]
_PROMPTS = import_module("guardian.cli.keys.prompts")


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
    monkeypatch.setattr(_PROMPTS, "require_owner", lambda action: None)
    monkeypatch.setattr(_PROMPTS, "ask_secret", ask_secret)
