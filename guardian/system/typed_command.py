"""How `guardian` can be typed on this machine: by its name where PATH leads to this installation, else by its path.

Texts in the code say `guardian approve ID`. Where they leave the process, on the command line and in replies, the name
at the beginning of what is in backticks becomes what can be typed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

NAME: Final = "guardian"
_MARKED: Final = f"`{NAME} "
_MOST: Final = 1 << 20
"""Bytes that are read of a program: a launcher on Windows has some 100 kB."""
_PLAIN_ON_WINDOWS: Final = re.compile(r"[A-Za-z0-9_:\\./~-]+")


def typed_command() -> str:
    """Returns `guardian` where PATH leads to this installation, else its absolute path, quoted for the shell.

    Where the installation has no such program, it is this Python with `-I -m guardian`. The shell is PowerShell on
    Windows, and any POSIX shell elsewhere. PATH is this process's: a server that a client started may have none, and
    then names the path, which is right in every shell.
    """
    return _typed_command(os.environ.get("PATH"), sys.executable)


def as_typed(text: str) -> str:
    """Returns the text with each command of guardian's in backticks as it can be typed."""
    return text if _MARKED not in text else text.replace(_MARKED, f"`{typed_command()} ")


def quoted(path: Path | str, *, windows: bool = os.name == "nt") -> str:
    """Returns a path as a shell takes it for a program to run: PowerShell on Windows, a POSIX shell elsewhere."""
    text = str(path)
    if not windows:
        return shlex.quote(text)
    if _PLAIN_ON_WINDOWS.fullmatch(text):
        return text
    return "& '" + text.replace("'", "''") + "'"


@lru_cache(maxsize=8)
def _typed_command(search_path: str | None, python: str) -> str:
    found = shutil.which(NAME, path=search_path)
    if not python or (found is not None and _starts(Path(found), python)):
        return NAME
    for program in _programs():
        if _starts(program, python):
            return quoted(program)
    return f"{quoted(python)} -I -m {NAME}"


def _programs() -> Iterator[Path]:
    """Where an installer puts the program of this Python's packages."""
    name = f"{NAME}.exe" if os.name == "nt" else NAME
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        yield Path(sysconfig.get_path("scripts", scheme)) / name


def _starts(program: Path, python: str) -> bool:
    """Whether a program is one that an installer made for that Python: it holds the path of the Python that it starts.

    The name of the Python may be another (`python3`, `python3.11`), so that its folder decides.
    """
    try:
        with program.open("rb") as file:
            content = file.read(_MOST)
    except OSError:
        return False
    folder = Path(python).parent
    starts = {os.fsencode(one / "python") for one in (folder, folder.resolve())}
    if os.name == "nt":
        content, starts = content.lower(), {one.lower() for one in starts}
    return any(one in content for one in starts)
