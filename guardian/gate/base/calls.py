"""One call: its identity, and how it, its reply and a fault in it are written to the log."""

from __future__ import annotations

import json
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from guardian.domain.text.names import is_listed_name
from guardian.domain.text.plain_data import Plain, to_plain
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError, PolicyInvalid
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import MandateView, Reply
from guardian.store.log.redaction import short_digest
from guardian.store.log.redaction import token_digest as token_digest  # what calls are looked up by

TOKEN_BYTES: Final = 18
"""144 bits; 24 characters that survive being copied by hand or by a model."""
MAX_DATA_BYTES: Final = 4000
"""Larger answers are recorded by digest and length: the log is for what was done, not a copy of the market."""

SECRET_FIELDS: Final = frozenset({"confirmation_token"})
"""Fields that redeem something; they are never written to the log."""
NOT_LOGGED: Final = SECRET_FIELDS | {"situation"}
"""Fields of a reply that its row lacks. The situation is other rows of the same log, counted."""

_MAX_CHAIN: Final = 8
_MAX_TEXT: Final = 500
MAX_DETAIL: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """One `tools/call`, from the moment its `call` row is on disk."""

    call_id: str
    tool: str
    symbol: str | None
    started: float
    """Seconds on the monotonic clock."""
    calls_last_minute: int
    trading: TradingState
    policy_digest: str | None
    client: str | None
    logged: bool
    """False for a cancel that continues although the log cannot be written."""
    by_owner: bool = False
    """Whether the owner made it on the command line; it spends none of the assistant's budget of calls."""
    snapshot: PolicyInForce | PolicyInvalid | None = None
    """The policy that the whole call is judged by, as it was when the call began, or why no policy can be used."""
    on_sent: Callable[[Reply], None] | None = None
    """Called in the event loop with the reply of a sent order, while its outcome row is written: it may be rendered
    then. It must not leave before the call is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMeta:
    """The data about the call that every reply has."""

    call_id: str
    timestamp_ms: int
    environment: str | None
    """None while no good policy has named one."""
    trading: str
    policy: str | None
    latency_ms: int
    mandate: MandateView | None
    """What is left of a session mandate; None where nothing is in force."""


def new_token(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh confirmation token."""
    return urlsafe_b64encode(random_bytes(TOKEN_BYTES)).decode("ascii")


def symbol_of(arguments: Mapping[str, object]) -> str | None:
    """The symbol in raw arguments, for the log's column, where it looks like one."""
    symbol = arguments.get("symbol")
    return symbol if isinstance(symbol, str) and is_listed_name(symbol) else None


def without_secrets(arguments: Mapping[str, object]) -> dict[str, object]:
    """Raw arguments with every token replaced by a digest that recognises it and redeems nothing."""
    return {
        key: short_digest(str(value)) if key in SECRET_FIELDS and not _hidden(value) else value
        for key, value in arguments.items()
    }


def _hidden(value: object) -> bool:
    """Whether it is missing or already a digest: no token has a colon."""
    return value is None or (isinstance(value, str) and value.startswith("sha256:"))


def plain_record(fields: Mapping[str, object]) -> dict[str, Plain]:
    """Domain data as the body of a row."""
    return {name: to_plain(value) for name, value in fields.items()}


def reply_body(reply: Reply) -> dict[str, Plain]:
    """The reply as it goes into the log: all but tokens and the situation, and large data as a digest."""
    body: dict[str, Plain] = {"outcome": reply.outcome.value}
    if reply.data is not None:
        body["data"] = _bounded(_logged(reply.data))
    if reply.error is not None:
        body["error"] = _logged(reply.error)
    if reply.judged is not None:
        body["judged"] = to_plain(reply.judged)
    if reply.detail is not None:
        body["detail"] = reply.detail
    return body


def _logged(value: object) -> Plain:
    found = to_plain(value)
    return {key: item for key, item in found.items() if key not in NOT_LOGGED} if isinstance(found, dict) else found


def _bounded(data: Plain) -> Plain:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_DATA_BYTES:
        return data
    return {"sha256": sha256(encoded).hexdigest(), "bytes": len(encoded)}


def safe_traceback(fault: BaseException) -> str:
    """A fault of guardian's as the log may have it: kinds and places of an exception and of what led to it.

    No text is kept that could hold a secret: only texts of guardian's own exceptions and of Python's, since those of
    libraries may hold a URL with its signature.
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
