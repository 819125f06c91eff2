"""The load generator against scripted servers, which see every byte of it, and against the engine's echo.

One thread: the load gets short steps, and between them the test does what its server does.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit._fast.engine_harness import KEY, MASK, WAIT_S, request
from xinyu._fast.engine import Engine
from xinyu._fast.frames import build_frame
from xinyu._fast.histogram import Histogram
from xinyu._fast.load import Load

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ACCEPT = base64.b64encode(hashlib.sha1(KEY.encode() + GUID).digest())
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def answer(accept: bytes = ACCEPT, status: str = "101 Switching Protocols") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ".encode()
        + accept
        + b"\r\n\r\n"
    )


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    return build_frame(opcode, payload, fin=fin)


def build(address: tuple[str, int], latency: Histogram, handshake: Histogram, **settings: Any) -> Load:
    requests = settings.pop("requests", [request()])
    settings = {"clients": 1, "mask": MASK, **settings}
    return Load(socket.AF_INET, *address, requests, ACCEPT, latency, handshake, **settings)


class Server:
    """A listening socket, the load on it, and the accepted sockets in the order of their coming."""

    def __init__(self, **settings: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.latency, self.handshake = Histogram(), Histogram()
        self.load = build(self.listener.getsockname(), self.latency, self.handshake, **settings)
        self.sockets: list[socket.socket] = []

    def until(self, done: Callable[[], object]) -> None:
        ends_s = time.monotonic() + WAIT_S
        while not done():
            assert time.monotonic() < ends_s, (self.load.stats(), self.load.failure())
            self.load.step(0.002)

    def accept(self) -> socket.socket:
        """The next connection, its request read."""
        got: list[socket.socket] = []

        def try_it() -> bool:
            try:
                got.append(self.listener.accept()[0])
            except BlockingIOError:
                return False
            return True

        self.until(try_it)
        sock = got[0]
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    def read(self, sock: socket.socket, size: int) -> bytes:
        data = b""

        def enough() -> bool:
            nonlocal data
            try:
                data += sock.recv(size - len(data))
            except BlockingIOError:
                pass
            return len(data) >= size

        self.until(enough)
        return data

    def open(self) -> socket.socket:
        """One more connection, upgraded."""
        before = self.stats("opened")
        self.load.open_to(before + 1)
        sock = self.accept()
        self.read(sock, len(request()))
        sock.send(answer())
        self.until(lambda: self.stats("opened") == before + 1)
        return sock

    def stats(self, name: str) -> int:
        return self.load.stats()[name]

    def close(self) -> None:
        self.load.close()
        self.listener.close()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(**settings: Any) -> Server:
        made.append(Server(**settings))
        return made[-1]

    yield make
    for server in made:
        server.close()


MakeServer = Callable[..., Server]


def test_the_handshake_is_sent_whole_and_its_time_recorded(make_server: MakeServer) -> None:
    server = make_server()
    server.load.open_to(1)
    sock = server.accept()
    assert server.read(sock, len(request())) == request()
    assert (server.stats("connecting"), server.stats("open")) == (1, 0)
    for byte in answer():  # in pieces of one byte
        sock.send(bytes([byte]))
        server.load.step(0.0)
        server.load.step(0.001)
    server.until(lambda: server.stats("open") == 1)
    assert server.stats("connecting") == 0
    assert len(server.handshake) == 1
    assert server.handshake.max > 0
    assert server.load.failure() is None


def test_requests_are_used_in_turn(make_server: MakeServer) -> None:
    requests = [request(f"/{name}") for name in "ab"]
    server = make_server(requests=requests, clients=3)
    server.load.open_to(3)
    seen = sorted(server.read(server.accept(), len(requests[0])) for _ in range(3))
    assert seen == sorted([requests[0], requests[1], requests[0]])


@pytest.mark.parametrize(
    ("said", "ends", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not HTTP"),
        (b"HTTP/1.1 xyz\r\n\r\n", False, "not HTTP"),
        (answer(status="403 Forbidden"), False, "HTTP status 403"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", True, "HTTP status 503"),
        (answer(b"x" * 28), False, "right Sec-WebSocket-Accept"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", False, "right Sec-WebSocket-Accept"),
        (b"HTTP/1.1 101 Switching", True, "closed the connection instead"),
        (b"", True, "closed the connection instead"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, False, "not HTTP"),
    ],
)
def test_a_refused_handshake_says_why(make_server: MakeServer, said: bytes, ends: bool, reason: str) -> None:
    server = make_server()
    server.load.open_to(1)
    sock = server.accept()
    server.read(sock, len(request()))
    sock.sendall(said)
    if ends:
        sock.shutdown(socket.SHUT_WR)
    server.until(lambda: server.stats("failed") == 1)
    assert reason in (server.load.failure() or "")
    assert (server.stats("open"), server.stats("connecting")) == (0, 0)
    server.load.step(0.01)
    assert server.stats("failed") == 1  # it is not dialed again


def test_a_refused_connection_says_so(make_server: MakeServer) -> None:
    server = make_server()
    server.listener.close()
    server.load.open_to(1)
    server.until(lambda: server.stats("failed") == 1)
    assert server.load.failure() == os.strerror(111)


def test_a_silent_server_is_given_up(make_server: MakeServer) -> None:
    server = make_server(handshake_timeout_s=0.05)
    server.load.open_to(1)
    server.accept()
    server.until(lambda: server.stats("failed") == 1)
    assert server.load.failure() == "the upgrade was not answered within 0.05 s"


def test_messages_are_masked_text_and_each_answer_starts_the_next(make_server: MakeServer) -> None:
    server = make_server(payload=b"hello")
    sock = server.open()
    server.load.start_echo(limit=3)
    expected = build_frame(TEXT, b"hello", mask=MASK)
    for count in range(1, 4):
        assert server.read(sock, len(expected)) == expected
        assert server.stats("in_flight") == 1
        sock.send(frame(b"hello"))
        server.until(lambda count=count: server.stats("received") == count)
    server.load.step(0.02)
    assert (server.stats("sent"), server.stats("received"), server.stats("in_flight")) == (3, 3, 0)
    assert len(server.latency) == 3
    with pytest.raises(BlockingIOError):
        sock.recv(1)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
def test_every_length_in_pieces(make_server: MakeServer, size: int) -> None:
    payload = os.urandom(size)
    server = make_server(payload=payload, is_text=False, depth=3)
    sock = server.open()
    server.load.start_echo(limit=4)
    one = build_frame(BINARY, payload, mask=MASK)
    assert server.read(sock, 3 * len(one)) == 3 * one
    data = frame(payload, BINARY) * 3
    step = max(1, len(data) // 97)
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        while piece:
            try:
                piece = piece[sock.send(piece) :]
            except BlockingIOError:
                pass
            server.load.step(0.001)
    server.until(lambda: server.stats("received") == 3)
    assert server.read(sock, len(one)) == one
    assert (server.stats("sent"), server.stats("in_flight")) == (4, 1)


def test_an_answer_may_be_fragmented_and_control_frames_come_between(make_server: MakeServer) -> None:
    server = make_server(payload=b"hello world")
    sock = server.open()
    server.load.start_echo(limit=1)
    sent = build_frame(TEXT, b"hello world", mask=MASK)
    assert server.read(sock, len(sent)) == sent
    pieces = [
        frame(b"hello", TEXT, fin=False),
        frame(b"are you there", PING),
        frame(b"", 0, fin=False),
        frame(b"", PONG),
        frame(b" world", 0),
    ]
    for byte in b"".join(pieces):
        sock.send(bytes([byte]))
        server.load.step(0.001)
    server.until(lambda: server.stats("received") == 1)
    pong = build_frame(PONG, b"are you there", mask=MASK)
    assert server.read(sock, len(pong)) == pong
    assert (server.stats("pings"), server.stats("unexpected")) == (1, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(b"hellO"), "something else"),
        (frame(b"hell"), "something else"),
        (frame(b"hello!"), "something else"),
        (frame(b"hello", BINARY), "something else"),
        (frame(b"he", fin=False) + frame(b"lll", 0), "something else"),
        (build_frame(TEXT, b"hello", mask=MASK), "protocol forbids"),
        (b"\xc1\x05hello", "protocol forbids"),
        (frame(b"hello", 0), "protocol forbids"),
        (frame(b"he", fin=False) + frame(b"llo"), "protocol forbids"),
        (frame(b"hello", 3), "protocol forbids"),
        (frame(b"hello", 11), "protocol forbids"),
        (b"\x09\x00", "protocol forbids"),
        (b"\x89\x7e\x00\x7e" + b"x" * 126, "protocol forbids"),
        (frame(struct.pack("!H", 1011) + b"sorry", CLOSE), "closed an open connection with code 1011"),
        (frame(b"", CLOSE), "closed an open connection"),
    ],
)
def test_a_wrong_answer_ends_the_connection(make_server: MakeServer, data: bytes, reason: str) -> None:
    server = make_server(payload=b"hello")
    sock = server.open()
    server.load.start_echo()
    sock.send(data)
    server.until(lambda: server.stats("lost") == 1)
    assert reason in (server.load.failure() or "")
    assert (server.stats("open"), server.stats("in_flight"), server.stats("received")) == (0, 0, 0)


def test_an_end_without_a_close_frame_is_a_loss(make_server: MakeServer) -> None:
    server = make_server(clients=2)
    first, _second = server.open(), server.open()
    first.close()
    server.until(lambda: server.stats("lost") == 1)
    assert server.load.failure() == "the server closed an open connection"
    server.load.step(0.02)
    assert (server.stats("open"), server.stats("connecting")) == (1, 0)  # nobody takes its place


def test_messages_that_nobody_asked_for_are_counted_apart(make_server: MakeServer) -> None:
    server = make_server(payload=b"hello")
    sock = server.open()
    sock.send(frame(b'{"event":"session.ready"}'))
    server.until(lambda: server.stats("unexpected") == 1)
    assert (server.stats("received"), server.stats("lost")) == (0, 0)


def test_a_text_of_the_callers_goes_between_two_frames(make_server: MakeServer) -> None:
    """The peer reads nothing until the socket is full in the middle of a frame."""
    server = make_server(payload=b"y" * 200_000, depth=64)
    sock = server.open()
    server.load.start_echo(limit=64)
    server.load.step(0.02)
    server.load.send_text(b"go 3")
    one = build_frame(TEXT, b"y" * 200_000, mask=MASK)
    text = build_frame(TEXT, b"go 3", mask=MASK)
    data = server.read(sock, 64 * len(one) + len(text))
    before, found, after = data.partition(text)
    assert found
    assert len(before) % len(one) == 0
    assert before + after == one * 64


def test_fan_out_is_counted_to_each_connection(make_server: MakeServer) -> None:
    server = make_server(clients=2)
    socks = [server.open(), server.open()]
    server.load.expect_size(4)
    server.load.send_text(b"go 2")
    for sock, count in zip(socks, (2, 3), strict=True):
        sock.send(frame(b"abcd") * count + frame(b"abc"))
    server.load.step(WAIT_S, received=5)
    assert server.stats("received") == 5
    server.until(lambda: server.stats("unexpected") == 2)
    assert server.load.messages_range() == (2, 3)
    assert len(server.latency) == 5


def test_a_rate_is_kept_whatever_comes_back(make_server: MakeServer) -> None:
    """At 1000 a second two places in flight are used up at once; what is late counts from when it was due."""
    server = make_server(payload=b"hello", depth=2)
    sock = server.open()
    server.load.start_echo(per_s=1000)
    server.load.step(0.05)
    assert server.stats("sent") == 2
    sock.send(frame(b"hello") * 2)
    server.until(lambda: server.stats("sent") == 4)
    sock.send(frame(b"hello") * 2)
    server.until(lambda: server.stats("received") == 4)
    assert server.latency.max >= 40_000_000  # the third was due 2 ms after the start, and sent after 50


def test_turning_closes_cleanly_and_dials_anew(make_server: MakeServer) -> None:
    server = make_server(clients=3, payload=b"hello", at_once=1)
    first = server.open()
    server.load.start_turning(messages=1)
    close = build_frame(CLOSE, struct.pack("!H", 1000), mask=MASK)
    assert server.read(first, len(close)) == close
    second = server.accept()  # its place is taken while it waits for the end
    server.read(second, len(request()))
    server.load.stop_turning()
    second.send(answer())
    one = build_frame(TEXT, b"hello", mask=MASK)
    assert server.read(second, len(one)) == one
    second.send(frame(b"hello"))
    first.send(frame(struct.pack("!H", 1000), CLOSE))
    first.close()
    server.until(lambda: server.stats("closing") == 0 and server.stats("received") == 1)
    stats = server.load.stats()
    assert (stats["opened"], stats["closed"], stats["open"], stats["sent"], stats["lost"]) == (2, 1, 1, 1, 0)


def test_connections_are_paced_and_few_at_once(make_server: MakeServer) -> None:
    server = make_server(clients=50, at_once=4)
    server.load.open_to(50)
    server.load.step(0.05)
    assert server.stats("connecting") == 4
    paced = make_server(clients=50)
    paced.load.open_to(50, per_s=0.001)
    paced.load.step(0.05)
    assert paced.stats("connecting") == 0


@pytest.mark.parametrize("depth", [1, 7])
def test_with_the_engine_every_message_comes_back_once(depth: int) -> None:
    engine = Engine(echo=True, heartbeat_s=0, read_timeout_s=0)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    engine.listen(listener)
    latency, handshake = Histogram(), Histogram()
    settings = {"clients": 100, "depth": depth, "payload": b"x" * 300, "mask": os.urandom(4), "sources": 10}
    load = build(listener.getsockname(), latency, handshake, **settings)
    try:
        ends_s = time.monotonic() + WAIT_S

        def until(name: str, count: int) -> None:
            while load.stats()[name] != count:
                assert time.monotonic() < ends_s, (load.stats(), load.failure())
                engine.poll()
                load.step(0.001)

        load.open_to(100)
        until("open", 100)
        load.start_echo(limit=5000)
        until("received", 5000)
        engine.poll()
        load.step(0.01)
        stats = load.stats()
        assert (stats["sent"], stats["received"], stats["in_flight"], stats["unexpected"]) == (5000, 5000, 0, 0)
        assert (len(latency), len(handshake), load.failure()) == (5000, 100, None)
    finally:
        load.close()
        engine.shutdown()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clients": 0}, "clients must lie"),
        ({"clients": 2**21}, "clients must lie"),
        ({"depth": 0}, "depth must lie"),
        ({"clients": 2**20, "depth": 65}, "depth must lie"),
        ({"payload": b"x" * (16 * 2**20 + 1)}, "payload"),
        ({"mask": b"abc"}, "mask"),
        ({"at_once": 0}, "out of range"),
        ({"sources": -1}, "out of range"),
        ({"handshake_timeout_s": 0.0}, "out of range"),
        ({"requests": []}, "requests"),
        ({"requests": [b""]}, "requests"),
        ({"requests": [b"x" * 16385]}, "requests"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(("127.0.0.1", 1), Histogram(), Histogram(), **change)


def test_calls_out_of_order_are_refused(make_server: MakeServer) -> None:
    server = make_server(payload=b"hello")
    with pytest.raises(ValueError, match="are possible"):
        server.load.open_to(2)
    with pytest.raises(ValueError, match="60 s"):
        server.load.step(61)
    with pytest.raises(RuntimeError, match="no connection is open"):
        server.load.send_text(b"go 1")
    server.open()
    with pytest.raises(ValueError, match="too long"):
        server.load.send_text(b"x" * 126)
    server.load.start_echo()
    with pytest.raises(RuntimeError, match="in flight already"):
        server.load.start_echo()


def test_closing_gives_every_descriptor_back(make_server: MakeServer) -> None:
    server = make_server(clients=5)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        server.open()
    assert len(os.listdir("/proc/self/fd")) == before + 10
    server.load.close()
    assert len(os.listdir("/proc/self/fd")) == before + 5
    assert server.stats("open") == 0
