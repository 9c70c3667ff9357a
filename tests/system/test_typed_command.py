"""A command in a text can be typed as it stands there, wherever guardian is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.system import typed_command as module
from guardian.system.typed_command import as_typed, quoted, typed_command


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    module._typed_command.cache_clear()
    yield
    module._typed_command.cache_clear()


def installed(folder: Path, python: str = sys.executable) -> Path:
    """The program that an installer makes, which starts that Python."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "guardian"
    program.write_text(f"#!{python}\nimport sys\n")
    program.chmod(0o755)
    return program


def test_a_guardian_on_the_path_that_is_this_one_is_typed_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to it, as uv and pipx make one, is the same."""
    program = installed(tmp_path / "tool")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "guardian").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert typed_command() == "guardian"
    assert as_typed("run `guardian keys add testnet`") == "run `guardian keys add testnet`"


def test_another_guardian_on_the_path_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guardian of another installation would act on other code: this one is named by its path."""
    installed(tmp_path / "bin", "/opt/other/bin/python3")
    own = installed(tmp_path / "own folder")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(module, "_programs", lambda: iter([own]))
    assert typed_command() == f"'{own}'"
    assert as_typed("`guardian init`, then `guardian tour`; guardian stays") == (
        f"`'{own}' init`, then `'{own}' tour`; guardian stays"
    )


def test_without_a_path_the_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client starts servers without PATH; what a person then reads works in their shell."""
    monkeypatch.delenv("PATH")
    assert typed_command() == str(Path(sys.executable).parent / "guardian")


def test_an_installation_without_a_program_is_started_by_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install --target` makes no program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_programs", lambda: iter([tmp_path / "guardian"]))
    assert typed_command() == f"{sys.executable} -I -m guardian"


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (r"C:\Users\ann\.local\bin\guardian.exe", r"C:\Users\ann\.local\bin\guardian.exe"),
        (r"C:\Program Files\guardian.exe", r"& 'C:\Program Files\guardian.exe'"),
        (r"C:\Users\Ann O'Neil\guardian.exe", r"& 'C:\Users\Ann O''Neil\guardian.exe'"),
        (r"C:\$HOME\guardian.exe", r"& 'C:\$HOME\guardian.exe'"),
    ],
)
def test_windows_paths_are_quoted_for_powershell(path: str, typed: str) -> None:
    """What PowerShell would take apart is in single quotes, in which nothing is replaced, and called with `&`."""
    assert quoted(path, windows=True) == typed


@pytest.mark.parametrize(
    ("path", "typed"),
    [("/opt/a/guardian", "/opt/a/guardian"), ("/opt/a b/guardian", "'/opt/a b/guardian'"), ("/$x", "'/$x'")],
)
def test_other_paths_are_quoted_for_a_posix_shell(path: str, typed: str) -> None:
    """A space or a dollar sign in a path is no syntax."""
    assert quoted(path, windows=False) == typed
