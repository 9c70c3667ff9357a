"""People at terminals. Light to import: programs that tests start import it too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class AtTerminal(Protocol):
    """Someone at a terminal who can be sent away."""

    def is_gone(self) -> None: ...


P = TypeVar("P", bound=AtTerminal)


@contextmanager
def people(person: Callable[..., P]) -> Iterator[Callable[..., P]]:
    """Starts people at terminals; at the end none is left."""
    started: list[P] = []

    def start(*arguments: str, **options: object) -> P:
        started.append(person(*arguments, **options))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.is_gone()
