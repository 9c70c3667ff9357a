"""Answers a client's first request before the MCP SDK is imported, where that answer is the same for every client.

`initialize` and `server/discover` are answered from constants: only the request's id and the protocol's version differ.
A request is answered only where nothing in it can matter to the SDK. Every key is known, every value has the type that
the SDK's models demand, and no two JSON parsers read it differently. All else is left to the SDK. A test holds the
answers equal to the SDK's, byte by byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeGuard

from guardian import __version__
from guardian.server.instructions import INSTRUCTIONS

MAX_LINE: Final = 16_384
"""Bytes of a request that is answered early; those of real clients have a few hundred."""
HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
DISCOVER_VERSION: Final = "2026-07-28"
_MAX_ID: Final = 200
_MAX_DIGITS: Final = 15
_MAX_DEPTH: Final = 8
_PREFIX: Final = "io.modelcontextprotocol/"
_SERVER: Final = {"name": "guardian", "version": __version__}
_CAPABILITIES: Final[dict[str, Any]] = {
    "logging": {},
    "prompts": {"listChanged": False},
    "resources": {"subscribe": False, "listChanged": False},
    "tools": {"listChanged": True},
}
# What a client may declare, and which keys each has. Those of the second kind are free, with an object each.
_DECLARED: Final[dict[str, frozenset[str]]] = {
    "roots": frozenset({"listChanged"}),
    "sampling": frozenset({"context", "tools"}),
    "elicitation": frozenset({"form", "url"}),
}
_FREE: Final = frozenset({"experimental", "extensions"})


@dataclass(frozen=True, slots=True)
class EarlyAnswer:
    """A reply, as the line without its end, and the id of the request."""

    request_id: int | str
    text: str


def early_answer(line: bytes) -> EarlyAnswer | None:
    """Returns the reply to this first line; None where the SDK has to answer it."""
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        return None
    body = line.removesuffix(b"\n").removesuffix(b"\r")
    # The SDK's text stream ends a line there, and parsers disagree about surrogates.
    if b"\r" in body or b"\\u" in body:
        return None
    try:
        message = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_int=_plain_int,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        return None
    if not _has_keys(message, {"jsonrpc", "id", "method", "params"}):
        return None
    result = _result(message)
    if result is None:
        return None
    reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    return EarlyAnswer(message["id"], json.dumps(reply, ensure_ascii=False, separators=(",", ":")))


def _result(message: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the result of a request that is understood in full."""
    if message["jsonrpc"] != "2.0" or not _is_id(message["id"]) or not _is_shallow(message):
        return None
    if message["method"] == "initialize":
        return _initialize_result(message["params"])
    if message["method"] == "server/discover":
        return _discover_result(message["params"])
    return None


def _initialize_result(params: object) -> dict[str, Any] | None:
    if not _has_keys(params, {"protocolVersion", "capabilities", "clientInfo"}):
        return None
    if params["protocolVersion"] not in HANDSHAKE_VERSIONS:
        return None
    if not _is_client(params["clientInfo"]) or not _are_capabilities(params["capabilities"]):
        return None
    return {
        "protocolVersion": params["protocolVersion"],
        "capabilities": _CAPABILITIES,
        "serverInfo": _SERVER,
        "instructions": INSTRUCTIONS,
    }


def _discover_result(params: object) -> dict[str, Any] | None:
    if not _has_keys(params, {"_meta"}):
        return None
    meta = params["_meta"]
    if not _has_keys(meta, {f"{_PREFIX}{name}" for name in ("protocolVersion", "clientInfo", "clientCapabilities")}):
        return None
    if meta[f"{_PREFIX}protocolVersion"] != DISCOVER_VERSION:
        return None
    if not _is_client(meta[f"{_PREFIX}clientInfo"]) or not _are_capabilities(meta[f"{_PREFIX}clientCapabilities"]):
        return None
    return {
        "_meta": {f"{_PREFIX}serverInfo": _SERVER},
        "ttlMs": 0,
        "cacheScope": "private",
        "supportedVersions": [DISCOVER_VERSION],
        "capabilities": {**_CAPABILITIES, "extensions": {f"{_PREFIX}ui": {}}},
        "instructions": INSTRUCTIONS,
        "resultType": "complete",
    }


def _has_keys(value: object, keys: set[str]) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and value.keys() == keys


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _MAX_ID and value.isascii() and value.isprintable()
    return type(value) is int


def _is_client(value: object) -> bool:
    """Whether it is a client's name and version, perhaps with a title and a description."""
    return (
        isinstance(value, dict)
        and {"name", "version"} <= value.keys() <= {"name", "version", "title", "description"}
        and all(isinstance(text, str) for text in value.values())
    )


def _are_capabilities(value: object) -> bool:
    return isinstance(value, dict) and all(_is_capability(name, declared) for name, declared in value.items())


def _is_capability(name: str, declared: object) -> bool:
    if not isinstance(declared, dict):
        return False
    if name in _FREE:
        return all(isinstance(one, dict) for one in declared.values())
    if name not in _DECLARED or not declared.keys() <= _DECLARED[name]:
        return False
    return all(isinstance(one, bool) if key == "listChanged" else one == {} for key, one in declared.items())


def _is_shallow(value: object, depth: int = 0) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth < _MAX_DEPTH and all(_is_shallow(one, depth + 1) for one in inner)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _plain_int(text: str) -> int:
    if text.startswith("-") or len(text) > _MAX_DIGITS:
        raise ValueError("not a plain number")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
