"""Rock RPC over TCP, the side that answers: the servicers of this process for callers in other ones.

A connection carries many calls at once, each in a task of its own; answers leave as they are ready, in any order,
paired by sn. uvloop joins what is written in one turn of the loop into one system call. A call whose caller has gone
runs to its end, since it may be inside a commit.

Bounds (`RpcSettings`): calls under way a connection (past it OVERLOADED), bytes a frame; connections; and a peer that
does not take its answers is not read on. Where there is a secret a connection proves that it knows it before anything
else, within `PROVE_WITHIN_S` and frames of `MAX_STRANGER_FRAME_BYTES` (`xinyu.rpc.rock_proof`); without one only
loopback is listened on. A frame that breaks the protocol ends the connection; an unknown command is answered with 404.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

import structlog
from google.protobuf.message import DecodeError

from xinyu._fast import rock
from xinyu.base.config import RpcSettings
from xinyu.base.errors import INTERNAL, INVALID, OVERLOADED, UNAUTHENTICATED, UNAVAILABLE, XinYuError
from xinyu.base.trace import new_trace_id
from xinyu.rpc import rock_proof, rock_socket
from xinyu.rpc.context import Context
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import options_pb2

log = structlog.get_logger(__name__)

OK: Final = 200
NO_SUCH_COMMAND: Final = 404
MAX_CONNECTIONS: Final = 1024
MAX_STRANGER_FRAME_BYTES: Final = 1024
PROVE_WITHIN_S: Final = 5.0
UNREAD_ANSWERS_BYTES: Final = 4 * 1024 * 1024
_DEFAULTS: Final = RpcSettings()


class RockServer:
    """Answers for `servicers` on one listening socket. `on_gone(caller)` is called when a connection has been lost and
    the last of its calls has ended; `caller` is the name in its requests, "" if it made none."""

    def __init__(
        self,
        servicers: Servicers,
        *,
        secret: bytes = b"",
        settings: RpcSettings = _DEFAULTS,
        on_gone: Callable[[str], None] | None = None,
    ) -> None:
        self.servicers = servicers
        self.secret = secret
        self.settings = settings
        # Answers repeat what was asked, so that all connections share one.
        self.encoder = rock.Encoder(
            settings.dialect, gzip_min_length=settings.gzip_min_bytes, max_length=settings.max_frame_bytes
        )
        self.on_gone = on_gone
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Owns the bound socket from now on. ValueError: no secret, and not on loopback."""
        host = listening.getsockname()[0]
        if not self.secret and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"calls on {host} need a cluster secret; without one only loopback is listened on")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=listening)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, timeout_s: float = 1.0) -> None:
        """No new connections, and those that are there are closed; one whose peer does not take its answers within
        `timeout_s` is cut. Drain the servicers first: an answer that is not ready by now is lost."""
        if self._server is not None:
            self._server.close()
        connections = list(self.connections)
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([connection.closed for connection in connections], timeout=timeout_s)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in connections))


class _Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, server: RockServer) -> None:
        self._server = server
        self._servicers = server.servicers
        self._offers = server.servicers.offers()
        self._encoder = server.encoder
        self._max_in_flight = server.settings.max_in_flight
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._is_known = not server.secret
        self._decoder = self._decoder_of_known() if self._is_known else self._decoder_of_stranger()
        self._expected_proof = b""
        self._prove_timer: asyncio.TimerHandle | None = None
        self._caller = ""
        self._in_flight = 0
        self._is_closing = False
        self._is_lost = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def _decoder_of_stranger(self) -> rock.Decoder:
        return rock.Decoder(self._server.settings.dialect, MAX_STRANGER_FRAME_BYTES)

    def _decoder_of_known(self) -> rock.Decoder:
        settings = self._server.settings
        return rock.Decoder(settings.dialect, settings.max_frame_bytes, heads=True)

    # ---------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._server.connections) >= MAX_CONNECTIONS:
            log.warning("rock_connections_full", connections=MAX_CONNECTIONS)
            self.abort()
            return
        rock_socket.prepare(self._transport, UNREAD_ANSWERS_BYTES)
        self._server.connections.add(self)
        if not self._is_known:
            self._prove_timer = self._loop.call_later(PROVE_WITHIN_S, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        if self._prove_timer is not None:
            self._prove_timer.cancel()
        self._server.connections.discard(self)
        self._is_closing = self._is_lost = True
        self.closed.set_result(None)
        self._tell_gone()

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        self._is_closing = True
        self._transport.close()

    def abort(self) -> None:
        self._is_closing = True
        if not self._is_lost:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._on_frames(self._decoder.feed(data))
        except rock.ProtocolError as error:
            log.warning("rock_protocol_error", reason=error.reason, caller=self._caller)
            self._on_frames(error.frames)
            self.close()

    def _on_frames(self, frames: Iterable[rock.Frame]) -> None:
        now_s = self._loop.time()
        for frame in frames:
            # We ask nothing of a caller: a RESPONSE pairs with nothing, and no NOTIFY is defined.
            if isinstance(frame, rock.Request):
                if self._is_known:
                    self._on_call(frame, now_s)
                elif not self._is_closing:
                    self._on_stranger(frame)

    # ---------------------------------------------------------------- proof

    def _on_stranger(self, frame: rock.Request) -> None:
        secret = self._server.secret
        if frame.cmd == rock_proof.CHALLENGE and len(frame.body) == rock_proof.NONCE_BYTES and not self._expected_proof:
            nonce = secrets.token_bytes(rock_proof.NONCE_BYTES)
            self._expected_proof = rock_proof.caller(secret, frame.body, nonce)
            self._reply(frame, OK, "ok", nonce + rock_proof.callee(secret, frame.body, nonce))
        elif (
            frame.cmd == rock_proof.PROVE
            and self._expected_proof
            and hmac.compare_digest(frame.body, self._expected_proof)
        ):
            if self._prove_timer is not None:
                self._prove_timer.cancel()
            self._is_known = True
            # A caller waits for this answer before it goes on, so the old decoder holds nothing.
            self._decoder = self._decoder_of_known()
            self._reply(frame, OK, "ok", b"")
        else:
            log.warning("rock_caller_refused", peer=str(self._transport.get_extra_info("peername")))
            self._refuse(frame, UNAUTHENTICATED.status, XinYuError(UNAUTHENTICATED, "The cluster secret is wrong."))
            self.close()

    # ---------------------------------------------------------------- calls

    def _on_call(self, frame: rock.Request, now_s: float) -> None:
        offer = self._offers.get(frame.cmd)
        if offer is None:
            error = XinYuError(UNAVAILABLE, f"No command {frame.cmd} is answered here.")
            self._refuse(frame, NO_SUCH_COMMAND, error)
            return
        try:
            if not isinstance(frame, rock.Call):
                raise DecodeError("its body begins with no head")
            request = offer.method.request_type.FromString(frame.body)
        except DecodeError as error:
            self._refuse(frame, INVALID.status, XinYuError(INVALID, f"Not a request of this command: {error}"))
            return
        if self._in_flight >= self._max_in_flight:
            self._refuse(frame, OVERLOADED.status, XinYuError(OVERLOADED))
            return
        self._caller = frame.caller
        context = Context(now_s + frame.timeout_s, frame.trace_id or new_trace_id(), frame.caller)
        try:
            self._servicers.start(self._loop, offer, request, context, partial(self._on_answer, frame))
        except XinYuError as error:
            self._refuse(frame, error.status, error)
        else:
            self._in_flight += 1

    def _on_answer(self, frame: rock.Request, response: Any, refusal: XinYuError | None) -> None:
        self._in_flight -= 1
        if refusal is not None:
            self._refuse(frame, refusal.status, refusal)
        else:
            self._reply(frame, OK, "ok", response.SerializeToString())
        if self._is_lost:
            self._tell_gone()

    def _reply(self, frame: rock.Request, result: int, text: str, body: bytes) -> None:
        if self._is_closing:
            return
        try:
            encoded = self._encoder.answer(frame, result, text, body)
        except rock.ProtocolError:
            log.error("rock_answer_too_long", command=frame.cmd, size_bytes=len(body))
            self._refuse(frame, INTERNAL.status, XinYuError(INTERNAL))
            return
        self._transport.write(encoded)

    def _refuse(self, frame: rock.Request, result: int, error: XinYuError) -> None:
        refusal = options_pb2.Refusal(reason=error.reason, message=error.message, retry_after_ms=error.retry_after_ms)
        self._reply(frame, result, error.message, refusal.SerializeToString())

    def _tell_gone(self) -> None:
        if self._is_lost and not self._in_flight and self._server.on_gone is not None:
            self._server.on_gone(self._caller)
