"""What leaves the server can be used where it arrives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from mcp.types import TextContent

from guardian.domain.codes import Code, Outcome
from guardian.gate.base.replies import Reply, ReplyError
from guardian.server.envelope import EnvelopeMeta, tool_result

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
