"""Chromium without a window, with a virtual passkey, and every request that it makes written down."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

PATIENCE_MS: Final = 15_000
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",  # no other name leads anywhere
)  # fmt: skip


def chromium_or_skip() -> str:
    """The Chromium of this machine; without one the test is skipped, or fails where a browser is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("GUARDIAN_TEST_REQUIRE_BROWSER"):
            pytest.fail("GUARDIAN_TEST_REQUIRE_BROWSER is set, and there is no Chromium here")
        pytest.skip("there is no Chromium on this machine")
    return found


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A Chromium whose home and profile are in this folder."""
    executable = chromium_or_skip()
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=list(FLAGS), env={**kept, "HOME": str(folder), "TMPDIR": str(folder)}
        )
        try:
            yield browser
        finally:
            browser.close()


class Owner:
    """A person at a browser: one window, a passkey that says yes, and what the browser requested."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 1100, "height": 900}, "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.devtools: CDPSession = self.context.new_cdp_session(self.page)
        self._passkey: str | None = None

    def _note(self, kind: str, text: str) -> None:
        # Each answer that is an error is a line on the console too.
        if kind == "error" and "Failed to load resource" not in text:
            self.problems.append(text)

    def plug_in_passkey(self, *, verifies: bool = True) -> None:
        """A passkey of the platform's kind. With `verifies` off its user is not recognised by it."""
        self.devtools.send("WebAuthn.enable", {"enableUI": False})
        if self._passkey is not None:
            self.devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self._passkey})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": True,
        }
        made = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._passkey = made["authenticatorId"]

    def has_passkey(self, credential_id: bytes, private_key: bytes) -> None:
        """A passkey of guardian's that was made before; the key is PKCS#8."""
        credential = {
            "credentialId": b64encode(credential_id).decode(),
            "isResidentCredential": False,
            "rpId": "localhost",
            "privateKey": b64encode(private_key).decode(),
            "signCount": 0,
        }
        sent = {"authenticatorId": self._passkey, "credential": credential}
        self.devtools.send("WebAuthn.addCredential", sent)

    def is_recognised(self, verified: bool) -> None:
        """Whether the passkey recognises its user from now on."""
        sent = {"authenticatorId": self._passkey, "isUserVerified": verified}
        self.devtools.send("WebAuthn.setUserVerified", sent)

    def opens(self, link: str) -> None:
        """Follow a link from the terminal."""
        self.page.goto(link)
        self.page.locator("#page:not([hidden]), #login:not([hidden])").first.wait_for()

    def nodes(self) -> list[dict[str, Any]]:
        """The accessibility tree, as a screen reader has it: what is ignored left out."""
        self.devtools.send("Accessibility.enable")
        found = self.devtools.send("Accessibility.getFullAXTree")["nodes"]
        return [node for node in found if not node.get("ignored")]

    def hosts(self) -> set[str]:
        """The hosts that were requested."""
        return {urlsplit(url).netloc for url in self.requests}

    def leaves(self) -> None:
        self.context.close()
