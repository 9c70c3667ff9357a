"""Puts one entry into a JSON document, or takes it out, and leaves every other byte as it is.

A new member is the first of its object: then no other line changes, whatever commas and comments the object ends with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from guardian.clients.json_document import JsonDocument, JsonObject, Member, parse

_SPACES: Final = " \t\n\r"
_INDENTATION: Final = re.compile(r"[ \t]*")
_COMMENT_ON_LINE: Final = re.compile(r"[ \t]*//[^\r\n]*")
_USUAL_UNIT: Final = "  "


def set_entry(text: str, section: str, name: str, entry: Mapping[str, object], *, comments: bool) -> str:
    """Returns the document with the entry under that name in the section, an object of the root, which may be missing.

    Where the entry is there, its members that `entry` does not have stay. Where it is the same already, the text stays.
    Raises JsonMistake.
    """
    document = parse(text, comments=comments)
    if document.root is None:
        newline = _newline(text)
        whole = json.dumps({section: {name: entry}}, indent=_USUAL_UNIT, ensure_ascii=False)
        return text + ("" if not text or text.endswith("\n") else newline) + whole.replace("\n", newline) + newline
    in_root = document.root.member(section)
    if in_root is None:
        return _with_first(document, document.root, section, {name: entry})
    servers = document.object_of(in_root)
    member = servers.member(name)
    if member is None:
        return _with_first(document, servers, name, entry)
    if isinstance(member.value, dict) and all(member.value.get(key) == value for key, value in entry.items()):
        return text
    return text[: member.value_start] + _new_value(document, member, entry) + text[member.end :]


def remove_entry(text: str, section: str, name: str, *, comments: bool) -> str:
    """Returns the document without the entry; the section stays, empty where it had no other. Raises JsonMistake."""
    document = parse(text, comments=comments)
    in_root = None if document.root is None else document.root.member(section)
    servers = None if in_root is None else document.object_of(in_root)
    member = None if servers is None else servers.member(name)
    if servers is None or member is None:
        return text
    return _without(document, servers, member)


@dataclass(frozen=True, slots=True)
class _Style:
    """How a member is written: what each of its lines begins with, one step further in, and the end of a line."""

    indentation: str
    unit: str
    newline: str
    on_one_line: bool

    def value(self, value: object) -> str:
        """The value as JSON; its further lines are as far in as the member."""
        if self.on_one_line:
            return json.dumps(value, ensure_ascii=False)
        lines = json.dumps(value, ensure_ascii=False, indent=self.unit)
        return lines.replace("\n", self.newline + self.indentation)

    def member(self, name: str, value: object) -> str:
        return f"{json.dumps(name, ensure_ascii=False)}: {self.value(value)}"


def _with_first(document: JsonDocument, target: JsonObject, name: str, value: object) -> str:
    """The document with a new member at the beginning of an object."""
    text, plain = document.text, document.plain
    style = _style_in(document, target)
    comma = "," if target.members else ""
    member = style.member(name, value) + comma
    at = target.start + 1
    inside = plain[at : target.members[0].start if target.members else target.end - 1]
    if style.on_one_line:
        gap = inside if comma and text[at : at + len(inside)] == inside else ""
        return text[:at] + gap + member + text[at:]
    comment = _COMMENT_ON_LINE.match(text, at)
    if comment is not None:
        at = comment.end()
    end = "" if target.members or "\n" in inside else style.newline + _indentation_of_line(text, target.start)
    return text[:at] + style.newline + style.indentation + member + end + text[at:]


def _style_in(document: JsonDocument, target: JsonObject) -> _Style:
    """How the members of an object are written, or would be."""
    text, root = document.text, document.root
    outer = _indentation_of_line(text, target.start)
    first_of_root = "" if root is None or not root.members else _indentation_before(text, root.members[0])
    unit = first_of_root or _USUAL_UNIT
    if not target.members:
        is_flat = root is not None and target is not root and "\n" not in document.plain[root.start : root.end]
        return _Style(outer + unit, unit, _newline(text), is_flat)
    first = target.members[0]
    inner = _indentation_before(text, first)
    if inner.startswith(outer) and inner != outer:
        unit = inner.removeprefix(outer)
    return _Style(inner, unit, _newline(text), "\n" not in document.plain[target.start : first.start])


def _new_value(document: JsonDocument, member: Member, entry: Mapping[str, object]) -> str:
    """The entry's text in the place of the member's value; what the value has besides is kept as it was written."""
    text = document.text
    indentation = _indentation_of_line(text, member.start)
    root = document.root
    unit = (_indentation_before(text, root.members[0]) if root is not None else "") or _USUAL_UNIT
    is_flat = "\n" not in text[member.value_start : member.end] and not _is_first_on_line(text, member.start)
    style = _Style(indentation + unit, unit, _newline(text), is_flat)
    members = [style.member(name, value) for name, value in entry.items()]
    if document.plain[member.value_start] == "{":
        kept = [one for one in document.object_of(member).members if one.name not in entry]
        members += [text[one.start : one.end] for one in kept]
    if is_flat:
        return "{" + ", ".join(members) + "}"
    before = style.newline + style.indentation
    return "{" + before + f",{before}".join(members) + style.newline + indentation + "}"


def _without(document: JsonDocument, target: JsonObject, member: Member) -> str:
    """The document without a member and the comma that it no longer needs; comments around it stay."""
    text, plain = document.text, document.plain
    start = len(text[: member.start].rstrip(_SPACES))
    follows_comment = plain[start - 1] in _SPACES
    before, comma = text[:start], _comma_behind(document, target, member)
    if comma is not None:
        between = text[member.end : comma]
        behind = (between if between.strip(_SPACES) else "") + text[comma + 1 :]
    else:
        behind = text[member.end :]
        if member is not target.members[0]:
            needless = plain.index(",", target.members[-2].end)
            before = text[:needless] + text[needless + 1 : start]
        else:
            made_here = _newline(text) + _indentation_of_line(text, target.start) + "}"
            if behind.startswith(made_here) and before.endswith("{"):
                behind = behind.removeprefix(made_here[:-1])
    if follows_comment and not behind.lstrip(" \t").startswith(("\n", "\r")):
        before += text[start : member.start]  # a comment up to the end of its line keeps that end
    return before + behind


def _comma_behind(document: JsonDocument, target: JsonObject, member: Member) -> int | None:
    """The offset of the comma behind a member, if there is one."""
    if member is not target.members[-1]:
        return document.plain.index(",", member.end)
    return next((one for one in document.trailing_commas if member.end <= one < target.end), None)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indentation_of_line(text: str, offset: int) -> str:
    """What the line with that offset begins with."""
    match = _INDENTATION.match(text, text.rfind("\n", 0, offset) + 1)
    return "" if match is None else match[0]


def _is_first_on_line(text: str, offset: int) -> bool:
    line = text.rfind("\n", 0, offset) + 1
    return line > 0 and not text[line:offset].strip(" \t")


def _indentation_before(text: str, member: Member) -> str:
    """The indentation of a member that begins its line, else nothing."""
    return _indentation_of_line(text, member.start) if _is_first_on_line(text, member.start) else ""
