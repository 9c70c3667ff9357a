"""A play of `live` for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_play import LivePlay, live_play


@pytest.fixture
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlay]:
    with live_play(Path(tmp_path_factory.mktemp("authority"))) as running:
        yield running
