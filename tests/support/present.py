"""A value that a test knows to be there, where its type says that it may be missing."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """Returns the value. Fails the test where it is None."""
    assert value is not None
    return value
