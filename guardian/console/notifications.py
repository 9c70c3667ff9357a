"""A desktop notification when an order waits, by the program that the system has for it.

Tried on Linux alone. No text is ever part of a script: it is an argument of its own, or goes to standard input as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from guardian.domain.text.escaping import clean

MAX_TEXT: Final = 200
PATIENCE_S: Final = 10.0
_APPLESCRIPT: Final = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)
_POWERSHELL: Final = r"""
$ErrorActionPreference = 'Stop'
$text = [Console]::In.ReadToEnd() | ConvertFrom-Json
$null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$kind = [Windows.UI.Notifications.ToastTemplateType]::ToastText02
$toast = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent($kind)
$lines = $toast.GetElementsByTagName('text')
$null = $lines.Item(0).AppendChild($toast.CreateTextNode($text.title))
$null = $lines.Item(1).AppendChild($toast.CreateTextNode($text.body))
$app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe'
$made = [Windows.UI.Notifications.ToastNotification]::new($toast)
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($app).Show($made)
"""


@dataclass(frozen=True, slots=True)
class NotifyCommand:
    """A program with its arguments, and what is written to its standard input."""

    arguments: tuple[str, ...]
    stdin: bytes = b""


def notify_command(
    title: str, body: str, *, platform: str = sys.platform, find: Callable[[str], str | None] = shutil.which
) -> NotifyCommand | None:
    """Returns what shows a notification on this system; None where the system has no program for it."""
    title, body = clean(title, MAX_TEXT), clean(body, MAX_TEXT)
    if platform == "darwin":
        program = find("osascript")
        script = tuple(part for line in _APPLESCRIPT for part in ("-e", line))
        return None if program is None else NotifyCommand((program, *script, title, body))
    if platform == "win32":
        program = find("powershell")
        encoded = base64.b64encode(_POWERSHELL.encode("utf-16-le")).decode("ascii")
        text = json.dumps({"title": title, "body": body}).encode("ascii")
        quiet = ("-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)
        return None if program is None else NotifyCommand((program, *quiet), text)
    program = find("notify-send")
    # A desktop may read the body as markup.
    options = ("--app-name=guardian", "--urgency=critical", "--", title, html.escape(body))
    return None if program is None else NotifyCommand((program, *options))


async def show_notification(command: NotifyCommand) -> str | None:
    """Shows it; returns why that failed, None where it did not. Never raises OSError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return f"it could not be started ({error.strerror})"
    try:
        await asyncio.wait_for(process.communicate(command.stdin), PATIENCE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return f"it did not end within {PATIENCE_S:g} s"
    return None if process.returncode == 0 else f"it ended with exit code {process.returncode}"
