"""A fault of guardian's as the log may have it: kinds and places, and no text that could hold a secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from guardian.errors import GuardianError

_MAX_CHAIN: Final = 8
_MAX_TEXT: Final = 500
MAX_DETAIL: Final = 20_000


def safe_traceback(fault: BaseException) -> str:
    """Kinds and places of an exception and of what led to it.

    Texts are kept of guardian's own exceptions and of Python's; those of libraries may hold a URL with its signature.
    """
    parts: list[str] = []
    link: BaseException | None = fault
    while link is not None and len(parts) < _MAX_CHAIN:
        kind = type(link)
        text = f": {link}" if isinstance(link, GuardianError) or kind.__module__ == "builtins" else ""
        # The frames of the MCP library are the same for every call.
        ours = [
            frame for frame in traceback.extract_tb(link.__traceback__) if "fastmcp" not in Path(frame.filename).parts
        ]
        frames = "".join(traceback.format_list(ours))
        parts.append(f"{kind.__module__}.{kind.__qualname__}{text[:_MAX_TEXT]}\n{frames}")
        link = link.__cause__ or link.__context__
    return "led to by\n".join(parts)[:MAX_DETAIL]
