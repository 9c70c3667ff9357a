"""What a person gives as a key: private keys, `.env` files, configurations of MCP clients."""
