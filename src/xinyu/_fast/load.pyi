"""The load generator of `xinyu bench`: many WebSocket clients on one epoll instance, without the GIL.

One thread may use a Load at a time. `step` runs it; nothing happens in between.
"""

from collections.abc import Sequence
from typing import Self, final

from xinyu._fast.histogram import Histogram

@final
class Load:
    """Clients of one server.

    family, host, port: the resolved address (AF_INET or AF_INET6, a numeric host). requests: opening handshakes of 1 to
    16 KiB, used in turn, all with one Sec-WebSocket-Key, whose answer is accept_key. clients: slots, at most 2**20.
    depth: messages in flight a client. payload: the one message that is sent (at most 16 MiB), masked with `mask`.
    at_once: connections that are set up, and closed, at the same time. sources: 0, or from how many addresses,
    127.0.0.2 and up, the clients come. latency and handshake are recorded into, in ns: of a message from the moment of
    sending (or when it was due), of a handshake from connect() to the complete answer.

    ValueError: a number out of its range. OSError: the kernel grants no epoll instance or timer.
    """

    def __new__(
        cls,
        family: int,
        host: str,
        port: int,
        requests: Sequence[bytes],
        accept_key: bytes,
        latency: Histogram,
        handshake: Histogram,
        *,
        clients: int,
        depth: int = 1,
        payload: bytes = b"",
        is_text: bool = True,
        mask: bytes = b"\x00\x00\x00\x00",
        at_once: int = 64,
        sources: int = 0,
        handshake_timeout_s: float = 10.0,
    ) -> Self: ...
    def open_to(self, count: int, per_s: float = 0.0) -> None:
        """Dial in the coming steps until `count` are open; at most per_s a second (0: no limit)."""
    def step(self, seconds: float, received: int = 0) -> None:
        """Run for up to `seconds` (at most 60), or until `received` messages have come since the beginning (0: no such
        end). A signal ends it early, and its handler runs: KeyboardInterrupt comes from here."""
    def start_echo(self, per_s: float = 0.0, limit: int = 0) -> None:
        """Let every open client send `depth` messages, and another one for each that comes back. With per_s: that many
        a second over all clients instead, whatever comes back. limit: no more messages than that in all."""
    def stop_echo(self) -> None:
        """Send no more; what is in flight still comes back."""
    def expect_size(self, size: int) -> None:
        """Count messages of `size` bytes, to each client, from now on."""
    def send_text(self, text: bytes) -> None:
        """Send a text of up to 125 bytes from the first open client. Latencies of `expect_size` count from here."""
    def start_turning(self, messages: int = 1, per_s: float = 0.0) -> None:
        """Close clients, oldest slot first, and dial new ones in their place; each new one has `messages` echoed before
        it may go."""
    def stop_turning(self) -> None: ...
    def close(self) -> None:
        """Reset all connections at once."""
    def messages_range(self) -> tuple[int, int]:
        """Messages of the open client that had the fewest, and the most; (0, 0) without one."""
    def stats(self) -> dict[str, int]:
        """Now: open, connecting, closing, in_flight. Since the beginning: opened, closed (by us), failed (before they
        were open), lost (after), sent, received, received_bytes, unexpected (messages), pings (answered)."""
    def failure(self) -> str | None:
        """Why the first client failed or was lost, without a full stop; None while none was."""
