"""Rock over TCP: what only a network does. Connections are real; the bytes that a peer may send are written by hand."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.rpc.carriers import loopback
from xinyu._fast import rock
from xinyu.base.config import RpcSettings
from xinyu.base.errors import XinYuError
from xinyu.base.trace import trace_id
from xinyu.rpc import rock_channel, rock_proof, rock_server
from xinyu.rpc.context import Context
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import message_pb2, options_pb2, probe_pb2
from xinyu.wire.v1.message_rpc import TYPING
from xinyu.wire.v1.probe_rpc import ECHO

SECRET = b"k" * 32
DEFAULTS = RpcSettings()
REQUEST = message_pb2.TypingRequest(user_id=1)


class Servicer:
    """Answers when `go` is set; counts."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.begun = 0
        self.began = asyncio.Event()

    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> options_pb2.Empty:
        self.begun += 1
        self.began.set()
        await self.go.wait()
        return options_pb2.Empty()


class Site:
    """One server process, as far as its callers can tell."""

    def __init__(self, secret: bytes, settings: RpcSettings) -> None:
        self.servicer = Servicer()
        self.servicers = Servicers()
        self.servicers.serve([TYPING], self.servicer)
        self.servicers.serve([ECHO], ProbeServicer())
        self.gone: list[str] = []
        self.server = RockServer(self.servicers, secret=secret, settings=settings, on_gone=self.gone.append)

    async def wait_gone(self) -> str:
        async with asyncio.timeout(30):
            while not self.gone:
                await asyncio.sleep(0.005)
        return self.gone.pop()


@asynccontextmanager
async def site(
    secret: bytes = b"", sock: socket.socket | None = None, settings: RpcSettings = DEFAULTS
) -> AsyncIterator[Site]:
    made = Site(secret, settings)
    await made.server.start(sock or loopback())
    try:
        yield made
    finally:
        made.servicer.go.set()
        await made.servicers.drain(5.0)
        await made.server.stop()


@asynccontextmanager
async def calling(port: int, secret: bytes = b"", settings: RpcSettings = DEFAULTS) -> AsyncIterator[RockChannel]:
    channel = RockChannel("127.0.0.1", port, caller="test", secret=secret, settings=settings)
    try:
        yield channel
    finally:
        await channel.close()


async def reason(call: Any) -> str:
    with pytest.raises(XinYuError) as caught:
        await call
    return caught.value.reason


class RawPeer:
    """A caller that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._decoder = rock.Decoder("trace")
        self._frames: list[Any] = []

    async def frame(self) -> Any:
        async with asyncio.timeout(30):
            while not self._frames:
                data = await self.reader.read(65536)
                if not data:
                    return None
                self._frames.extend(self._decoder.feed(data))
        return self._frames.pop(0)

    async def ask(self, sn: int, command: int, body: bytes) -> Any:
        self.writer.write(rock.encode_request("trace", sn, command, body))
        return await self.frame()


@asynccontextmanager
async def raw_peer(port: int) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


def body(request: Any = REQUEST, timeout_s: float = 5.0) -> bytes:
    """The head, written by hand, and the request."""
    head = b"\x01" + int(timeout_s * 1000).to_bytes(4, "big") + b"\x03raw"
    return head + bytes(request.SerializeToString())


# -------------------------------------------------------------------- losses


async def test_a_call_whose_connection_is_lost_may_have_been_done_and_the_next_one_connects_anew() -> None:
    async with site() as there, calling(there.server.port) as channel:
        there.servicer.go.clear()
        call = asyncio.ensure_future(channel.call(TYPING, REQUEST))
        await there.servicer.began.wait()
        for connection in list(there.server.connections):
            connection.close()
        assert await reason(call) == "interrupted"
        there.servicer.go.set()
        assert await there.wait_gone() == "test"
        await channel.call(TYPING, REQUEST)
        assert there.servicer.begun == 2


async def test_where_nobody_listens_calls_fail_at_once_until_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rock_channel, "FIRST_PAUSE_S", 0.01)
    taken = loopback()
    port = taken.getsockname()[1]
    taken.close()
    async with calling(port) as channel:
        assert await reason(channel.call(TYPING, REQUEST)) == "unavailable"
        assert await reason(channel.call(TYPING, REQUEST)) == "unavailable"
        again = socket.create_server(("127.0.0.1", port))
        again.setblocking(False)
        async with site(sock=again) as there:
            async with asyncio.timeout(30):
                while True:
                    (error,) = await asyncio.gather(channel.call(TYPING, REQUEST), return_exceptions=True)
                    if error == options_pb2.Empty():
                        break
                    assert isinstance(error, XinYuError) and error.reason == "unavailable"
                    await asyncio.sleep(0.01)
            assert there.servicer.begun == 1


async def test_a_peer_that_takes_the_connection_and_says_nothing_costs_no_more_than_the_deadline() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        async with calling(silent.getsockname()[1]) as channel:
            assert await reason(channel.call(TYPING, REQUEST, timeout_s=0.05)) == "deadline"
        async with calling(silent.getsockname()[1], SECRET) as channel:
            assert await reason(channel.call(TYPING, REQUEST, timeout_s=0.05)) == "unavailable"
    finally:
        silent.close()


async def test_a_channel_that_is_closed_while_it_connects_refuses_who_waits_and_cancels_nobody() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        async with calling(silent.getsockname()[1], SECRET) as channel:
            calls = [asyncio.create_task(channel.call(TYPING, REQUEST, timeout_s=30)) for _ in range(3)]
            accepted, _ = await asyncio.to_thread(silent.accept)
            await channel.close()
            accepted.close()
            assert [await reason(call) for call in calls] == ["unavailable"] * 3
    finally:
        silent.close()


async def test_many_first_calls_share_one_connection() -> None:
    async with site(SECRET) as there, calling(there.server.port, SECRET) as channel:
        await asyncio.gather(*(channel.call(TYPING, REQUEST) for _ in range(100)))
        assert len(there.server.connections) == 1 and there.servicer.begun == 100
        assert channel.in_flight == 0


async def test_a_closed_channel_calls_no_more() -> None:
    async with site() as there, calling(there.server.port) as channel:
        await channel.call(TYPING, REQUEST)
        await channel.close()
        async with asyncio.timeout(30):
            await channel.lost()
        assert await reason(channel.call(TYPING, REQUEST)) == "unavailable"
        assert await there.wait_gone() == "test"


async def test_gone_is_said_after_the_last_call_of_a_lost_connection() -> None:
    async with site() as there:
        there.servicer.go.clear()
        async with calling(there.server.port) as channel:
            call = asyncio.ensure_future(channel.call(TYPING, REQUEST))
            await there.servicer.began.wait()
        assert await reason(call) == "interrupted"
        async with asyncio.timeout(30):
            while there.server.connections:
                await asyncio.sleep(0.005)
        assert there.gone == []
        there.servicer.go.set()
        assert await there.wait_gone() == "test"


# -------------------------------------------------------------------- bounds


async def test_calls_of_one_connection_are_bounded_on_both_sides() -> None:
    two = RpcSettings(max_in_flight=2)
    async with site(settings=two) as there:
        there.servicer.go.clear()
        async with calling(there.server.port) as channel, calling(there.server.port, settings=two) as strict:
            calls = [asyncio.ensure_future(channel.call(TYPING, REQUEST)) for _ in range(3)]
            assert await reason(calls[2]) == "overloaded"
            calls += [asyncio.ensure_future(strict.call(TYPING, REQUEST)) for _ in range(2)]
            async with asyncio.timeout(30):
                while there.servicer.begun < 4:
                    await asyncio.sleep(0.005)
            assert await reason(strict.call(TYPING, REQUEST)) == "overloaded" and strict.in_flight == 2
            there.servicer.go.set()
            await asyncio.gather(*calls[:2], *calls[3:])
            await channel.call(TYPING, REQUEST)
            await strict.call(TYPING, REQUEST)
        assert there.servicer.begun == 6


async def test_a_peer_that_does_not_read_its_answers_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rock_server, "UNREAD_ANSWERS_BYTES", 1024)
    async with site() as there, raw_peer(there.server.port) as peer:
        # Unread answers fill the kernel's buffers first, so what is sent on until it blocks is not small.
        request = rock.encode_request("trace", 1, 9999, body(), "t" * 32)
        assert (await peer.ask(1, TYPING.command, body())).result == 200
        (connection,) = there.server.connections
        async with asyncio.timeout(30):
            while connection._transport.is_reading():
                if peer.writer.transport.get_write_buffer_size() < 1024 * 1024:
                    peer.writer.write(request * 1000)
                await asyncio.sleep(0)
        assert connection._transport.get_write_buffer_size() < 16 * 1024 * 1024


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rock_server, "MAX_CONNECTIONS", 1)
    async with site() as there, raw_peer(there.server.port) as first:
        assert (await first.ask(1, TYPING.command, body())).result == 200
        async with raw_peer(there.server.port) as second:
            second.writer.write(rock.encode_request("trace", 1, TYPING.command, body()))
            with pytest.raises((ConnectionError, AssertionError)):
                assert await second.frame() is not None
        assert (await first.ask(2, TYPING.command, body())).result == 200


# -------------------------------------------------------------------- what a peer may send


async def test_an_unknown_command_is_answered_and_the_connection_kept() -> None:
    async with site() as there, raw_peer(there.server.port) as peer:
        answer = await peer.ask(7, 9999, body())
        assert (answer.sn, answer.cmd, answer.result) == (7, 9999, 404)
        assert options_pb2.Refusal.FromString(answer.body).reason == "unavailable"
        assert (await peer.ask(8, TYPING.command, body())).result == 200


@pytest.mark.parametrize(
    "broken",
    [b"", b"\x01", b"\x02" + body()[1:], b"\x01\0\0\0\x05\xffabc", body()[:9] + b"\xff\xff", b"\x01\0\0\0\x05\x01\xff"],
)
async def test_a_body_that_is_no_request_is_refused_and_the_connection_kept(broken: bytes) -> None:
    async with site() as there, raw_peer(there.server.port) as peer:
        answer = await peer.ask(1, TYPING.command, broken)
        assert answer.result == 400
        assert options_pb2.Refusal.FromString(answer.body).reason == "invalid"
        assert (await peer.ask(2, TYPING.command, body())).result == 200
        assert there.servicer.begun == 1


async def test_a_broken_frame_ends_the_connection_after_what_came_before_it() -> None:
    async with site() as there, raw_peer(there.server.port) as peer:
        peer.writer.write(rock.encode_request("trace", 1, 9999, body()) + b"this is no rock")
        assert (await peer.frame()).result == 404
        assert await peer.frame() is None


async def test_answers_and_notices_that_nobody_asked_for_are_ignored() -> None:
    async with site() as there, raw_peer(there.server.port) as peer:
        peer.writer.write(rock.encode_response("trace", 1, TYPING.command, 200, "ok", b""))
        peer.writer.write(rock.encode_notify("trace", 3, b"x"))
        assert (await peer.ask(1, TYPING.command, body())).result == 200


async def test_an_answer_that_is_not_understood_is_an_error_of_ours() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = rock.Decoder("trace")
        results = iter(((200, b"\xff\xff"), (500, b"\xff\xff")))
        while data := await reader.read(65536):
            for frame in decoder.feed(data):
                assert isinstance(frame, rock.Request)
                writer.write(rock.encode_response("trace", 99, frame.cmd, 200, "ok", b""))  # nobody's
                result, content = next(results)
                writer.write(rock.encode_response("trace", frame.sn, frame.cmd, result, "ok", content))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, calling(server.sockets[0].getsockname()[1]) as channel:
        assert await reason(channel.call(TYPING, REQUEST)) == "internal"
        assert await reason(channel.call(TYPING, REQUEST)) == "internal"


SMALL = RpcSettings(max_frame_bytes=64 * 1024)


def echo(size: int) -> probe_pb2.EchoRequest:
    """gzip makes little of it."""
    return probe_pb2.EchoRequest(payload=random.randbytes(size))


async def test_a_request_that_fits_no_frame_is_refused_before_it_is_sent() -> None:
    async with site() as there, calling(there.server.port, settings=SMALL) as channel:
        assert await reason(channel.call(ECHO, echo(64 * 1024))) == "invalid"
        request = echo(60 * 1024)
        assert (await channel.call(ECHO, request)).payload == request.payload


async def test_an_answer_that_fits_no_frame_is_an_error_of_the_callee() -> None:
    class Longer:
        async def echo(self, request: probe_pb2.EchoRequest, context: Context) -> probe_pb2.EchoResponse:
            return probe_pb2.EchoResponse(payload=request.payload * 2)

    async with site(settings=SMALL) as there, calling(there.server.port) as channel:
        there.servicers.serve([ECHO], Longer())
        assert await reason(channel.call(ECHO, echo(40 * 1024))) == "internal"
        assert len((await channel.call(ECHO, echo(20 * 1024))).payload) == 40 * 1024


@pytest.mark.parametrize("gzip_min_bytes", [1, 1 << 30])
async def test_a_frame_that_is_too_long_as_sent_or_inflated_ends_the_connection(gzip_min_bytes: int) -> None:
    generous = RpcSettings(gzip_min_bytes=gzip_min_bytes)
    request = probe_pb2.EchoRequest(payload=bytes(64 * 1024))  # as gzip a few hundred bytes
    async with site(settings=SMALL) as there, calling(there.server.port, settings=generous) as channel:
        assert await reason(channel.call(ECHO, request)) == "interrupted"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        body = bytes(64 * 1024)
        writer.write(rock.encode_response("trace", 1, ECHO.command, 200, "ok", body, gzip_min_length=gzip_min_bytes))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, calling(server.sockets[0].getsockname()[1], settings=SMALL) as channel:
        assert await reason(channel.call(ECHO, echo(10))) == "interrupted"


async def test_what_is_long_enough_is_sent_as_gzip_both_ways() -> None:
    eager = RpcSettings(gzip_min_bytes=200)
    flags: list[tuple[int, int]] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One frame there, one back."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", there.server.port)
        request = await read_frame(reader)
        far_writer.write(request)
        answer = await read_frame(far_reader)
        flags.append((request[3], answer[3]))
        writer.write(answer)
        far_writer.transport.abort()
        writer.close()

    async with site(settings=eager) as there:
        for size in (50, 1000):
            proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
            async with proxy, calling(proxy.sockets[0].getsockname()[1], settings=eager) as channel:
                request = echo(size)
                assert (await channel.call(ECHO, request)).payload == request.payload
    assert flags == [(0, 0), (1, 1)]


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(8)
    return header + await reader.readexactly(int.from_bytes(header[4:], "big"))


# -------------------------------------------------------------------- dialects


async def test_a_peer_of_the_base_dialect_is_understood_and_its_calls_get_a_trace_id_here() -> None:
    seen: list[Context] = []

    class Looks:
        async def echo(self, request: probe_pb2.EchoRequest, context: Context) -> probe_pb2.EchoResponse:
            seen.append(context)
            return probe_pb2.EchoResponse()

    base = RpcSettings(dialect="base")
    async with site(SECRET, settings=base) as there, calling(there.server.port, SECRET, base) as channel:
        there.servicers.serve([ECHO], Looks())
        trace_id.set("a" * 32)
        await channel.call(ECHO, echo(1))
        assert seen[0].caller == "test" and len(seen[0].trace_id) == 32 and seen[0].trace_id != "a" * 32


@pytest.mark.parametrize(("ours", "theirs"), [("base", "trace"), ("trace", "base")])
async def test_two_dialects_do_not_meet(ours: Any, theirs: Any) -> None:
    async with site(settings=RpcSettings(dialect=theirs)) as there:
        async with calling(there.server.port, settings=RpcSettings(dialect=ours)) as channel:
            answered = await reason(channel.call(TYPING, REQUEST))
            assert answered in ("interrupted", "invalid", "internal", "unavailable")
        assert there.servicer.begun == 0


# -------------------------------------------------------------------- the secret


async def test_beyond_loopback_there_must_be_a_secret() -> None:
    everywhere = socket.create_server(("0.0.0.0", 0))
    everywhere.setblocking(False)
    with pytest.raises(ValueError, match="need a cluster secret"):
        await RockServer(Servicers()).start(everywhere)
    async with site(SECRET, everywhere) as there, calling(there.server.port, SECRET) as channel:
        await channel.call(TYPING, REQUEST)


@pytest.mark.parametrize(("ours", "theirs"), [(b"x" * 32, SECRET), (b"", SECRET), (SECRET, b"")])
async def test_without_the_same_secret_nothing_is_called(ours: bytes, theirs: bytes) -> None:
    async with site(theirs) as there, calling(there.server.port, ours) as channel:
        answered = await reason(channel.call(TYPING, REQUEST))
        assert answered in ("unavailable", "unauthenticated", "interrupted")
        assert there.servicer.begun == 0


async def test_a_stranger_is_heard_only_for_his_proof_and_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(SECRET) as there:
        async with raw_peer(there.server.port) as peer:  # a call before the proof
            assert (await peer.ask(1, TYPING.command, body())).result == 401
            assert await peer.frame() is None
        async with raw_peer(there.server.port) as peer:  # a proof of nothing
            assert (await peer.ask(1, rock_proof.PROVE, b"")).result == 401
            assert await peer.frame() is None
        async with raw_peer(there.server.port) as peer:  # the callee's proof sent back
            challenge = await peer.ask(1, rock_proof.CHALLENGE, b"a" * 32)
            assert challenge.result == 200 and len(challenge.body) == 64
            assert (await peer.ask(2, rock_proof.PROVE, challenge.body[32:])).result == 401
            assert await peer.frame() is None
        async with raw_peer(there.server.port) as peer:  # more than a stranger may say
            peer.writer.write(rock.encode_request("trace", 1, rock_proof.CHALLENGE, bytes(2000)))
            assert await peer.frame() is None
        monkeypatch.setattr(rock_server, "PROVE_WITHIN_S", 0.02)
        async with raw_peer(there.server.port) as peer:  # nothing at all
            with pytest.raises((ConnectionError, AssertionError)):
                assert await peer.frame() is not None
        assert there.servicer.begun == 0
