"""A deadline for request heads, on aiohttp's server protocol, and its own errors as JSON.

aiohttp waits for ever for a head that does not come, or comes byte by byte. The clock starts when a connection is made,
and again when the first bytes of a later head arrive on a kept connection; it stops when a whole head has been parsed.
A head that is late is answered 408 (nothing at all, where not a byte had come) and the connection closed. Silence
between requests is keep-alive's business, bounded by `keepalive_timeout`.

Bytes count as a head while the protocol waits for its next request (`_waiter`): then no body can be on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sized
from typing import Any, Final

from aiohttp import web

from xinyu.base.errors import INTERNAL, INVALID, REQUEST_TIMEOUT, XinYuError
from xinyu.gateway.http.answer import failure

# One more is closed at once. Their number times the largest head and the read buffer is the memory that strangers hold.
MAX_CONNECTIONS: Final = 10_000


class DeadlineProtocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_head_seen", "_head_timeout_s", "_head_timer", "_server")

    def __init__(self, manager: DeadlineServer, head_timeout_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._server = manager
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_seen = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections_open) > MAX_CONNECTIONS:
            self.force_close()
            return
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and self._is_waiting():
            self._arm()
        super().data_received(data)
        if self._messages:
            self._disarm()
        elif self._head_timer is not None:
            self._head_seen = True

    def _is_waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done() and not self._messages

    def _arm(self) -> None:
        self._head_seen = False
        self._head_timer = self._loop.call_later(self._head_timeout_s, self._expire)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expire(self) -> None:
        self._head_timer = None
        if self._messages or self._request_in_progress:
            return
        if self._head_seen and self.transport is not None:
            answer = failure(XinYuError(REQUEST_TIMEOUT))
            assert isinstance(answer.body, bytes)
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json; charset=utf-8\r\n"
                b"X-XinYu-Reason: request_timeout\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(answer.body), answer.body)
            )
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """aiohttp's own refusals: a request that is not HTTP. What a handler raises never comes here."""
        if status < 500:
            response = failure(XinYuError(INVALID, "The request is not valid HTTP."))
        else:
            self.log_exception("request failed", exc_info=exc)
            response = failure(XinYuError(INTERNAL))
        response.headers["Server"] = "XinYu"
        response.force_close()
        return response


class DeadlineServer(web.Server):
    """Makes a DeadlineProtocol for each connection."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        head_timeout_s: float,
        **options: Any,
    ) -> None:
        super().__init__(handler)
        self._head_timeout_s = head_timeout_s
        self._options = options

    @property
    def connections_open(self) -> Sized:
        return self._connections

    def __call__(self) -> web.RequestHandler:
        return DeadlineProtocol(self, self._head_timeout_s, loop=self._loop, **self._options)
