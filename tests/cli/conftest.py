"""People at terminals, for every test of a command that has a `world`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.support.processes import Person
from tests.support.terminals import people
from tests.support.world import World


@pytest.fixture
def sit_down(world: World) -> Iterator[Callable[..., Person]]:
    """Starts people at terminals of this home; at the end of the test none is left."""

    def person(*arguments: str, **options: Any) -> Person:
        return Person({**os.environ, "GUARDIAN_HOME": str(world.home)}, *arguments, **options)

    with people(person) as start:
        yield start
