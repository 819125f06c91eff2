"""What the HTTP gateway answers: always JSON, a failure always the same three fields (contract: http-api, "Rules").

Success is status 200 and the data itself; failure is the status of the table of errors and exactly
{"code", "message", "data"}, with the stable reason word in X-XinYu-Reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from xinyu.base.errors import XinYuError

EMPTY_OBJECT: Final = b"{}"
_JSON: Final = "application/json; charset=utf-8"
_encode: Final = msgspec.json.Encoder().encode


def success(data: Any) -> web.Response:
    """`None` = `{}`; `msgspec.Raw` goes in as it is."""
    if data is None:
        body = EMPTY_OBJECT
    elif isinstance(data, msgspec.Raw):
        body = bytes(data)
    else:
        body = _encode(data)
    return web.Response(body=body, headers={"Content-Type": _JSON, "Cache-Control": "no-store"})


def readiness_answer(reasons: Mapping[str, str]) -> web.Response:
    """200 where there is nothing that speaks against traffic, else 503 and what does."""
    if not reasons:
        return success({"status": "ok"})
    headers = {"Content-Type": _JSON, "Cache-Control": "no-store", "Retry-After": "1"}
    return web.Response(status=503, body=_encode({"status": "not ready", "reasons": reasons}), headers=headers)


def failure(error: XinYuError, *, allow: str = "") -> web.Response:
    """`allow`: the methods that this address takes (RFC 9110, section 15.5.6)."""
    data = None if error.retry_after_ms is None else {"retry_after_ms": error.retry_after_ms}
    headers = {"Content-Type": _JSON, "Cache-Control": "no-store", "X-XinYu-Reason": error.reason}
    if allow:
        headers["Allow"] = allow
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    body = _encode({"code": error.status, "message": error.message, "data": data})
    return web.Response(status=error.status, body=body, headers=headers)
