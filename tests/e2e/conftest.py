"""Machines for whole-way tests; whatever is started on one is ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.processes import Machine, RawServed, Served
from tests.support.world import WIDE, World, a_world


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine")
    yield made
    made.end()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers with a client in front of them."""
    started: list[Served] = []

    def start(machine: Machine, *arguments: str, **options: Any) -> Served:
        started.append(Served(machine, *arguments, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def serve_raw() -> Iterator[Callable[..., RawServed]]:
    """Starts servers that are spoken to in raw lines."""
    started: list[RawServed] = []

    def start(machine: Machine, *arguments: str) -> RawServed:
        started.append(RawServed(machine, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.is_gone()


@pytest.fixture
def world(machine: Machine, tmp_path: Path) -> Iterator[World]:
    """A paper exchange in this process, whose replies can be held back, and a home whose policy leads to it."""
    with a_world(tmp_path / "world") as made:
        machine.home.mkdir(mode=0o700)
        made.home, made.policy_path = machine.home, machine.policy
        made.policy(WIDE)
        yield made
