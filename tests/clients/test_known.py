"""Where each client keeps its configuration, and what is read in it."""

from __future__ import annotations

import json
import site
import sys
from pathlib import Path

import pytest

from guardian.clients import entries
from guardian.clients.entries import ServerEntry, own_entry
from guardian.clients.known import client_named, known_clients
from guardian.clients.places import Machine
from guardian.errors import ClientConfigUnusable, GuardianError

LINUX = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "claude-code": ".claude.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
}
MACOS = LINUX | {
    "claude-desktop": "Library/Application Support/Claude/claude_desktop_config.json",
    "vscode": "Library/Application Support/Code/User/mcp.json",
}
WINDOWS = LINUX | {
    "claude-desktop": "AppData/Roaming/Claude/claude_desktop_config.json",
    "vscode": "AppData/Roaming/Code/User/mcp.json",
}


@pytest.mark.parametrize(("system", "expected"), [("linux", LINUX), ("darwin", MACOS), ("win32", WINDOWS)])
def test_each_client_has_its_place_on_each_system(tmp_path: Path, system: str, expected: dict[str, str]) -> None:
    """The places are those that the clients' documents name; no client is here before it was."""
    machine = Machine(system, tmp_path, {})
    places = {client.name: client.place(machine) for client in known_clients()}
    assert {name: place.path for name, place in places.items()} == {
        name: tmp_path / path for name, path in expected.items()
    }
    assert not any(place.is_here() for place in places.values())
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".claude").mkdir()
    assert [name for name, place in places.items() if place.is_here()] == ["claude-code", "cursor"]


def test_system_s_variables_move_the_places(tmp_path: Path) -> None:
    """A variable that is no absolute path does not count, as the specification of XDG's says."""
    for system, variable in (("linux", "XDG_CONFIG_HOME"), ("win32", "APPDATA")):
        machine = Machine(system, tmp_path / "home", {variable: str(tmp_path / "moved")})
        assert client_named("vscode").config_path(machine) == tmp_path / "moved" / "Code" / "User" / "mcp.json"
        machine = Machine(system, tmp_path / "home", {variable: "relative"})
        assert client_named("vscode").config_path(machine).is_relative_to(tmp_path / "home")


def test_packaged_claude_desktop_of_windows_has_its_own_place(tmp_path: Path) -> None:
    """It never reads the other one, even where an older installation left a file there."""
    client = client_named("claude-desktop")
    machine = Machine("win32", tmp_path, {"LOCALAPPDATA": str(tmp_path / "local")})
    old = tmp_path / "AppData" / "Roaming" / "Claude" / "claude_desktop_config.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    assert client.config_path(machine) == old
    packaged = []
    for package in ("Claude_pzs8sxrjxfjjc", "Claude_other"):
        folder = tmp_path / "local" / "Packages" / package / "LocalCache" / "Roaming" / "Claude"
        folder.mkdir(parents=True)
        packaged.append(folder / "claude_desktop_config.json")
    with pytest.raises(ClientConfigUnusable, match="more than once") as raised:
        client.config_path(machine)
    assert "--config" in (raised.value.hint or "")
    packaged[0].write_text("{}")
    assert client.config_path(machine) == packaged[0]


def test_user_without_a_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have neither HOME nor an account."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(ClientConfigUnusable, match="is not known"):
        client_named("cursor").config_path()


def test_entry_of_this_installation_names_absolute_paths_and_the_home_and_no_secret(tmp_path: Path) -> None:
    """A client starts it in any folder, without a shell's variables."""
    entry = own_entry(tmp_path)
    assert entry == ServerEntry(sys.executable, ("-I", "-m", "guardian", "serve"), {"GUARDIAN_HOME": str(tmp_path)})
    assert (entry.is_guardian, entry.home) == (True, str(tmp_path))
    assert entry.document(typed=True) == {"type": "stdio", **entry.document(typed=False)}


def test_entry_of_a_users_own_installation_can_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pip install --user` installed is not found by a Python with -I."""
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(Path(entries.__file__).parents[2]))
    assert own_entry(tmp_path).args == ("-E", "-P", "-m", "guardian", "serve")


@pytest.mark.parametrize("home", ["relative", "/home/${USER}/guardian", "/home/a\nb", "/home/\udcff"])
def test_home_that_no_configuration_can_hold_is_refused(home: str) -> None:
    """Clients replace `${...}`, and what is not text cannot be written."""
    with pytest.raises(GuardianError):
        own_entry(Path(home))


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ("/venv/bin/python", ["-I", "-m", "guardian", "serve"], True),
        ("/home/a/.local/bin/guardian", ["serve"], True),
        (r"C:\Tools\Guardian.EXE", ["serve"], True),
        ("uvx", ["--from", "guardian-mcp", "guardian", "serve"], True),
        ("npx", ["-y", "@acme/guardian-of-files"], False),
        ("guardian", ["tour"], False),
        ("/opt/guardian-mcp-of-another/server", ["serve"], False),
    ],
)
def test_entry_that_starts_a_guardian_is_known(command: str, args: list[str], expected: bool) -> None:
    """Another program under the same name is not taken for guardian."""
    assert ServerEntry(command, tuple(args), {}).is_guardian is expected


def test_servers_of_a_configuration_are_read(tmp_path: Path) -> None:
    """What starts no program, or is damaged, is left out; a missing file has none; VS Code's may have comments."""
    path = tmp_path / "config.json"
    client = client_named("vscode")
    assert client.read_servers(path) == {}
    path.write_bytes(b"// nothing yet\n")
    assert client.read_entry(path=path) is None
    servers = {
        "guardian": {"type": "stdio", "command": "x", "args": ["serve"], "env": {"GUARDIAN_HOME": "/h"}},
        "far": {"url": "https://example.org"}, "odd": {"command": "x", "args": "y"}, "null": None,
        "number": {"command": "x", "env": {"A": 1}}, "bare": {"command": "y"},
    }  # fmt: skip
    path.write_bytes(b"\xef\xbb\xbf// mine\n" + json.dumps({"servers": servers}).encode())
    assert client.read_servers(path) == {
        "guardian": ServerEntry("x", ("serve",), {"GUARDIAN_HOME": "/h"}), "bare": ServerEntry("y", (), {}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "where"),
    [(b'{"a": 1,\n "b" 2}', "line 2, column 6"), (b'{"a": "\xff"}', "byte 8"), ('{"a": 1}'.encode("utf-16"), "byte 1")],
)
def test_unreadable_configuration_is_refused_with_the_place(tmp_path: Path, content: bytes, where: str) -> None:
    """The message says where, and the file stays."""
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ClientConfigUnusable, match=where):
        client_named("cursor").read_entry(path=path)
    assert path.read_bytes() == content
