"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.store.support.store_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty store in a home that it made itself."""
    made = World(tmp_path / "guardian")
    yield made
    with suppress(Exception):
        made.store.close()
