"""What guardian puts into a client's configuration, and takes out of it again: from bytes to bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from guardian.clients.entries import ServerEntry, entry_of
from guardian.clients.json_document import JsonDocument, JsonMistake
from guardian.clients.json_edits import remove_entry, set_entry
from guardian.clients.known import BYTE_ORDER_MARK, AssistantClient, unusable
from guardian.errors import ClientConfigUnusable

Edit = Callable[[bytes | None], bytes]


def putting(client: AssistantClient, path: Path, name: str, entry: ServerEntry, *, replace: bool) -> Edit:
    """Returns the edit that puts an entry under a name, and changes no other byte.

    A server of that name that is not guardian is replaced only with `replace`. The edit raises ClientConfigUnusable.
    """
    new = entry.document(typed=client.typed)

    def edit(before: bytes | None) -> bytes:
        content = before or b""
        document = client.parse(path, content)
        if not replace and _holds(document, client, name) and not _is_guardian(document, client, name):
            raise ClientConfigUnusable(
                f"`{path}` has a server `{name}` that is another program; nothing was changed",
                hint="choose another name with `--name`, or put guardian in its place with `--replace`",
            )
        try:
            text = set_entry(document.text, client.section, name, new, comments=client.comments)
        except JsonMistake as mistake:
            raise unusable(path, str(mistake)) from mistake
        return _bytes(text, content)

    return edit


def removing(client: AssistantClient, path: Path, name: str, copies: Callable[[], Iterable[bytes]]) -> Edit:
    """Returns the edit that takes out the entry of a name, if it is guardian's.

    Where putting it into one of the `copies` (files from before) makes the file as it is, the result is that copy, byte
    for byte. The edit raises ClientConfigUnusable.
    """

    def edit(before: bytes | None) -> bytes:
        content = before or b""
        document = client.parse(path, content)
        if not _holds(document, client, name):
            return content
        if not _is_guardian(document, client, name):
            raise ClientConfigUnusable(
                f"the server `{name}` in `{path}` is another program; nothing was changed",
                hint="remove it there by hand, if you want that",
            )
        for copy in copies():
            if _led_to(copy, content, client, path, name):
                return copy
        return _bytes(remove_entry(document.text, client.section, name, comments=client.comments), content)

    return edit


def _led_to(copy: bytes, content: bytes, client: AssistantClient, path: Path, name: str) -> bool:
    """Whether the file is that copy with the entry put in, and nothing else has changed since."""
    entry = _entry(client.parse(path, content), client, name)
    try:
        document = client.parse(path, copy)
        if entry is None or _holds(document, client, name):
            return False
        return putting(client, path, name, entry, replace=False)(copy) == content
    except ClientConfigUnusable:
        return False


def _section(document: JsonDocument, client: AssistantClient) -> dict[str, object]:
    member = None if document.root is None else document.root.member(client.section)
    return member.value if member is not None and isinstance(member.value, dict) else {}


def _holds(document: JsonDocument, client: AssistantClient, name: str) -> bool:
    return name in _section(document, client)


def _entry(document: JsonDocument, client: AssistantClient, name: str) -> ServerEntry | None:
    return entry_of(_section(document, client).get(name))


def _is_guardian(document: JsonDocument, client: AssistantClient, name: str) -> bool:
    entry = _entry(document, client, name)
    return entry is not None and entry.is_guardian


def _bytes(text: str, before: bytes) -> bytes:
    mark = BYTE_ORDER_MARK if before.startswith(BYTE_ORDER_MARK) else b""
    return mark + text.encode("utf-8")
