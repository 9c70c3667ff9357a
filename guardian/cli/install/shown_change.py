"""Shows the change of a client's configuration as a unified diff, without what other servers have in theirs."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from typing import Final

from guardian.clients.config_files import FileChange
from guardian.clients.json_document import JsonDocument
from guardian.clients.known import AssistantClient

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME_ENDS: Final = re.compile(r"\s*:")
_LEFT_OUT: Final = '"..."'
_LINES_AROUND: Final = 2
_OWN_BEFORE: Final = frozenset({"type", "command", "args"})
_OWN_AFTER: Final = _OWN_BEFORE | {"env"}


def shown_change(change: FileChange, client: AssistantClient, name: str) -> Iterator[str]:
    """Yields the lines of the diff; nothing where nothing changes.

    Of texts, only the names of members and what guardian writes are shown: the other servers' entries, and an
    environment from before, may hold keys. Comments are left out.
    """
    if change.is_empty:
        return
    before = _shown(client.parse(change.path, change.before or b""), client, name, _OWN_BEFORE)
    after = _shown(client.parse(change.path, change.after), client, name, _OWN_AFTER)
    was = os.devnull if change.before is None else str(change.path)
    yield from difflib.unified_diff(before, after, was, str(change.path), n=_LINES_AROUND, lineterm="")


def _shown(document: JsonDocument, client: AssistantClient, name: str, own: frozenset[str]) -> list[str]:
    """The lines of a document, with `...` for every text but those of the entry's own members."""
    spans = list(_own_spans(document, client, name, own))
    pieces: list[str] = []
    copied = 0
    for match in _STRING.finditer(document.plain):
        is_name = _NAME_ENDS.match(document.plain, match.end()) is not None
        if is_name or any(start <= match.start() < end for start, end in spans):
            continue
        pieces += [document.plain[copied : match.start()], _LEFT_OUT]
        copied = match.end()
    pieces.append(document.plain[copied:])
    return [line.rstrip() for line in "".join(pieces).splitlines()]


def _own_spans(
    document: JsonDocument, client: AssistantClient, name: str, own: frozenset[str]
) -> Iterator[tuple[int, int]]:
    section = None if document.root is None else document.root.member(client.section)
    entry = None if section is None else document.object_of(section).member(name)
    if entry is not None and isinstance(entry.value, dict):
        for member in document.object_of(entry).members:
            if member.name in own:
                yield member.start, member.end
