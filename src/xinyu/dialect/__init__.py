"""The dialects of clients: what the gateway and the SDK must write and read alike."""
