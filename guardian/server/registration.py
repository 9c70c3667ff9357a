"""From a pure function (arguments to request) to an MCP tool whose call passes the gate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, Optional, get_type_hints

from fastmcp.server.dependencies import get_context
from fastmcp.tools.base import ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import InputRequiredResult, ToolAnnotations

from guardian.domain.requests import CreateOrder, Request
from guardian.errors import InvalidArguments
from guardian.gate.base.replies import OrderProposed, Reply
from guardian.server.elicitation import ClientAsker
from guardian.server.error_replies import invalid
from guardian.server.schema import Schema, listed_schema
from guardian.system.local_moments import LocalMoment, period_text

if TYPE_CHECKING:
    from guardian.gate.base.calls import CallInfo
    from guardian.gate.pipeline import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool: `build` makes its request from checked arguments, and its docstring is what the model reads."""

    build: Callable[..., Request]
    title: str
    returns: tuple[type, ...]
    """What the data of a good reply may be."""
    read_only: bool = True
    destructive: bool = False
    idempotent: bool = True

    @property
    def name(self) -> str:
        """The function's name is the tool's."""
        return self.build.__name__


@dataclass(slots=True, kw_only=True)
class OngoingCall:
    """The call that is being served, and its reply once the gate has given one."""

    gate: Gate
    info: CallInfo
    asker: ClientAsker
    now_ms: int
    """When it began: what "today" goes by."""
    zone: tzinfo | None = None
    """The time zone of this machine, where none is given."""
    period: str | None = None
    """The times that were given, once they are resolved; see `guardian.system.local_moments.period_text`."""
    reply: Reply | None = None
    rendered: tuple[Reply, ToolResult] | None = None
    """A reply that was rendered while its outcome row was written."""

    def resolved(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with each time in ms since the epoch; keeps the period."""
        found = {
            name: value.milliseconds(self.now_ms, self.zone) if isinstance(value, LocalMoment) else value
            for name, value in arguments.items()
        }
        self.period = period_text(found.get("start_time"), found.get("end_time"), self.zone)
        return found


CURRENT_CALL: Final[ContextVar[OngoingCall]] = ContextVar("guardian_current_call")
"""Set by the middleware around each call; a tool that runs without it fails, and nothing is asked of the gate."""


def as_tool(spec: ToolSpec) -> FunctionTool:
    """The MCP tool. Its result is a placeholder: the middleware makes the envelope from the gate's reply."""
    annotations = ToolAnnotations(
        title=spec.title,
        read_only_hint=spec.read_only,
        destructive_hint=spec.destructive,
        idempotent_hint=spec.idempotent,
        open_world_hint=True,
    )
    tool = FunctionTool.from_function(
        _through_the_gate(spec.build),
        name=spec.name,
        title=spec.title,
        description=_unwrapped(inspect.getdoc(spec.build) or ""),
        annotations=annotations,
        output_schema=listed_schema(spec.returns),
    )
    tool.parameters = _compact(tool.parameters)
    return tool


def _through_the_gate(build: Callable[..., Request]) -> Callable[..., Any]:
    async def ask(**arguments: Any) -> ToolResult | InputRequiredResult:  # noqa: ANN401 - checked by FastMCP against `build`'s own signature
        call = CURRENT_CALL.get()
        try:
            # Null for an argument that may be left out is leaving it out: it has its default.
            request = build(**call.resolved({name: value for name, value in arguments.items() if value is not None}))
        except InvalidArguments as error:
            call.reply = invalid(error)
        else:
            if isinstance(request, CreateOrder) and request.order is not None:
                return await _create_order(call, request) or ToolResult(content="")
            call.reply = await call.gate.handle(call.info, request)
        return ToolResult(content="")

    hints = get_type_hints(build, include_extras=True)
    parameters = [
        p.replace(annotation=hints[p.name] if p.default is p.empty else Optional[hints[p.name]])  # noqa: UP045  at run time
        for p in inspect.signature(build).parameters.values()
    ]
    ask.__name__ = ask.__qualname__ = build.__name__
    ask.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": ToolResult}
    ask.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # functions take it, typeshed does not know
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters], return_annotation=ToolResult
    )
    return ask


async def _create_order(call: OngoingCall, request: CreateOrder) -> InputRequiredResult | None:
    """Answer the request, and let the client ask the person where it can; the question where that is the result."""
    context, asker = get_context(), call.asker
    returned = asker.returned(context)
    if returned is not None:
        call.reply = await call.gate.answer_of_client(call.info, request, *returned)
        if call.reply is not None:
            return None
    call.reply = await call.gate.handle(call.info, request)
    proposed = call.reply.data
    if not isinstance(proposed, OrderProposed) or not asker.can_ask(context):
        return None
    if asker.returns_questions(context):
        question = await call.gate.ask_client(call.info, call.reply)
        return None if question is None else asker.question(question)
    with asker.on_screen(proposed.proposal_id) as is_free:
        question = await call.gate.ask_client(call.info, call.reply) if is_free else None
        if question is not None:
            answer = await asker.ask(context, question)
            call.reply = await call.gate.answer_of_client(call.info, request, question.id, answer) or call.reply
    return None


def _unwrapped(text: str) -> str:
    """Paragraphs without the line breaks of the source."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _compact(parameters: Schema) -> Schema:
    """The same schema with less to read: no titles, no null, and each description once, at the top.

    Null is taken for what may be left out, as some models send it, and need not be offered for that.
    """
    properties: Schema = {}
    for name, schema in parameters.get("properties", {}).items():
        kept = {key: value for key, value in schema.items() if key != "title" and (key, value) != ("default", None)}
        options = []
        for option in kept.pop("anyOf", []):
            inner = dict(option)
            kept |= {"description": inner.pop("description")} if "description" in inner else {}
            options += inner.get("anyOf", [inner] if inner != {"type": "null"} else [])
        properties[name] = {"anyOf": options, **kept} if len(options) > 1 else {**kept, **dict(*options)}
    return {**parameters, "properties": properties}
