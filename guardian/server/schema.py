"""Output schemas: the envelope around a tool's own data, from the frozen dataclasses that the gate answers with.

There are two of each. `envelope_schema` is the whole: every field, and nothing besides. `listed_schema` is what clients
get in tools/list: the same data, the envelope in short, made from the whole by leaving conditions out, so that every
reply that fits the one fits the other.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from guardian.domain.codes import Outcome
from guardian.domain.trading import Environment, TradingState
from guardian.gate.base.replies import OrderProposed, Situation
from guardian.server.envelope import LEFT_OUT

Schema = dict[str, Any]

_SCALARS: Final[dict[object, str]] = {str: "string", Decimal: "string", int: "integer", bool: "boolean"}
_TEXT: Final[Schema] = {"type": "string"}
_NULL: Final[Schema] = {"type": "null"}
_TEXT_OR_NULL: Final[Schema] = {"anyOf": [_TEXT, _NULL]}
_INTEGER_OR_NULL: Final[Schema] = {"anyOf": [{"type": "integer"}, _NULL]}
_LISTED_ERROR: Final = ("code", "message", "hint")
"""What tools/list says of an error. The envelope is the same in all tools; the server's instructions describe it."""


def envelope_schema(data: Sequence[type]) -> Schema:
    """The one schema of a tool's replies, error and success alike; `data` is what a good reply may hold.

    Only the tool that proposes orders says in an error what guardian knows besides.
    """
    situation = schema_of(Situation | None) if OrderProposed in data else _NULL
    return _object(
        {
            "outcome": {"type": "string", "enum": [outcome.value for outcome in Outcome]},
            "data": {"anyOf": [*(schema_of(kind) for kind in data), _NULL]},
            "error": {"anyOf": [_object({**_ERROR, "situation": situation}), _NULL]},
            "meta": _META,
        }
    )


def listed_schema(data: Sequence[type]) -> Schema:
    """The short form of `envelope_schema`: all of the data, and of the rest what a program looks at first."""
    whole = envelope_schema(data)["properties"]
    error = whole["error"]["anyOf"][0]["properties"]
    in_error = {name: error[name] for name in _LISTED_ERROR}
    return {
        "type": "object",
        "properties": {
            "outcome": whole["outcome"],
            "data": _loosened(whole["data"]),
            "error": {"anyOf": [{"type": "object", "properties": in_error}, _NULL]},
            "meta": {"type": "object"},
        },
        "required": list(whole),
    }


def _loosened(schema: Schema) -> Schema:
    """The same schema, but that fields are not required and others are admitted."""
    if "anyOf" in schema:
        return {"anyOf": [_loosened(option) for option in schema["anyOf"]]}
    if "items" in schema:
        return {**schema, "items": _loosened(schema["items"])}
    if "properties" in schema:
        properties = {name: _loosened(inner) for name, inner in schema["properties"].items()}
        return {"type": "object", "properties": properties}
    return schema


@cache
def schema_of(kind: Any) -> Schema:  # noqa: ANN401 - any annotation of a dataclass field
    """The JSON schema of what `to_plain` makes of a `kind`: amounts are strings, only `LEFT_OUT` may be left out.

    Raises:
        TypeError: a kind that no reply may hold, a float for one.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if origin in {Union, types.UnionType}:
        (inner,) = (option for option in arguments if option is not type(None))
        return _or_null(schema_of(inner))
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [option.value for option in kind]}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return _object({field.name: _field(field.name, schema_of(hints[field.name])) for field in fields(kind)})
    raise TypeError(f"no schema for {kind!r}")


def _field(name: str, schema: Schema) -> Schema:
    """The schema of a field; one that is left out where it is null is never null."""
    return schema["anyOf"][0] if name in LEFT_OUT and _NULL in schema.get("anyOf", ()) else schema


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, _NULL]}


def _object(properties: dict[str, Schema]) -> Schema:
    required = [name for name in properties if name not in LEFT_OUT]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_ERROR: Final[dict[str, Schema]] = {
    "code": _TEXT,
    "message": _TEXT,
    "hint": _TEXT_OR_NULL,
    "denials": {
        "type": "array",
        "items": _object(
            {
                "code": _TEXT,
                "message": _TEXT,
                "observed": _TEXT_OR_NULL,
                "limit": _TEXT_OR_NULL,
                "hint": _TEXT_OR_NULL,
            }
        ),
    },
    "exchange": {
        "anyOf": [
            _object({"code": _INTEGER_OR_NULL, "text": _TEXT_OR_NULL, "untrusted": {"const": True}}),
            _NULL,
        ]
    },
    "retry_after_s": _INTEGER_OR_NULL,
    "client_order_id": _TEXT_OR_NULL,
}
_MANDATE: Final = _object(
    {
        "environment": _TEXT,
        "symbols": {"type": "array", "items": _TEXT},
        "currency": _TEXT,
        "budget": _TEXT,
        "left": _TEXT_OR_NULL,
        "max_order": _TEXT_OR_NULL,
        "left_s": {"type": "integer"},
    }
)
_META: Final = _object(
    {
        "call_id": _TEXT_OR_NULL,
        "timestamp": _TEXT,
        "environment": {"anyOf": [{"type": "string", "enum": [one.value for one in Environment]}, _NULL]},
        "trading": {"anyOf": [{"type": "string", "enum": [state.value for state in TradingState]}, _NULL]},
        "policy": _TEXT_OR_NULL,
        "latency_ms": {"type": "integer"},
        "mandate": {"anyOf": [_MANDATE, _NULL]},
        "period": _TEXT_OR_NULL,
    }
)
