"""gRPC as a client in any language sees it: statuses, metadata, health, reflection, limits. Over real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from xinyu.base.config import RpcSettings
from xinyu.base.errors import ERRORS, TOO_MANY, XinYuError
from xinyu.rpc import grpc_status
from xinyu.rpc.context import Context
from xinyu.rpc.grpc_channel import GrpcChannel
from xinyu.rpc.grpc_server import GrpcServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import probe_pb2
from xinyu.wire.v1.probe_rpc import ECHO

SECRET = b"open-sesame"
DEFAULTS = RpcSettings()
SMALL = RpcSettings(max_frame_bytes=64 * 1024)


class Servicer:
    """Echoes when `go` is set. A payload of "refuse" is refused, one of "twice" comes back so often that it is long."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.began = asyncio.Event()
        self.contexts: list[Context] = []

    async def echo(self, request: probe_pb2.EchoRequest, context: Context) -> probe_pb2.EchoResponse:
        self.contexts.append(context)
        self.began.set()
        await self.go.wait()
        if request.payload == b"refuse":
            raise XinYuError(TOO_MANY, "Langsam, bitte: ä.", retry_after_ms=70)
        return probe_pb2.EchoResponse(payload=request.payload * (50_000 if request.payload == b"long" else 1))


class Site:
    def __init__(self, secret: bytes, settings: RpcSettings) -> None:
        self.servicer = Servicer()
        self.servicers = Servicers()
        self.servicers.serve([ECHO], self.servicer)
        self.server = GrpcServer(self.servicers, secret=secret, settings=settings)

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[grpc.aio.Channel]:
        """What somebody has who knows gRPC and nothing of ours."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
            yield channel

    @asynccontextmanager
    async def channel(self, settings: RpcSettings = DEFAULTS, secret: bytes = b"") -> AsyncIterator[GrpcChannel]:
        channel = GrpcChannel("127.0.0.1", self.server.port, caller="test", secret=secret, settings=settings)
        try:
            yield channel
        finally:
            await channel.close()


@asynccontextmanager
async def site(secret: bytes = b"", settings: RpcSettings = DEFAULTS) -> AsyncIterator[Site]:
    made = Site(secret, settings)
    await made.server.start("127.0.0.1", 0)
    try:
        yield made
    finally:
        made.servicer.go.set()
        await made.servicers.drain(5.0)
        await made.server.stop()


async def call(channel: grpc.aio.Channel, payload: bytes = b"hi", path: str = ECHO.path, **options: Any) -> bytes:
    content = probe_pb2.EchoRequest(payload=payload).SerializeToString()
    answer = await channel.unary_unary(path)(content, **{"timeout": 30, **options})
    return probe_pb2.EchoResponse.FromString(answer).payload


async def failure(awaited: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaited
    return caught.value


async def reason(awaited: Any) -> str:
    with pytest.raises(XinYuError) as caught:
        await awaited
    return caught.value.reason


# -------------------------------------------------------------------- errors


def test_every_error_has_a_status() -> None:
    assert {error.status for error in ERRORS.values()} <= set(grpc_status.STATUS)


async def test_an_error_crosses_as_status_sentence_and_reason() -> None:
    async with site() as there, there.plain() as channel:
        error = await failure(call(channel, b"refuse"))
        assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Langsam, bitte: ä.")
        assert dict(error.trailing_metadata())["xinyu-reason"] == "too_many"
        assert dict(error.trailing_metadata())["retry-after-ms"] == "70"


async def test_what_is_not_there_or_not_a_request_is_told_apart() -> None:
    async with site() as there, there.plain() as channel:
        for path in ("/xinyu.wire.v1.Probe/Nothing", "/Probe/Echo", "/xinyu.wire.v1.Probe/echo"):
            assert (await failure(call(channel, path=path))).code() == grpc.StatusCode.UNIMPLEMENTED
        broken = await failure(channel.unary_unary(ECHO.path)(b"\xff\xff", timeout=30))
        assert broken.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert dict(broken.trailing_metadata())["xinyu-reason"] == "invalid"
        assert there.servicer.contexts == []
        there.servicers.withdraw([ECHO])
        assert (await failure(call(channel))).code() == grpc.StatusCode.UNIMPLEMENTED


# -------------------------------------------------------------------- what a call carries


async def test_deadline_trace_id_and_caller_come_from_grpc_and_metadata() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with site() as there, there.plain() as channel:
        metadata = (("traceparent", f"00-{trace}-b7ad6b7169203331-01"), ("xinyu-caller", "node"))
        await call(channel, metadata=metadata, timeout=9)
        await call(channel, metadata=(("x-trace-id", "f" * 32), ("xinyu-caller", "y" * 1000)))
        await call(channel, metadata=(("x-trace-id", "nonsense"),), timeout=None)
        now_s = asyncio.get_running_loop().time()
        first, second, third = there.servicer.contexts
        assert (first.trace_id, first.caller, second.trace_id, third.caller) == (trace, "node", "f" * 32, "")
        assert second.caller == "y" * 255 and len(third.trace_id) == 32 and third.trace_id != "nonsense"
        assert 7 < first.deadline_s - now_s <= 9.1 and 27 < second.deadline_s - now_s <= 30.1
        assert third.deadline_s - now_s <= ECHO.timeout_s  # gRPC set none


# -------------------------------------------------------------------- the secret


async def test_without_the_secret_only_the_health_is_told() -> None:
    async with site(SECRET) as there, there.plain() as channel:
        for shown in ((), (("authorization", "Bearer open-sesam"),), (("authorization", "open-sesame"),)):
            error = await failure(call(channel, metadata=shown))
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            assert dict(error.trailing_metadata())["xinyu-reason"] == "unauthenticated"
            assert (await failure(list_services(channel, shown))).code() == grpc.StatusCode.UNAUTHENTICATED
        assert there.servicer.contexts == []
        assert await health(channel) == "SERVING"
        known = (("authorization", "Bearer open-sesame"),)
        assert await call(channel, metadata=known) == b"hi"
        assert "xinyu.wire.v1.Probe" in await list_services(channel, known)
        async with there.channel(secret=b"another") as ours:
            assert await reason(ours.call(ECHO, probe_pb2.EchoRequest())) == "unauthenticated"


async def test_beyond_loopback_there_must_be_a_secret_that_can_be_shown() -> None:
    with pytest.raises(ValueError, match="need a cluster secret"):
        await GrpcServer(Servicers()).start("0.0.0.0", 0)
    for secret in (b"\xe4", b"two words", b"line\n"):
        with pytest.raises(ValueError, match="printable ASCII"):
            GrpcServer(Servicers(), secret=secret)


async def test_an_address_that_is_taken_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="cannot listen"):
            await GrpcServer(Servicers()).start("127.0.0.1", taken.getsockname()[1])


# -------------------------------------------------------------------- health and reflection


async def health(channel: grpc.aio.Channel, service: str = "") -> str:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def test_health_is_told_by_service_and_changes_while_draining() -> None:
    async with site() as there, there.plain() as channel:
        assert await health(channel) == await health(channel, "xinyu.wire.v1.Probe") == "SERVING"
        assert (await failure(health(channel, "xinyu.wire.v1.Talk"))).code() == grpc.StatusCode.NOT_FOUND
        await there.server.drain()
        assert await health(channel) == await health(channel, "xinyu.wire.v1.Probe") == "NOT_SERVING"
        assert await call(channel) == b"hi"


async def list_services(channel: grpc.aio.Channel, metadata: Any = ()) -> list[str]:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return [
        service.name
        async for answer in stub.ServerReflectionInfo(asked, timeout=30, metadata=metadata)
        for service in answer.list_services_response.service
    ]


async def test_reflection_tells_services_and_their_files() -> None:
    async with site() as there, there.plain() as channel:
        assert set(await list_services(channel)) == {
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
            "xinyu.wire.v1.Probe",
        }
        asked = iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol="xinyu.wire.v1.Probe")])
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked, timeout=30)
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(each).name
            async for answer in answers
            for each in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert set(files) == {
            "google/protobuf/descriptor.proto",
            "xinyu/wire/v1/options.proto",
            "xinyu/wire/v1/probe.proto",
        }


# -------------------------------------------------------------------- bounds


async def test_messages_are_bounded_on_both_sides() -> None:
    long = probe_pb2.EchoRequest(payload=bytes(70_000))
    async with site(settings=SMALL) as there, there.channel() as generous, there.channel(SMALL) as strict:
        assert await reason(strict.call(ECHO, long)) == "invalid"
        assert await reason(generous.call(ECHO, long)) == "internal"
        assert there.servicer.contexts == []
        assert await reason(generous.call(ECHO, probe_pb2.EchoRequest(payload=b"long"))) == "internal"
        assert (await generous.call(ECHO, probe_pb2.EchoRequest(payload=b"hi"))).payload == b"hi"
    async with site() as there, there.channel(SMALL) as strict:
        assert await reason(strict.call(ECHO, probe_pb2.EchoRequest(payload=b"long"))) == "internal"


async def test_calls_under_way_are_bounded_on_both_sides() -> None:
    two, request = RpcSettings(max_in_flight=2), probe_pb2.EchoRequest()
    async with site(settings=two) as there, there.channel() as generous, there.channel(two) as strict:
        there.servicer.go.clear()
        calls = [asyncio.ensure_future(strict.call(ECHO, request)) for _ in range(2)]
        async with asyncio.timeout(30):
            while len(there.servicer.contexts) < 2:
                await asyncio.sleep(0.005)
        assert strict.in_flight == 2
        assert await reason(strict.call(ECHO, request)) == "overloaded"
        assert await reason(generous.call(ECHO, request)) == "overloaded"
        there.servicer.go.set()
        await asyncio.gather(*calls)
        assert strict.in_flight == 0
        await generous.call(ECHO, request)
        assert len(there.servicer.contexts) == 3


# -------------------------------------------------------------------- losses


async def test_where_nobody_listens_calls_fail_and_were_not_sent_until_somebody_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    request = probe_pb2.EchoRequest()
    channel = GrpcChannel("127.0.0.1", port, caller="test")
    try:
        assert await reason(channel.call(ECHO, request)) == "unavailable"
        made = Site(b"", DEFAULTS)
        await made.server.start("127.0.0.1", port)
        async with asyncio.timeout(30):
            while True:
                (answer,) = await asyncio.gather(channel.call(ECHO, request), return_exceptions=True)
                if answer == probe_pb2.EchoResponse():
                    break
                assert isinstance(answer, XinYuError) and answer.reason == "unavailable"
                await asyncio.sleep(0.01)
        assert len(made.servicer.contexts) == 1
        await made.server.stop()
    finally:
        await channel.close()


async def test_a_peer_that_takes_the_connection_and_says_nothing_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channel = GrpcChannel("127.0.0.1", silent.getsockname()[1], caller="test")
        assert await reason(channel.call(ECHO, probe_pb2.EchoRequest(), timeout_s=0.05)) == "unavailable"
        await channel.close()


async def test_a_call_whose_server_goes_or_whose_channel_is_closed_may_have_been_done() -> None:
    request = probe_pb2.EchoRequest()
    async with site() as there, there.channel() as first, there.channel() as second:
        there.servicer.go.clear()
        calls = []
        for channel in (first, second):
            there.servicer.began.clear()
            calls.append(asyncio.ensure_future(channel.call(ECHO, request)))
            await there.servicer.began.wait()
        await second.close()
        assert await reason(calls[1]) == "interrupted"
        assert await reason(second.call(ECHO, request)) == "unavailable"
        await there.server.stop(0.0)
        assert await reason(calls[0]) == "interrupted"
        assert await reason(first.call(ECHO, request)) == "unavailable"
