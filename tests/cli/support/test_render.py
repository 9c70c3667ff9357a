"""What guardian prints: escaped where it is not its own, whole where it is data, to the right stream."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.cli.support.render import (
    Column,
    Tone,
    Toned,
    fields,
    iso_utc,
    print_json,
    say,
    say_error,
    say_hint,
    say_prompt,
    say_warning,
    table,
)
from guardian.domain.secrets import Secret
from guardian.domain.text.escaping import clean

ID = "g1-0123456789abcdef0123456789abcdef"


class Terminal(io.StringIO):
    """Standard input or output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_clean_leaves_ordinary_text_alone() -> None:
    """Letters of any script, digits, signs and spaces stay as they are."""
    text = "Grüße, 東京, 100 % `ok` [bold]x[/bold] नमस्ते"
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("a\x00\x07\x7f\x9b", "a\\x00\\x07\\x7f\\x9b"),
        ("\u202edrow", "\\u202edrow"),
        ("a\u200bb\u2066c\ufeff", "a\\u200bb\\u2066c\\ufeff"),
        ("a\u2028b\u00a0c\u3000d", "a\\u2028b\\xa0c\\u3000d"),
        ("a\U000e0041b", "a\\U000e0041b"),
        ("a\ud800b", "a\\ud800b"),
        ("a\ufe0fb\u3164c\u034fd\u2800e", "a\\ufe0fb\\u3164c\\u034fd\\u2800e"),
    ],
)
def test_clean_escapes_what_moves_hides_or_turns(text: str, shown: str) -> None:
    """Control, bidi, zero-width, invisible and line-ending characters come out as escapes on one line."""
    assert clean(text) == shown


def test_clean_leaves_no_character_of_a_dangerous_kind() -> None:
    """Over all of Unicode, nothing of the control, format, surrogate, private and separator kinds gets through."""
    dangerous = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    through = [
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in dangerous and clean(chr(code)) == chr(code)
    ]
    assert through == []


def test_words_go_to_stderr_escaped_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said to a person is on standard error, on one line; a line end within it is escaped as all else."""
    say("one\ntwo \x1b[2J")
    assert capsys.readouterr() == ("", "one\\ntwo \\x1b[2J\n")


def test_json_is_one_ascii_document_in_the_given_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers of money stay exact strings, times are UTC, and no character can play tricks on a terminal."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    print_json({"z": Decimal("1E-8"), "a": moment, "n": None, "t": "\x1b\x7f\u202e€"})
    out, said = capsys.readouterr()
    assert said == ""
    assert out.isascii()
    assert "\x1b" not in out
    assert "\x7f" not in out
    assert list(json.loads(out).items()) == [
        ("z", "0.00000001"),
        ("a", "2026-01-02T01:04:05Z"),
        ("n", None),
        ("t", "\x1b\x7f\u202e€"),
    ]


@pytest.mark.parametrize("value", [Secret("x"), object(), {1, 2}])
def test_json_refuses_what_has_no_agreed_form(value: object) -> None:
    """A secret, or anything unknown, is a TypeError and not its repr."""
    with pytest.raises(TypeError):
        print_json({"value": value})


def test_json_refuses_nan() -> None:
    """NaN is not JSON and is not printed as if it were."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json(float("nan"))


def test_time_without_a_zone_is_refused() -> None:
    """A naive time is not taken for UTC."""
    with pytest.raises(ValueError, match="without a zone"):
        iso_utc(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_table_through_a_pipe_is_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nothing is wrapped, cut or coloured, however long it is; columns stay aligned."""
    long = "x" * 500
    table(["id", Column("quantity", right=True), "note"], [(ID, Decimal("0.5"), long), ("-", Decimal(12), None)])
    assert capsys.readouterr().out.splitlines() == [
        f"{'id'.ljust(len(ID))}  quantity  note",
        f"{ID}       0.5  {long}",
        f"{'-'.ljust(len(ID))}        12  -",
    ]


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
@pytest.mark.parametrize("no_color", [None, "1"])
def test_table_on_a_terminal_fits_and_never_breaks_an_id(
    monkeypatch: pytest.MonkeyPatch, columns: str, no_color: str | None
) -> None:
    """However narrow the terminal, an id is on one line in one piece; other cells wrap and lose nothing."""
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    note = " ".join(f"word{n}" for n in range(12))
    table([Column("id", whole=True), "note", Column("quantity", right=True)], [(ID, note, Decimal("0.00100000"))])
    drawn = screen.getvalue()
    lines = drawn.splitlines()
    assert any(ID in line for line in lines)
    assert all(word in drawn for word in note.split())
    if int(columns) >= 80:
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= int(columns)
    assert not re.search(r"\x1b\[[0-9;]*3\d", drawn)


@pytest.mark.parametrize("columns", ["10", "40", "44", "60"])
def test_last_column_of_a_table_on_a_narrow_terminal_is_not_cut(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Numbers are there to their last digit in every column, also where the terminal is too narrow for them."""
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    numbers = [Column(title, right=True, whole=True) for title in ("used", "of", "left")]
    table(["limit", "window", *numbers], [("rolling_notional", "24h", "111.9370421", "500", "388.0629579")])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert shown[0].split() == ["limit", "window", "used", "of", "left"]
    assert shown[1].rstrip().endswith("111.9370421  500  388.0629579")


def test_table_on_a_terminal_takes_no_markup_and_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text in cells is shown as it is: no markup, no emoji names, no escape sequences."""
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "120")
    table(["note"], [("[red]a[/red] :smile: \x1b[2Jb",)])
    assert "[red]a[/red] :smile: \\x1b[2Jb" in screen.getvalue()


def test_row_of_the_wrong_length_is_a_mistake() -> None:
    """A row with a cell too few is an error, not a crooked table."""
    with pytest.raises(ValueError, match="1 cells in a table of 2"):
        table(["a", "b"], [("x",)])


def test_empty_table_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows prints its column titles."""
    table(["id", "note"], [])
    assert capsys.readouterr().out == "id  note\n"


def test_fields_are_aligned_and_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    """Names are aligned, values are escaped, and yes, no and nothing have words."""
    fields([("a", True), ("longer", "x\x1by"), ("none", None), ("when", datetime(2026, 1, 1, tzinfo=UTC))])
    assert capsys.readouterr().out.splitlines() == [
        "a       yes",
        "longer  x\\x1by",
        "none    -",
        "when    2026-01-01T00:00:00Z",
    ]


def test_words_name_commands_as_they_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where PATH leads to no guardian, errors, hints, questions and warnings name it by its path."""
    monkeypatch.setenv("PATH", "")
    for function in (say, say_hint, say_error, say_prompt, say_warning):
        function("`guardian init`\n")
    own = Path(sys.executable).parent / "guardian"
    assert capsys.readouterr().err.count(f"`{own} init`") == 5


# colours


def at_terminals(monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, Terminal]:
    """Standard output and error, terminals that show colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    both = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", both[0])
    monkeypatch.setattr(sys, "stderr", both[1])
    return both


def print_in_tones() -> None:
    """A field, a table and a line of words, each with a tone."""
    fields([("trading", Toned("halted", Tone.BAD))])
    table(["state"], [(Toned("waiting", Tone.WAITING),)])
    say("denied", Tone.BAD)


def test_tone_is_a_colour_on_a_terminal_that_shows_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is halted or denied is red and what waits is yellow; the words are the same."""
    terminals = at_terminals(monkeypatch)
    print_in_tones()
    out, said = (stream.getvalue() for stream in terminals)
    assert "trading  \x1b[31mhalted\x1b[0m\n" in out
    assert "\x1b[33mwaiting\x1b[0m" in out
    assert said == "\x1b[31mdenied\x1b[0m\n"


@pytest.mark.parametrize("how", ["NO_COLOR", "dumb", "pipe"])
def test_no_colour_is_shown_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """`NO_COLOR`, `TERM=dumb` and a pipe get the words alone."""
    terminals = at_terminals(monkeypatch)
    if how == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    elif how == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    else:
        for stream in terminals:
            monkeypatch.setattr(stream, "isatty", lambda: False)
    print_in_tones()
    out, said = (stream.getvalue() for stream in terminals)
    assert "\x1b[3" not in out + said
    assert "halted" in out
    assert said == "denied\n"
