"""Has coverage watch the tests of the parts that decide alone: what it watches takes half as long again."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Final

import pytest

PACKAGES: Final = ("guardian.domain", "guardian.policy", "guardian.gate")
"""What `[tool.coverage.run]` in pyproject.toml measures."""
MEASURED: Final = ("tests/domain/", "tests/gate/", "tests/live/", "tests/policy/", "tests/proofs/")
UNMEASURED: Final = ("tests/gate/model/", "tests/policy/test_engine_properties.py")
"""The tests of the parts that decide reach all of them by name. Coverage would slow down the others, above all those
that play long, for nothing. Their setup and teardown are not watched either, nor is the collection of tests."""


def is_measured(item: pytest.Item) -> bool:
    """Whether coverage watches this test: it is one of the parts that decide, and has no mark `unmeasured`."""
    if item.get_closest_marker("unmeasured") is not None:
        return False
    return item.nodeid.startswith(MEASURED) and not item.nodeid.startswith(UNMEASURED)


class Coverage:
    """Pauses and resumes the coverage of this process; without `--cov` it does nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._controller: Any = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        self._is_on = self._controller is not None

    def watch(self, wanted: bool) -> None:
        """Coverage watches from now on, or it does not."""
        if self._controller is None or wanted is self._is_on:
            return
        self._is_on = wanted
        if wanted:
            self._controller.resume()
        else:
            self._controller.pause()


KEY: Final = pytest.StashKey[Coverage]()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Imports what is measured while coverage watches, for the lines outside functions, and collects without it."""
    coverage = session.config.stash[KEY] = Coverage(session.config)
    if coverage._controller is not None:
        for name in PACKAGES:
            package = importlib.import_module(name)
            for found in pkgutil.walk_packages(package.__path__, f"{name}."):
                importlib.import_module(found.name)
    coverage.watch(False)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watches the measured tests, setup and teardown included."""
    item.config.stash[KEY].watch(is_measured(item))
    return (yield)
