"""Guardian comes into a client's configuration and out of it again, and nobody else's entry is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.cli.install import entry_work
from guardian.clients.known import client_named, known_clients
from guardian.paper.host.home import stop

DESKTOP = b"""{
\t"globalShortcut": "Alt+\\u0043",
\t"mcpServers": {
\t\t"filesystem": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/home/ann"] },
\t\t"github": {
\t\t\t"command": "docker",
\t\t\t"env": { "GITHUB_TOKEN": "ghp_CANARY" }
\t\t}
\t},
\t"preferences": { "menuBarEnabled": false, "scale": 1.50 }
}"""
CODE = (
    b'{"numStartups":412,"projects":{"/home/ann/x":{"history":[{"display":"2 \\u00d7 2"}],"mcpServers":{}}},'
    b'"mcpServers":{"sentry":{"type":"http","url":"https://mcp.sentry.dev/mcp"}},"userID":"CANARY"}'
)
CURSOR = (
    b'\xef\xbb\xbf{\r\n    "mcpServers": {\r\n        "linear": { "url": "https://mcp.linear.app/sse", '
    b'"headers": {"A": "CANARY"} }\r\n    }\r\n}\r\n'
)
VSCODE = b"""{
  // of the team
  "inputs": [ { "id": "token", "type": "promptString", "password": true, }, ],
  "servers": { // mine
    "memory": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"], }, /* CANARY */
  },
}
"""
CONFIGS = {"claude-desktop": DESKTOP, "claude-code": CODE, "cursor": CURSOR, "vscode": VSCODE}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command of guardian's in this process: its exit code, and what it wrote."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def desktop(own_home: Path) -> Path:
    """Claude Desktop's configuration, which is missing; its folder is there."""
    path = client_named("claude-desktop").config_path()
    path.parent.mkdir(parents=True)
    return path


def own_entry(client: str, path: Path, name: str = "guardian") -> dict[str, Any]:
    """The entry as the client reads it."""
    found = client_named(client)
    document = found.parse(path, path.read_bytes())
    assert document.root is not None
    section = document.root.member(found.section)
    assert section is not None
    assert isinstance(section.value, dict)
    entry: dict[str, Any] = section.value[name]
    return entry


@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_but_guardians_own_entry_changes(own_home: Path, run: Run, name: str) -> None:
    """With other servers in the file: the bytes around the entry are those from before, a second install writes
    nothing, and uninstall gives the file back as it was."""
    path, before = client_named(name).config_path(), CONFIGS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(before)
    code, out, words = run("install", name)
    assert (code, out) == (0, ""), words
    after = path.read_bytes()
    entry = own_entry(name, path)
    typed = {"type": "stdio"} if name in {"claude-code", "vscode"} else {}
    assert entry == {
        **typed, "command": sys.executable, "args": ["-I", "-m", "guardian", "serve"],
        "env": {"GUARDIAN_HOME": str(own_home / "guardian")},
    }  # fmt: skip
    start = next(at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one != two)
    assert after.startswith(before[:start])
    assert after.endswith(before[start:])
    assert b"guardian" not in before
    files = sorted(path.parent.iterdir())
    assert run("install", name)[0] == 0
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (after, files)
    code, out, words = run("uninstall", name)
    assert (code, out) == (0, ""), words
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "before", [b"", b"{}", b" \r\n", b"{ }\n", b'{"mcpServers": {}}', b'{\n\t"mcpServers": {\n\t}\n}']
)
def test_uninstall_gives_back_a_file_without_servers_byte_for_byte(desktop: Path, run: Run, before: bytes) -> None:
    """Whatever spaces it had: the copy that was kept is found to be what the entry was put into."""
    desktop.write_bytes(before)
    assert run("install", "claude-desktop")[0] == 0
    assert own_entry("claude-desktop", desktop)["command"] == sys.executable
    assert run("uninstall", "claude-desktop")[0] == 0
    assert desktop.read_bytes() == before


def test_uninstall_keeps_what_came_after_the_install(desktop: Path, run: Run) -> None:
    """A client that has written its file again, with another server, keeps that server."""
    desktop.write_bytes(b"{}")
    run("install", "claude-desktop")
    document = json.loads(desktop.read_bytes())
    document["mcpServers"]["later"] = {"command": "x"}
    desktop.write_text(json.dumps(document))
    assert run("uninstall", "claude-desktop")[0] == 0
    assert json.loads(desktop.read_bytes()) == {"mcpServers": {"later": {"command": "x"}}}


def test_install_says_what_comes_next(desktop: Path, own_home: Path, run: Run) -> None:
    """The file and its copy, the restart, how to see that it worked, a first sentence; and where no policy is there."""
    desktop.write_bytes(b"{}")
    _, _, words = run("install", "claude-desktop")
    for expected in (
        f"put `guardian` into `{desktop}`; as it was before it is in `{desktop}.guardian-",
        "quit it",
        "lists `guardian` as running",
        "type there: What may I buy with guardian, and how much?",
        "there is no policy of yours",
        "`guardian init`",
    ):
        assert expected in words, words
    policy = own_home / "guardian" / "policy.toml"
    policy.parent.mkdir(exist_ok=True)
    policy.write_text("")
    assert "policy" not in run("install", "claude-desktop")[2]


def test_every_client_says_how_it_is_restarted_on_every_system() -> None:
    """Claude Desktop runs on when its window is closed, and then starts nothing anew."""
    for client in known_clients():
        said = {system: client.restart(system) for system in ("darwin", "win32", "linux")}
        assert all(said.values())
        if client.name == "claude-desktop":
            assert len(set(said.values())) == 3
            assert all("closing the window is not enough" in text for text in said.values())


@pytest.mark.parametrize("name", CONFIGS)
def test_dry_run_shows_the_change_without_others_values_and_writes_nothing(own_home: Path, run: Run, name: str) -> None:
    """A unified diff with guardian's lines; the keys of other servers are not printed."""
    path = client_named(name).config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONFIGS[name])
    code, out, _ = run("install", name, "--dry-run")
    assert code == 0
    assert out.startswith(f"--- {path}\n+++ {path}\n@@ ")
    assert any(line.startswith("+") and sys.executable in line for line in out.splitlines())
    assert "CANARY" not in out
    assert path.read_bytes() == CONFIGS[name]
    assert list(path.parent.iterdir()) == [path]
    run("install", name)
    installed = path.read_bytes()
    _, out, _ = run("uninstall", name, "--dry-run")
    assert any(line.startswith("-") and sys.executable in line for line in out.splitlines())
    assert "CANARY" not in out
    assert path.read_bytes() == installed


def test_dry_run_of_an_entry_that_is_there_says_so(desktop: Path, run: Run) -> None:
    """No diff is printed where nothing would change."""
    run("install", "claude-desktop")
    code, out, words = run("install", "claude-desktop", "--dry-run")
    assert (code, out) == (0, "")
    assert "nothing would change" in words


def test_print_gives_the_entry_for_any_other_client(desktop: Path, own_home: Path, run: Run) -> None:
    """Data on standard output, in the form that most clients have or in that of the one named; nothing is written."""
    code, out, _ = run("install", "--print")
    assert code == 0
    entry = json.loads(out)["mcpServers"]["guardian"]
    assert entry["env"] == {"GUARDIAN_HOME": str(own_home / "guardian")}
    assert json.loads(run("install", "vscode", "--print", "--name", "g")[1])["servers"]["g"]["type"] == "stdio"
    assert not desktop.exists()


def test_another_program_of_that_name_is_not_replaced_unasked(desktop: Path, run: Run) -> None:
    """It is somebody else's server: refused with both ways on, and uninstall leaves it, too."""
    before = b'{"mcpServers": {"guardian": {"command": "npx", "args": ["guardian-of-files"], "env": {"A": "CANARY"}}}}'
    desktop.write_bytes(before)
    code, _, words = run("install", "claude-desktop")
    assert code == 1
    assert "is another program" in words
    assert "--replace" in words
    assert "--name" in words
    assert run("uninstall", "claude-desktop")[0] == 1
    assert desktop.read_bytes() == before
    assert "CANARY" not in "".join(run("install", "claude-desktop", "--replace", "--dry-run")[1:])
    assert run("install", "claude-desktop", "--name", "guardian2")[0] == 0
    assert own_entry("claude-desktop", desktop)["command"] == "npx"
    assert run("install", "claude-desktop", "--replace")[0] == 0
    assert own_entry("claude-desktop", desktop)["command"] == sys.executable


def test_entry_of_an_older_installation_is_brought_up_to_date(desktop: Path, run: Run) -> None:
    """A guardian that was installed elsewhere, with a secret in its environment, becomes this one without it."""
    old = {"command": "/old/bin/guardian", "args": ["serve"], "env": {"BINANCE_API_SECRET": "CANARY"}, "disabled": True}
    desktop.write_text(json.dumps({"mcpServers": {"a": {}, "guardian": old, "b": {}}}))
    assert run("install", "claude-desktop")[0] == 0
    entry = own_entry("claude-desktop", desktop)
    assert (entry["command"], entry["disabled"], set(entry["env"])) == (sys.executable, True, {"GUARDIAN_HOME"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"mcpServers": {"a": 1,}}', "line 1, column 24"),
        (b'{\n  "mcpServers": []\n}', "line 2, column 17: `mcpServers` is not an object"),
        (b'{"mcpServers": "x"}', "line 1, column 16: `mcpServers` is not an object"),
        (b'{"mcpServers": {"a": 1, "a": 2}}', "the same name a second time"),
        (b'{"a": 1} // a comment', "line 1, column 10"),
        ('{"mcpServers": {}}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "not an object"),
    ],
)
def test_file_that_cannot_be_read_is_refused_and_left(desktop: Path, run: Run, content: bytes, words: str) -> None:
    """Where the mistake is, and what to do; the file stays byte for byte, with neither a copy nor a draft beside it."""
    desktop.write_bytes(content)
    code, _, said = run("install", "claude-desktop")
    assert code == 1
    assert words in said
    assert "hint:" in said
    assert run("uninstall", "claude-desktop")[0] == (0 if "`mcpServers`" in words else 1)  # no entry is in there
    assert desktop.read_bytes() == content
    assert list(desktop.parent.iterdir()) == [desktop]


def test_client_that_is_not_here_is_named_with_two_ways_on(own_home: Path, run: Run) -> None:
    """No folder is made for a program that nobody has; a folder inside that of one who has it is made."""
    code, _, words = run("install", "vscode")
    assert code == 1
    assert "VS Code was not found here" in words
    assert "--config FILE" in words
    assert "--print" in words
    folder = own_home / (".config" if sys.platform == "linux" else "elsewhere")
    assert not folder.exists()
    path = client_named("vscode").config_path()
    path.parent.parent.mkdir(parents=True)
    assert run("install", "vscode")[0] == 0
    assert own_entry("vscode", path)["command"] == sys.executable


def test_any_file_can_be_named(tmp_path: Path, own_home: Path, run: Run) -> None:
    """`--config` takes any place; its folder has to be there."""
    path = tmp_path / "of my own.json"
    assert run("install", "cursor", "--config", str(path))[0] == 0
    assert own_entry("cursor", path)["command"] == sys.executable
    assert run("uninstall", "cursor", "--config", str(path))[0] == 0
    assert json.loads(path.read_bytes()) == {"mcpServers": {}}
    assert run("install", "cursor", "--config", str(tmp_path / "no" / "x.json"))[0] == 1
    assert not (tmp_path / "no").exists()


def test_without_a_client_the_ones_here_are_named(desktop: Path, run: Run) -> None:
    """Wrong usage, with what would be right."""
    code, _, words = run("install")
    assert code == 2
    assert "claude-desktop is on this machine" in words


def test_uninstall_says_what_stays(desktop: Path, own_home: Path, run: Run) -> None:
    """The home and the keys stay, and the words say how they go; where no entry is there, nothing is done."""
    code, _, words = run("uninstall", "claude-desktop")
    assert code == 0
    assert "so no entry; nothing was changed" in words
    run("install", "claude-desktop")
    _, _, words = run("uninstall", "claude-desktop")
    assert str(own_home / "guardian") in words
    assert "`guardian keys remove" in words
    assert "has no server `guardian`" in run("uninstall", "claude-desktop")[2]


def test_installation_in_a_cache_is_warned_of(desktop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `uvx` runs is gone some day, and the client's entry with it."""
    monkeypatch.setattr(sys, "executable", "/home/ann/.cache/uv/archive-v0/x/bin/python")
    assert "uv tool install guardian-mcp" in run("install", "claude-desktop")[2]


def test_names_that_no_client_shows_are_refused(desktop: Path, run: Run) -> None:
    """An empty name, a control character, and a very long one."""
    for name in (" ", "a\x1b[2J", "x" * 65):
        assert run("install", "claude-desktop", "--name", name)[0] == 2
    assert not desktop.exists()


def test_first_sentence_is_short_enough_to_type() -> None:
    """It is typed by hand."""
    assert len(entry_work.FIRST_SENTENCE) < 60


@pytest.mark.skipif(os.name != "posix", reason="`env -i` is POSIX's")
@pytest.mark.usefixtures("spawned")
def test_written_entry_starts_with_what_a_client_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed and started with HOME alone, without a shell, PATH or D-Bus: it answers, lists its tools and a call."""
    person, home = tmp_path / "person", tmp_path / "guardian"
    config = person / ".config" / "Claude" / "claude_desktop_config.json"
    if sys.platform == "darwin":
        config = person / "Library" / "Application Support" / "Claude" / "claude_desktop_config.json"
    config.parent.mkdir(parents=True)
    config.write_bytes(DESKTOP)
    bare = {"HOME": str(person)}
    monkeypatch.setenv("GUARDIAN_HOME", str(home))
    assert main(["init", "--from", "paper"]) == 0
    command = [sys.executable, "-m", "guardian"]
    given: dict[str, Any] = {
        "env": {**bare, "GUARDIAN_HOME": str(home)},
        "cwd": "/",
        "capture_output": True,
        "timeout": 60,
    }
    done = subprocess.run([*command, "install", "claude-desktop"], stdin=subprocess.DEVNULL, check=False, **given)
    assert done.returncode == 0, done.stderr
    entry = json.loads(config.read_bytes())["mcpServers"]["guardian"]
    requests: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
        ),
        ("tools/list", {}),
        ("tools/call", {"name": "get_ticker_price", "arguments": {"symbol": "BTCUSDT"}}),
    )
    replies = []
    with subprocess.Popen(
        [entry["command"], *entry["args"]], env={**bare, **entry["env"]}, cwd="/", text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        signal.alarm(60)
        try:
            for number, (method, params) in enumerate(requests):
                line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
                server.stdin.write(line + "\n")
                server.stdin.flush()
                replies.append(json.loads(server.stdout.readline())["result"])
            server.stdin.close()
            assert server.wait() == 0
        finally:
            signal.alarm(0)
            server.kill()
            stop(home)
    assert replies[0]["serverInfo"]["name"] == "guardian"
    assert len(replies[1]["tools"]) == 17
    assert replies[2]["structuredContent"]["outcome"] == "done"
