"""A bundle is whole, has nothing of this machine in it, and its server starts from the folder it is unpacked in."""

from __future__ import annotations

import io
import json
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from guardian import __version__
from guardian.cli.app import main
from guardian.cli.install import bundle_files
from guardian.cli.install.bundle_files import bundle, manifest, project_file
from guardian.domain.requests import TOOLS
from guardian.home.folder import READY_MADE
from tests.cli.install.bundles import started, unpacked

ROOT = Path(__file__).parents[3]

SERVER = {"type": str, "entry_point": str, "mcp_config": dict}
CONFIG = {"command": str, "args": list, "env": dict}
USER_CONFIG = {"type": str, "title": str, "description": str, "required": bool}
MANIFEST = {
    "manifest_version": str, "name": str, "display_name": str, "version": str, "description": str,
    "long_description": str, "author": dict, "license": str, "keywords": list, "server": dict, "tools": list,
    "compatibility": dict, "user_config": dict,
}  # fmt: skip
"""Of the published schema, which takes no other members: those that are used, with their types."""


def shape(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


def test_manifest_has_the_published_form() -> None:
    """Version 0.4 with server type `uv`; the client asks for the home alone, and nothing in it is a secret."""
    made: dict[str, Any] = json.loads(json.dumps(manifest()))
    assert shape(made) == MANIFEST
    assert (made["manifest_version"], made["version"], made["server"]["type"]) == ("0.4", __version__, "uv")
    assert shape(made["server"]) == SERVER
    assert shape(made["server"]["mcp_config"]) == CONFIG
    assert {name: shape(one) for name, one in made["user_config"].items()} == {"home": USER_CONFIG}
    assert made["user_config"]["home"]["type"] == "directory"
    assert made["server"]["mcp_config"]["env"] == {"GUARDIAN_HOME": "${user_config.home}"}
    assert {tool["name"] for tool in made["tools"]} == set(TOOLS)
    assert set(made["compatibility"]) == {"platforms", "runtimes"}
    assert set(made["author"]) == {"name"}


def test_requirements_are_those_of_the_project_in_the_versions_that_are_here() -> None:
    """Nothing is left to what is newest on the day of the first start; tools of tests are not in it."""
    made = tomllib.loads(project_file())
    own = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert made["project"]["scripts"] == own["project"]["scripts"]
    assert made["build-system"] == own["build-system"]
    assert len(made["project"]["dependencies"]) == len(own["project"]["dependencies"])
    pinned = dict(one.split("==") for one in made["tool"]["uv"]["constraint-dependencies"])
    assert {name: version(name) for name in pinned} == pinned
    assert {"fastmcp", "mcp", "cryptography", "pydantic-core", "click"} <= set(pinned)
    assert not {"pytest", "mypy", "guardian-mcp"} & set(pinned)


def test_same_guardian_makes_the_same_bytes() -> None:
    """Neither the time nor the order of files in a folder is in it."""
    assert bundle() == bundle()
    with zipfile.ZipFile(io.BytesIO(bundle())) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_bundle_has_all_of_guardian_and_nothing_of_this_machine(own_home: Path) -> None:
    """Each module and page, the ready-made policies; no home, no key, no path, no compiled file."""
    with zipfile.ZipFile(io.BytesIO(bundle())) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "guardian").rglob("*.py")}
    assert modules <= set(content)
    assert {f"guardian/ready_made/{name}.toml" for name in (*READY_MADE, "example")} <= set(content)
    assert any(name.startswith("guardian/console/static/") for name in content)
    assert not [name for name in content if name.endswith((".pyc", ".md", ".db", ".log"))]
    whole = b"\n".join(content.values())
    for foreign in (str(own_home), str(ROOT), sys.prefix, sys.executable):
        assert foreign.encode() not in whole


def test_ready_made_policies_are_all_of_them() -> None:
    """A policy that is added to the folder has to be in the bundle too."""
    assert {path.stem for path in (ROOT / "policies").glob("*.toml")} == set(READY_MADE)


@pytest.mark.usefixtures("spawned")
def test_server_starts_from_the_unpacked_folder(tmp_path: Path) -> None:
    """It is the unpacked code that answers; a home that was left empty arrives as a placeholder: the usual one."""
    folder, person = tmp_path / "extension", tmp_path / "person"
    person.mkdir()
    made = unpacked(bundle(), folder)
    own = folder / "guardian" / "__init__.py"
    own.write_text(own.read_text("utf-8").replace(__version__, "9.9.9"), "utf-8")
    config = made["server"]["mcp_config"]
    assert [config["command"], *config["args"][:4]] == ["uv", "run", "--directory", "${__dirname}", "python"]
    command = [sys.executable, *config["args"][4:-1], str(folder / config["args"][-1])]  # uv's own part needs packages
    about, tools = started(command, {"HOME": str(person), **config["env"]}, 60)
    assert (about["name"], about["version"], tools) == ("guardian", "9.9.9", len(TOOLS))
    assert [path.name for path in person.iterdir() if path.name.startswith("$")] == []
    assert len(list(person.rglob("guardian.db"))) == 1


def test_bundle_is_written_as_a_whole_and_over_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usual name has the version; a file that is there stays until it is said to be replaced."""
    monkeypatch.setattr(bundle_files, "_package_files", lambda: iter(()))
    monkeypatch.chdir(tmp_path)
    assert main(["bundle"]) == 0
    made = tmp_path / f"guardian-{__version__}.mcpb"
    assert "no key and no policy" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [made]
    made.write_bytes(b"mine")
    assert main(["bundle"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert made.read_bytes() == b"mine"
    assert main(["bundle", "--replace", "-o", str(made)]) == 0
    assert zipfile.is_zipfile(made)
    assert main(["bundle", "-o", str(tmp_path / "no" / "x.mcpb")]) == 1
    assert "cannot be written" in capsys.readouterr().err
