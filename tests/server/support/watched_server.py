"""`guardian serve`, in a process that reports over a socket what it has loaded. Started by `test_start.py` alone.

    python watched_server.py PORT IDLE_S LISTED_S on|off

Connects to PORT on loopback; each line that comes is answered with one of JSON. `off` switches off what defers: models
are built when their classes are made, and modules are loaded when they are imported.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import nullcontext
from importlib.util import _LazyModule  # type: ignore[attr-defined]  # typeshed does not know it
from types import ModuleType


def state() -> dict[str, object]:
    modules = dict(sys.modules)
    return {
        "loaded": sorted(name for name, module in modules.items() if type(module) is not _LazyModule),
        "waiting": sorted(name for name, module in modules.items() if type(module) is _LazyModule),
        "built": {era: built(modules[name]) for era, name in ERAS.items() if name in modules},
    }


ERAS = {"2025-11-25": "mcp_types._v2025_11_25", "2026-07-28": "mcp_types._v2026_07_28"}


def built(module: ModuleType) -> list[str]:
    """The models of a module that can validate already."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and vars(value).get("__pydantic_complete__")
    ]


def answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as asker, asker.makefile("rw") as lines:
        for _ in lines:
            lines.write(json.dumps(state()) + "\n")
            lines.flush()


if __name__ == "__main__":
    port, idle_s, listed_s, switch = sys.argv[1:]
    threading.Thread(target=answer, args=(int(port),), daemon=True).start()

    from guardian.server.process import background_start, deferred_models
    from guardian.system import lazy_modules

    background_start.BackgroundStart.__init__.__kwdefaults__ = {"idle_s": float(idle_s)}
    background_start.LISTED_S = float(listed_s)  # type: ignore[misc]  # a test says how long a moment is
    if switch == "off":
        deferred_models.models_built_on_use = nullcontext  # type: ignore[assignment]
        lazy_modules.loaded_on_use = lambda *_: nullcontext()  # type: ignore[assignment]

    from guardian.cli.app import main

    sys.exit(main(["serve"]))
