"""Echo mode: the connection engine without login, rooms or store, for outside load and conformance tools.

Any path; a message comes back as it came. `go R` as a text is not echoed: R text frames of 128 payload bytes go to
every open connection, the asking one included. With `in_python=False` all of it happens in C; with True each message
costs one Python callback and one Python send.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

import structlog

from xinyu._fast import engine as fast

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
BROADCAST_PAYLOAD_BYTES: Final = 128
DEFAULT_MAX_FRAGMENTS: Final = 1 << 20
# One message of the largest size may wait for its peer, and a second one begin.
BACKLOG_BYTES: Final = 2 * MAX_MESSAGE_BYTES
_DONE: Final = fast.DONE
_GO: Final = re.compile(r"go ([1-9][0-9]{0,5}|1000000)")
_LONGEST_GO: Final = len("go 1000000")


class EchoGateway:
    """`start` takes a bound socket; `stop` closes every connection with 1001."""

    def __init__(self, *, in_python: bool = False, max_fragments: int = DEFAULT_MAX_FRAGMENTS) -> None:
        self._broadcast = fast.encode_frame(b"x" * BROADCAST_PAYLOAD_BYTES)
        self.engine = fast.Engine(
            echo=not in_python,
            on_message=self._on_message if in_python else None,
            on_error=self._on_error,
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_fragments=max_fragments,
            backlog_bytes=BACKLOG_BYTES,
        )

    def start(self, listening: socket.socket) -> None:
        self.engine.listen(listening)
        asyncio.get_running_loop().add_reader(self.engine.fileno(), self.engine.poll)

    async def stop(self, timeout_s: float = 2.0) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        self.engine.pause_accept()
        self.engine.close_all(1001, "going away", rate_per_s=1_000_000)
        while self.engine.stats()["connections"] and loop.time() < deadline_s:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.01)
        loop.remove_reader(self.engine.fileno())
        self.engine.shutdown()

    def _on_message(self, id: int, data: str | bytes, is_text: bool) -> object:
        engine = self.engine
        if len(data) <= _LONGEST_GO and isinstance(data, str) and (match := _GO.fullmatch(data)):
            engine.broadcast_rounds(self._broadcast, int(match[1]))
        elif is_text:
            engine.send(id, data)
        else:
            engine.send(id, data, binary=True)
        return _DONE

    def _on_error(self, error: BaseException) -> None:
        log.error("echo_failed", exc_info=error)
