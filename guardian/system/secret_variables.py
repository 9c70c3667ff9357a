"""Environment variables that hold a Binance secret: their names, and how a server refuses to start with one.

A process's environment can be read by every program of the same user, in `/proc/PID/environ` for one, and is inherited
by whatever the process starts. And a secret that is there was taken from a file in which it is in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from guardian.errors import GuardianError

_WORDS: Final = ("APIKEY", "APISECRET", "SECRETKEY", "SECRET", "PRIVATEKEY", "ACCESSKEY")
_LAST_WORDS: Final = ("_KEY", "_PEM", "_PASSPHRASE")
_HARMLESS_LAST_WORDS: Final = ("_PATH", "_FILE", "_NAME", "_ID", "_URL")
"""Of variables that say where a secret is, and hold none."""
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")

CLIENT_FILES: Final = (
    "`claude_desktop_config.json` (Claude Desktop), `.mcp.json` or `~/.claude.json` (Claude Code), `.cursor/mcp.json`, "
    "`.vscode/mcp.json`, or a `.env`"
)
"""Where MCP clients keep the variables that they give to a server."""


def secret_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the names of variables with a secret of Binance's, sorted; a blank one holds none.

    By the name: `BINANCE` is in it and so is one of API KEY, API SECRET, SECRET KEY, SECRET, PRIVATE KEY or ACCESS KEY,
    with or without `_` between, or it ends with KEY, PEM or PASSPHRASE. `BINANCE_API_KEY`, `BINANCE_API_SECRET`,
    `BINANCE_SECRET_KEY`, `BINANCE_PRIVATE_KEY` and `BINANCE_TESTNET_API_KEY` are some. By the value: whatever the name,
    a private key in PEM form.
    """
    return tuple(
        sorted(
            name
            for name, value in environment.items()
            if value.strip() and (_is_secret_name(name) or _PRIVATE_KEY.search(value))
        )
    )


def require_no_secrets(names: tuple[str, ...]) -> None:
    """Raises GuardianError where there is any; it has the names, and nothing of the values."""
    if not names:
        return
    listed = ", ".join(f"`{name}`" for name in names)
    raise GuardianError(
        f"a secret is in the environment of this server, where every program of yours can read it: {listed}",
        hint=(
            f'an MCP client takes it from the "env" part of its own file: {CLIENT_FILES}; '
            "`guardian keys add testnet --from FILE` imports it from there (or `live` for testnet), then delete those "
            "lines and start the client again"
        ),
    )


def _is_secret_name(name: str) -> bool:
    upper = name.upper().replace("-", "_")
    if "BINANCE" not in upper or upper.endswith(_HARMLESS_LAST_WORDS):
        return False
    return upper.endswith(_LAST_WORDS) or any(word in upper.replace("_", "") for word in _WORDS)
