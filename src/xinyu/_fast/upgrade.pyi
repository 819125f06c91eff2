"""The engine's parser of WebSocket upgrade requests alone. For tests, fuzzers and benchmarks."""

def head_length(data: bytes, searched: int = 0) -> int:
    """Length of the request head at the start of data, blank line included; 0: not complete. The first `searched`
    bytes are known not to hold its end."""

def parse_request(head: bytes) -> tuple[int, str] | tuple[int, bytes, bytes, bytes, list[tuple[bytes, bytes]]]:
    """Parse a complete request head. (0, path, query, key, [(name, value), ...]) for an upgrade that may be accepted,
    (status, why) for one that must be refused. ValueError: the head is not complete."""
