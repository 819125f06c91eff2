"""An engine driven step by step from a test, and a raw client that hides nothing of the wire.

No event loop: `Harness.until()` waits for the engine's descriptor as a loop would and calls poll(). Clients are plain
non-blocking sockets; whatever they wait for, they let the engine work meanwhile.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from xinyu._fast import engine as engine_module
from xinyu._fast.frames import build_frame

WAIT_S = 10.0  # nothing on loopback takes that long; only a failing test waits for it
SEND_BUFFER_BYTES = 65_536
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x11\x22\x33\x44"


def request(target: str = "/ws", *lines: str, key: str = KEY) -> bytes:
    head = (
        f"GET {target} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *lines,
    )
    return ("\r\n".join(head) + "\r\n\r\n").encode()


class Harness:
    """An engine with one listening socket that writes down what its callbacks hear.

    `auto` accepts every upgrade as it comes, with these arguments; None leaves the decision to the test.
    """

    def __init__(self, auto: dict[str, Any] | None = None, *, decide: bool = False, **settings: Any) -> None:
        self.upgrades: list[tuple[int, str, str, dict[str, str]]] = []
        self.messages: list[tuple[int, str | bytes]] = []
        self.closes: list[tuple[int, int, int, int, bool]] = []
        self.errors: list[BaseException] = []
        self.auto = None if decide else (auto or {})
        self.react: Callable[[int, str | bytes], object] = lambda _id, _data: None
        self.on_close: Callable[[int], object] = lambda _id: None
        callbacks = {
            "on_upgrade": self._on_upgrade,
            "on_message": self._on_message,
            "on_close": self._on_close,
            "on_error": self.errors.append,
        }
        defaults = {"tick_ms": 10, "heartbeat_s": 0, "read_timeout_s": 0}
        self.engine = engine_module.Engine(**{**callbacks, **defaults, **settings})
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        # Accepted sockets inherit it: the kernel takes little, so that partial writes are common and quickly reached.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.engine.listen(self.listener)
        self.family, self.address = self.listener.family, self.listener.getsockname()
        self.clients: list[Client] = []

    def _on_upgrade(self, id: int, path: str, query: str, headers: dict[str, str]) -> None:
        self.upgrades.append((id, path, query, headers))
        if self.auto is not None:
            assert self.engine.accept(id, **self.auto)

    def _on_message(self, id: int, data: str | bytes, is_text: bool) -> object:
        assert isinstance(data, str) == is_text
        self.messages.append((id, data))
        return self.react(id, data)

    def _on_close(self, id: int, user_id: int, session_id: int, code: int, clean: bool) -> None:
        self.closes.append((id, user_id, session_id, code, clean))
        self.on_close(id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for client in self.clients:
            client.socket.close()
        self.engine.shutdown()
        after = self.engine.stats()
        assert self.engine.fileno() == -1
        if error is None:
            assert not self.errors, self.errors
            gauges = ("connections", "open", "users", "talks", "broadcasts", "live_memberships", "live_nodes")
            assert {name: after[name] for name in gauges} == dict.fromkeys(gauges, 0)

    # -- time ----------------------------------------------------------------------------------------------------------

    def step(self, timeout_s: float = 0.0, client: Client | None = None) -> bool:
        """One turn of the loop, which also ends when something comes for the client; False: the engine was idle."""
        own = self.engine.fileno()
        poller = select.poll()
        poller.register(own, select.POLLIN)
        if client is not None and not client.ended:
            poller.register(client.socket, select.POLLIN)
        ready = own in dict(poller.poll(timeout_s * 1000))
        if ready:
            self.engine.poll()
        return ready

    def until(self, condition: Callable[[], Any], what: str = "", client: Client | None = None) -> Any:
        """Let the engine work until the condition holds; its value."""
        deadline = time.monotonic() + WAIT_S
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"did not happen: {what or condition}"
            self.step(0.005, client)

    def settle(self) -> None:
        """Let the engine work until there is nothing left but ticks."""
        idle = 0
        while idle < 3:
            before = self.engine.stats()
            self.step(0.002)
            after = self.engine.stats()
            before.pop("polls")
            after.pop("polls")
            idle = idle + 1 if before == after else 0

    def run_for(self, duration_s: float) -> int:
        """Let the engine work for that long; how many times it was woken."""
        end = time.monotonic() + duration_s
        woken = 0
        while (left := end - time.monotonic()) > 0:
            woken += self.step(left)
        return woken

    # -- clients ------------------------------------------------------------------------------------------------------

    def connect(self, **options: Any) -> Client:
        """A TCP connection that has sent nothing."""
        client = Client(self, **options)
        self.clients.append(client)
        return client

    def open(self, target: str = "/ws", **options: Any) -> Client:
        """An accepted WebSocket."""
        client = self.connect(**options)
        client.send(request(target))
        count = len(self.upgrades)
        self.until(lambda: len(self.upgrades) > count, "upgrade")
        client.id = self.upgrades[-1][0]
        assert client.read_head().startswith("HTTP/1.1 101 ")
        return client


class Client:
    """The other end of one socket."""

    def __init__(self, harness: Harness, receive_buffer_bytes: int = 0) -> None:
        self.harness = harness
        self.id = 0
        self.received = bytearray()
        self.narrow = receive_buffer_bytes > 0
        self.ended = False
        self.reset = False
        self.socket = socket.socket(harness.family)
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.connect(harness.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def send(self, data: bytes) -> None:
        """Everything, while the engine works."""

        def push() -> bool:
            nonlocal data
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                pass
            return not data

        if data:
            self.harness.until(push, "sending")

    def text(self, text: str) -> None:
        self.send(build_frame(1, text.encode(), mask=MASK))

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        self.send(build_frame(opcode, payload, fin=fin, mask=MASK))

    def pull(self) -> None:
        """Take what the socket has."""
        while not self.ended:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionResetError:
                self.ended = self.reset = True
                return
            self.received += data
            self.ended = not data

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Read on: a receive buffer that was kept small to make the other side wait has done its work."""
        if self.narrow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.narrow = False
        return self.harness.until(condition, what, self)

    def read_head(self) -> str:
        def complete() -> bool:
            self.pull()
            return b"\r\n\r\n" in self.received or self.ended

        self.harness.until(complete, "HTTP answer", self)
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head.decode()

    def read_answer(self) -> tuple[int, dict[str, str], bytes]:
        """A whole HTTP answer, which ends the connection."""
        lines = self.read_head().split("\r\n")
        self.read_end()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        assert int(headers["content-length"]) == len(self.received)
        assert headers["connection"] == "close"
        return int(lines[0].split()[1]), headers, bytes(self.received)

    def take_frame(self) -> tuple[int, bytes] | None:
        """The next frame if it is here: (opcode, payload). Server frames are never masked nor fragmented."""
        self.pull()
        data = self.received
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80
        assert data[1] & 0x80 == 0
        length, at = data[1], 2
        if length == 126:
            if len(data) < 4:
                return None
            (length,), at = struct.unpack_from("!H", data, 2), 4
        elif length == 127:
            if len(data) < 10:
                return None
            (length,), at = struct.unpack_from("!Q", data, 2), 10
        if len(data) < at + length:
            return None
        frame = data[0] & 0x0F, bytes(data[at : at + length])
        del data[: at + length]
        return frame

    def read_frame(self) -> tuple[int, bytes]:
        frame: tuple[int, bytes] = self._wait(self.take_frame, "a frame")
        return frame

    def read_frames(self, count: int) -> list[tuple[int, bytes]]:
        return [self.read_frame() for _ in range(count)]

    def read_end(self) -> None:
        """Wait for the end of the stream; `received` holds what came before."""

        def ended() -> bool:
            self.pull()
            return self.ended

        self._wait(ended, "end of stream")

    def read_close(self) -> tuple[int, str]:
        """Wait for a close frame; (code, reason), 1005 for none."""
        opcode, payload = self.read_frame()
        assert opcode == 8, (opcode, payload)
        return (int.from_bytes(payload[:2], "big"), payload[2:].decode()) if payload else (1005, "")

    def reset_connection(self) -> None:
        """Close with a reset instead of an end of stream."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.ended = True

    @property
    def closed(self) -> tuple[int, int, int, int, bool] | None:
        """The on_close of this connection, once it has come."""
        reports = [report for report in self.harness.closes if report[0] == self.id]
        assert len(reports) <= 1, "on_close came twice"
        return reports[0] if reports else None

    def wait_closed(self) -> tuple[int, int, int, int, bool]:
        report: tuple[int, int, int, int, bool] = self.harness.until(lambda: self.closed, "on_close")
        return report


@contextmanager
def no_new_buffers() -> Iterator[None]:
    """What the block allocated in shared buffers and frames is gone when it ends."""
    probe = engine_module.Engine()
    names = ("live_buffers", "live_nodes", "live_frames")
    before = {name: probe.stats()[name] for name in names}
    yield
    assert {name: probe.stats()[name] for name in names} == before
    probe.shutdown()
