"""Replies for what went wrong before, or instead of, the gate's own answer."""

from __future__ import annotations

from typing import Final

import pydantic
from fastmcp.exceptions import NotFoundError, ValidationError

from guardian.domain.codes import Code
from guardian.domain.requests import WRITING_TOOLS
from guardian.errors import ArgumentMistake, InvalidArguments, StoreError
from guardian.gate.base.calls import safe_traceback
from guardian.gate.base.replies import Reply, refused
from guardian.gate.pipeline import store_code
from guardian.server.loggable import readable
from guardian.store.log.redaction import TOKEN_LENGTH

_MAX_MISTAKES: Final = 20
_UNKNOWN_ARGUMENT: Final = "unexpected_keyword_argument"
_LOOK_UP_HINT: Final = "look the order up with get_orders before requesting it again"


def reply_to_fault(tool: str, fault: BaseException) -> Reply:
    """The reply for an exception that came out of a call: wrong arguments, an unknown tool, or a fault of ours."""
    if isinstance(fault, ValidationError) and isinstance(fault.__cause__, pydantic.ValidationError):
        return invalid(_mistakes(fault.__cause__))
    if isinstance(fault, NotFoundError):
        which = _unless_token(tool, f"there is no tool `{tool}`", "there is no such tool")
        return refused(Code.TOOL_UNKNOWN, which, hint="tools/list names the tools there are")
    return internal_error(tool, fault)


def invalid(error: InvalidArguments) -> Reply:
    """Wrong arguments: every mistake is in the message."""
    return refused(
        Code.ARGUMENTS_INVALID,
        error.message,
        hint=error.hint or "mend the arguments named; the tool's schema has the rules",
    )


def shutting_down() -> Reply:
    """The process was asked to end, and takes no call any more: neither is it written down nor is anything done."""
    return refused(
        Code.SERVER_STOPPING,
        "guardian is being stopped and takes no calls any more; nothing was done",
        hint="the client starts it again; then call again",
    )


def log_unavailable(error: StoreError) -> Reply:
    """The record of the call could not be opened, so the call was not let through."""
    hint = "a person must make the log writable again; cancel_order works in the meantime"
    return refused(store_code(error), f"nothing was done: {error.message}", hint=error.hint or hint)


def internal_error(tool: str, fault: BaseException, *, before: str = "") -> Reply:
    """A fault of ours: opaque to the assistant; `detail` has where it was and what kind it is, for the log alone."""
    return _failed_reply(tool, before + safe_traceback(fault))


def no_reply(tool: str) -> Reply:
    """The tool came to its end without an answer of the gate."""
    return _failed_reply(tool, "the tool ended without an answer of the gate")


def call_taken_back(tool: str) -> Reply:
    """For the log: the client took the call back, or went away, before there was an answer."""
    message = "the client took the call back, or went away, before there was an answer"
    if tool in WRITING_TOOLS:
        return refused(Code.CALL_TAKEN_BACK, message, hint=_LOOK_UP_HINT)
    return refused(Code.READ_TAKEN_BACK, f"{message}; a read changes nothing")


def _failed_reply(tool: str, detail: str) -> Reply:
    hint = "a person finds it in the audit log by the call_id"
    if tool in WRITING_TOOLS:
        hint = f"{_LOOK_UP_HINT}; {hint}"
    return refused(
        Code.INTERNAL_ERROR, "guardian failed on this call; the fault is in its log", hint=hint, detail=detail
    )


def _mistakes(error: pydantic.ValidationError) -> InvalidArguments:
    # The input is not repeated: it may be a token, and it is the caller's own anyway.
    found: dict[str, ArgumentMistake] = {}
    for item in error.errors(include_url=False, include_context=False):
        name = readable(str(item["loc"][0])) if item["loc"] else "arguments"
        field = _unless_token(name, name, "(an argument with a long name)")
        is_null = item["input"] is None and item["type"] != _UNKNOWN_ARGUMENT
        message = "is required, and null is no value" if is_null else _restyled(item["type"], item["msg"])
        found.setdefault(field, ArgumentMistake(field, message))
        if len(found) == _MAX_MISTAKES:
            break
    return InvalidArguments(tuple(found.values()))


def _unless_token(name: str, short: str, long: str) -> str:
    """`short`; or `long`, where the name could be a confirmation token in the wrong place, which no reply repeats."""
    return short if len(name) < TOKEN_LENGTH else long


def _restyled(kind: str, message: str) -> str:
    match kind:
        case "missing_argument" | "missing_keyword_only_argument":
            return "is required"
        case kind if kind == _UNKNOWN_ARGUMENT:
            return "there is no such argument"
    text = message.removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return text[:1].lower() + text[1:]
