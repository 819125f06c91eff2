"""The HTTP gateway: parse, authenticate, limit, call a room, answer. It knows no chat rule.

A request goes through fixed steps, each of which may refuse it: path (404), method (405), rate by address (429), token
(401), rate by user (429), body (408, 413), JSON (400), then the room's handler. Refusals before the body close the
connection only when a body is still on its way. Whatever happens, the answer is JSON with a trace id and the CORS
headers; an exception that is no XinYuError is logged with its trace id and answered as `internal`.

Bounds: heads by count and size (aiohttp's parser) and time, bodies by size and time, connections by number
(`head_deadline`), kept connections by `KEEPALIVE_TIMEOUT_S`. Query strings and headers are never logged.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

import xinyu
from xinyu.base.config import HttpSettings
from xinyu.base.errors import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REQUEST_TIMEOUT,
    SHUTTING_DOWN,
    TOO_LARGE,
    XinYuError,
)
from xinyu.base.token import AccessTokens
from xinyu.base.trace import incoming_trace_id, trace_id
from xinyu.gateway.credentials import Tickets, bearer_token
from xinyu.gateway.decoding import decode
from xinyu.gateway.http import body, cors
from xinyu.gateway.http.answer import failure, success
from xinyu.gateway.http.head_deadline import DeadlineServer
from xinyu.gateway.http.page import Page
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.rate_limit import RateLimit

log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1/"
# Also what ends a head that began in the same packet as the request before it: only later bytes start its clock.
KEEPALIVE_TIMEOUT_S: Final = 30.0
# How long the rest of a refused body is read, so that the client sees the answer before the connection ends.
LINGERING_S: Final = 2.0
_HOST: Final = re.compile(r"([0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A route as the gateway uses it."""

    route: Route
    decoder: Callable[[bytes], Any]


class HttpGateway:
    """`limits` are keyed like `Route.limit`. `is_ready` answers whether the process should get traffic."""

    def __init__(
        self,
        settings: HttpSettings,
        tokens: AccessTokens,
        tickets: Tickets,
        origins: AllowedOrigins,
        routes: Iterable[Route],
        *,
        send_limit: RateLimit,
        entry_limit: RateLimit,
        page_root: Path | None = None,
        websocket_port: Callable[[], int] = lambda: 0,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._tickets = tickets
        self._origins = origins
        self._send_limit = send_limit
        self._entry_limit = entry_limit
        self._websocket_port = websocket_port
        self._is_ready = is_ready
        self._page = Page(page_root)
        self._endpoints: dict[str, _Endpoint] = {}
        for route in routes:
            path = PREFIX + route.path.strip("/").removeprefix(PREFIX.strip("/") + "/")
            if path in self._endpoints or path == _TICKET_PATH:
                raise ValueError(f"two routes for {path}")
            self._endpoints[path] = _Endpoint(route, msgspec.json.Decoder(route.request_type).decode)
        self._ticket_decoder = msgspec.json.Decoder(Nothing).decode
        self._get: dict[str, Callable[[web.BaseRequest], web.Response]] = {
            "/healthz": self._get_health,
            "/readyz": self._get_ready,
            "/_/status": self._get_status,
            "/config.json": self._get_config,
        }
        self._server: DeadlineServer | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Begins to accept from a bound socket, which it owns from now on."""
        self._server = DeadlineServer(
            self.handle,
            head_timeout_s=self._settings.header_timeout_s,
            keepalive_timeout=KEEPALIVE_TIMEOUT_S,
            lingering_time=LINGERING_S,
            access_log=None,
            auto_decompress=False,
        )
        self._listener = await asyncio.get_running_loop().create_server(self._server, sock=listening)

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Accepts no more, lets requests that have begun end within `timeout_s`, closes the rest."""
        if self._listener is None or self._server is None:
            return
        self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)
        self._listener = self._server = None

    # ---------------------------------------------------------------- one request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; raises nothing but CancelledError."""
        headers = request.headers
        trace = incoming_trace_id(headers.get("traceparent", ""), headers.get("X-Trace-Id", ""))
        trace_id.set(trace)
        try:
            response = await self._route(request)
        except XinYuError as error:
            allow = self._allowed_methods(request.path) if error.code is METHOD_NOT_ALLOWED else ""
            response = failure(error, allow=allow)
            if error.code in (TOO_LARGE, REQUEST_TIMEOUT):
                response.force_close()
        except Exception:
            log.exception("request_failed", method=request.method, path=request.path)
            response = failure(XinYuError(INTERNAL))
        cors.apply(response, headers.get("Origin", ""), self._origins)
        response.headers["X-Trace-Id"] = trace
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Server"] = "XinYu"
        if "Upgrade" in headers:
            response.force_close()  # what follows would be in a protocol that is not spoken here
        return response

    async def _route(self, request: web.BaseRequest) -> web.Response:
        method, path = request.method, request.path
        if method == "OPTIONS":
            return cors.preflight()
        endpoint = self._endpoints.get(path)
        if endpoint is not None or path == _TICKET_PATH:
            if method != "POST":
                raise XinYuError(METHOD_NOT_ALLOWED)
            return await (self._call(request, endpoint.route, endpoint.decoder) if endpoint else self._ticket(request))
        get = self._get.get(path)
        if get is None and path not in self._page:
            raise XinYuError(NOT_FOUND)
        if method not in ("GET", "HEAD"):
            raise XinYuError(METHOD_NOT_ALLOWED)
        return get(request) if get else self._page.answer(path, request.headers.get("If-None-Match", ""))

    def _allowed_methods(self, path: str) -> str:
        if path in self._endpoints or path == _TICKET_PATH:
            return "POST, OPTIONS"
        return "GET, HEAD, OPTIONS" if path in self._get or path in self._page else ""

    async def _call(self, request: web.BaseRequest, route: Route, decoder: Callable[[bytes], Any]) -> web.Response:
        address = request.remote or ""
        if route.limit == "entry":
            self._entry_limit.take(address)
        user_id = 0
        headers = request.headers
        if not route.open:
            user_id = self._tokens.verify(bearer_token(headers.get("Authorization", ""))).user_id
            if route.limit == "send":
                self._send_limit.take(user_id)
        payload = decode(decoder, await self._body(request))
        call = HttpCall(
            user_id=user_id,
            codec=1 if headers.get("X-XinYu-Text", "").strip().lower() == "plain" else 0,
            address=address,
            user_agent=headers.get("User-Agent", "")[:255],
            secure=request.secure or _is_loopback(address),
        )
        return success(await route.handler(call, payload))

    async def _ticket(self, request: web.BaseRequest) -> web.Response:
        access = self._tokens.verify(bearer_token(request.headers.get("Authorization", "")))
        decode(self._ticket_decoder, await self._body(request))
        return success({"ticket": await self._tickets.issue(access)})

    async def _body(self, request: web.BaseRequest) -> bytes:
        return await body.read(request, self._settings.max_body_bytes, self._settings.body_timeout_s)

    # ---------------------------------------------------------------- without a token

    def _get_health(self, _request: web.BaseRequest) -> web.Response:
        return success({"status": "ok"})

    def _get_ready(self, _request: web.BaseRequest) -> web.Response:
        if not self._is_ready():
            raise XinYuError(SHUTTING_DOWN)
        return success({"status": "ok"})

    def _get_status(self, _request: web.BaseRequest) -> web.Response:
        return success({"status": "ok", "version": xinyu.__version__})

    def _get_config(self, request: web.BaseRequest) -> web.Response:
        """What the page must know before it can connect. The host name is the one by which the page was reached."""
        url = self._settings.public_websocket_url
        if not url:
            match = _HOST.fullmatch(request.headers.get("Host", ""))
            host = match[1] if match else self._settings.host
            url = f"{'wss' if request.secure else 'ws'}://{host}:{self._websocket_port()}/ws"
        return success({"websocket_url": url, "version": xinyu.__version__})


_TICKET_PATH: Final = PREFIX + "auth/ticket"


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
