"""A keyring in memory, in place of the operating system's."""

from __future__ import annotations

import json
from pathlib import Path


class MemoryKeyring:
    """Keeps items in a dict and remembers what was requested of it."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append("get")
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked.append("set")
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.asked.append("delete")
        del self.items[service, username]


class FileKeyring:
    """Keeps items in a file, so that they outlive the process that wrote them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def items(self) -> dict[tuple[str, str], str]:
        if not self._path.exists():
            return {}
        return {(service, username): value for service, username, value in json.loads(self._path.read_text())}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write({**self.items, (service, username): password})

    def delete_password(self, service: str, username: str) -> None:
        self._write({place: value for place, value in self.items.items() if place != (service, username)})

    def _write(self, items: dict[tuple[str, str], str]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([[*place, value] for place, value in items.items()]))
        new.replace(self._path)
