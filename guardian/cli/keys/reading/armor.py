"""Finds the private key in a text, whatever was done to its form on the way: the outside of it, before any decoding.

Line ends of Windows and of old Macs, `\\n` written out, all on one line, quotes or a byte order mark around it, UTF-16,
blanks, and explanations before and after are all the same key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----(.*?)(?:-----END \1-----|\Z)", re.DOTALL)
_HEADER: Final = re.compile(r"([A-Z][A-Za-z0-9-]*: *[^\s:]+)(?=\s)")
"""A line of the old encrypted form, between the first line and the base64: `DEK-Info: AES-256-CBC,0123`."""
_NAMED: Final = re.compile(r"\A(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*")
_WRAP: Final = 64


@dataclass(frozen=True, slots=True)
class Armor:
    """One block between `-----BEGIN label-----` and its end. `pem` is the block in the form in which it was made."""

    label: str
    pem: str
    is_whole: bool
    """Whether its last line is there."""


def text_of(data: bytes) -> str | None:
    """Returns the text in a file's bytes, in UTF-8 or, as PowerShell writes it, in UTF-16; None for what is no text."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            return _decoded(data, encoding)
    return _decoded(data, "utf-8")


def undressed(text: str) -> str:
    """Returns the text without byte order mark, a name before it, quotes and blanks, with LF as its line end."""
    text = text.replace("\ufeff", "").replace("\u00a0", " ")
    text = re.sub(r"\\r\\n|\\n|\\r|\r\n?", "\n", text).strip()
    if "-----BEGIN" in text:
        text = _NAMED.sub("", text)
    return text.strip(" \t\n\"'`,;")


def blocks(text: str) -> tuple[Armor, ...]:
    """Returns each block of an undressed text."""
    return tuple(_armor(found) for found in _BLOCK.finditer(text))


def _armor(found: re.Match[str]) -> Armor:
    label, inside = found.groups()
    headers: list[str] = []
    rest = inside.lstrip()
    while (header := _HEADER.match(rest)) is not None:
        headers.append(header[1])
        rest = rest[header.end() :].lstrip()
    body = re.sub(r"[\s\"'`]+", "", rest)
    lines = [body[start : start + _WRAP] for start in range(0, len(body), _WRAP)]
    pem = "\n".join(
        [f"-----BEGIN {label}-----", *headers, *([""] if headers else []), *lines, f"-----END {label}-----"]
    )
    return Armor(label, pem + "\n", is_whole=found[0].endswith(f"-----END {label}-----"))


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
