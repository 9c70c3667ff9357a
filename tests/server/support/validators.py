"""What checks replies: the schema that clients are given, and the whole one that it was made from."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from guardian.server.schema import envelope_schema
from tests.server.support.fake_gate import RETURNS


def reply_schema(tool: Any) -> dict[str, Any]:
    """A reply of this listed tool fits both."""
    return {"allOf": [tool.output_schema, envelope_schema(RETURNS[tool.name])]}


def reply_validator(tool: Any) -> Draft202012Validator:
    """A validator of both."""
    return Draft202012Validator(reply_schema(tool))
