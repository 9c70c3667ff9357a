"""The one envelope that every reply comes in: `outcome`, `data`, `error`, `meta`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from fastmcp.tools.base import ToolResult

from guardian.domain.text.escaping import clean, clean_strings
from guardian.domain.text.plain_data import Plain, to_plain
from guardian.gate.base.order_views import iso
from guardian.gate.base.replies import MandateView, Reply, ReplyError
from guardian.system.typed_command import NAME, typed_command

LEFT_OUT: Final = frozenset(
    {"stop_price", "prevented_quantity", "warning", "client_answer", "rejected_because", "unknown_cost", "unpriced"}
)
"""Fields of the data that a reply lacks where they are null, for they apply to few. Every other null says something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeMeta:
    """About the call: None for what is not known because its record could not be opened."""

    call_id: str | None
    timestamp_ms: int
    """When the reply was made, in milliseconds since the epoch."""
    environment: str | None
    """None also while no good policy has named one."""
    trading: str | None
    policy: str | None
    latency_ms: int
    mandate: MandateView | None = None
    """What is left of a session mandate."""
    period: str | None = None
    """The times that were given, as they were understood: an ISO 8601 interval in the time zone of this machine."""


def tool_result(reply: Reply, meta: EnvelopeMeta) -> ToolResult:
    """The reply as MCP takes it: the envelope as structured content, and the same as compact text.

    Raises:
        TypeError: the data holds something that no reply may hold, such as a secret.
        ValueError: an amount in it is not finite.
    """
    structured = envelope(reply, meta)
    text = as_text(structured)
    if not text.isascii() or "\\" in text or "\x7f" in text or typed_command() != NAME:
        # The same text and the same data; a lone surrogate could not even be written as UTF-8.
        structured = json.loads(text)
    return ToolResult(content=text, structured_content=structured, is_error=reply.outcome.is_error)


def envelope(reply: Reply, meta: EnvelopeMeta) -> dict[str, Any]:
    """The reply as JSON data. Raises as `tool_result` does."""
    return {
        "outcome": reply.outcome.value,
        "data": _short(to_plain(reply.data)),
        "error": None if reply.error is None else _error(reply.error),
        "meta": {
            "call_id": meta.call_id,
            "timestamp": iso(meta.timestamp_ms),
            "environment": meta.environment,
            "trading": meta.trading,
            "policy": meta.policy,
            "latency_ms": meta.latency_ms,
            "mandate": to_plain(meta.mandate),
            "period": meta.period,
        },
    }


def _short(data: Plain) -> Plain:
    """The same data without the fields of `LEFT_OUT` that are null."""
    if isinstance(data, list):
        return [_short(one) for one in data]
    if isinstance(data, dict):
        return {name: _short(one) for name, one in data.items() if one is not None or name not in LEFT_OUT}
    return data


def as_text(data: object) -> str:
    """JSON data as compact text, every text in it cleaned. Raises ValueError for a number that is not finite.

    Commands of guardian's in backticks become what the person can type.

    Reasons, names and messages may come from a file, a person or the exchange, and are shown by who knows what.
    """
    text = _to_json(data)
    # JSON escapes control characters with a backslash; what else is unclean is not ASCII.
    if not text.isascii() or "\\" in text or "\x7f" in text:
        text = _to_json(clean_strings(data))
    command = typed_command()
    return text if command == NAME else text.replace(f"`{NAME} ", f"`{_to_json(clean(command))[1:-1]} ")


def _to_json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _error(error: ReplyError) -> dict[str, Plain]:
    exchange: Plain = None
    if error.exchange_code is not None or error.exchange_text is not None:
        exchange = {"code": error.exchange_code, "text": error.exchange_text, "untrusted": True}
    return {
        "code": error.code.name,
        "message": error.message,
        "hint": error.hint,
        "denials": to_plain(error.denials),
        "exchange": exchange,
        "retry_after_s": error.retry_after_s,
        "client_order_id": error.client_order_id,
        "situation": to_plain(error.situation),
    }
