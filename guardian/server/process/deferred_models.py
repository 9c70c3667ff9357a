"""Lets pydantic build a validator when it is first used, and not when its model or its adapter is made.

The MCP SDK has a model for every message of two eras of its protocol, and FastMCP some of its own: about six hundred,
of which a session uses a few dozen. Building all of them takes a fifth of a start. `defer_build` is pydantic's own
option for this, but an option of each model, and these models are not guardian's. So its default is another one while
they are imported, for models and for the type adapters around them, which the SDK's client has for every reply. What is
built later is the same, by pydantic's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final

from pydantic import TypeAdapter

_OPTION: Final = "defer_build"
_OF_ADAPTERS: Final = "_defer_build"
"""What an adapter asks whether it waits; it knows the option only of models that state it."""


@contextmanager
def models_built_on_use() -> Iterator[None]:
    """While it lasts, models and adapters wait for their first use; with a pydantic without the option they do not."""
    defaults, adapters = _pydantic_defaults(), vars(TypeAdapter).get(_OF_ADAPTERS)
    before = defaults.get(_OPTION, False)
    defaults[_OPTION] = True
    if isinstance(adapters, property):
        setattr(TypeAdapter, _OF_ADAPTERS, property(lambda _adapter: True))
    try:
        yield
    finally:
        defaults[_OPTION] = before
        if isinstance(adapters, property):
            setattr(TypeAdapter, _OF_ADAPTERS, adapters)


def _pydantic_defaults() -> dict[str, Any]:
    """Returns the defaults of a model's options; an empty dictionary where this pydantic keeps them elsewhere."""
    with suppress(ImportError):
        internal: Any = import_module("pydantic._internal._config")  # the defaults have no public name
        defaults = getattr(internal, "config_defaults", None)
        if isinstance(defaults, dict) and _OPTION in defaults:
            return defaults
    return {}
