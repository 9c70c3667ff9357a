"""A paper exchange in a thread, and a client that knows nothing of guardian's own code."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.client import Client, ClientFor
from tests.paper.support.made_market import made_market


@pytest.fixture
def paper() -> Iterator[PaperServer]:
    """A paper exchange whose BTCUSDT is at 59999.99 / 60000.00 with 100 a side."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield server
        assert server.troubles == []


@pytest.fixture(scope="session")
def unchanged() -> Iterator[Client]:
    """A client of an exchange that many tests share, since they leave it as it was: nothing is ever traded there."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield Client(server.endpoint)
        assert server.troubles == []
        assert server.controls.orders() == []


@pytest.fixture
def client(paper: PaperServer) -> Client:
    """A client with the exchange's key."""
    return Client(paper.endpoint)


@pytest.fixture(scope="session")
def client_for() -> ClientFor:
    """Makes a client for an endpoint."""
    return Client


@pytest.fixture(scope="session")
def made_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of the market that is made for the tests, packed as recorded ones are."""
    path = tmp_path_factory.mktemp("market") / "btcusdt.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(made_market())
    return path
