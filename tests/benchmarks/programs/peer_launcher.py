"""Starts the peer's own command with its exchange on loopback: `python -P peer_launcher.py URL`.

Nothing of the peer is changed on disk. When it imports python-binance, at whatever time that is, the address of the
exchange is set there; every connection to elsewhere is refused. Otherwise it starts as its installed command does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

LIBRARY: Final = "binance.base_client"


class _Redirecting(Loader):
    """Loads the module as usual, and then sets its addresses."""

    def __init__(self, usual: Loader, url: str) -> None:
        self._usual = usual
        self._url = url

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._usual.exec_module(module)
        client = module.BaseClient
        for name, usual in vars(client).items():
            if name.endswith("URL") and isinstance(usual, str):
                setattr(client, name, f"{self._url}/refused")
        client.API_URL, client.MARGIN_API_URL, client.FUTURES_URL = (
            f"{self._url}/{path}" for path in ("api", "sapi", "fapi")
        )


class _Finder(MetaPathFinder):
    """Finds the one module that has the addresses."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != LIBRARY:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Redirecting(spec.loader, self._url)
        return spec


def main() -> None:
    """Runs the peer's command."""
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("loopback_only").refuse_all_else()
    sys.path.pop(0)
    url = sys.argv[1]
    sys.meta_path.insert(0, _Finder(url))
    sys.argv = ["binance-mcp-server"]
    importlib.import_module("binance_mcp_server.cli").app()


if __name__ == "__main__":
    main()
