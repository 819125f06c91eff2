"""The body of a request, read under a deadline and a bound."""

from __future__ import annotations

import asyncio

from aiohttp import web

from xinyu.base.errors import BAD_JSON, REQUEST_TIMEOUT, TOO_LARGE, XinYuError


async def read(request: web.BaseRequest, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, which is UTF-8. Raises BAD_JSON, TOO_LARGE (as soon as that is known) or REQUEST_TIMEOUT; after
    the last two the connection must not be used again, since the rest of the body may still come."""
    length = request.content_length
    if length is not None and length > max_bytes:
        raise XinYuError(TOO_LARGE)
    if "Content-Encoding" in request.headers:
        raise XinYuError(BAD_JSON, "Compressed requests are not taken.")
    content = request.content
    if content.is_eof():
        body: bytes = content.read_nowait()
        if len(body) > max_bytes:
            raise XinYuError(TOO_LARGE)
        return _utf8(body)
    await expect(request)
    parts = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while part := await content.readany():
                parts += part
                if len(parts) > max_bytes:
                    raise XinYuError(TOO_LARGE)
    except TimeoutError:
        raise XinYuError(REQUEST_TIMEOUT) from None
    except web.RequestPayloadError:
        raise XinYuError(BAD_JSON) from None
    return _utf8(bytes(parts))


async def expect(request: web.BaseRequest) -> None:
    """Tells a client that waits for it to go on with its body (RFC 9110, section 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _utf8(body: bytes) -> bytes:
    """The decoder does not look into what a route takes unread."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise XinYuError(BAD_JSON) from None
    return body
