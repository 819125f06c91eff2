"""The socket: one WebSocket connection to a gateway at a time, kept alive and made again, on picows.

A connection goes connecting -> ready -> (lost, waiting, connecting, ...) and ends closed. It is ready when the server
has said `session.ready`; requests before that are refused with NotConnected at once, so that queues stay with their
owners. Frames are handled where they arrive, one after another and without awaiting, so there is no inbound queue that
could grow: a slow process stops reading its socket, and TCP holds the server back.

Requests carry an `ackid` that is counted up, and are answered by `ack` or `event_error` with the same one; each has a
deadline, and at most `max_in_flight` wait at a time. When the connection goes, all that wait fail with NotConnected:
whether they were carried out is then unknown, which is why every request of this protocol is safe to repeat.

Liveness: the server sends protocol pings every heartbeat_ms; when nothing at all has been heard for two of them, the
connection counts as dead and is cut. Reconnecting waits by exponential backoff with full jitter, on top of the delay
that a close code 1012 names in its reason; `session.migrate` reconnects after its own delay and without a wait. The
counter of failures goes back only after a connection has been ready for a while, so that one that is thrown out again
and again does not hammer. A refusal of the login (401 or 403 at the upgrade) and the close codes after which the table
says not to come back end the connection for good.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from random import Random
from socket import SHUT_RDWR, SOCK_STREAM
from socket import socket as TcpSocket
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlencode

import msgspec
from picows import (
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSParsedURL,
    WSTransport,
    ws_connect,
)

from xinyu.base.close_codes import CLOSE_CODES
from xinyu.client.backoff import Backoff
from xinyu.client.errors import ApiError, ClientError, ClosedError, NetworkError, NotConnected, ProtocolError
from xinyu.client.shapes import SessionReady, read
from xinyu.dialect import protobuf

log = logging.getLogger(__name__)

# The name of a dialect -> its subprotocol.
SUBPROTOCOLS: Final = {"json": "xinyu.v1.json", "protobuf": protobuf.SUBPROTOCOL}
Dialect = Literal["json", "protobuf"]
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024  # a sync page of 1,000 records of the largest size stays below
STABLE_S: Final = 5.0  # a connection that was ready for so long ends the series of failures
_NUMBER: Final = re.compile(r"\d{1,7}")


class EventError(msgspec.Struct, frozen=True):
    """Event `event_error`: error_code is an HTTP status, reason the stable word."""

    error_code: int
    error_message: str = ""
    reason: str = ""
    retry_after_ms: int | None = None

    def to_error(self) -> ApiError:
        return ApiError(self.error_code, self.error_code, self.reason, self.error_message, self.retry_after_ms)


class _Envelope(msgspec.Struct, frozen=True):
    event: str
    payload: Any = None
    ackid: str = ""


class ConnectionHandler(Protocol):
    """Who owns a connection. All calls come from its event loop and must not block or raise."""

    def on_ready(self, ready: SessionReady) -> None:
        """A connection stands; requests go through from here on."""

    def on_event(self, event: str, payload: Any) -> None:
        """An event that answers no request, decoded from JSON and not yet checked."""

    def on_lost(self) -> None:
        """The connection that was ready is gone."""

    def on_state(self, state: str, detail: str) -> None:
        """connecting, ready, waiting, closed; `detail` for people."""

    def on_stopped(self, error: ClientError) -> None:
        """It will not be made again by itself."""


class _End:
    """How a connection ended: what to wait before the next one, or why there is none."""

    __slots__ = ("at_least_ms", "detail", "planned", "stop")

    def __init__(
        self, detail: str, *, at_least_ms: int = 0, planned: bool = False, stop: ClientError | None = None
    ) -> None:
        self.detail = detail
        self.at_least_ms = at_least_ms
        self.planned = planned
        self.stop = stop


class _Socket(WSListener):
    """One connection's frames: reassembly, pongs, the closing handshake. Envelopes go to the Connection."""

    def __init__(self, owner: Connection, message_kind: WSMsgType) -> None:
        self._owner = owner
        self._message_kind = message_kind
        self._loop = asyncio.get_running_loop()
        self._parts = bytearray()
        self.transport: WSTransport | None = None
        self.heard_s = self._loop.time()
        self.ready: asyncio.Future[SessionReady] = self._loop.create_future()
        self.ended: asyncio.Future[_End] = self._loop.create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard_s = self._loop.time()
        kind = frame.msg_type
        if kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._on_close(transport, frame.get_payload_as_bytes())
        elif kind in (self._message_kind, WSMsgType.CONTINUATION):
            if frame.fin and kind == self._message_kind and not self._parts:
                self._on_message(frame.get_payload_as_bytes())
                return
            self._parts += frame.get_payload_as_memoryview()
            if len(self._parts) > MAX_MESSAGE_BYTES:
                self.end(_End(f"a message of more than {MAX_MESSAGE_BYTES} bytes"), 1009)
            elif frame.fin:
                message, self._parts = bytes(self._parts), bytearray()
                self._on_message(message)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            self.end(_End("a binary frame in a text dialect, or the other way round"), 1003)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._set_end(_End("the connection was lost"))

    def _on_message(self, message: bytes) -> None:
        if self.ended.done():
            return
        try:
            text = message if self._message_kind == WSMsgType.TEXT else protobuf.to_json(message)
            envelope = msgspec.json.decode(text, type=_Envelope)
            if envelope.event == "session.ready" and not self.ready.done():
                self.ready.set_result(read(SessionReady, envelope.payload))
                # Whoever waits for `ready` runs in a later step of the loop, and pushes may stand behind it in this
                # very buffer: the owner must know the connection as ready before it sees them.
                self._owner._on_ready(self)
                return
        except (ValueError, msgspec.MsgspecError, ProtocolError) as error:
            self.end(_End(f"the server sent what is no event: {error}"), 1002)
            return
        self._owner._on_envelope(envelope)

    def _on_close(self, transport: WSTransport, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        reason = payload[2:].decode("utf-8", "replace")
        row = CLOSE_CODES.get(code)
        detail = f"closed by the server: {code} {reason}".rstrip()
        stop: ClientError | None = None
        if row is not None and not row.reconnect:
            stop = ClosedError(detail)
            if code in (4401, 4403):
                stop = ApiError(code - 4000, code - 4000, "unauthenticated" if code == 4401 else "forbidden", detail)
        number = _NUMBER.search(reason) if code == 1012 else None
        self._set_end(_End(detail, at_least_ms=int(number[0]) if number else 0, stop=stop))
        if code != 1005:
            transport.send_close(_close_code(code), None)
        transport.disconnect()

    def end(self, end: _End, code: int) -> None:
        """End the connection from this side."""
        self._set_end(end)
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.send_close(_close_code(code), None)
            self.transport.disconnect()

    def cut(self, end: _End) -> None:
        """End it without a word: the other side does not listen."""
        self._set_end(end)
        if self.transport is not None:
            self.transport.disconnect(False)

    def _set_end(self, end: _End) -> None:
        if not self.ended.done():
            self.ended.set_result(end)


def _close_code(code: int) -> Any:
    """picows types a close code as its own enumeration and takes any int."""
    return code


class Connection:
    """See the module's text. `start` begins; `close` ends it and everything that waits."""

    def __init__(
        self,
        url: str,
        handler: ConnectionHandler,
        *,
        token: Callable[[], str],
        device_id: str,
        platform: str = "pc",
        dialect: Dialect = "json",
        connect_timeout_s: float = 10.0,
        request_timeout_s: float = 10.0,
        max_in_flight: int = 1000,
        backoff: Backoff | None = None,
        random: Random | None = None,
    ) -> None:
        self._url = f"{url}{'&' if '?' in url else '?'}{urlencode({'device_id': device_id, 'platform': platform})}"
        self._handler = handler
        self._token = token
        self._subprotocol = SUBPROTOCOLS[dialect]
        self._message_kind = WSMsgType.TEXT if dialect == "json" else WSMsgType.BINARY
        self._connect_timeout_s = connect_timeout_s
        self._request_timeout_s = request_timeout_s
        self._max_in_flight = max_in_flight
        self._backoff = backoff or Backoff(random=random)
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._count = 0
        self._socket: _Socket | None = None
        self._ready: SessionReady | None = None
        self._task: asyncio.Task[None] | None = None
        self._migration: asyncio.TimerHandle | None = None
        self.heartbeats_missed = 0  # connections that were cut for silence

    @property
    def is_ready(self) -> bool:
        return self._ready is not None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="xinyu-connection")

    async def close(self) -> None:
        """Say goodbye (1000) and end; idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        if self._socket is not None:
            self._socket.end(_End("closed", planned=True), 1000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._lost()
        self._handler.on_state("closed", "")

    def reconnect(self, detail: str = "asked for") -> None:
        """Give up the present connection (if any) and make a new one at once."""
        if self._socket is not None:
            self._socket.end(_End(detail, planned=True), 1000)

    # ------------------------------------------------------------------ requests

    async def request(self, event: str, payload: Any, timeout_s: float | None = None) -> Any:
        """Send an event and wait for its answer: the payload of the ack.

        Raises ApiError (refused), NotConnected (no connection, or lost before the answer), NetworkError (no answer in
        time, or too many requests wait already).
        """
        if len(self._pending) >= self._max_in_flight:
            raise NetworkError(f"{self._max_in_flight} requests wait for an answer already")
        self._count += 1
        ackid = str(self._count)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[ackid] = future
        try:
            self._put({"event": event, "ackid": ackid, "payload": payload})
            async with asyncio.timeout(timeout_s or self._request_timeout_s):
                return await future
        except TimeoutError:
            raise NetworkError(f"no answer to {event} in time") from None
        finally:
            self._pending.pop(ackid, None)

    def post(self, event: str, payload: Any) -> None:
        """Send an event that wants no answer. Raises NotConnected."""
        self._put({"event": event, "payload": payload})

    def _put(self, envelope: dict[str, Any]) -> None:
        socket = self._socket
        if self._ready is None or socket is None or socket.transport is None or socket.transport.is_disconnected:
            raise NotConnected("there is no connection at the moment")
        message = msgspec.json.encode(envelope)
        if self._message_kind == WSMsgType.BINARY:
            message = protobuf.from_json(message)
        socket.transport.send(self._message_kind, message)

    def _on_ready(self, socket: _Socket) -> None:
        if socket is self._socket:
            self._ready = socket.ready.result()
            self._handler.on_state("ready", "")
            self._handler.on_ready(self._ready)

    def _on_envelope(self, envelope: _Envelope) -> None:
        event, payload = envelope.event, envelope.payload
        if envelope.ackid and event in ("ack", "event_error"):
            future = self._pending.get(envelope.ackid)
            if future is None or future.done():
                return  # it came after its deadline
            if event == "ack":
                future.set_result(payload)
            else:
                future.set_exception(_error(payload))
        elif event == "event_error":
            log.warning("the server complains about something that was no request: %s", _error(payload))
        elif event == "ping":
            self.post("pong", None)
        elif event == "session.migrate":
            after_ms = payload.get("after_ms", 0) if isinstance(payload, dict) else 0
            delay_s = max(0, after_ms) / 1000 if isinstance(after_ms, int) else 0.0
            if self._migration is None:
                loop = asyncio.get_running_loop()
                self._migration = loop.call_later(delay_s, self.reconnect, "moved to another gateway")
        elif self._ready is not None:
            self._handler.on_event(event, payload)

    # ------------------------------------------------------------------ life

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._handler.on_state("connecting", "")
            try:
                end = await self._one_connection()
            except Exception as error:  # a mistake of ours: nobody would connect again, and all sends wait for ever
                log.exception("a connection failed")
                end = _End(f"{type(error).__name__}: {error}")
            stable = self._lost(loop.time())
            if end.stop is not None:
                self._handler.on_state("closed", end.detail)
                self._handler.on_stopped(end.stop)
                return
            if stable or end.planned:
                self._backoff.reset()
            wait_ms = 0 if end.planned else self._backoff.next_ms(end.at_least_ms)
            self._handler.on_state("waiting", end.detail)
            await asyncio.sleep(wait_ms / 1000)

    async def _one_connection(self) -> _End:
        """From the first packet to the end of one connection."""
        loop = asyncio.get_running_loop()
        socket = self._socket = _Socket(self, self._message_kind)
        self._ready_at_s = 0.0
        opened: list[TcpSocket] = []

        async def open_tcp(url: WSParsedURL) -> TcpSocket:
            opened.append(await _open_tcp(url.host, url.port))
            return opened[-1]

        try:
            async with asyncio.timeout(self._connect_timeout_s):
                headers = {"Authorization": f"Bearer {self._token()}", "Sec-WebSocket-Protocol": self._subprotocol}
                transport, _ = await ws_connect(
                    lambda: socket,
                    self._url,
                    websocket_handshake_timeout=self._connect_timeout_s,
                    enable_auto_pong=False,
                    max_frame_size=MAX_MESSAGE_BYTES,
                    extra_headers=headers,
                    logger_name=log,
                    socket_factory=open_tcp,
                )
                if transport.response is None:
                    raise ConnectionResetError("the server went before it had answered")
                if transport.response.headers.get("Sec-WebSocket-Protocol") != self._subprotocol:
                    socket.end(_End(f"the server does not speak {self._subprotocol}"), 1002)
                await asyncio.wait((socket.ready, socket.ended), return_when=asyncio.FIRST_COMPLETED)
        except WSHandshakeError as error:
            return _refusal(error)
        except TimeoutError:
            socket.cut(_End("no connection in time"))
        except (OSError, WSError, ValueError) as error:
            socket.cut(_End(f"cannot connect: {error}"))
        except asyncio.CancelledError:
            socket.cut(_End("closed", planned=True))
            raise
        finally:
            if socket.transport is None:  # picows leaves it open when its handshake is given up
                for tcp in opened:
                    with suppress(OSError):
                        tcp.shutdown(SHUT_RDWR)
        if socket.ready.done() and not socket.ended.done():
            self._ready_at_s = loop.time()
            silence_s = 2 * socket.ready.result().heartbeat_ms / 1000
            while not socket.ended.done():
                left_s = socket.heard_s + silence_s - loop.time()
                if left_s <= 0:
                    self.heartbeats_missed += 1
                    socket.cut(_End(f"nothing heard for {silence_s:g} s"))
                    break
                await asyncio.wait((socket.ended,), timeout=left_s)
        return await socket.ended

    def _lost(self, now_s: float = 0.0) -> bool:
        """Forget the connection, fail what waits. True when it had been ready long enough to count as a success."""
        was_ready, self._ready = self._ready is not None, None
        if self._migration is not None:
            self._migration.cancel()
            self._migration = None
        self._socket = None
        for future in self._pending.values():
            if not future.done():
                future.set_exception(NotConnected("the connection was lost before the answer"))
        if was_ready:
            self._handler.on_lost()
        return was_ready and now_s - self._ready_at_s >= STABLE_S

    _ready_at_s = 0.0


async def _open_tcp(host: str, port: int) -> TcpSocket:
    """Connected to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=SOCK_STREAM):
        tcp = TcpSocket(family, kind, protocol)
        tcp.setblocking(False)
        try:
            await loop.sock_connect(tcp, address)
            return tcp
        except OSError as error:
            tcp.close()
            failure = error
        except asyncio.CancelledError:
            tcp.close()
            raise
    raise failure


def _refusal(error: WSHandshakeError) -> _End:
    """The server refused the upgrade."""
    response = error.response
    if response is None:
        return _End(f"cannot connect: {error}")
    status = int(response.status)
    message, reason = "", response.headers.get("X-XinYu-Reason") or ""
    try:
        body = msgspec.json.decode(error.raw_body or b"{}")
        message = str(body.get("message", "")) if isinstance(body, dict) else ""
    except msgspec.DecodeError:
        pass
    detail = f"the server refused the connection: {status} {reason} {message}".rstrip()
    stop = ApiError(status, status, reason, message) if status in (401, 403) else None
    return _End(detail, stop=stop)


def _error(payload: Any) -> ClientError:
    try:
        return read(EventError, payload).to_error()
    except ProtocolError as error:
        return error
