"""Asks the person in front of the client whether an order may be placed, in both eras of the protocol.

With `initialize` the server asks within the call and waits. In the stateless era it returns the question, and the
client repeats the call with the answer; what it carries between the two is the name of the question and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from fastmcp.server.context import Context
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from guardian.gate.client_questions import ClientAnswer, ClientQuestion

_log: Final = logging.getLogger("guardian.server")

WAIT_S: Final = 40.0
"""Clients end a call after 60 s; a tool waits no longer than this for a person."""
_KEY: Final = "approve_order"
_FIELD: Final = "approve"
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        _FIELD: {
            "type": "boolean",
            "title": "Approve this order",
            "description": "It is placed at once, and once.",
        }
    },
    "required": [_FIELD],
}


class ClientAsker:
    """Puts questions through one client after the other. `until_ending` returns once the process is to end."""

    def __init__(self, until_ending: Callable[[], Awaitable[None]] | None = None, *, wait_s: float = WAIT_S) -> None:
        self._until_ending = until_ending
        self._wait_s = wait_s
        self._on_screen: set[str] = set()
        """Proposals whose question is in front of a person right now."""

    def can_ask(self, context: Context) -> bool:
        """Whether the client declares that it can show a form; `{}` means forms alone, as it did at first."""
        with suppress(Exception):  # stateless clients need not say what they can
            capabilities = context.session.client_capabilities
            asked = None if capabilities is None else capabilities.elicitation
            return asked is not None and (asked.form is not None or asked.url is None)
        return False

    @contextmanager
    def on_screen(self, proposal_id: str) -> Iterator[bool]:
        """Around a question about an order; False where another call of this process waits for its answer already."""
        if proposal_id in self._on_screen:
            yield False
            return
        self._on_screen.add(proposal_id)
        try:
            yield True
        finally:
            self._on_screen.discard(proposal_id)

    def returns_questions(self, context: Context) -> bool:
        """Whether this client is asked by a result instead of a request: the stateless era."""
        request = context.request_context
        return request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS

    def returned(self, context: Context) -> tuple[str, ClientAnswer] | None:
        """The question that a stateless client answers with this call, and its answer."""
        if not self.returns_questions(context) or not context.request_state or context.input_responses is None:
            return None
        return context.request_state, _meaning(context.input_responses.get(_KEY))

    def question(self, question: ClientQuestion) -> InputRequiredResult:
        """The question as the result of a call."""
        form = ElicitRequestFormParams(message=_message(question), requested_schema=_SCHEMA)
        return InputRequiredResult(
            input_requests={_KEY: ElicitRequest(params=form)},
            request_state=question.id,
        )

    async def ask(self, context: Context, question: ClientQuestion) -> ClientAnswer:
        """Ask within the call, and wait for the answer, `wait_s` at most. Never raises, unless it is cancelled."""
        asking = asyncio.ensure_future(
            context.session.elicit_form(_message(question), _SCHEMA, related_request_id=context.request_id)
        )
        others = [] if self._until_ending is None else [asyncio.ensure_future(self._until_ending())]
        try:
            await asyncio.wait({asking, *others}, timeout=self._wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for other in others:
                other.cancel()
            asking.cancel()  # where it is not answered, the client takes the question off the screen
            asking.add_done_callback(_forget)
        if not asking.done() or asking.cancelled():
            return ClientAnswer.TIMED_OUT
        if asking.exception() is not None:
            _log.warning("the client could not put a question to the person: %s", type(asking.exception()).__name__)
            return ClientAnswer.FAILED
        return _meaning(asking.result())


def _message(question: ClientQuestion) -> str:
    return "\n".join(("Place this order?", *question.lines))


def _meaning(result: object) -> ClientAnswer:
    """What a client's answer means; only a yes that is written out is one."""
    if not isinstance(result, ElicitResult):
        return ClientAnswer.FAILED
    if result.action == "decline":
        return ClientAnswer.DECLINED
    if result.action == "cancel":
        return ClientAnswer.CANCELLED
    agreed = (result.content or {}).get(_FIELD) is True
    return ClientAnswer.ACCEPTED if agreed else ClientAnswer.CANCELLED


def _forget(asking: asyncio.Future[ElicitResult]) -> None:
    """Retrieve the result of a question that nobody waits for, so that asyncio logs nothing of it."""
    if not asking.cancelled():
        asking.exception()
