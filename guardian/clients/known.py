"""The clients that guardian can be installed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guardian.clients import places
from guardian.clients.config_files import read_config
from guardian.clients.entries import ServerEntry, entry_of
from guardian.clients.json_document import JsonDocument, JsonMistake, parse
from guardian.clients.places import ConfigPlace, Machine
from guardian.errors import ClientConfigUnusable

USUAL_NAME: Final = "guardian"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class AssistantClient:
    """A program that people talk to an assistant in, and how it lists MCP servers."""

    name: str
    title: str
    section: str
    """The member of its configuration that has the servers by name."""
    typed: bool
    """Whether an entry says of which type the server is."""
    comments: bool
    """Whether it takes comments and trailing commas."""
    places: Callable[[Machine], tuple[ConfigPlace, ...]]
    restart: Callable[[str], str]
    """How the person has it read its configuration again, by system."""
    sign: str
    """How the person sees that it worked."""

    def place(self, machine: Machine | None = None) -> ConfigPlace:
        """Returns where its configuration is. Raises ClientConfigUnusable where several places have one, or could."""
        found = self.places(machine or Machine.this())
        best = [place for place in found if place.path.exists()] or list(found)
        if len(best) > 1:
            raise ClientConfigUnusable(
                f"{self.title} is here more than once: " + ", ".join(f"`{place.path}`" for place in best),
                hint="name the right file with `--config`",
            )
        return best[0]

    def config_path(self, machine: Machine | None = None) -> Path:
        """Returns its configuration file, which may be missing. Raises as `place`."""
        return self.place(machine).path

    def read_servers(self, path: Path | None = None) -> dict[str, ServerEntry]:
        """Returns the servers in its configuration that are programs, by name; those that it cannot start are left out.

        Raises ClientConfigUnusable.
        """
        path = path or self.config_path()
        content = read_config(path)
        if content is None:
            return {}
        document = self.parse(path, content)
        section = document.root.member(self.section) if document.root is not None else None
        servers = section.value if section is not None and isinstance(section.value, dict) else {}
        entries = {name: entry_of(value) for name, value in servers.items()}
        return {name: entry for name, entry in entries.items() if entry is not None}

    def read_entry(self, name: str = USUAL_NAME, *, path: Path | None = None) -> ServerEntry | None:
        """Returns the server of that name, guardian's or another; None where it is missing. Raises as above."""
        return self.read_servers(path).get(name)

    def parse(self, path: Path, content: bytes) -> JsonDocument:
        """Returns the configuration as a document. Raises ClientConfigUnusable, with line and column."""
        try:
            return parse(content.removeprefix(BYTE_ORDER_MARK).decode("utf-8"), comments=self.comments)
        except UnicodeDecodeError as error:
            raise unusable(path, f"byte {error.start + 1}: not UTF-8 text") from error
        except JsonMistake as mistake:
            raise unusable(path, str(mistake)) from mistake

    def document(self, name: str, entry: ServerEntry) -> dict[str, object]:
        """The entry as a whole configuration of this client."""
        return {self.section: {name: entry.document(typed=self.typed)}}


def unusable(path: Path, why: str) -> ClientConfigUnusable:
    """The refusal of a configuration that cannot be read."""
    return ClientConfigUnusable(
        f"`{path}` cannot be read as the client does, and was left as it is: {why}",
        hint="correct that place; an editor that knows JSON marks it",
    )


def _quit_whole(system: str) -> str:
    by_system = {
        "darwin": "quit it with Cmd+Q, since closing the window is not enough",
        "win32": "quit it by its icon in the tray beside the clock, since closing the window is not enough",
    }
    return f"{by_system.get(system, 'quit it by its menu, since closing the window is not enough')}, and start it again"


_ALL: Final = (
    AssistantClient(
        name="claude-desktop", title="Claude Desktop", section="mcpServers", typed=False, comments=False,
        places=places.claude_desktop, restart=_quit_whole,
        sign="Settings, Developer lists `{name}` as running; the button `+` under the message has its tools",
    ),
    AssistantClient(
        name="claude-code", title="Claude Code", section="mcpServers", typed=True, comments=False,
        places=places.claude_code, restart=lambda _system: "end running sessions, and start a new one",
        sign="`/mcp` in a session lists `{name}` as connected",
    ),
    AssistantClient(
        name="cursor", title="Cursor", section="mcpServers", typed=False, comments=True,
        places=places.cursor, restart=lambda _system: "quit it, and start it again",
        sign="its settings list `{name}` with a green mark under MCP, where it may have to be switched on",
    ),
    AssistantClient(
        name="vscode", title="VS Code", section="servers", typed=True, comments=True,
        places=places.vscode, restart=lambda _system: "run `MCP: List Servers` in its command palette, and start it",
        sign="the tools of `{name}` are listed by the tools button of the chat, in agent mode",
    ),
)  # fmt: skip


def known_clients() -> tuple[AssistantClient, ...]:
    """Returns every client that guardian can be installed in."""
    return _ALL


def client_named(name: str) -> AssistantClient:
    """Returns the client of that name. Raises KeyError for another."""
    return {client.name: client for client in _ALL}[name]
