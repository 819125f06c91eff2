"""Rock over TCP: what only a network does. Connections are real; the bytes that a peer may send are written by hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rpc.carriers import loopback
from xinyu._fast import rock
from xinyu.base.errors import XinYuError
from xinyu.rpc import rock_channel, rock_head, rock_proof, rock_server
from xinyu.rpc.context import Context
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu.wire.v1.message_rpc import TYPING

SECRET = b"k" * 32
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

    def __init__(self, secret: bytes) -> None:
        self.servicer = Servicer()
        self.servicers = Servicers()
        self.servicers.serve([TYPING], self.servicer)
        self.gone: list[str] = []
        self.server = RockServer(self.servicers, secret=secret, on_gone=self.gone.append)

    async def wait_gone(self) -> str:
        async with asyncio.timeout(30):
            while not self.gone:
                await asyncio.sleep(0.005)
        return self.gone.pop()


@asynccontextmanager
async def site(secret: bytes = b"", sock: socket.socket | None = None) -> AsyncIterator[Site]:
    made = Site(secret)
    await made.server.start(sock or loopback())
    try:
        yield made
    finally:
        made.servicer.go.set()
        await made.servicers.drain(5.0)
        await made.server.stop()


@asynccontextmanager
async def calling(port: int, secret: bytes = b"") -> AsyncIterator[RockChannel]:
    channel = RockChannel("127.0.0.1", port, caller="test", secret=secret)
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
    return rock_head.encode(timeout_s, rock_head.encode_caller("raw"), request.SerializeToString())


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


async def test_calls_of_one_connection_are_bounded_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as there:
        there.servicer.go.clear()
        monkeypatch.setattr(rock_server, "MAX_IN_FLIGHT", 2)
        async with calling(there.server.port) as channel:
            calls = [asyncio.ensure_future(channel.call(TYPING, REQUEST)) for _ in range(3)]
            assert await reason(calls[2]) == "overloaded"
            monkeypatch.setattr(rock_channel, "MAX_IN_FLIGHT", 2)
            assert await reason(channel.call(TYPING, REQUEST)) == "overloaded"
            there.servicer.go.set()
            await asyncio.gather(*calls[:2])
            await channel.call(TYPING, REQUEST)
        assert there.servicer.begun == 3


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


async def test_a_request_that_fits_no_frame_is_refused_before_it_is_sent() -> None:
    async with site() as there, calling(there.server.port) as channel:
        long = message_pb2.TypingRequest()
        long.MergeFromString(b"\xfa\x3f\x81\x80\x80\x20" + bytes(64 * 1024 * 1024 + 1))  # an unknown field of 64 MiB
        assert await reason(channel.call(TYPING, long, timeout_s=60)) == "invalid"
        await channel.call(TYPING, REQUEST)
        assert there.servicer.begun == 1


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


# -------------------------------------------------------------------- the head


@given(st.floats(0, 4_000_000), st.text(st.characters(max_codepoint=127), max_size=255), st.binary(max_size=50))
def test_a_head_comes_back(timeout_s: float, caller: str, request: bytes) -> None:
    encoded = rock_head.encode(timeout_s, rock_head.encode_caller(caller), request)
    decoded_s, name, begin = rock_head.decode(encoded)
    assert 0 <= timeout_s - decoded_s < 0.002
    assert (name, encoded[begin:]) == (caller, request)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused(content: bytes) -> None:
    try:
        timeout_s, caller, begin = rock_head.decode(content)
    except rock_head.HeadError:
        return
    assert content[0] == rock_head.VERSION and timeout_s >= 0 and begin == 6 + len(caller) <= len(content)
