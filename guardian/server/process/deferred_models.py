"""Lets pydantic build a model's validator when the model is first used, and not when its class is made.

The MCP SDK has a model for every message of two eras of its protocol, and FastMCP some of its own: about six hundred,
of which a session uses a few dozen. Building all of them takes a fifth of a start. `defer_build` is pydantic's own
option for this, but an option of each model, and these models are not guardian's. So its default is another one while
they are imported. What is built later is the same, by pydantic's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final

_OPTION: Final = "defer_build"


@contextmanager
def models_built_on_use() -> Iterator[None]:
    """While it lasts, a model that is made is built on its first use; where pydantic has no such default, at once."""
    defaults = _pydantic_defaults()
    before = defaults.get(_OPTION, False)
    defaults[_OPTION] = True
    try:
        yield
    finally:
        defaults[_OPTION] = before


def _pydantic_defaults() -> dict[str, Any]:
    """Returns the defaults of a model's options; an empty dictionary where this pydantic keeps them elsewhere."""
    with suppress(ImportError):
        internal: Any = import_module("pydantic._internal._config")  # the defaults have no public name
        defaults = getattr(internal, "config_defaults", None)
        if isinstance(defaults, dict) and _OPTION in defaults:
            return defaults
    return {}
