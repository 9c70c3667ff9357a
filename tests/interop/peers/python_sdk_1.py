"""The Python SDK, version 1, in a virtual environment of its own: lists and calls."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client  # type: ignore[attr-defined]  # of version 1


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        if plan["url"]:
            streams = await stack.enter_async_context(streamablehttp_client(plan["url"], headers=plan["headers"]))
            reading, writing = streams[:2]
        else:
            server = StdioServerParameters(command=plan["command"], args=plan["args"], env=plan["env"])
            reading, writing = await stack.enter_async_context(stdio_client(server))
        session = await stack.enter_async_context(ClientSession(reading, writing))
        await session.initialize()
        tools = (await session.list_tools()).tools
        replies = []
        for name, arguments in plan["calls"]:
            result = await session.call_tool(name, arguments)
            found = result.model_dump()
            replies.append([found["structuredContent"]["outcome"], found["isError"]])
    return {"tools": len(tools), "replies": replies}


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
