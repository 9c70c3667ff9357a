"""Keeps FastMCP away from settings that are not guardian's own.

FastMCP reads `FASTMCP_*` variables and a `.env` in the current folder. Either could unmask errors, loosen the check of
arguments, log every argument, or open a network listener.
"""

from __future__ import annotations

import os
from typing import Final

_PREFIX: Final = "FASTMCP_"
_OURS: Final = {
    "FASTMCP_ENV_FILE": os.devnull,
    "FASTMCP_LOG_ENABLED": "false",  # its handlers print tracebacks and arguments; see stderr_log.py
    "FASTMCP_SHOW_SERVER_BANNER": "false",  # the banner asks the package index for a newer version
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_TELEMETRY_MODE": "off",
    "FASTMCP_MCP_CAMELCASE_COMPAT": "false",
}


def isolate_fastmcp() -> None:
    """Drop every `FASTMCP_*` variable of this process and set guardian's own. Call it before FastMCP is imported."""
    # pydantic-settings looks the names up without regard to case.
    for name in [name for name in os.environ if name.upper().startswith(_PREFIX)]:
        del os.environ[name]
    os.environ.update(_OURS)
