"""A play of `live` for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.live.home import LiveHome, with_keys
from tests.support.live_play import LivePlay, live_play


@pytest.fixture
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlay]:
    with live_play(Path(tmp_path_factory.mktemp("authority"))) as running:
        yield running


@pytest.fixture
async def home(play: LivePlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveHome]:
    """A home on the play, with a key and nothing else that live needs."""
    with_keys(monkeypatch, play)
    made = LiveHome(play=play, folder=tmp_path)
    yield made
    await made.guardian.close()
