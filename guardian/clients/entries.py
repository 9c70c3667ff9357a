"""The entry by which a client starts a server."""

from __future__ import annotations

import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

from guardian.errors import GuardianError

_HOME_VARIABLE: Final = "GUARDIAN_HOME"
_NAMES: Final = frozenset({"guardian", "guardian-mcp"})


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """What a client starts: a program with its arguments, and what it adds to the program's environment."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def is_guardian(self) -> bool:
        """Whether it starts a guardian, of this installation or another."""
        words = (self.command, *self.args)
        return "serve" in self.args and any(PureWindowsPath(word).stem.lower() in _NAMES for word in words)

    @property
    def home(self) -> str | None:
        """The home of guardian that it names."""
        return self.env.get(_HOME_VARIABLE)

    def document(self, *, typed: bool) -> dict[str, object]:
        """The entry as JSON; some clients want its type named."""
        kind = {"type": "stdio"} if typed else {}
        return {**kind, "command": self.command, "args": list(self.args), "env": dict(self.env)}


def own_entry(home: PurePath) -> ServerEntry:
    """The entry of this installation for a home: absolute paths, and no secret, because none is needed.

    Raises GuardianError where a path cannot stand in a client's configuration.
    """
    # -I: Python ignores its own variables and every folder but its installation's; guardian removes all others.
    # What is installed for the user alone is not found with it; -E and -P leave out the rest.
    isolated = ["-E", "-P"] if _is_users_own() else ["-I"]
    # The home, always: a client does not have a shell's variables, and a halt in a terminal must be in the server's.
    entry = ServerEntry(sys.executable, (*isolated, "-m", "guardian", "serve"), {_HOME_VARIABLE: str(home)})
    for path in (entry.command, str(home)):
        if not PurePath(path).is_absolute():
            raise GuardianError(f"`{path}` is not an absolute path, and a client starts a server in any folder")
        if "${" in path or not path.isprintable():
            raise GuardianError(
                f"`{path}` has characters that a client replaces or cannot hold",
                hint="install guardian, and keep its home, in a folder with a plain name",
            )
    return entry


def _is_users_own() -> bool:
    """Whether guardian is where `pip install --user` puts packages."""
    return bool(site.ENABLE_USER_SITE) and Path(__file__).is_relative_to(site.getusersitepackages())


def entry_of(value: object) -> ServerEntry | None:
    """Returns the entry in a client's configuration; None for one that starts no program, or is damaged."""
    if not isinstance(value, dict):
        return None
    command, args, env = value.get("command"), value.get("args", []), value.get("env", {})
    if not isinstance(command, str) or not isinstance(args, list) or not isinstance(env, dict):
        return None
    if not all(isinstance(text, str) for text in (*args, *env.values())):
        return None
    return ServerEntry(command, tuple(args), env)
