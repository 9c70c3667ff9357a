"""Packages of others: what cannot be installed is said once, and a registry that fails stops nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import peer_packages
from tests.support.peer_packages import NotInstalled, Package, install, install_all, python_of

MISSING = Package("a-package", "1.0")


def no_registry() -> dict[str, str]:
    """The settings of a machine whose pip can reach no registry."""
    return {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PATH": ""}


def test_package_of_npm_without_npm_is_said(tmp_path: Path) -> None:
    """A machine without Node.js leaves those tests out."""
    with pytest.raises(NotInstalled, match="no Node"):
        install(Package("x", "1", is_node=True), tmp_path, no_registry())


def test_failure_of_the_installation_beforehand_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the tests would else wait for a registry that does not answer; a later installation begins anew."""
    said: list[str] = []
    monkeypatch.setattr(peer_packages, "ALL", (MISSING, Package("b", "2", is_node=True)))
    tries: list[Package] = []

    def fails(package: Package, _cache: Path, _environment: object) -> Path:
        tries.append(package)
        raise NotInstalled("the registry does not answer")

    real = install
    monkeypatch.setattr(peer_packages, "install", fails)
    for _ in range(2):
        install_all(tmp_path, said.append)
    assert sorted(said) == sorted(f"{one} is not available here: the registry does not answer" for one in tries)
    with pytest.raises(NotInstalled, match="does not answer"):
        real(MISSING, tmp_path, no_registry())


def test_complete_package_is_taken_as_it_is(tmp_path: Path) -> None:
    """It is not installed twice, with a registry or without."""
    folder = tmp_path / MISSING.folder
    folder.mkdir()
    (folder / "complete").touch()
    assert install(MISSING, tmp_path, no_registry()) == folder
    assert Path(python_of(folder)).name == ("python.exe" if sys.platform == "win32" else "python")
