"""The environment variables that count: a short list. All others are removed before anything reads them.

Libraries read hundreds of variables, and many loosen something: `SSL_CERT_FILE` names other authorities,
`SSLKEYLOGFILE` writes the session's secrets to a file, `OPENSSL_CONF` loads code, `HTTPS_PROXY` leads elsewhere,
`HOSTALIASES` renames hosts, `PYTHON_KEYRING_BACKEND` picks another keyring, `OTEL_*` and `FASTMCP_*` change or end the
server. So every process of guardian begins with `forget_unknown_variables`.

What acts before guardian's first line cannot be undone here: `PYTHONPATH`, `PYTHONHOME`, `LD_PRELOAD` and
others run code of their own. The entry that `guardian install` writes starts Python with `-I`, which ignores Python's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Final

from guardian.system.secret_variables import secret_variables

_KNOWN: Final = frozenset(
    {
        "GUARDIAN_HOME",
        # Who the user is and where their folders are. XDG_DATA_HOME is the system's place for user data,
        # XDG_CONFIG_HOME that for settings: where `guardian install` finds the configuration of a client.
        "HOME", "USER", "LOGNAME", "SHELL", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "TMPDIR", "TEMP", "TMP",
        "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA",
        # What the system needs to start programs, and what this Python was started with: its paper exchange is another.
        "PATH", "PATHEXT", "COMSPEC", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PROGRAMDATA",
        "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "__CF_USER_TEXT_ENCODING",
        # Where the keyring is, and where it puts the question to unlock it.
        "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_CURRENT_DESKTOP", "DISPLAY", "WAYLAND_DISPLAY",
        "XAUTHORITY",
        # The folder in which systemd puts what a service must know, such as the passphrase of its vault.
        "CREDENTIALS_DIRECTORY",
        # How text and times are shown: they change nothing that is decided. LC_* besides.
        "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES",
    }
)  # fmt: skip


def known_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that count."""
    return {name: value for name, value in environment.items() if _is_known(name)}


_secrets: Final[set[str]] = set()
"""The names of those that were removed and held a secret."""
_removed: Final[set[str]] = set()
"""The names of all that were removed."""


def secrets_at_start() -> tuple[str, ...]:
    """Returns the names of the variables with a Binance secret that this process has or was started with, sorted."""
    return tuple(sorted(_secrets.union(secret_variables(os.environ))))


def removed_at_start() -> frozenset[str]:
    """Returns the names of the variables that this process was started with and that guardian removed."""
    return frozenset(_removed)


def forget_unknown_variables() -> None:
    """Removes all other variables from this process, for its C libraries too. Runs before anything else is imported.

    What was removed is still in the block of memory that the process was started with, which other programs can read.
    What Python itself took from PYTHONWARNINGS is undone: a warning must not end a server.
    """
    _secrets.update(secret_variables(os.environ))
    for name in list(os.environ):
        if not _is_known(name):
            _removed.add(name)
            del os.environ[name]
    warnings.resetwarnings()
    warnings.simplefilter("ignore")


def _is_known(name: str) -> bool:
    # Windows knows no case in these names; elsewhere `home` is not HOME.
    upper = name.upper() if os.name == "nt" else name
    return upper in _KNOWN or (upper.startswith("LC_") and upper[3:].isalpha())
