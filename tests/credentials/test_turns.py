"""One call of the keyring at a time, and none for a while after one that hung and then failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import pytest

from guardian.credentials.keyring_hints import locked_hint, missing_hint
from guardian.credentials.turns import COOL_DOWN_S, KeyringQueue, Turn
from guardian.errors import KeyringUnavailable
from guardian.system.surroundings import Surroundings, find_surroundings


@dataclass
class Watch:
    """A clock that the test turns."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Window:
    """A keyring that opens a window at each call and waits until somebody closes or answers it."""

    def __init__(self, answer: Callable[[], str]) -> None:
        self.opened = 0
        self.closed = Event()
        self._answer = answer

    def __call__(self) -> str:
        self.opened += 1
        self.closed.wait(30)
        return self._answer()


def dismissed() -> str:
    raise RuntimeError("dismissed")


def until_free(turn: Turn) -> None:
    """Waits until the call that hung has come back."""
    for _ in range(500):
        if turn._owner is None:
            return
        time.sleep(0.01)
    raise AssertionError("the call never came back")


def test_window_that_was_dismissed_opens_no_other_for_a_while() -> None:
    """A call that hung and then failed begins a cool-down: refused at once, with the seconds left; then asked again."""
    watch, window = Watch(), Window(dismissed)
    turn = Turn(monotonic=watch)
    queue = KeyringQueue(0.05, turn)
    with pytest.raises(KeyringUnavailable, match="did not answer"):
        queue.call(window)
    window.closed.set()
    until_free(turn)
    for passed in (0.0, 10.0, COOL_DOWN_S - 0.5):
        watch.now = 1000.0 + passed
        begin = time.monotonic()
        with pytest.raises(KeyringUnavailable, match=r"left alone for \d+ s more"):
            queue.call(window)
        assert time.monotonic() - begin < 1
    assert window.opened == 1
    watch.now = 1000.0 + COOL_DOWN_S
    with pytest.raises(KeyringUnavailable, match="RuntimeError"):
        queue.call(window)
    assert window.opened == 2
    # A failure that did not hang begins none.
    with pytest.raises(KeyringUnavailable, match="RuntimeError"):
        queue.call(window)
    assert window.opened == 3


def test_window_that_was_answered_late_needs_no_cool_down() -> None:
    """Once the owner has unlocked the keyring, the next call is answered at once."""
    window = Window(lambda: "value")
    turn = Turn(monotonic=Watch())
    queue = KeyringQueue(0.05, turn)
    with pytest.raises(KeyringUnavailable, match="did not answer"):
        queue.call(window)
    window.closed.set()
    until_free(turn)
    assert queue.call(window) == "value"


def machine(*, has_windows: bool, kind: str | None = None, platform: str = "linux") -> Surroundings:
    return Surroundings(platform=platform, has_windows=has_windows, kind=kind)  # type: ignore[arg-type]  # of the three


@pytest.mark.parametrize(
    ("kind", "name"), [(None, "this machine"), ("WSL", "this WSL"), ("container", "this container")]
)
def test_hint_for_a_machine_without_windows_names_the_vault_and_the_session(kind: str | None, name: str) -> None:
    """Where no window can open, nobody is told to answer one: the vault, or a bus with an unlocked keyring."""
    where = machine(has_windows=False, kind=kind)
    for hint in (missing_hint(where), locked_hint(where)):
        assert hint.startswith(name)
        assert "`guardian keys vault create`" in hint
        assert "gnome-keyring-daemon --unlock" in hint
    assert "dbus-run-session" in missing_hint(where)


def test_hint_for_a_desktop_is_to_answer_its_window() -> None:
    """On a desktop a locked keyring asks by itself; a missing one is a service to install, or the vault."""
    assert "answer the window" in locked_hint(machine(has_windows=True))
    assert "Secret Service" in missing_hint(machine(has_windows=True))
    assert "Mac" in missing_hint(machine(has_windows=True, platform="darwin"))
    assert "Credential Manager" in missing_hint(machine(has_windows=True, platform="win32"))
    assert "vault" in missing_hint(machine(has_windows=True, platform="plan9"))


def test_machine_is_known_by_its_display_and_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either display is one; WSL has Microsoft in its kernel's name; other systems always have windows."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not find_surroundings("linux").has_windows
    assert find_surroundings("darwin").has_windows
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert find_surroundings("linux").has_windows
    monkeypatch.setattr("guardian.system.surroundings.system.release", lambda: "5.15.1-microsoft-standard-WSL2")
    assert find_surroundings("linux").kind == "WSL"
    monkeypatch.setattr("guardian.system.surroundings.system.release", lambda: "6.1.0")
    monkeypatch.setattr("guardian.system.surroundings._MARKS", ())
    assert find_surroundings("linux").kind is None
