"""Secrets that can be recognised in whatever form they come, and where they are looked for."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

API_KEY: Final = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"[:64]
API_SECRET: Final = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"[:64]
PIN: Final = "CANARYpin/90 210"
PASSPHRASE: Final = "CANARYphrase of/five plain words"
SECRETS: Final = {"API key": API_KEY, "API secret": API_SECRET, "PIN": PIN, "passphrase": PASSPHRASE}
CONTROL: Final = "CONTROLcanary that each traceback with locals shows"


def forms(word: str) -> dict[str, bytes]:
    """A word as it is, without its first letters, and as encoders write it; lower case, as all is compared."""
    raw = word.encode()
    found = {
        "plain": raw,
        "cut": raw[6:],
        "backwards": raw[::-1],
        "hex": raw.hex().encode(),
        "hex with blanks": raw.hex(" ").encode(),
        "URL": quote(word, safe="").encode(),
        "URL with plus": quote(word, safe="").replace("%20", "+").encode(),
        "UTF-16": word.encode("utf-16-le"),
        "JSON": word.replace("/", "\\/").encode(),
        "bytes of repr": "".join(f"\\x{byte:02x}" for byte in raw).encode(),
    }
    for shift in range(3):
        # Within a longer text base64 depends on where the word begins: what does not depend on its neighbours is kept.
        text = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
        found[f"base64 at {shift}"] = text
        found[f"URL-safe base64 at {shift}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
    return {name: form.lower() for name, form in found.items()}


_FORMS: Final = [(name, how, form) for name, word in SECRETS.items() for how, form in forms(word).items()]


def found_in(content: bytes | str) -> set[str]:
    """Which secrets are in this, and in which form."""
    lower = (content.encode("utf-8", "replace") if isinstance(content, str) else content).lower()
    return {f"{name} ({how})" for name, how, form in _FORMS if form in lower}


def found_below(folder: Path) -> dict[str, set[str]]:
    """Every file below the folder that has a secret, in its name or in its bytes."""
    found = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        hits = found_in(content) | found_in(str(path.relative_to(folder)))
        if hits:
            found[str(path.relative_to(folder))] = hits
    return found


class ProcessWatch:
    """Looks at the command line and the environment of every process of the system, several times a second."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.seen: set[int] = set()
        self._known: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            for path in _processes():
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        content = (path / name).read_bytes()
                        if content not in self._known:
                            self._known.add(content)
                            self.found |= {f"{path.name} {name}: {hit}" for hit in found_in(content)}
                self.seen.add(int(path.name))


def _processes() -> Iterator[Path]:
    yield from Path("/proc").glob("[0-9]*")
