"""FastMCP alone: a server with as many tools as guardian's, each of which answers with a constant."""

from __future__ import annotations

import sys
from typing import Any

from fastmcp import FastMCP


def _tool(number: int) -> Any:
    def constant(symbol: str = "BTCUSDT") -> dict[str, str]:
        """Answers with the price of a symbol, always the same."""
        return {"symbol": symbol, "price": "60000.00"}

    constant.__name__ = f"tool_{number}"
    return constant


def main() -> None:
    """Serves over standard input and output; the one argument is the number of tools."""
    server = FastMCP("bare")
    for number in range(int(sys.argv[1])):
        server.tool(_tool(number))
    server.run(transport="stdio", show_banner=False)


if __name__ == "__main__":
    main()
