"""Rock RPC over TCP, the side that calls: a channel for stubs to one address.

One connection carries all calls, paired with their answers by sn. It is made when the first call needs it and made
anew after a loss; between failed tries pauses grow, and calls meanwhile fail at once with UNAVAILABLE: they were not
sent, so whoever has another instance asks that one. A call that was sent and whose connection is lost fails with
INTERRUPTED: it may have been done. What the peer answers after the deadline is dropped.

Bounds (`RpcSettings`): calls under way, and bytes that the peer has not taken; past either a call fails with
OVERLOADED; bytes of a frame, both ways. A peer that vanishes without a word is noticed by the kernel
(`xinyu.rpc.rock_socket`).
Cost: one coroutine and a future a call and no timer; calls of one turn of the loop leave in one system call.
"""

from __future__ import annotations

import asyncio
import hmac
import random
import secrets
from collections.abc import Coroutine
from typing import Any, Final, cast

import structlog
from google.protobuf.message import DecodeError

from xinyu._fast import rock
from xinyu.base.config import RpcSettings
from xinyu.base.errors import DEADLINE, INTERNAL, INTERRUPTED, INVALID, OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.base.trace import new_trace_id, trace_id
from xinyu.rpc import rock_proof, rock_socket
from xinyu.rpc.call_times import CallTimes
from xinyu.rpc.deadlines import Deadlines
from xinyu.rpc.not_sent import NotSent
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Method

log = structlog.get_logger(__name__)

OK: Final = 200
NO_SUCH_COMMAND: Final = 404
UNSENT_BYTES: Final = 4 * 1024 * 1024
CONNECT_WITHIN_S: Final = 3.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
_MAX_SN: Final = 0xFFFFFFFF
_DEFAULTS: Final = RpcSettings()


class RockChannel:
    """`xinyu.wire.v1.method.Channel` to `host`:`port`. `caller` names who calls, in ASCII. `times` hears of each
    call."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        caller: str,
        secret: bytes = b"",
        settings: RpcSettings = _DEFAULTS,
        times: CallTimes | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._secret = secret
        self._settings = settings
        self._times = times
        self._encoder = rock.Encoder(
            settings.dialect,
            caller=caller,
            gzip_min_length=settings.gzip_min_bytes,
            max_length=settings.max_frame_bytes,
        )
        self._deadlines = Deadlines()
        self._line: _Line | None = None
        self._connecting: asyncio.Task[_Line] | None = None
        self._pause_s = 0.0
        self._next_try_s = 0.0
        self._is_closed = False

    def call(
        self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = ""
    ) -> Coroutine[Any, Any, Any]:
        # There is one address: the key has nothing to choose.
        if timeout_s is None:
            timeout_s = method.timeout_s
        line = self._line
        if line is None or line.is_lost:
            return self._connect_and_call(method, request, timeout_s)
        return line.call(method, request, timeout_s)

    async def _connect_and_call(self, method: Method, request: Any, timeout_s: float) -> Any:
        method.check_request(request)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            line = await self._connected(loop, began_s + timeout_s)
        except XinYuError as error:
            if self._times is not None:
                self._times.observe(method, loop.time() - began_s, error)
            raise
        return await line.call(method, request, timeout_s, waited_s=loop.time() - began_s)

    async def connect(self, timeout_s: float = CONNECT_WITHIN_S) -> None:
        """Connects now. Raises UNAVAILABLE."""
        loop = asyncio.get_running_loop()
        await self._connected(loop, loop.time() + timeout_s)

    @property
    def in_flight(self) -> int:
        return 0 if self._line is None else self._line.in_flight

    @property
    def is_connected(self) -> bool:
        return self._line is not None and not self._line.is_lost

    async def lost(self) -> None:
        """Waits until the connection that is there now is lost; returns at once where none is."""
        if self._line is not None:
            await asyncio.shield(self._line.lost)

    async def close(self) -> None:
        """Calls under way fail with INTERRUPTED, later ones with UNAVAILABLE."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._line is not None:
            self._line.abort()
            await self.lost()

    # ---------------------------------------------------------------- the connection

    async def _connected(self, loop: asyncio.AbstractEventLoop, deadline_s: float) -> _Line:
        line = self._line
        if line is not None and not line.is_lost:
            return line
        if self._connecting is None:
            if self._is_closed or loop.time() < self._next_try_s:
                raise NotSent
            self._connecting = loop.create_task(self._connect(loop))
            self._connecting.add_done_callback(self._on_connected)
        connecting = self._connecting
        # Not wait_for: when the channel is closed this task is cancelled, and its waiters must not be.
        await asyncio.wait((connecting,), timeout=max(0.0, deadline_s - loop.time()))
        if not connecting.done() or connecting.cancelled():
            raise NotSent
        return connecting.result()

    def _make_line(self) -> _Line:
        return _Line(self._encoder, self._deadlines, self._settings, self._times)

    def _on_connected(self, connecting: asyncio.Task[_Line]) -> None:
        self._connecting = None
        if connecting.cancelled() or connecting.exception() is not None:
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
            loop = asyncio.get_running_loop()
            self._next_try_s = loop.time() + self._pause_s * random.uniform(0.5, 1.0)
        else:
            self._pause_s = 0.0
            self._line = connecting.result()

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Line:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                _, line = await loop.create_connection(
                    self._make_line, self.host, self.port
                )
                try:
                    if self._secret:
                        await line.prove(self._secret)
                except BaseException:
                    line.abort()
                    raise
        except (OSError, TimeoutError, XinYuError) as error:
            log.warning("rock_not_connected", host=self.host, port=self.port, error=str(error))
            raise NotSent from None
        return line


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, encoder: rock.Encoder, deadlines: Deadlines, settings: RpcSettings, times: CallTimes | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._encoder = encoder
        self._decoder = rock.Decoder(settings.dialect, settings.max_frame_bytes)
        self._deadlines = deadlines
        self._times = times
        self._max_in_flight = settings.max_in_flight
        self._transport: asyncio.Transport
        self._waiting: dict[int, asyncio.Future[rock.Response]] = {}
        self._last_sn = 0
        self._is_full = False
        self.is_lost = False
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def abort(self) -> None:
        self._transport.abort()

    async def call(self, method: Method, request: Any, timeout_s: float, *, waited_s: float = 0.0) -> Any:
        """`waited_s` of the time are over."""
        loop, waiting, refusal = self._loop, self._waiting, None
        began_s = loop.time() - waited_s
        try:
            if type(request) is not method.request_type:
                method.check_request(request)
            left_s = timeout_s - waited_s
            if left_s <= 0:
                raise XinYuError(DEADLINE)
            if self.is_lost:
                raise NotSent
            if self._is_full or len(waiting) >= self._max_in_flight:
                raise XinYuError(OVERLOADED)
            sn = self._last_sn + 1
            while sn > _MAX_SN or sn in waiting:
                sn = 1 if sn > _MAX_SN else sn + 1
            self._last_sn = sn
            trace = trace_id.get() or new_trace_id()
            encoded = self._encoder.call(sn, method.command, trace, left_s, request.SerializeToString())
            answered = waiting[sn] = loop.create_future()
            due = self._deadlines.add(loop, began_s + timeout_s, answered)
            try:
                self._transport.write(encoded)
                frame = await answered
            finally:
                del waiting[sn]
                due.discard(answered)
            if frame.result == OK:
                return method.response_type.FromString(frame.body)
            raise _refusal_of(frame)
        except DecodeError:
            log.error("rock_answer_not_understood", service=method.service, method=method.name)
            refusal = XinYuError(INTERNAL)
            raise refusal from None
        except rock.ProtocolError:
            refusal = XinYuError(INVALID, "The request is too long for one frame.")
            raise refusal from None
        except XinYuError as error:
            refusal = error
            raise
        finally:
            if self._times is not None:
                self._times.observe(method, loop.time() - began_s, refusal)

    async def prove(self, secret: bytes) -> None:
        """Before any call. Raises XinYuError where the peer does not know the secret, or thinks that we do not."""
        ours = secrets.token_bytes(rock_proof.NONCE_BYTES)
        challenge = await self._ask_stranger(rock_proof.CHALLENGE, ours)
        theirs, proof = challenge.body[: rock_proof.NONCE_BYTES], challenge.body[rock_proof.NONCE_BYTES :]
        if challenge.result != OK or not hmac.compare_digest(proof, rock_proof.callee(secret, ours, theirs)):
            raise XinYuError(INVALID, "The peer does not know the cluster secret.")
        answer = await self._ask_stranger(rock_proof.PROVE, rock_proof.caller(secret, ours, theirs))
        if answer.result != OK:
            raise XinYuError(INVALID, "The peer has another cluster secret.")

    async def _ask_stranger(self, command: int, body: bytes) -> rock.Response:
        """Whoever connects has a deadline for all of it."""
        self._last_sn += 1
        answered: asyncio.Future[rock.Response] = self._loop.create_future()
        self._waiting[self._last_sn] = answered
        try:
            self._transport.write(self._encoder.request(self._last_sn, command, body))
            return await answered
        finally:
            del self._waiting[self._last_sn]

    # ---------------------------------------------------------------- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        rock_socket.prepare(self._transport, UNSENT_BYTES)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(XinYuError(INTERRUPTED))
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def data_received(self, data: bytes) -> None:
        try:
            frames: Any = self._decoder.feed(data)
        except rock.ProtocolError as error:
            log.warning("rock_protocol_error", reason=error.reason)
            frames = error.frames
            self._transport.close()
        for frame in frames:
            # An answer to nobody: its caller has given up. The peer asks nothing of us.
            if isinstance(frame, rock.Response):
                answered = self._waiting.get(frame.sn)
                if answered is not None and not answered.done():
                    answered.set_result(frame)


def _refusal_of(frame: rock.Response) -> XinYuError:
    """Raises DecodeError."""
    refusal = options_pb2.Refusal.FromString(frame.body)
    if frame.result == NO_SUCH_COMMAND and refusal.reason == UNAVAILABLE.reason:
        return NotSent(refusal.message)
    retry_after_ms = refusal.retry_after_ms if refusal.HasField("retry_after_ms") else None
    return XinYuError.from_wire(refusal.reason, refusal.message, retry_after_ms)
