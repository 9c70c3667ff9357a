"""How thorough a run is: `quick` at home, `full` in CI, by GUARDIAN_TEST_PROFILE; and which tests are slow."""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import settings

PROFILES: Final = ("quick", "full")
PROFILE: Final = os.environ.get("GUARDIAN_TEST_PROFILE", "quick")
QUICK_SHARE: Final = 5
"""A quick run tries one example in five of a full one, and no fewer than `LEAST`."""
LEAST: Final = 20

SLOW: Final = (
    "tests/adversary/",
    "tests/cli/",
    "tests/console/",
    "tests/credentials/test_keyring_backends.py",
    "tests/credentials/vault/test_vault_backend.py",
    "tests/e2e/",
    "tests/exchange/http/test_tls.py",
    "tests/exchange/http/test_whole_surface.py",
    "tests/exchange/limits/",
    "tests/gate/model/",
    "tests/gate/scenarios/",
    "tests/longrun/",
    "tests/paper/engine/test_engine_replay.py",
    "tests/paper/host/",
    "tests/paper/market/test_replay.py",
    "tests/server/test_stdio.py",
    "tests/store/test_disk.py",
    "tests/store/test_processes.py",
    "tests/support/test_prefork.py",
)
"""Folders and files whose tests start processes, wait for time to pass, or play for long."""


def tries(full: int) -> int:
    """The number of examples of a property in this run, where a full run tries `full`."""
    return full if PROFILE == "full" else min(full, max(LEAST, full // QUICK_SHARE))


def load() -> None:
    """Chooses Hypothesis' profile for this run.

    Raises:
        pytest.UsageError: GUARDIAN_TEST_PROFILE is no profile.
    """
    if PROFILE not in PROFILES:
        raise pytest.UsageError(f"GUARDIAN_TEST_PROFILE is {PROFILE!r}; it is one of {', '.join(PROFILES)}")
    settings.register_profile("guardian", max_examples=tries(100))
    settings.load_profile("guardian")


def mark_slow(items: list[pytest.Item]) -> None:
    """Marks the tests of `SLOW`, so that `-m "not slow"` leaves them out."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
