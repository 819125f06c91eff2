"""The engine on sockets of one process: an echo round trip and a fan-out, beside bare system calls from Python.

The bare loops are what any server in Python pays before it does anything: they bound what can be won.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit._fast.engine_harness import MASK, request
from xinyu._fast.engine import Engine, encode_frame
from xinyu._fast.frames import build_frame


class Crowd:
    """An engine with open connections, and the clients' blocking sockets."""

    def __init__(self, count: int, **settings: Any) -> None:
        self.engine = Engine(**settings)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.engine.listen(listener)
        self.clients = []
        for _ in range(count):
            client = socket.create_connection(listener.getsockname())
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(request())
            while self.engine.stats()["open"] < len(self.clients) + 1:
                self.engine.poll()
            client.recv(4096)
            self.clients.append(client)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.shutdown()


@pytest.fixture
def crowd(request: pytest.FixtureRequest) -> Iterator[Crowd]:
    made = Crowd(**request.param)
    yield made
    made.close()


@pytest.mark.parametrize("crowd", [{"count": 1, "echo": True}], indirect=True, ids=["c"])
@pytest.mark.benchmark(group="echo round trip of 32 bytes")
def bench_echo_engine(benchmark: Any, crowd: Crowd) -> None:
    client, engine, frame = crowd.clients[0], crowd.engine, build_frame(1, b"x" * 32, mask=MASK)

    def round_trip() -> None:
        client.send(frame)
        engine.poll()
        assert len(client.recv(4096)) == 34

    benchmark(round_trip)


@pytest.mark.parametrize("crowd", [{"count": 1}], indirect=True, ids=["python"])
@pytest.mark.benchmark(group="echo round trip of 32 bytes")
def bench_echo_callback(benchmark: Any, crowd: Crowd) -> None:
    """The same with a Python callback and a Python send a message."""
    crowd.close()
    engine: Engine

    def answer(id_: int, data: str | bytes, _is_text: bool) -> None:
        engine.send(id_, data)
        engine.release(id_)

    crowd.__init__(1, on_message=answer)  # type: ignore[misc]
    engine = crowd.engine
    client, frame = crowd.clients[0], build_frame(1, b"x" * 32, mask=MASK)

    def round_trip() -> None:
        client.send(frame)
        engine.poll()
        assert len(client.recv(4096)) == 34

    benchmark(round_trip)


@pytest.mark.benchmark(group="echo round trip of 32 bytes")
def bench_echo_bare_sockets(benchmark: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    data = b"x" * 38

    def round_trip() -> None:
        client.send(data)
        server.send(server.recv(4096)[:34])
        client.recv(4096)

    benchmark(round_trip)
    for sock in (listener, client, server):
        sock.close()


@pytest.mark.parametrize("crowd", [{"count": 200}], indirect=True, ids=["200"])
@pytest.mark.benchmark(group="fan out 128 bytes to 200 connections")
def bench_fan_out_engine(benchmark: Any, crowd: Crowd) -> None:
    frame = encode_frame(b"x" * 128)
    ids = crowd.engine.connection_ids()

    def drain() -> None:
        for client in crowd.clients:
            client.recv(4096)

    def fan_out() -> None:
        assert crowd.engine.fan_out(ids, frame) == 200

    benchmark.pedantic(fan_out, rounds=100, teardown=drain)


@pytest.mark.benchmark(group="fan out 128 bytes to 200 connections")
def bench_fan_out_bare_sockets(benchmark: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    pairs = []
    for _ in range(200):
        client = socket.create_connection(listener.getsockname())
        pairs.append((client, listener.accept()[0]))
    data = build_frame(1, b"x" * 128)

    def fan_out() -> None:
        for _, server in pairs:
            server.send(data)

    def drain() -> None:
        for client, _ in pairs:
            client.recv(4096)

    benchmark.pedantic(fan_out, rounds=100, teardown=drain)
    listener.close()
    for client, server in pairs:
        client.close()
        server.close()
