"""gRPC, the side that answers: the same servicers as Rock's, for clients in other languages.

A method is found by its full name among what the process offers at that moment, so there is no generated gRPC code.
Each call runs as a task of `Servicers`, not as gRPC's own, which ends when its caller has gone: a callee may be inside
a commit. Deadline: gRPC's; a call without one gets the method's. Trace id: metadata `traceparent` or `x-trace-id`.
Caller: metadata `xinyu-caller`. Errors: `xinyu.rpc.grpc_status`.

Where there is a secret each call must carry `authorization: Bearer SECRET`; without one only loopback is listened on.
Nobody needs it to ask for the health (`grpc.health.v1.Health`): whether a service is up is no secret, and probes have
none. Reflection tells any caller who may call which services there are and their messages.

Bounds (`RpcSettings`): calls under way, of all connections together (past it OVERLOADED), bytes a message; what else
gRPC holds open at once; and how long a peer that has vanished keeps its connection (keepalive).
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from xinyu.base.config import RpcSettings
from xinyu.base.errors import INTERNAL, INVALID, OVERLOADED, UNAUTHENTICATED, XinYuError
from xinyu.base.trace import incoming_trace_id
from xinyu.rpc import grpc_status
from xinyu.rpc.context import Context
from xinyu.rpc.servicers import Offer, Servicers

log = structlog.get_logger(__name__)

CALLER: Final = "xinyu-caller"
MAX_CALLER_CHARACTERS: Final = 255
MAX_METADATA_BYTES: Final = 16 * 1024
# Beside our calls: those that wait for a change of health, or list what there is.
MAX_OTHER_CALLS: Final = 1024
PING_AFTER_MS: Final = 10_000
SILENT_FOR_MS: Final = 5_000
_HEALTH: Final = f"/{health.SERVICE_NAME}/"
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING

_DEFAULTS: Final = RpcSettings()

_ServicerContext = grpc.aio.ServicerContext[Any, Any]


class GrpcServer:
    """Answers for `servicers` at one address. `secret`: printable ASCII."""

    def __init__(self, servicers: Servicers, *, secret: bytes = b"", settings: RpcSettings = _DEFAULTS) -> None:
        if not all(0x20 < byte < 0x7F for byte in secret):
            raise ValueError("a cluster secret that is shown over gRPC must be printable ASCII without spaces")
        self.servicers = servicers
        self.port = 0
        self._secret = secret
        self._max_message_bytes = settings.max_frame_bytes
        self._max_in_flight = settings.max_in_flight
        self._in_flight = 0
        self._health: health.aio.HealthServicer | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listens; `port` 0 = a free one. What is offered by now is what health and reflection speak of. ValueError:
        no secret, and not on loopback. OSError: the address cannot be had."""
        if not self._secret and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"calls on {host} need a cluster secret; without one only loopback is listened on")
        server = grpc.aio.server(
            handlers=[_Methods(self)],
            interceptors=[_Authentication(self._secret)] if self._secret else [],
            maximum_concurrent_rpcs=self._max_in_flight + MAX_OTHER_CALLS,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._max_message_bytes),
                ("grpc.max_send_message_length", self._max_message_bytes),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.keepalive_time_ms", PING_AFTER_MS),
                ("grpc.keepalive_timeout_ms", SILENT_FOR_MS),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_AFTER_MS // 2),
            ],
        )
        names = self.servicers.service_names()
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        for name in names:
            await self._health.set(name, _SERVING)
        try:
            self.port = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError:
            raise OSError(f"gRPC cannot listen on {host}:{port}") from None
        await server.start()
        self._server = server

    async def drain(self) -> None:
        """Health says NOT_SERVING from here on, for good; calls are answered as before."""
        if self._health is not None:
            await self._health.enter_graceful_shutdown()

    async def stop(self, timeout_s: float = 1.0) -> None:
        """No new calls; answers that are ready leave. Drain the servicers first: what is not ready after `timeout_s`
        is lost."""
        await self.drain()
        if self._server is not None:
            await self._server.stop(timeout_s)

    async def answer(self, offer: Offer, content: bytes, grpc_context: _ServicerContext) -> bytes:
        self._in_flight += 1
        try:
            if self._in_flight > self._max_in_flight:
                raise XinYuError(OVERLOADED)
            return await self._call(offer, content, grpc_context)
        except XinYuError as error:
            return await _abort(grpc_context, error)
        finally:
            self._in_flight -= 1

    async def _call(self, offer: Offer, content: bytes, grpc_context: _ServicerContext) -> bytes:
        method = offer.method
        try:
            request = method.request_type.FromString(content)
        except DecodeError as error:
            raise XinYuError(INVALID, f"Not a request of this method: {error}") from None
        metadata: dict[str, Any] = dict(grpc_context.invocation_metadata() or ())
        left_s: float | None = grpc_context.time_remaining()  # None: the caller has set no deadline
        loop = asyncio.get_running_loop()
        context = Context(
            loop.time() + (method.timeout_s if left_s is None else left_s),
            incoming_trace_id(metadata.get("traceparent", ""), metadata.get("x-trace-id", "")),
            metadata.get(CALLER, "")[:MAX_CALLER_CHARACTERS],
        )
        answered: asyncio.Future[Any] = loop.create_future()

        def reply(response: Any, refusal: XinYuError | None) -> None:
            if answered.done():
                return
            if refusal is None:
                answered.set_result(response)
            else:
                answered.set_exception(refusal)

        self.servicers.start(loop, offer, request, context, reply)
        encoded: bytes = (await answered).SerializeToString()
        if len(encoded) > self._max_message_bytes:
            log.error("grpc_answer_too_long", path=method.path, size_bytes=len(encoded))
            raise XinYuError(INTERNAL)
        return encoded


class _Methods(grpc.GenericRpcHandler):
    """What the servicers offer, as gRPC asks for it. Messages stay bytes, so that one that cannot be read is answered
    with an error out of our table."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        offer = self._server.servicers.find_path(handler_call_details.method)
        return None if offer is None else grpc.unary_unary_rpc_method_handler(partial(self._server.answer, offer))


class _Authentication(grpc.aio.ServerInterceptor):
    """Lets pass who shows the secret, and who asks for the health."""

    def __init__(self, secret: bytes) -> None:
        self._expected = b"Bearer " + secret

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        if not handler_call_details.method.startswith(_HEALTH):
            shown = dict(handler_call_details.invocation_metadata or ()).get("authorization", "")
            if not hmac.compare_digest(shown.encode() if isinstance(shown, str) else shown, self._expected):
                log.warning("grpc_caller_refused", path=handler_call_details.method)
                return grpc.unary_unary_rpc_method_handler(_refuse)
        return await continuation(handler_call_details)


async def _refuse(content: bytes, grpc_context: _ServicerContext) -> bytes:
    return await _abort(grpc_context, XinYuError(UNAUTHENTICATED, "The cluster secret is wrong."))


async def _abort(grpc_context: _ServicerContext, error: XinYuError) -> bytes:
    await grpc_context.abort(grpc_status.status_of(error), error.message, grpc_status.metadata_of(error))
    raise AssertionError("abort() has raised")
