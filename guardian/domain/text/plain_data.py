"""Domain data as plain JSON data: amounts as decimal strings, secrets never."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final

from guardian.domain.codes import Code
from guardian.domain.money import plain
from guardian.domain.secrets import Secret

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]
"""What JSON has, without floats."""
_PLAIN_TYPES: Final = frozenset({type(None), bool, int, str})


def to_plain(value: object) -> Plain:
    """Returns plain data from frozen domain data; fields keep their names and their order.

    Raises:
        TypeError: for floats, secrets and anything else that has no exact plain form.
    """
    kind: type[Any] = type(value)
    if kind in _PLAIN_TYPES:  # most of what is in a reply or in a row of the log
        return value  # type: ignore[return-value]  # the types that the set names
    if kind is Decimal:
        return plain(value)  # type: ignore[arg-type]  # the type that was just compared
    if kind is dict:
        return {str(key): to_plain(item) for key, item in value.items()}  # type: ignore[attr-defined]
    names = _field_names(kind)  # type: ignore[arg-type]  # every type can be hashed
    if names is not None and not isinstance(value, Enum):
        return {name: to_plain(getattr(value, name)) for name in names}
    return _other_plain(value)


def _other_plain(value: object) -> Plain:
    if isinstance(value, Code):
        return value.name
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        items = sorted(value, key=str) if isinstance(value, frozenset | set) else value
        return [to_plain(item) for item in items]
    name = "a secret" if isinstance(value, Secret) else type(value).__name__
    raise TypeError(f"{name} cannot be written as plain data")


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...] | None:
    """The names of a dataclass's fields, in their order; None for another type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None
