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
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
    TOO_LARGE,
    UNKNOWN_FILE,
    XinYuError,
)
from xinyu.base.logging import is_debug
from xinyu.base.metrics import Distribution, Metrics
from xinyu.base.token import AccessTokens
from xinyu.base.trace import incoming_trace_id, trace_id
from xinyu.gateway.credentials import Tickets, bearer_token
from xinyu.gateway.decoding import decode
from xinyu.gateway.http import body, cors, download, streaming
from xinyu.gateway.http.answer import failure, readiness_answer, success
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.head_deadline import DeadlineServer
from xinyu.gateway.http.page import Page
from xinyu.gateway.http.route import (
    AnyRoute,
    Download,
    DownloadRoute,
    FormRoute,
    HttpCall,
    Nothing,
    PublicFiles,
    Route,
    Stream,
    StreamRoute,
)
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.proxies import Client, TrustedProxies
from xinyu.gateway.rate_limit import RateLimit
from xinyu.gateway.readiness import Readiness
from xinyu.storage.blobs import Blobs

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
    """`limits` are keyed like `Route.limit`. `readiness` answers whether the process should get traffic. `blobs` is
    where downloads are read from; needed by DownloadRoutes and `public_files`."""

    def __init__(
        self,
        settings: HttpSettings,
        tokens: AccessTokens,
        tickets: Tickets,
        origins: AllowedOrigins,
        routes: Iterable[AnyRoute],
        *,
        blobs: Blobs | None = None,
        public_files: PublicFiles | None = None,
        send_limit: RateLimit,
        entry_limit: RateLimit,
        page_root: Path | None = None,
        websocket_port: Callable[[], int] = lambda: 0,
        readiness: Readiness | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._tickets = tickets
        self._origins = origins
        self._send_limit = send_limit
        self._entry_limit = entry_limit
        self._websocket_port = websocket_port
        self._readiness = readiness
        self._answers: dict[int, Distribution] = {}  # by status: how long they took
        self._proxies = proxies or TrustedProxies()
        self._page = Page(page_root)
        self._blobs = blobs
        self._public_files = public_files
        self._endpoints: dict[str, _Endpoint] = {}
        self._forms: dict[str, FormRoute] = {}
        self._downloads: dict[str, DownloadRoute | StreamRoute] = {}
        taken = {_TICKET_PATH}
        for route in routes:
            path = PREFIX + route.path.strip("/").removeprefix(PREFIX.strip("/") + "/")
            if path in taken:
                raise ValueError(f"two routes for {path}")
            taken.add(path)
            if isinstance(route, FormRoute):
                self._forms[path] = route
            elif isinstance(route, (DownloadRoute, StreamRoute)):
                self._downloads[path] = route
            else:
                self._endpoints[path] = _Endpoint(route, msgspec.json.Decoder(route.request_type).decode)
        self._ticket_decoder = msgspec.json.Decoder(Nothing).decode
        self._get: dict[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
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

    def measure(self, metrics: Metrics) -> None:
        metrics.distributions(
            "xinyu_http_seconds",
            "From a request's head to its answer.",
            ("status",),
            lambda: [((str(status),), answers) for status, answers in self._answers.items()],
        )
        metrics.gauge(
            "xinyu_http_connections",
            "Open connections of HTTP.",
            lambda: len(self._server.connections_open) if self._server is not None else 0,
        )

    # ---------------------------------------------------------------- one request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; raises nothing but CancelledError."""
        loop = asyncio.get_running_loop()
        headers, began_s = request.headers, loop.time()
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
        took_s = loop.time() - began_s
        answers = self._answers.get(response.status)
        if answers is None:
            answers = self._answers[response.status] = Distribution()
        answers.observe(took_s)
        if is_debug():
            log.debug(
                "request_answered",
                method=request.method,
                path=request.path,
                status=response.status,
                took_ms=round(took_s * 1000, 2),
                address=self._client(request).address,
            )
        return response

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        method, path = request.method, request.path
        if method == "OPTIONS":
            return cors.preflight()
        endpoint = self._endpoints.get(path)
        if endpoint is not None or path == _TICKET_PATH:
            if method != "POST":
                raise XinYuError(METHOD_NOT_ALLOWED)
            return await (self._call(request, endpoint.route, endpoint.decoder) if endpoint else self._ticket(request))
        if (form := self._forms.get(path)) is not None:
            if method != "POST":
                raise XinYuError(METHOD_NOT_ALLOWED)
            return await self._form(request, form)
        get = self._get.get(path)
        if get is None and path not in self._page and path not in self._downloads and not self._is_file(path):
            raise XinYuError(NOT_FOUND)
        if method not in ("GET", "HEAD"):
            raise XinYuError(METHOD_NOT_ALLOWED)
        if path in self._downloads:
            return await self._download(request, self._downloads[path])
        if self._is_file(path):
            return await self._public_file(request)
        return await get(request) if get else self._page.answer(path, request.headers.get("If-None-Match", ""))

    def _allowed_methods(self, path: str) -> str:
        if path in self._endpoints or path in self._forms or path == _TICKET_PATH:
            return "POST, OPTIONS"
        is_read = path in self._get or path in self._page or path in self._downloads or self._is_file(path)
        return "GET, HEAD, OPTIONS" if is_read else ""

    def _is_file(self, path: str) -> bool:
        return self._public_files is not None and path.startswith(self._public_files.prefix)

    async def _call(self, request: web.BaseRequest, route: Route, decoder: Callable[[bytes], Any]) -> web.Response:
        client = self._client(request)
        if route.limit == "entry":
            self._entry_limit.take(client.address)
        user_id = 0
        headers = request.headers
        if not route.open:
            user_id = self._tokens.verify(bearer_token(headers.get("Authorization", ""))).user_id
            if route.limit == "send":
                self._send_limit.take(user_id)
        payload = decode(decoder, await self._body(request))
        call = HttpCall(
            user_id=user_id,
            codec=_codec(headers),
            address=client.address,
            user_agent=headers.get("User-Agent", "")[:255],
            secure=client.is_secure,
        )
        return success(await route.handler(call, payload))

    async def _form(self, request: web.BaseRequest, route: FormRoute) -> web.Response:
        headers = request.headers
        user_id = self._tokens.verify(bearer_token(headers.get("Authorization", ""))).user_id
        if route.limit == "send":
            self._send_limit.take(user_id)
        call = HttpCall(user_id, _codec(headers), self._client(request).address, "", False, self._base_url(request))
        return success(await route.handler(call, Form(request, route.max_file_bytes, self._settings.upload_timeout_s)))

    async def _download(self, request: web.BaseRequest, route: DownloadRoute | StreamRoute) -> web.StreamResponse:
        query = dict(request.query)
        token = bearer_token(request.headers.get("Authorization", "")) or query.get("token", "")
        user_id = self._tokens.verify(token).user_id
        asked = decode(lambda data: msgspec.convert(data, route.request_type, strict=False), query)
        call = HttpCall(user_id, 0, self._client(request).address, "", False)
        found = await route.handler(call, asked)
        if isinstance(found, Stream):
            return await streaming.answer(request, found)
        return await self._blob(request, found)

    async def _public_file(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._public_files is not None
        found = self._public_files.find(request.path.removeprefix(self._public_files.prefix))
        if found is None:
            raise XinYuError(UNKNOWN_FILE)
        return await self._blob(request, found)

    async def _blob(self, request: web.BaseRequest, found: Download) -> web.StreamResponse:
        assert self._blobs is not None
        return await download.answer(request, self._blobs, found)

    def _base_url(self, request: web.BaseRequest) -> str:
        """Where clients reach this gateway. What a client says of itself is taken only where an allowed origin agrees:
        it goes into addresses that others will open."""
        if self._settings.public_url:
            return self._settings.public_url
        scheme = "https" if self._client(request).is_https else "http"
        host = request.headers.get("Host", "")
        if _HOST.fullmatch(host) and self._origins.allows(f"{scheme}://{host}"):
            return f"{scheme}://{host}"
        transport = request.transport
        address, port = transport.get_extra_info("sockname")[:2] if transport is not None else ("", 0)
        return f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}"

    def _client(self, request: web.BaseRequest) -> Client:
        headers = request.headers
        return self._proxies.client(
            request.remote or "", lambda name: ",".join(headers.getall(name, ())), is_https=request.secure
        )

    async def _ticket(self, request: web.BaseRequest) -> web.Response:
        access = self._tokens.verify(bearer_token(request.headers.get("Authorization", "")))
        decode(self._ticket_decoder, await self._body(request))
        return success({"ticket": await self._tickets.issue(access)})

    async def _body(self, request: web.BaseRequest) -> bytes:
        return await body.read(request, self._settings.max_body_bytes, self._settings.body_timeout_s)

    # ---------------------------------------------------------------- without a token

    async def _get_health(self, _request: web.BaseRequest) -> web.Response:
        return success({"status": "ok"})

    async def _get_ready(self, _request: web.BaseRequest) -> web.Response:
        return readiness_answer(await self._readiness.reasons() if self._readiness else {})

    async def _get_status(self, _request: web.BaseRequest) -> web.Response:
        return success({"status": "ok", "version": xinyu.__version__})

    async def _get_config(self, request: web.BaseRequest) -> web.Response:
        """What the page must know before it can connect. The host name is the one by which the page was reached."""
        url = self._settings.public_websocket_url
        if not url or url.startswith("/"):
            match = _HOST.fullmatch(request.headers.get("Host", ""))
            host = match[1] if match else self._settings.host
            authority, path = (match[0] if match else host, url) if url else (f"{host}:{self._websocket_port()}", "/ws")
            url = f"{'wss' if self._client(request).is_https else 'ws'}://{authority}{path}"
        return success({"websocket_url": url, "version": xinyu.__version__})


_TICKET_PATH: Final = PREFIX + "auth/ticket"


def _codec(headers: Mapping[str, str]) -> int:
    return 1 if headers.get("X-XinYu-Text", "").strip().lower() == "plain" else 0
