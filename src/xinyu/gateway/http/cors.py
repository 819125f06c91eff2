"""Cross-origin access (Fetch standard, "CORS protocol"; contract: http-api, "CORS").

Page and API are different origins in most set-ups. Every answer to an allowed origin names it, errors included; a
foreign origin gets the same answer without that header, so its page cannot read it. No cookies are used.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from xinyu.gateway.origins import AllowedOrigins

METHODS: Final = "GET, POST, OPTIONS"
_REQUEST_HEADERS: Final = "content-type, authorization, x-xinyu-text, x-trace-id, traceparent"
_EXPOSED_HEADERS: Final = "x-xinyu-reason, x-trace-id"
_MAX_AGE_S: Final = "600"


def preflight() -> web.Response:
    """The answer to OPTIONS, on any path; `apply` adds the origin."""
    return web.Response(status=204, headers={"Allow": METHODS})


def apply(response: web.StreamResponse, origin: str, allowed: AllowedOrigins) -> None:
    """Puts the headers for a request that carried `origin` on its answer."""
    headers = response.headers
    headers["Vary"] = "Origin"
    if not origin or not allowed.allows(origin):
        return
    headers["Access-Control-Allow-Origin"] = origin
    if response.status == 204:
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = _MAX_AGE_S
    headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
