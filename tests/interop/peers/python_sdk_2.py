"""The Python SDK, version 2, without FastMCP around it: lists and calls in each era of the protocol."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    async with httpx2.AsyncClient(headers=plan["headers"], timeout=30, trust_env=False) as http:
        if plan["url"]:
            transport = streamable_http_client(plan["url"], http_client=http)
        else:
            transport = stdio_client(StdioServerParameters(command=plan["command"], args=plan["args"], env=plan["env"]))
        async with Client(transport, mode=plan["era"]) as client:
            tools = (await client.list_tools()).tools
            replies = []
            for name, arguments in plan["calls"]:
                result = await client.call_tool(name, arguments)
                replies.append([result.structured_content["outcome"], result.is_error])
    return {"tools": len(tools), "replies": replies}


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
