"""How thorough a run is: `quick` at home, `ci` in CI, `full` by hand, by GUARDIAN_TEST_PROFILE; what is slow."""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import settings

SHARES: Final = {"quick": 5, "ci": 10, "full": 1}
"""A run of each profile tries one example in that many of a full one, and no fewer than `LEAST`."""
PROFILE: Final = os.environ.get("GUARDIAN_TEST_PROFILE", "quick")
LEAST: Final = 20

SLOW: Final = (
    "tests/server/elicitation/",
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


def tries(full: int, least: int = LEAST) -> int:
    """The number of examples of a property in this run, where a full run tries `full`; no fewer than `least`."""
    return min(full, max(least, full // SHARES[PROFILE]))


def load() -> None:
    """Chooses Hypothesis' profile for this run.

    Raises:
        pytest.UsageError: GUARDIAN_TEST_PROFILE is no profile.
    """
    if PROFILE not in SHARES:
        raise pytest.UsageError(f"GUARDIAN_TEST_PROFILE is {PROFILE!r}; it is one of {', '.join(SHARES)}")
    settings.register_profile("guardian", max_examples=tries(100))
    settings.load_profile("guardian")


def mark_slow(items: list[pytest.Item]) -> None:
    """Marks the tests of `SLOW`, so that `-m "not slow"` leaves them out, and has them run first."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    # The slow files first: with several processes none is left alone with the slowest of them at the end.
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))
