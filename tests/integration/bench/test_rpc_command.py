"""`xinyu bench rpc` against real servers: good ones, one that refuses, one that goes, one that is no Rock server."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from xinyu.base.errors import OVERLOADED, XinYuError
from xinyu.bench.drive import DriveOptions
from xinyu.bench.error import BenchError
from xinyu.bench.rpc import RpcOptions, run
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import probe_pb2, probe_rpc
from xinyu_services.cli.app import app

SECRET = b"one secret of this cluster, long"


@contextmanager
def rock(servicer: Any, secret: bytes = b"") -> Iterator[str]:
    """A server on a thread of its own; its address."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    loop = asyncio.new_event_loop()
    servicers = Servicers()
    if servicer is not None:
        servicers.serve([probe_rpc.ECHO], servicer)

    async def serve() -> RockServer:
        server = RockServer(servicers, secret=secret)
        await server.start(sock)
        return server

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Refusing:
    async def echo(self, request: probe_pb2.EchoRequest, context: Any) -> probe_pb2.EchoResponse:
        raise XinYuError(OVERLOADED)


class Wrong:
    async def echo(self, request: probe_pb2.EchoRequest, context: Any) -> probe_pb2.EchoResponse:
        return probe_pb2.EchoResponse(payload=request.payload[:-1])


DRIVE = DriveOptions(patience_s=20.0)


@pytest.mark.parametrize(("in_flight", "size"), [(1, 0), (64, 100), (7, 9000), (2, 3_000_000)])
def test_calls_are_counted_and_timed(in_flight: int, size: int) -> None:
    with rock(ProbeServicer()) as address:
        report = run(DRIVE, address, RpcOptions(in_flight=in_flight, size_bytes=size, calls=20))
    assert report.value("calls") == report.value("sent") == len(report.latencies["call"]) == 20
    assert report.problems == []


def test_a_time_and_a_rate(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    with rock(ProbeServicer(), SECRET) as address:
        result = CliRunner().invoke(
            app,
            [
                *("bench", "rpc", address, "-t", "0.3", "--warmup", "0.1", "--rate", "200", "--json", "-q"),
                *("--secret-file", str(tmp_path / "secret")),
            ],
        )
    assert result.exit_code == 0
    figures = json.loads(result.output)["figures"]
    assert figures["asked_per_s"] == 200
    assert 0 < figures["calls"] <= figures["sent"]


def test_calls_that_fail_are_a_problem_of_the_run() -> None:
    for servicer, told in ((Refusing(), "busy"), (None, "No command 11"), (Wrong(), "another answer")):
        with rock(servicer) as address:
            report = run(DRIVE, address, RpcOptions(calls=10))
        assert report.value("refused") == 10
        assert told in report.problems[0]


@pytest.mark.parametrize(
    ("secret", "told"),
    [(b"", "invalid|lost|closed|failed"), (b"another secret", "secret")],
)
def test_without_the_secret_nothing_is_called(tmp_path: Path, secret: bytes, told: str) -> None:
    file = None
    if secret:
        file = tmp_path / "secret"
        file.write_bytes(secret)
    with rock(ProbeServicer(), SECRET) as address, pytest.raises(BenchError, match=told):
        report = run(DRIVE, address, RpcOptions(calls=10, secret_file=file))
        raise BenchError(report.problems[0])


def _speak(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, threading.Thread]:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return listening, thread


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda connection: connection.recv(10), "lost|closed"),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak Rock|lost"),
    ],
)
def test_a_server_that_goes_or_speaks_something_else(answer: Callable[[socket.socket], None], told: str) -> None:
    listening, thread = _speak(answer)
    try:
        with pytest.raises(BenchError, match=told):
            run(DRIVE, f"127.0.0.1:{listening.getsockname()[1]}", RpcOptions(calls=10))
    finally:
        thread.join()
        listening.close()


@pytest.mark.parametrize(
    ("address", "options", "told"),
    [
        ("localhost", {}, "host:port"),
        ("a:99999", {}, "host:port"),
        ("127.0.0.1:1", {}, "cannot be called"),
        ("127.0.0.1:1", {"in_flight": 0}, "in flight"),
        ("127.0.0.1:1", {"size_bytes": -1}, "payload"),
        ("127.0.0.1:1", {"in_flight": 1000, "size_bytes": 1_000_000}, "256 MiB"),
        ("127.0.0.1:1", {"seconds": 0}, "seconds"),
        ("127.0.0.1:1", {"calls": 0}, "number of calls"),
        ("127.0.0.1:1", {"secret_file": Path("/nowhere")}, "cannot be read"),
    ],
)
def test_what_cannot_be_run_is_told(address: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        run(DRIVE, address, RpcOptions(**options))
