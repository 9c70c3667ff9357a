"""Tests against programs that others wrote: where these are installed, and what happens where they are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.peer_packages import NotInstalled, Package, install

MACHINE: Final = dict(os.environ)
"""As the tests were started, since where packages come from is the machine's setting; no client ever sees it."""
CACHE: Final = MACHINE.get("GUARDIAN_TEST_INTEROP_CACHE")
REQUIRED: Final = MACHINE.get("GUARDIAN_TEST_REQUIRE_INTEROP") == "1"


@contextmanager
def peer_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where peers are installed: for this session only, or for good where the machine names a folder."""
    if CACHE:
        yield Path(CACHE)
        return
    folder = tmp_path_factory.mktemp("interop")
    yield folder
    # Half a gigabyte: not kept as other temporary folders are.
    shutil.rmtree(folder, ignore_errors=True)


def installed(package: Package, cache: Path) -> Path:
    """The folder with the package in it. Skips where it is not available, or fails where the machine promises it."""
    try:
        return install(package, cache, MACHINE)
    except NotInstalled as error:
        reason = f"{package} is not available here: {error}"
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)
