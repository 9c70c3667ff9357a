"""A sealed home for the tests of the seal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sealed import SealedHome


@pytest.fixture
def home(tmp_path: Path) -> SealedHome:
    return SealedHome(tmp_path / "guardian")
