"""Where each client keeps its list of MCP servers, on macOS, Windows and Linux."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from guardian.errors import ClientConfigUnusable


@dataclass(frozen=True, slots=True)
class ConfigPlace:
    """A configuration file, and the folders and files that are there only where the client is."""

    path: Path
    signs: tuple[Path, ...]

    def is_here(self) -> bool:
        """Whether the client is, or was, on this machine."""
        return any(os.path.lexists(sign) for sign in (self.path, *self.signs))


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where a user's files are."""

    system: str
    """As `sys.platform` has it."""
    home: Path
    variables: Mapping[str, str]

    @classmethod
    def this(cls) -> Self:
        """Returns the machine and the user that this process runs for. Raises ClientConfigUnusable without a home."""
        try:
            home = Path.home()
        except RuntimeError as error:
            raise ClientConfigUnusable(
                "the folder of the user is not known, so no client's configuration is found",
                hint="set HOME (on Windows USERPROFILE), or name the file with `--config`",
            ) from error
        return cls(system=sys.platform, home=home, variables=os.environ)

    def settings(self) -> Path:
        """The folder in which applications keep their settings. A variable that is no absolute path does not count."""
        if self.system == "darwin":
            return self.home / "Library" / "Application Support"
        if self.system == "win32":
            return self._named("APPDATA") or self.home / "AppData" / "Roaming"
        return self._named("XDG_CONFIG_HOME") or self.home / ".config"

    def local_settings(self) -> Path:
        """Windows' folder for what stays on one machine."""
        return self._named("LOCALAPPDATA") or self.home / "AppData" / "Local"

    def _named(self, variable: str) -> Path | None:
        path = Path(self.variables.get(variable, ""))
        return path if path.is_absolute() else None


def claude_desktop(machine: Machine) -> tuple[ConfigPlace, ...]:
    """Claude Desktop's. On Windows it is an MSIX package, whose settings are redirected, or an older installation."""
    name = "claude_desktop_config.json"
    folders = [machine.settings() / "Claude"]
    if machine.system == "win32":
        packages = machine.local_settings() / "Packages"
        redirected = [one / "LocalCache" / "Roaming" / "Claude" for one in sorted(packages.glob("Claude_*"))]
        # The packaged one never reads the other place, where an older installation may have left a file.
        folders = redirected or folders
    return tuple(ConfigPlace(folder / name, (folder,)) for folder in folders)


def claude_code(machine: Machine) -> tuple[ConfigPlace, ...]:
    """Claude Code's own file of the user."""
    return (ConfigPlace(machine.home / ".claude.json", (machine.home / ".claude",)),)


def cursor(machine: Machine) -> tuple[ConfigPlace, ...]:
    """Cursor's file for all projects of the user."""
    return (ConfigPlace(machine.home / ".cursor" / "mcp.json", (machine.home / ".cursor",)),)


def vscode(machine: Machine) -> tuple[ConfigPlace, ...]:
    """The file of VS Code's default profile."""
    folder = machine.settings() / "Code"
    return (ConfigPlace(folder / "User" / "mcp.json", (folder,)),)
