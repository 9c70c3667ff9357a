"""Lets a library import modules that are loaded only if something of them is used.

A library imports at its top all that any of its users may need. Where guardian uses none of it, the import costs time
at each start, and memory for as long as the server runs. Within `loaded_on_use` an import of such a module makes it as
`importlib.util.LazyLoader` does: the module is there, with its name and its specification, and its code runs once the
first attribute is read. So nothing is left out: whatever does use the module finds it whole, only later.

A package is imported at once wherever `from package import name` reads an attribute, so what is named here are the
modules that hold the names, not the packages around them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Final


class _LazyFinder(MetaPathFinder):
    """Finds the modules of a list as every finder of files does, with a loader that waits for the first use."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names: Final = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the module's specification with the waiting loader; None for every other module."""
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, Loader):
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def loaded_on_use(*names: str) -> Iterator[None]:
    """While it lasts, an import of one of these modules does not run its code before something of it is used."""
    finder = _LazyFinder(frozenset(names))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
