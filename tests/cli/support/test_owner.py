"""The owner check: a person at a terminal, or nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from guardian.cli.support import owner
from guardian.cli.support.owner import READING_S, ask_considered, ask_secret, ask_yes, require_owner
from guardian.errors import OwnerNotPresent
from tests.e2e.support.processes import CONTROLLING

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a Windows console cannot be imitated")


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> Screen:
    """Put a person at a terminal who types `typed`; what is shown to them is returned."""
    screen = Screen()
    monkeypatch.setattr("sys.stdin", Screen(typed))
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def test_person_at_a_terminal_is_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both ends at a terminal the check passes and says nothing."""
    screen = at_a_terminal(monkeypatch)
    require_owner("resume trading")
    assert screen.getvalue() == ""


@pytest.mark.parametrize("missing", ["sys.stdin", "sys.stderr"])
@pytest.mark.parametrize("instead", [io.StringIO("yes\n"), None])
def test_without_a_terminal_at_either_end_nothing_is_loosened(
    monkeypatch: pytest.MonkeyPatch, missing: str, instead: io.StringIO | None
) -> None:
    """A pipe or nothing at all, on either side, is not a person; the error names the action and what to do."""
    at_a_terminal(monkeypatch, "yes\n")
    monkeypatch.setattr(missing, instead)
    with pytest.raises(OwnerNotPresent, match="cannot resume trading") as caught:
        require_owner("resume trading")
    assert caught.value.hint is not None
    with pytest.raises(OwnerNotPresent):
        ask_yes("really?")
    with pytest.raises(OwnerNotPresent):
        ask_secret("API key")


def test_closed_stream_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was closed is not a person either."""
    at_a_terminal(monkeypatch)
    sys.stdin.close()
    with pytest.raises(OwnerNotPresent):
        require_owner("resume trading")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("y\n", True), ("yes\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False), ("yep\n", False),
     ("y es\n", False), ("1\n", False), ("no\nyes\n", False)],
)  # fmt: skip
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, typed: str, meant: bool) -> None:
    """`y` and `yes` are a yes; everything else, and the end of the input, is a no."""
    screen = at_a_terminal(monkeypatch, typed)
    assert ask_yes("place the order?") is meant
    assert screen.getvalue() == "place the order? [y/N] "


@pytest.mark.parametrize(("after_s", "questions"), [(0.0, 2), (0.999, 2), (READING_S, 1), (60.0, 1)])
def test_answer_within_a_second_is_not_taken(monkeypatch: pytest.MonkeyPatch, after_s: float, questions: int) -> None:
    """By a clock that is never set: the first second is for reading, and the question is put again."""
    screen = at_a_terminal(monkeypatch, "y\ny\n")
    times = iter([100.0, 100.0 + after_s, 200.0, 260.0])
    assert ask_considered("place it?", lambda: False, lambda: next(times)) is True
    assert screen.getvalue().count("place it? [y/N] ") == questions
    assert ("is not taken" in screen.getvalue()) is (questions == 2)


def test_end_of_input_is_a_no_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is gone is not asked again and again."""
    screen = at_a_terminal(monkeypatch, "")
    assert ask_considered("place it?", lambda: False, lambda: 0.0) is False
    assert screen.getvalue() == "place it? [y/N] \n"


def test_question_cannot_repaint_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences in a question, say from a symbol's name, are shown and not obeyed."""
    screen = at_a_terminal(monkeypatch, "n\n")
    ask_yes("buy \x1b[2J\u202eX?")
    assert screen.getvalue() == "buy \\x1b[2J\\u202eX? [y/N] "


def test_secret_that_would_be_shown_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the echo cannot be turned off, the question is refused instead of asked in the open."""
    screen = at_a_terminal(monkeypatch, "my-secret\n")
    with pytest.raises(OwnerNotPresent, match="would have shown it"):
        ask_secret("API key")
    assert screen.getvalue() == ""


SECRET = """
from guardian.cli.support.owner import ask_secret
print(ask_secret("key").reveal())
print(ask_secret("again").reveal())
"""


def test_secret_that_is_typed_is_not_shown() -> None:
    """The terminal shows the question and a line end, and its echo is on again after each; the end of input is no."""
    import pty
    import termios

    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLING + SECRET], stdin=inside, stderr=inside, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    with process:
        seen = _read_until(terminal, b"key: ")
        os.write(terminal, b" abc\n")
        seen += _read_until(terminal, b"again: ")
        os.write(terminal, b"\x04")
        assert process.wait(20) == 1
        assert process.stdout is not None
        assert process.stdout.read() == b"abc\n"
        assert seen == b"key: \r\nagain: "
        assert termios.tcgetattr(inside)[3] & termios.ECHO
        assert b"OwnerNotPresent" in _read_until(terminal, b"would have shown it")
    os.close(inside)
    os.close(terminal)


def _read_until(terminal: int, text: bytes) -> bytes:
    import select

    seen = b""
    while text not in seen:
        assert select.select((terminal,), (), (), 20)[0], seen
        seen += os.read(terminal, 4096)
    return seen


def test_secret_is_stripped_and_hides_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pasted loses the blanks around it and comes back as a Secret."""
    at_a_terminal(monkeypatch)
    monkeypatch.setattr(owner, "read_hidden", lambda ask, is_over: "  my-secret \n")
    secret = ask_secret("API key")
    assert secret.reveal() == "my-secret"
    assert "my-secret" not in repr(secret)


def test_end_of_input_at_a_secret_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the terminal at the question stores nothing and says so."""

    def closed(ask: object, is_over: object) -> str:
        raise EOFError

    at_a_terminal(monkeypatch)
    monkeypatch.setattr(owner, "read_hidden", closed)
    with pytest.raises(OwnerNotPresent, match="gave no answer"):
        ask_secret("API key")


ASKING = """
from guardian.cli.support.owner import ask_secret, ask_yes
while True:
    try:
        ASK
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.parametrize(
    ("ask", "shown"), [('ask_yes("q?")', b"q? [y/N] "), ('ask_secret("key")', b"key: ")], ids=["question", "secret"]
)
def test_ctrl_c_is_heard_however_soon_it_is_typed(ask: str, shown: bytes) -> None:
    """Typed the moment that the question is on the screen, 30,000 times, it ends the question each time."""
    import pty

    terminal, inside = pty.openpty()
    command = [sys.executable, "-c", CONTROLLING + ASKING.replace("ASK", ask)]
    with subprocess.Popen(command, stdin=inside, stderr=inside, start_new_session=True) as process:
        os.close(inside)
        try:
            for _ in range(30_000):
                _read_until(terminal, shown)
                os.write(terminal, b"\x03")
        finally:
            process.kill()
            os.close(terminal)
