"""What a client is notified of."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastmcp.client.messages import MessageHandler

PATIENCE_S: Final = 10


class Notified(MessageHandler):
    """Remembers each notification that another list is to be fetched."""

    def __init__(self) -> None:
        self.of: asyncio.Queue[str] = asyncio.Queue()

    async def on_tool_list_changed(self, message: Any) -> None:
        self.of.put_nowait("tools")

    async def on_prompt_list_changed(self, message: Any) -> None:
        self.of.put_nowait("prompts")

    async def on_resource_list_changed(self, message: Any) -> None:
        self.of.put_nowait("resources")

    async def next(self) -> str:
        return await asyncio.wait_for(self.of.get(), PATIENCE_S)
