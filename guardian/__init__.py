"""Guardian: an MCP server that lets an assistant trade on Binance without being able to hurt its owner."""

__version__ = "0.1.0"
