"""The programs that people talk to an assistant in: where each lists its MCP servers, and guardian's entry there."""
