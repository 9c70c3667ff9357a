"""One entry is put into a document and taken out of it, and no other byte changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.clients.json_document import JsonMistake, parse
from guardian.clients.json_edits import remove_entry, set_entry
from tests.clients.documents import Documents
from tests.support.profiles import tries

ENTRY = {"command": "/opt/ü b/python", "args": ["-I", "-m", "guardian", "serve"], "env": {"GUARDIAN_HOME": "/h"}}
OTHER = {"command": "/opt/python3", "args": [], "env": {"GUARDIAN_HOME": "/other"}}
SECTION = "mcpServers"
SIGNIFICANT = str.maketrans("", "", " \t\r\n")


def put(text: str, entry: dict[str, Any] = ENTRY, *, comments: bool = False) -> str:
    return set_entry(text, SECTION, "guardian", entry, comments=comments)


def take(text: str, *, comments: bool = False) -> str:
    return remove_entry(text, SECTION, "guardian", comments=comments)


def servers(text: str, *, comments: bool = False) -> dict[str, object]:
    """What the section holds, by name, for the decoder."""
    document = parse(text, comments=comments)
    assert document.root is not None
    member = document.root.member(SECTION)
    assert member is not None
    assert isinstance(member.value, dict)
    return member.value


def inserted(before: str, after: str) -> str:
    """What was put in at one place; fails where `after` is anything else than `before` with that."""
    assert len(after) >= len(before)
    start = next((at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one != two), len(before))
    for at in range(start, -1, -1):
        piece = after[at : at + len(after) - len(before)]
        if before[:at] + piece + before[at:] == after:
            return piece
    raise AssertionError(f"{after!r} is not {before!r} with something put in")


@settings(max_examples=tries(1500))
@given(seed=st.integers(0, 2**64), comments=st.booleans(), windows=st.booleans())
def test_entry_is_put_into_any_document_and_every_other_byte_stays(seed: int, comments: bool, windows: bool) -> None:
    """The new text is the old one with something put in; others read as before; again changes nothing; and back."""
    text, others = Documents(seed, comments=comments).configuration(SECTION)
    text = text.replace("\n", "\r\n") if windows else text
    before = parse(text, comments=comments)
    after = put(text, comments=comments)
    assert "guardian" in inserted(text, after)
    was = before.root.member(SECTION) if before.root is not None else None
    others_before = was.value if was is not None and isinstance(was.value, dict) else {}
    assert servers(after, comments=comments) == {**others_before, "guardian": ENTRY}
    assert put(after, comments=comments) == after
    back = take(after, comments=comments)
    if others:
        assert back == text
    elif was is not None:
        assert back.translate(SIGNIFICANT) == text.translate(SIGNIFICANT)
    changed = put(after, OTHER, comments=comments)
    assert servers(changed, comments=comments)["guardian"] == OTHER
    assert take(changed, comments=comments) == back


@settings(max_examples=tries(1000))
@given(seed=st.integers(0, 2**64), comments=st.booleans())
def test_entry_is_taken_out_wherever_it_is(seed: int, comments: bool) -> None:
    """A client may have written the file again, with the entry between others: these read as before."""
    text, others = Documents(seed, comments=comments).configuration(SECTION)
    for name in others:
        after = remove_entry(text, SECTION, name, comments=comments)
        expected = servers(text, comments=comments)
        del expected[name]
        assert servers(after, comments=comments) == expected


def test_comments_around_an_entry_stay() -> None:
    """Each comment outside of the entry is there afterwards, and ends where it ended."""
    text = '{"mcpServers": {"a": 1, // b\n /* c */ "guardian": {/* gone */} /* d */ // e\n , /* f */ "g": 2}}'
    expected = '{"mcpServers": {"a": 1, // b\n /* c */  /* d */ // e\n  /* f */ "g": 2}}'
    assert take(text, comments=True) == expected
    assert take('{"mcpServers": {// one\n "guardian": {}, "b": 2}}', comments=True) == (
        '{"mcpServers": {// one\n  "b": 2}}'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "mcpServers": {\n    "guardian": {\n      "command": "x"\n    }\n  }\n}\n'),
        ("{}", '{\n  "mcpServers": {\n    "guardian": {\n      "command": "x"\n    }\n  }\n}'),
        ('{"mcpServers":{}}', '{"mcpServers":{"guardian": {"command": "x"}}}'),
        ('{"mcpServers":{"a":{"b":1.0}}}\n', '{"mcpServers":{"guardian": {"command": "x"},"a":{"b":1.0}}}\n'),
        (
            '{\n\t"mcpServers": {\n\t\t"a": {}\n\t}\n}\n',
            '{\n\t"mcpServers": {\n\t\t"guardian": {\n\t\t\t"command": "x"\n\t\t},\n\t\t"a": {}\n\t}\n}\n',
        ),
        (
            '{\r\n  "x": 1,\r\n  "mcpServers": {}\r\n}',
            '{\r\n  "x": 1,\r\n  "mcpServers": {\r\n    "guardian": {\r\n      "command": "x"\r\n    }\r\n  }\r\n}',
        ),
        (
            '{\n  "x": [1,2]\n}\n',
            '{\n  "mcpServers": {\n    "guardian": {\n      "command": "x"\n    }\n  },\n  "x": [1,2]\n}\n',
        ),
    ],
)
def test_entry_is_written_in_the_manner_of_the_document(before: str, after: str) -> None:
    """Indentation, line ends and compactness are those of what is there."""
    assert put(before, {"command": "x"}) == after


def test_comment_on_the_line_of_the_brace_stays_there() -> None:
    """Comments and trailing commas stay where they are, and no comma is added where one is."""
    before = '{\n  "mcpServers": { // mine\n    "a": {}, // the first\n  },\n}\n'
    after = put(before, {"command": "x"}, comments=True)
    assert after == before.replace("mine\n", 'mine\n    "guardian": {\n      "command": "x"\n    },\n')
    assert take(after, comments=True) == before


def test_what_an_entry_has_besides_stays_and_secrets_in_its_environment_go() -> None:
    """A client adds members of its own to an entry; its command, arguments and environment are guardian's alone."""
    before = '{"mcpServers": {"guardian": {"disabled": false, "timeout": 6e1, "env": {"BINANCE_SECRET": "s"}}}}'
    assert put(before) == (
        '{"mcpServers": {"guardian": {"command": "/opt/ü b/python", "args": ["-I", "-m", "guardian", "serve"], '
        '"env": {"GUARDIAN_HOME": "/h"}, "disabled": false, "timeout": 6e1}}}'
    )


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('{"a": 1,}', (1, 9), "a name in double quotes is missing"),
        ('{"a": 1 "b": 2}', (1, 9), "a comma is missing"),
        ('{\n  "a" 1}', (2, 7), "a colon is missing"),
        ('{"a": 1', (1, 8), "a comma is missing"),
        ('{"a":', (1, 6), "expecting value"),
        ("{", (1, 2), "a name in double quotes is missing"),
        ('{"a": [1, }', (1, 11), "expecting value"),
        ('{"a": 1} x', (1, 10), "something follows the document's end"),
        ('{"a": 1, "a": 2}', (1, 10), "the same name a second time"),
        ('{"x": {"a": 1, "a": 2}}', (1, 16), "the same name a second time"),
        ('{"x": [{"a": 1, "a": 2}]}', (1, 7), "an object in here has the same name twice"),
        ("[]", (1, 1), "the document is not an object"),
        ("nonsense", (1, 1), "expecting value"),
        ('{"a": NaN}', (1, 7), "a number that JSON does not have"),
        ('{"a": -Infinity}', (1, 7), "a number that JSON does not have"),
        ('{"a": "\n"}', (1, 8), "invalid control character at"),
        ("{// a comment\n}", (1, 2), "a name in double quotes is missing"),
        ("{'a': 1}", (1, 2), "a name in double quotes is missing"),
        ('{"mcpServers": null}', (1, 16), "`mcpServers` is not an object"),
        ('{"mcpServers": []}', (1, 16), "`mcpServers` is not an object"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", (1, 7), "too deep"),
    ],
)
def test_what_is_no_such_document_is_refused_with_its_place(text: str, where: tuple[int, int], what: str) -> None:
    """Line and column are those that an editor shows."""
    with pytest.raises(JsonMistake) as raised:
        put(text)
    assert (raised.value.line, raised.value.column, raised.value.message) == (*where, what)


@pytest.mark.parametrize("text", ['{"a": [,]}', "{,}", '{"a": 1,,}', '{"a": /* }', '{"a": 1 / 2}', '{"a": "// \n"}'])
def test_comments_and_trailing_commas_are_no_licence_for_more(text: str) -> None:
    """What VS Code refuses is refused, too."""
    with pytest.raises(JsonMistake):
        put(text, comments=True)


def test_numbers_that_python_cannot_hold_stay_as_they_are() -> None:
    """A number of any length is copied, never converted."""
    text = '{"n": ' + "9" * 10_000 + ', "e": 1e999999, "mcpServers": {}}'
    assert take(put(text)) == text
