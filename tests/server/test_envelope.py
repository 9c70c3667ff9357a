"""What leaves the server can be used where it arrives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
from mcp.types import TextContent

from guardian.domain.codes import Code, Outcome
from guardian.gate.base.replies import Orders, OrderView, Reply, ReplyError, done
from guardian.server.envelope import EnvelopeMeta, envelope, tool_result
from guardian.server.schema import envelope_schema
from tests.server.support.fake_gate import sample

META = EnvelopeMeta(call_id=None, timestamp_ms=0, environment=None, trading=None, policy=None, latency_ms=0)


def test_reply_names_commands_as_the_person_can_type_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a client started has no PATH of a shell: the path is named, in the text and the data alike."""
    error = ReplyError(code=Code.TRADING_HALTED, message="halted", hint="the owner can run `guardian resume`")
    reply = Reply(outcome=Outcome.DENIED, error=error)
    hints = []
    for path in (str(Path(sys.executable).parent), ""):
        monkeypatch.setenv("PATH", path)
        result = tool_result(reply, META)
        (content,) = result.content
        assert isinstance(content, TextContent)
        assert result.structured_content is not None
        assert json.loads(content.text) == result.structured_content
        hints.append(result.structured_content["error"]["hint"])
    own = Path(sys.executable).parent / "guardian"
    assert hints == ["the owner can run `guardian resume`", f"the owner can run `{own} resume`"]


def test_fields_that_apply_to_few_are_left_out_where_they_are_null() -> None:
    """At any depth; every other null is there, for it says that something is not known. The schema says the same."""
    order = sample(OrderView, full=False)
    reply = envelope(done(Orders(unresolved=(), orders=(order,), note=None)), META)
    (written,) = reply["data"]["orders"]
    assert "stop_price" not in written
    assert "prevented_quantity" not in written
    assert written["average_price"] is None
    whole = envelope_schema((Orders,))
    jsonschema.validate(reply, whole)
    written["stop_price"] = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(reply, whole)
