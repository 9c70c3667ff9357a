"""A server in front of a gate that remembers, and a client of each protocol era."""

from __future__ import annotations

import pytest
from fastmcp import Client, FastMCP

from guardian.server.app import build_server
from tests.server.support.fake_gate import Connect, FakeGate, as_gate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gate() -> FakeGate:
    return FakeGate()


@pytest.fixture
def server(gate: FakeGate) -> FastMCP:
    return build_server(as_gate(gate), now_ms=lambda: 1_763_806_512_345)


@pytest.fixture(params=["legacy", "auto"])
def connect(request: pytest.FixtureRequest, server: FastMCP) -> Connect:
    """A client of the server, in each protocol era."""
    return lambda: Client(server, mode=request.param)
