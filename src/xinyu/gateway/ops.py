"""What those who run a process ask it over HTTP: is it alive, should it get traffic, what are its figures.

    GET /healthz    200 while the process lives and its loop turns
    GET /readyz     200, or 503 with {"status": "not ready", "reasons": {check: why}}
    GET /metrics    figures for Prometheus

No login: it listens on loopback unless told otherwise, and tells nothing of users. Requests are bounded like those of
the HTTP gateway (`xinyu.gateway.http.head_deadline`).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from aiohttp import web

from xinyu.base import metrics
from xinyu.base.errors import METHOD_NOT_ALLOWED, NOT_FOUND, XinYuError
from xinyu.base.metrics import Metrics
from xinyu.gateway.http.answer import failure, readiness_answer, success
from xinyu.gateway.http.head_deadline import DeadlineServer
from xinyu.gateway.readiness import Readiness

HEAD_TIMEOUT_S: Final = 5.0
KEEPALIVE_TIMEOUT_S: Final = 75.0
PATHS: Final = ("/healthz", "/readyz", "/metrics")


class OpsServer:
    """`start` as soon as the process has its port, `stop` last of all: who asks meanwhile hears why it is not ready."""

    def __init__(self, readiness: Readiness, figures: Metrics) -> None:
        self._readiness = readiness
        self._figures = figures
        self._server: DeadlineServer | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Owns the bound socket from now on."""
        self._server = DeadlineServer(
            self._handle, head_timeout_s=HEAD_TIMEOUT_S, keepalive_timeout=KEEPALIVE_TIMEOUT_S, access_log=None
        )
        self._listener = await asyncio.get_running_loop().create_server(self._server, sock=listening)

    @property
    def port(self) -> int:
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._listener is not None and self._server is not None:
            self._listener.close()
            self._server.pre_shutdown()
            await self._server.shutdown(1.0)
            self._listener = self._server = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in PATHS:
            return failure(XinYuError(NOT_FOUND))
        if request.method not in ("GET", "HEAD"):
            return failure(XinYuError(METHOD_NOT_ALLOWED), allow="GET, HEAD")
        if request.path == "/healthz":
            return success({"status": "ok"})
        if request.path == "/readyz":
            return readiness_answer(await self._readiness.reasons())
        headers = {"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"}
        return web.Response(body=self._figures.text(), headers=headers)
